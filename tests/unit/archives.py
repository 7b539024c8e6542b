# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers of cpio and tar archives for tests: they write what they are told, right or wrong, and share no line with the readers.

Both have the same methods, which return the archive itself, so that one test can run over all formats (see `FORMATS`, `new`):

    new("newc").directory(b"d", 0o755).file(b"d/a", b"data", uid=1).symlink(b"l", b"d/a").node(b"null", CHARACTER, rdev=(1, 3)).end()

    Archive(magic)  cpio; magic 070701 newc, 070702 crc, 070707 odc, c7 71 binary (little endian), 71 c7 binary (big endian)
    Tar(style)      tar; style v7, ustar, gnu or pax
    .file(name, data, mode) .directory(name, mode) .symlink(name, target) .node(name, kind): further fields by name, the same for
        both are uid, gid, mtime and rdev; see header() and tar_header() for the rest
    .hardlink(name, target, data=b"")    a further name of a file that file() wrote with nlink=2 or more; data for cpio only
    .raw(data)      these bytes as they are
    .end(padding)   the bytes of the whole archive with its end mark

Only Tar: .sparse(name, parts, size, version), .pax(records) before a member, .long(name, kind).
"""

from __future__ import annotations

FILE, DIRECTORY, SYMLINK = 0o100000, 0o040000, 0o120000
CHARACTER, BLOCK, FIFO, SOCKET = 0o020000, 0o060000, 0o010000, 0o140000
NEWC, CRC, ODC, BINARY, BINARY_SWAPPED = b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7"
CPIO_FORMATS = {"newc": NEWC, "crc": CRC, "odc": ODC, "bin": BINARY, "bin-swapped": BINARY_SWAPPED}
TAR_FORMATS = ("v7", "ustar", "gnu", "pax")
FORMATS = (*CPIO_FORMATS, *TAR_FORMATS)


def new(name):
    """Return an empty archive of one of FORMATS."""
    return Tar(name) if name in TAR_FORMATS else Archive(CPIO_FORMATS[name])


# --- cpio ---


def header(name, mode=FILE | 0o644, data=b"", *, magic=NEWC, ino=0, uid=0, gid=0, nlink=1, mtime=1000000000, filesize=None, dev=(8, 1),
           rdev=(0, 0), namesize=None, check=0, nul=b"\0", fields=None):
    """Return one entry. `filesize`, `namesize`: what the header says instead of the truth. `fields`: {index: its raw bytes}."""
    raw = name + nul
    filesize = len(data) if filesize is None else filesize
    namesize = len(raw) if namesize is None else namesize
    old_dev, old_rdev = dev[0] << 8 | dev[1], rdev[0] << 8 | rdev[1]
    if magic in (NEWC, CRC):
        align = 4
        texts = [b"%08X" % number for number in (
            ino, mode, uid, gid, nlink, mtime, filesize, dev[0], dev[1], rdev[0], rdev[1], namesize, check)]
    elif magic == ODC:
        align = 1
        texts = [b"%06o" % number for number in (old_dev, ino, mode, uid, gid, nlink, old_rdev)]
        texts += [b"%011o" % mtime, b"%06o" % namesize, b"%011o" % filesize]
    else:
        align = 2
        order = "little" if magic == BINARY else "big"
        texts = [number.to_bytes(2, order) for number in (
            old_dev, ino, mode, uid, gid, nlink, old_rdev, mtime >> 16, mtime & 0xFFFF, namesize, filesize >> 16, filesize & 0xFFFF)]
    for index, text in (fields or {}).items():
        texts[index] = text
    head = magic + b"".join(texts) + raw
    return head + b"\0" * (-len(head) % align) + data + b"\0" * (-len(data) % align)


def trailer(magic=NEWC):
    """Return the end mark."""
    return header(b"TRAILER!!!", 0, magic=magic, mtime=0, dev=(0, 0))


class Archive:
    """A cpio archive in the making; numbers inodes by itself."""

    def __init__(self, magic=NEWC):
        self.magic = magic
        self.parts = []
        self.ino = 100
        self.inodes = {}  # of each name, with how many names it said to have

    def add(self, name, mode, data=b"", **fields):
        self.ino += 1
        if self.magic == CRC and mode & 0o170000 == FILE and data:
            fields.setdefault("check", sum(data) & 0xFFFFFFFF)
        fields.setdefault("ino", self.ino if self.magic in (NEWC, CRC) else self.ino & 0xFFFF)
        self.inodes[name] = fields["ino"], fields.get("nlink", 1), mode, data, fields
        self.parts.append(header(name, mode, data, magic=self.magic, **fields))
        return self

    def file(self, name, data=b"data", mode=0o644, **fields):
        return self.add(name, FILE | mode, data, **fields)

    def directory(self, name, mode=0o755, **fields):
        return self.add(name, DIRECTORY | mode, nlink=2, **fields)

    def symlink(self, name, target, **fields):
        return self.add(name, SYMLINK | 0o777, target, **fields)

    def node(self, name, kind, **fields):
        return self.add(name, kind | 0o644, **fields)

    def hardlink(self, name, target, data=b""):
        """odc and binary repeat the data of the first name by themselves, as their writers do."""
        ino, nlink, mode, first_data, fields = self.inodes[target]
        if self.magic not in (NEWC, CRC):
            data = first_data
        return self.add(name, mode, data, **{**fields, "ino": ino, "nlink": nlink, "check": sum(data) if self.magic == CRC else 0})

    def raw(self, data):
        self.parts.append(data)
        return self

    def end(self, padding=0):
        """Return the bytes, with the end mark and `padding` zeros."""
        return b"".join(self.parts) + trailer(self.magic) + b"\0" * padding


# --- tar ---


def padded(data):
    """Return the data with zeros up to the end of its block."""
    return data + b"\0" * (-len(data) % 512)


def octal(number, width):
    """Return a number as tar has it: octal with a NUL, or 256-based where that is too short."""
    if 0 <= number < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, number)
    return bytes([0x80 if number >= 0 else 0xFF]) + (number & (1 << 8 * (width - 1)) - 1).to_bytes(width - 1, "big")


def tar_header(name, kind=b"0", data=b"", *, style="ustar", mode=0o644, uid=0, gid=0, mtime=1000000000, size=None, linkname=b"",
               rdev=(0, 0), prefix=b"", checksum=None, fields=None):
    """Return one header block and the padded data. `size`, `checksum`: what the header says instead of the truth.

    `fields`: {offset: raw bytes to put there}, before the checksum is made. `checksum`: 8 raw bytes.
    """
    block = bytearray(512)

    def put(offset, raw):
        block[offset:offset + len(raw)] = raw

    put(0, name[:100])
    put(100, octal(mode, 8) + octal(uid, 8) + octal(gid, 8))
    put(124, octal(len(data) if size is None else size, 12) + octal(mtime, 12))
    put(156, kind + linkname[:100])
    if style != "v7":
        put(257, b"ustar  \0" if style == "gnu" else b"ustar\x0000")
        put(265, b"root")
        put(297, b"root")
        put(329, octal(rdev[0], 8) + octal(rdev[1], 8))
        put(345, prefix)
    for offset, raw in (fields or {}).items():
        put(offset, raw)
    put(148, b" " * 8)
    put(148, b"%06o\0 " % sum(block) if checksum is None else checksum)
    return bytes(block) + padded(data)


def with_checksums(data):
    """Return the bytes with a right checksum in each block that says to be a header of tar: mutants are looked at beyond it."""
    blocks = bytearray(data)
    for begin in range(0, len(blocks) - 511, 512):
        if blocks[begin + 257:begin + 262] == b"ustar":
            blocks[begin + 148:begin + 156] = b" " * 8
            blocks[begin + 148:begin + 156] = b"%06o\0 " % sum(blocks[begin:begin + 512])
    return bytes(blocks)


def pax_records(records):
    """Return the data of an extended header. `records`: pairs of bytes, in order."""
    lines = []
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        lines.append(b"%d" % length + rest)
    return b"".join(lines)


class Tar:
    """A tar archive in the making. `style`: v7, ustar, gnu or pax; names too long for it go into what it has for them.

    pax: each member has an extended header with at least its mtime, which may be text (b"1.25").
    """

    KINDS = {CHARACTER: b"3", BLOCK: b"4", FIFO: b"6"}

    def __init__(self, style="ustar"):
        self.style = style
        self.parts = []
        self.files = {}  # fields of each file by name, for its further names

    def add(self, name, kind, data=b"", **fields):
        linkname = fields.get("linkname", b"")
        if self.style == "gnu":
            if len(linkname) > 100:
                self.long(linkname, b"K")
            if len(name) > 100:
                self.long(name, b"L")
        elif self.style == "pax":
            mtime = fields.get("mtime", 1000000000)
            mtime = mtime if isinstance(mtime, bytes) else b"%d" % mtime
            fields["mtime"] = int(mtime.partition(b".")[0])
            records = [(b"mtime", mtime)]
            records += [(b"path", name)] if len(name) > 100 else []
            records += [(b"linkpath", linkname)] if len(linkname) > 100 else []
            self.pax(records)
        elif self.style == "ustar" and len(name) > 100:
            at = name.index(b"/", len(name) - 101)
            fields["prefix"], name = name[:at], name[at + 1:]
        return self.raw(tar_header(name, kind, data, style="ustar" if self.style == "pax" else self.style, **fields))

    def file(self, name, data=b"data", mode=0o644, nlink=1, **fields):
        self.files[name] = {"mode": mode, **fields}
        return self.add(name, b"\0" if self.style == "v7" else b"0", data, mode=mode, **fields)

    def directory(self, name, mode=0o755, **fields):
        if self.style == "v7":
            return self.add(name + b"/", b"\0", mode=mode, **fields)
        return self.add(name, b"5", mode=mode, **fields)

    def symlink(self, name, target, **fields):
        return self.add(name, b"2", mode=0o777, linkname=target, **fields)

    def node(self, name, kind, **fields):
        return self.add(name, self.KINDS[kind], **fields)

    def hardlink(self, name, target, **fields):
        return self.add(name, b"1", linkname=target, **{**self.files.get(target, {}), **fields})

    def pax(self, records, kind=b"x", name=b"PaxHeaders/x"):
        """An extended header; b'g': a global one. `records`: pairs of bytes, or bytes as they are."""
        return self.raw(tar_header(name, kind, records if isinstance(records, bytes) else pax_records(records)))

    def long(self, name, kind=b"L"):
        """GNU's long name (L) or long name of a link (K) of the next member."""
        return self.raw(tar_header(b"././@LongLink", kind, name + b"\0", style="gnu", mode=0, mtime=0))

    def sparse(self, name, parts, size, version):
        """A file with holes. `parts`: (offset, data). `version`: old, 0.0, 0.1 or 1.0."""
        data = b"".join(part for _offset, part in parts)
        pairs = [(offset, len(part)) for offset, part in parts]
        if version == "old":
            return self._old_sparse(name, data, pairs, size)
        prefix = b"GNU.sparse."
        records = [(prefix + b"size", b"%d" % size), (prefix + b"numblocks", b"%d" % len(pairs))]
        if version == "0.0":
            for offset, count in pairs:
                records += [(prefix + b"offset", b"%d" % offset), (prefix + b"numbytes", b"%d" % count)]
            return self.pax(records).raw(tar_header(name, b"0", data))
        if version == "0.1":
            numbers = b",".join(b"%d,%d" % pair for pair in pairs)
            self.pax([*records, (prefix + b"name", name), (prefix + b"map", numbers)])
            return self.raw(tar_header(b"GNUSparseFile.7/x", b"0", data))
        self.pax([(prefix + b"major", b"1"), (prefix + b"minor", b"0"), (prefix + b"name", name), (prefix + b"realsize", b"%d" % size)])
        numbers = padded(b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs))
        return self.raw(tar_header(b"GNUSparseFile.7/x", b"0", numbers + data))

    def _old_sparse(self, name, data, pairs, size):
        texts = [octal(offset, 12) + octal(count, 12) for offset, count in pairs]
        fields = {386: b"".join(texts[:4]), 482: b"\1" if texts[4:] else b"\0", 483: octal(size, 12)}
        blocks = b""
        for begin in range(4, len(texts), 21):
            blocks += b"".join(texts[begin:begin + 21]).ljust(504, b"\0") + (b"\1" if texts[begin + 21:] else b"\0") + b"\0" * 7
        return self.raw(tar_header(name, b"S", size=len(data), style="gnu", fields=fields) + blocks + padded(data))

    def raw(self, data):
        self.parts.append(data)
        return self

    def end(self, padding=0):
        """Return the bytes, with an end mark of two blocks and `padding` zeros."""
        return b"".join(self.parts) + b"\0" * (1024 + padding)
