# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended headers of pax: "LENGTH KEY=VALUE\\n" one after the other (POSIX, pax(1)). The keys that we know; others are passed over."""

from __future__ import annotations

import binascii

from .entries import NANOSECONDS, Member

MAX_SIZE = 1 << 20  # bytes of all extended headers of one member; GNU tar's largest come from attributes, 64 KiB each
SPARSE = b"GNU.sparse."
_CAPABILITY = b"security.capability"
_SCHILY = b"SCHILY.xattr." + _CAPABILITY
_LIBARCHIVE = b"LIBARCHIVE.xattr." + _CAPABILITY
_CAPABILITY_SIZES = (12, 20, 24)  # XATTR_CAPS_SZ_1 to _3, <linux/capability.h>
_KEYS = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", _SCHILY, _LIBARCHIVE))
_SHARED_KEYS = frozenset((b"uid", b"gid", b"mtime"))
_REGIONS = (SPARSE + b"offset", SPARSE + b"numbytes")
_DECIMAL_DIGITS = b"0123456789"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LARGEST = (1 << 63) - 1


class Records:
    """What the extended headers of one member say. `regions`: the numbers of a sparse map of version 0.0, in order."""

    __slots__ = ("values", "regions")

    def __init__(self, shared: dict[bytes, bytes]):
        self.values = dict(shared)
        self.regions: list[bytes] = []

    def number(self, key: bytes, member: Member, otherwise: int | None = None) -> int:
        """Return the value of `key`, or `otherwise`. ArchiveError when it is no number, or is missing and must not be."""
        value = self.values.get(key)
        if value is None and otherwise is not None:
            return otherwise
        return decimal(value or b"", key.decode(), member)

    def mtime_ns(self, member: Member) -> int | None:
        """Return the time in nanoseconds, None when there is none. What is finer is cut off, and what is before 1970 becomes 1970."""
        value = self.values.get(b"mtime")
        if value is None:
            return None
        seconds, _point, fraction = value.partition(b".")
        if fraction.translate(None, _DECIMAL_DIGITS):
            raise member.error("its extended header has a mtime that is no number")
        if seconds.startswith(b"-"):
            decimal(seconds[1:], "mtime", member)
            return 0
        return decimal(seconds, "mtime", member) * NANOSECONDS + int(fraction[:9].ljust(9, b"0"))

    def capability(self, member: Member) -> bytes | None:
        """Return the extended attribute security.capability. It may be there twice, plain and in base 64."""
        value = self.values.get(_SCHILY)
        if value is None:
            encoded = self.values.get(_LIBARCHIVE)
            if encoded is None:
                return None
            value = _from_base64(encoded)
        if len(value) not in _CAPABILITY_SIZES:
            raise member.error(f"its attribute {_CAPABILITY.decode()} is no set of capabilities")
        return value


def _from_base64(encoded: bytes) -> bytes:
    digits = encoded.rstrip(b"=")
    if digits.translate(None, _BASE64) or len(digits) % 4 == 1:
        return b""
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def decimal(digits: bytes, what: str, member: Member) -> int:
    """Return a number of decimal digits. ArchiveError for anything else, and for what is above 2^63-1."""
    if digits.startswith(b"-") and not digits[1:].translate(None, _DECIMAL_DIGITS):
        raise member.error(f"its extended header has a negative {what}")
    if not digits or len(digits) > 40 or digits.translate(None, _DECIMAL_DIGITS):
        raise member.error(f"its extended header has a {what} that is no number")
    number = int(digits)
    if number > _LARGEST:
        raise member.error(f"its extended header has a {what} above {_LARGEST}")
    return number


def read_records(data: bytes, records: Records, member: Member) -> None:
    """Add the records of one extended header that stands before `member`. ArchiveError when it is broken."""
    for key, value in _pairs(data, member):
        if key in _REGIONS:
            if (len(records.regions) % 2 == 0) != (key == _REGIONS[0]):
                raise member.error("its extended header has a broken sparse map")
            records.regions.append(value)
        elif key in _KEYS or key.startswith(SPARSE):
            _set(records.values, key, value)


def read_shared(data: bytes, shared: dict[bytes, bytes], member: Member) -> None:
    """Put the records of a global header into `shared`. ArchiveError when it is broken, or gives all members one name or size."""
    for key, value in _pairs(data, member):
        if key in _SHARED_KEYS:
            _set(shared, key, value)
        elif key in _KEYS or key.startswith(SPARSE):
            raise member.error(f"a global header with {key.decode(errors='backslashreplace')!r}, which only one member can have")


def _set(values: dict[bytes, bytes], key: bytes, value: bytes) -> None:
    if value:
        values[key] = value
    else:  # POSIX: an empty value takes back what an earlier header said
        values.pop(key, None)


def _pairs(data: bytes, member: Member):
    position = 0
    while position < len(data):
        blank = data.find(b" ", position, position + 8)
        digits = data[position:blank] if blank > position else b""
        end = position + int(digits) if digits and not digits.translate(None, _DECIMAL_DIGITS) else 0
        equal = data.find(b"=", blank + 1, end) if blank < end <= len(data) else -1
        if equal < 0 or equal == blank + 1 or data[end - 1] != 0x0A:
            raise member.error(f"a broken extended header, at byte {position} of it")
        yield data[blank + 1:equal], data[equal + 1:end - 1]
        position = end
