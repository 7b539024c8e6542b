# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stamp `.NAME.coracle` beside a tree NAME that the module container_rootfs has made: what it is, and out of which image.

A line for each tree that NAME may be at this moment: two while a new tree takes the old one's place, so that a run that is killed leaves
no moment in which a tree of ours looks like somebody else's. The words of a line, '-' for none:

    KIND DIGEST INODE GENERATION LAYER OPTIONS PREVIOUS NEWEST

KIND: copy, overlay or read_only (the image's own tree). INODE: of the directory NAME itself, below whatever is mounted on it.
GENERATION: what tells it from a later directory with the same inode number, where the file system has that.
LAYER: of an overlay, its directories are `.NAME.overlay/LAYER/{upper,work}`. OPTIONS: devices, preserve_setuid. PREVIOUS, NEWEST: digests
for `state: previous` (module.py). Supervisors read it too, so nothing but the small part of the standard library is imported here.
"""

from __future__ import annotations

import os
import stat

from ...base import files, places, text

COPY = "copy"
OVERLAY = "overlay"
READ_ONLY = "read_only"
_KINDS = (COPY, OVERLAY, READ_ONLY)
_LIMIT = 65536
_HEX = frozenset("0123456789abcdef")


class Made:
    """A tree as the stamp knows it.

    `digest`: of its image; `inode`, `generation`: of its directory as identity() has them, 0 and '' before it is made; `layer`: '' unless
    it is an overlay.
    """

    __slots__ = ("kind", "digest", "inode", "generation", "layer", "devices", "preserve_setuid", "previous", "newest")

    def __init__(self, kind: str, digest: str, inode: int = 0, layer: str = "", devices: bool = False, preserve_setuid: bool = False,
                 previous: str | None = None, newest: str | None = None, generation: str = ""):
        self.kind = kind
        self.digest = digest
        self.inode = inode
        self.generation = generation
        self.layer = layer
        self.devices = devices
        self.preserve_setuid = preserve_setuid
        self.previous = previous
        self.newest = newest

    @property
    def tree(self) -> str:
        """The image's tree in the store."""
        return f"{places.IMAGES}/{self.digest.partition(':')[2]}/tree"

    def digests(self) -> list[str]:
        """The images that it needs, now or to go back and forth."""
        return [digest for digest in (self.digest, self.previous, self.newest) if digest]

    def is_like(self, other: Made) -> bool:
        """Whether both are the same kind of tree of the same image, with the same options."""
        return all(getattr(self, name) == getattr(other, name) for name in ("kind", "digest", "devices", "preserve_setuid"))

    def line(self) -> str:
        """Return its line of the stamp, newline included."""
        options = ",".join(name for name in ("devices", "preserve_setuid") if getattr(self, name))
        words = (self.kind, self.digest, str(self.inode), self.generation, self.layer, options, self.previous, self.newest)
        return " ".join(word or "-" for word in words) + "\n"


def file_of(name: str) -> str:
    """The stamp's name, beside the tree."""
    return f".{name}.coracle"


def layers_of(name: str) -> str:
    """The name of the directory with the layers of overlays, beside the tree."""
    return f".{name}.overlay"


def upper_and_work(parent: str, name: str, layer: str) -> tuple[str, str]:
    """Paths of the two directories of an overlay on `parent`/`name`."""
    home = f"{parent}/{layers_of(name)}/{layer}"
    return f"{home}/upper", f"{home}/work"


def read(parent: str, name: str) -> list[Made] | None:
    """Return the trees that the stamp of `parent`/`name` knows, None when there is no stamp.

    Of a stamp that is damaged, or that root alone has not written, nothing is believed.
    """
    path = f"{parent}/{file_of(name)}"
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_uid or info.st_mode & 0o022 or info.st_size > _LIMIT:
            return []
        lines = files.read_limited(path, _LIMIT).split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    made = [_parse(line.decode("ascii", "replace").split(" ")) for line in lines if line]
    return [] if None in made else made


def _parse(words: list[str]) -> Made | None:
    if len(words) != 8:
        return None
    kind, digest, inode, generation, layer, options, previous, newest = (word if word != "-" else "" for word in words)
    names = options.split(",") if options else []
    good = (kind in _KINDS and text.is_digest(digest) and inode.isdigit() and (not generation or generation.isdigit())
            and (is_layer(layer) if kind == OVERLAY else not layer) and text.is_digest(newest) and (not previous or text.is_digest(previous))
            and all(name in ("devices", "preserve_setuid") for name in names))
    if not good:
        return None
    return Made(kind, digest, int(inode), layer, "devices" in names, "preserve_setuid" in names, previous or None, newest, generation)


def is_layer(word: str) -> bool:
    """Whether a name can be that of a layer: 8 hexadecimal digits."""
    return len(word) == 8 and all(character in _HEX for character in word)


def real(root: str) -> str:
    """The path of a tree with the symbolic links above it resolved."""
    parent, name = os.path.split(os.path.normpath(root))
    return os.path.join(os.path.realpath(parent), name)


def unmounted(root: str) -> Made | None:
    """Return the tree that belongs on the directory `root` when it is one of ours whose mount is gone, as after a reboot; else None."""
    parent, name = os.path.split(real(root))
    for made in read(parent, name) or []:
        if made.kind != COPY and is_bare(parent, name, made.inode, made.generation):
            return made
    return None


def is_bare(parent: str, name: str, inode: int, generation: str) -> bool:
    """Whether `parent`/`name` is the directory of a tree, and nothing is mounted on it.

    An overlay has a device number of its own, and a bind mount of the same file system another inode.
    """
    try:
        above = os.stat(parent)
        fd = files.open_directory(f"{parent}/{name}")
    except OSError:
        return False
    try:
        return os.fstat(fd).st_dev == above.st_dev and identity(fd) == (inode, generation)
    except OSError:
        return False
    finally:
        os.close(fd)


def identity(fd: int) -> tuple[int, str]:
    """Return (inode, generation) of an open directory; '' where its file system has no generations. Inode numbers alone are used again."""
    generation = files.inode_generation(fd)
    return os.fstat(fd).st_ino, "" if generation is None else str(generation)
