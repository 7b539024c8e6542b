# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packers for tests: containers of zstd, lz4 and lzop around data as it is, so that no tool is needed; and the tools, where they are."""

from __future__ import annotations

import binascii
import bz2
import gzip
import lzma
import shutil
import struct
import subprocess
import zlib

BLOCK = 128 << 10
LEGACY = b"\x02\x21\x4c\x18"


def pieces(data, size=BLOCK):
    return [data[start : start + size] for start in range(0, len(data), size)]


def skippable(data=b"skip me", magic=0x184D2A50):
    return struct.pack("<II", magic, len(data)) + data


def zstd_block(kind, size, data, last=False):
    """Return a block. `kind`: 0 raw, 1 RLE, 2 packed, 3 reserved."""
    return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data


def zstd(data, window=0x38, descriptor=0, rest=b""):
    """Return a frame of raw blocks. `window`: the byte of the window (0x38: 128 KiB); `rest`: what the descriptor says that follows."""
    found = b"\x28\xb5\x2f\xfd" + bytes([descriptor])
    if not descriptor & 0x20:
        found += bytes([window])
    blocks = [zstd_block(0, len(piece), piece) for piece in pieces(data)]
    return found + rest + b"".join(blocks) + zstd_block(0, 0, b"", last=True)


def lz4(data, block_checksums=False, content_size=True):
    """Return a modern frame of blocks that are stored, with checksums."""
    header = bytes([0x40 | 0x20 | 0x04 | (0x10 if block_checksums else 0) | (0x08 if content_size else 0), 0x40])
    if content_size:
        header += struct.pack("<Q", len(data))
    found = b"\x04\x22\x4d\x18" + header + bytes([xxh32(header) >> 8 & 0xFF])
    for piece in pieces(data, 64 << 10):
        found += struct.pack("<I", 1 << 31 | len(piece)) + piece
        if block_checksums:
            found += struct.pack("<I", xxh32(piece))
    return found + struct.pack("<II", 0, xxh32(data))


def lz4_legacy(data):
    """Return a legacy frame; each block is one run of literals."""
    return LEGACY + b"".join(struct.pack("<I", len(block)) + block for block in map(_literals, pieces(data, 8 << 20)))


def _literals(data):
    if len(data) < 15:
        return bytes([len(data) << 4]) + data
    more = len(data) - 15
    return b"\xf0" + b"\xff" * (more // 255) + bytes([more % 255]) + data


def lzop(data, name=b"", flags=0x01 | 0x02, extra=None):
    """Return a member of blocks that are stored. Flags 1, 2: adler32 of the data, of the packed data; 0x100, 0x200: crc32 likewise."""
    flags |= 0x40 if extra is not None else 0
    header = struct.pack(">HHHBBIIIIB", 0x1040, 0x20A0, 0x0940, 1, 5, flags, 0o100644, 1000000000, 0, len(name)) + name
    found = b"\x89LZO\x00\r\n\x1a\n" + header + struct.pack(">I", zlib.adler32(header))
    if extra is not None:
        field = struct.pack(">I", len(extra)) + extra
        found += field + struct.pack(">I", zlib.adler32(field))
    for piece in pieces(data, 256 << 10):
        found += struct.pack(">II", len(piece), len(piece))
        found += struct.pack(">I", zlib.adler32(piece)) if flags & 0x01 else b""
        found += struct.pack(">I", binascii.crc32(piece)) if flags & 0x100 else b""
        found += piece
    return found + bytes(4)


def lzma_alone(data):
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


PACKERS = {
    "gzip": (gzip.compress,),
    "xz": (lzma.compress, lambda data: lzma.compress(data, check=lzma.CHECK_CRC32)),
    "bzip2": (bz2.compress,),
    "lzma": (lzma_alone,),
    "zstd": (zstd,),
    "lz4": (lz4, lz4_legacy, lambda data: lz4(data, block_checksums=True, content_size=False)),
    "lzop": (lzop,),
}


def by_tool(data, *command):
    """Return what a tool makes of `data`; None where it is not installed."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def xxh32(data, seed=0):
    """The checksum of lz4: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md."""
    mask = 0xFFFFFFFF
    primes = (2654435761, 2246822519, 3266489917, 668265263, 374761393)

    def rotated(value, count):
        return (value << count | value >> (32 - count)) & mask

    left = memoryview(data)
    if len(data) >= 16:
        lanes = [(seed + primes[0] + primes[1]) & mask, (seed + primes[1]) & mask, seed, (seed - primes[0]) & mask]
        whole = len(data) // 16 * 16
        for group in struct.iter_unpack("<4I", left[:whole]):
            lanes = [rotated((lane + word * primes[1]) & mask, 13) * primes[0] & mask for lane, word in zip(lanes, group)]
        total = sum(rotated(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18)))
        left = left[whole:]
    else:
        total = seed + primes[4]
    total = (total + len(data)) & mask
    while len(left) >= 4:
        total = rotated((total + struct.unpack("<I", left[:4])[0] * primes[2]) & mask, 17) * primes[3] & mask
        left = left[4:]
    for byte in left:
        total = rotated((total + byte * primes[4]) & mask, 11) * primes[0] & mask
    total = (total ^ total >> 15) * primes[1] & mask
    total = (total ^ total >> 13) * primes[2] & mask
    return total ^ total >> 16
