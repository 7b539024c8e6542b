# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of compressions: each is recognised by its magic, as lib/decompress.c of the kernel does, never by the name of a file."""

from __future__ import annotations

from ...base.errors import LauncherError
from . import lz4, lzop, standard, tools, zstd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .source import Pieces, Source

PLAIN = "none"
_WHOLE_PYTHON = "Install the whole standard library of Python"


class _Standard:
    """A compression of the standard library. `load`: see standard.py."""

    __slots__ = ("name", "magics", "_load")

    def __init__(self, name: str, magic: bytes, load: Callable):
        self.name = name
        self.magics = (magic,)
        self._load = load

    def unpack(self, source: Source) -> Pieces:
        try:
            _by, opener, errors = self._load()
        except ImportError as error:
            raise LauncherError(f"this host's Python cannot unpack {self.name}: {error}", remedy=_WHOLE_PYTHON) from error
        return standard.unpack(source, self.name, self.magics[0], opener, errors)

    def backend(self) -> tuple[str | None, str]:
        try:
            return self._load()[0], _WHOLE_PYTHON
        except ImportError:
            return None, _WHOLE_PYTHON


class _Framed:
    """A compression whose frames we walk. `module`: one of zstd.py, lz4.py, lzop.py."""

    __slots__ = ("name", "magics", "_module")

    def __init__(self, module, *magics: bytes):
        self.name = module.NAME
        self.magics = magics
        self._module = module

    def unpack(self, source: Source) -> Pieces:
        return self._module.unpack(source)

    def backend(self) -> tuple[str | None, str]:
        library = self._module.library()
        if library is not None:
            return f"library {library[0]}", self._module.REMEDY
        tool = self._module.COMMAND[0]
        return f"tool {tool}" if tools.find(tool) else None, self._module.REMEDY


_CODECS = (
    _Standard("gzip", b"\x1f\x8b", standard.gzip),
    _Standard("xz", b"\xfd7zXZ\0", standard.xz),
    _Standard("bzip2", b"BZh", standard.bzip2),
    _Standard("lzma", b"\x5d\0\0", standard.lzma_alone),
    _Framed(zstd, zstd.MAGIC),
    _Framed(lz4, lz4.LEGACY, lz4.MODERN),
    _Framed(lzop, lzop.MAGIC[:4]),
)
MAGIC = 6  # bytes of the longest magic

if TYPE_CHECKING:
    import typing as t

    Codec = t.Union[_Standard, _Framed]


def codec_of(head: bytes) -> Codec | None:
    """Return the compression whose magic `head` begins with, or None. Its unpack(source) returns the pieces of all that follows at once."""
    return next((codec for codec in _CODECS if head.startswith(codec.magics)), None)


def name_of(head: bytes) -> str | None:
    """Return the name of the compression whose magic `head` begins with, or None."""
    codec = codec_of(head)
    return codec.name if codec else None


def available() -> list[dict[str, str | None]]:
    """Return for each compression its `name`, `by` what this host unpacks it (None: it cannot), and then a `remedy`."""
    found = []
    for codec in _CODECS:
        by, remedy = codec.backend()
        found.append({"name": codec.name, "by": by, "remedy": None if by else remedy})
    return found
