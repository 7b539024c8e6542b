# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of users: sizes, names, numbers. Parse and render, both directions. No regular expressions: a lean start loads this."""

from __future__ import annotations

from .errors import LauncherError

_FACTORS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_UNITS = {"": 1, "B": 1, **{letter + end: factor for letter, factor in _FACTORS.items() for end in ("", "B", "IB")}}
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdef")
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_NAME_REST = _NAME_FIRST | frozenset("_.-")
_INTERFACE_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_INTERFACE_REST = _INTERFACE_FIRST | frozenset(".-")

UNLIMITED = -1
DIGEST_PREFIX = "sha256:"
MAX_ID = 4294967294  # uid_t is 32 bits, and (uid_t)-1 means "leave it" to setresuid(2)


def is_digits(text: str) -> bool:
    """True for one or more ASCII digits: int() would also take '+1', '1_0', ' 1' and digits of other scripts."""
    return bool(text) and all(character in _DIGITS for character in text)


def parse_integer(value, option: str, minimum: int, maximum: int) -> int:
    """Return `value` (int or ASCII digits, optionally with one minus) as int between both bounds, or raise LauncherError."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not is_digits(text[1:] if text.startswith("-") else text) or len(text) > 20:
        raise LauncherError("is not a whole number", option=option, value=value, remedy=f"Give a number from {minimum} to {maximum}")
    number = int(text)
    if not minimum <= number <= maximum:
        raise LauncherError("is out of range", option=option, value=value, remedy=f"Give a number from {minimum} to {maximum}")
    return number


def parse_size(value, option: str) -> int:
    """Return bytes: 4194304, '4194304', '4M', '4MB', '4MiB', '1.5G', all with powers of 1024; -1 and 'unlimited' are UNLIMITED."""
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        text = value.strip() if isinstance(value, str) else ""
    if text.lower() in ("-1", "unlimited", "max"):
        return UNLIMITED
    number, suffix = text, ""
    while number and number[-1].isalpha() and number[-1].isascii():
        suffix = number[-1] + suffix
        number = number[:-1]
    factor = _UNITS.get(suffix.upper())
    whole, point, fraction = number.partition(".")
    good = factor is not None and is_digits(whole) and len(whole) <= 19
    if not good or (point and not (is_digits(fraction) and len(fraction) <= 9 and factor > 1)):
        raise LauncherError("is not a size", option=option, value=value, remedy="Use bytes or a number with K, M, G or T, e.g. 4M")
    size = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    if size > (1 << 63) - 1:
        raise LauncherError("is larger than any machine", option=option, value=value, remedy="Give less than 8388608T")
    return size


def render_size(size: int) -> str:
    """Return bytes for a person: 4.0M, 512K, 17B, unlimited."""
    if size == UNLIMITED:
        return "unlimited"
    for suffix, factor in reversed(_FACTORS.items()):
        if size >= factor:
            return f"{size / factor:.1f}{suffix}"
    return f"{size}B"


def check_name(value, option: str = "name") -> str:
    """Return a container's name, safe as file name, cgroup name and argument: [a-z0-9][a-z0-9_.-]{0,62}."""
    if not isinstance(value, str) or not 1 <= len(value) <= 63 or value[0] not in _NAME_FIRST or not all(c in _NAME_REST for c in value):
        raise LauncherError("is not a name", option=option, value=value,
                            remedy="Use 1 to 63 of a-z 0-9 _ . - and begin with a letter or digit")
    return value


def check_interface(value, option: str) -> str:
    """Return a name of a network interface: at most 15 bytes (IFNAMSIZ), nothing that a tool could take for an option."""
    good = isinstance(value, str) and 1 <= len(value) <= 15 and value[0] in _INTERFACE_FIRST and all(c in _INTERFACE_REST for c in value)
    if not good:
        raise LauncherError("is not the name of a network interface", option=option, value=value,
                            remedy="Use 1 to 15 of A-Z a-z 0-9 _ . - and begin with a letter, a digit or _")
    return value


def is_digest(value: str) -> bool:
    """True for 'sha256:' and 64 hexadecimal digits in lower case."""
    digits = value[len(DIGEST_PREFIX):]
    return value.startswith(DIGEST_PREFIX) and len(digits) == 64 and all(character in _HEX for character in digits)


def check_digest(value: str, option: str) -> str:
    """Return `value` when it is a digest, else LauncherError."""
    if not is_digest(value):
        raise LauncherError("is not a digest", option=option, value=value, remedy="Give sha256: and the 64 digits that sha256sum prints")
    return value


def has_control(text: str) -> bool:
    """True when `text` has a control character (C0, DEL, C1): no name, path or value of ours may."""
    return any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)


def printable(data: bytes | str) -> str:
    """Return hostile bytes as text that cannot drive a terminal: control characters and undecodable bytes as \\xNN, tabs kept."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c == "\t" or not has_control(c) else f"\\x{ord(c):02x}" for c in text)


def shown_url(value: str) -> str:
    """Return a URL without user and password, and without what follows its path, where signed ones have a secret; all else as it is."""
    scheme, slashes, rest = value.partition("://")
    if not slashes or value.startswith("/"):
        return value
    path = rest.partition("?")[0].partition("#")[0]
    host, slash, path = path.partition("/")
    host = host.rpartition("@")[2]
    port = host.rpartition(":")[2] if ":" in host else ""
    if port and not is_digits(port) and not port.endswith("]"):  # a password with a / in it, say
        return f"{scheme}{slashes}..."
    return f"{scheme}{slashes}{host}{slash}{path}"


def visible(data: bytes | str) -> str:
    """Return hostile bytes as one line in which every character shows: also tabs and what Unicode does not print become escapes."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in printable(data))
