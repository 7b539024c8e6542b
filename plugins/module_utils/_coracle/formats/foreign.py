# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people hand in by mistake: named, with what to do about it."""

from __future__ import annotations

from ..base.errors import ArchiveError
from . import tar_headers
from .compression import codecs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .compression.stream import Stream

GIVE = "Give an initrd or another archive of a root file system: cpio (newc, crc, odc, binary) or tar, compressed or not"
_LOOK = 68 << 10  # bytes of a file system image or a disk that may tell what it is
_AGAIN = "Copy the image again"
_UNPACK = "Unpack it, and give the archive that is inside"
_PACK = "Mount it, and make an archive of its files: tar -C MOUNTED -c . | gzip > NEW"
_KERNEL = "Give the initrd that stands beside it"
_TEXT = frozenset(range(32, 127)) | {9, 10, 13}

# Offset in the file, the bytes there, what has them, what to do. The first that fits counts.
_KNOWN = (
    (0, b"\xed\xab\xee\xdb", "an RPM package", "Take the archive out of it: rpm2cpio PACKAGE > NEW"),
    (0, b"!<arch>\n", "an ar archive, such as a Debian package", "Take the archive out of it: ar p PACKAGE data.tar.xz > NEW"),
    (0, b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", GIVE),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"hsqs", "a squashfs image", "Unpack it with unsquashfs, and make an archive of its files"),
    (0, b"sqsh", "a squashfs image", "Unpack it with unsquashfs, and make an archive of its files"),
    (0, b"\x45\x3d\xcd\x28", "a cramfs image", _PACK),
    (0, b"-rom1fs-", "a romfs image", _PACK),
    (0, b"QFI\xfb", "a qcow2 disk image", _PACK),
    (0, b"\x27\x05\x19\x56", "an image for U-Boot", "Take the initrd out of it: dumpimage -p 0 -o NEW IMAGE"),
    (0, b"070727", "a cpio archive of afio's own format", "Make the archive with: find . | cpio -o -H newc > NEW"),
    (0, b"\x7fELF", "a program", GIVE),
    (0, b"MZ", "a Linux kernel or a program for EFI", _KERNEL),
    (514, b"HdrS", "a Linux kernel", _KERNEL),
    (0, b"\x1f\x9d", "compressed with compress", "Repack it: gzip -dc IMAGE | gzip > NEW"),
    (0, b"\x1f\xa0", "compressed with an older gzip's lzh", "Repack it: gzip -dc IMAGE | gzip > NEW"),
    (0, b"LZIP", "compressed with lzip", "Repack it: lzip -dc IMAGE | gzip > NEW"),
    (32769, b"CD001", "an ISO 9660 image", _PACK),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 image", _PACK),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS image", _PACK),
    (0, b"XFSB", "an XFS image", _PACK),
    (65600, b"_BHRfS_M", "a Btrfs image", _PACK),
    (512, b"EFI PART", "a disk image", _PACK),
    (510, b"\x55\xaa", "a disk image", _PACK),
)


def error(stream: Stream, is_first: bool) -> ArchiveError:
    """Return the error for a run of `stream`, none of it read yet, that begins with no archive. `is_first`: no other came before."""
    here = stream.position
    head = stream.peek(_LOOK)
    compression = codecs.name_of(head)
    if compression:
        return ArchiveError(f"is compressed twice: {compression} inside {stream.compression}", remedy="Unpack it once, and give the result")
    if tar_headers.looks_like_header(head):
        return ArchiveError(f"has a tar header with a wrong checksum, at byte {here} of the unpacked archive", remedy=_AGAIN)
    if not is_first:
        return ArchiveError(f"goes on with something that is no archive ({head[:6].hex(' ')}), at byte {here} of the unpacked archive",
                            remedy=_AGAIN)
    for offset, magic, what, remedy in _KNOWN:
        # Zeros at the beginning of a file are passed over before anybody looks at it: `head` begins at byte `here`.
        if offset >= here and head.startswith(magic, offset - here):
            return ArchiveError(f"is {what}, which is not supported", remedy=remedy)
    if all(byte in _TEXT for byte in head[:512]):
        return ArchiveError("is a text", remedy=GIVE)
    return ArchiveError(f"is no archive: it begins with the bytes {head[:6].hex(' ')}", remedy=GIVE)
