# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of tree: an overlay on the image, a copy of it, or the image itself. Decided from what can be known without a trace."""

from __future__ import annotations

import os

from ...base import files, libc
from ...base.errors import LauncherError
from . import above, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .place import Dest

# File systems that can hold the upper directory (extended attributes trusted.*, d_type, RENAME_WHITEOUT), by the f_type of statfs(2).
# Of others some can and some versions cannot, and to mount one is the only way to find out.
_UPPER = frozenset((
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # xfs
    0x9123683E,  # btrfs
    0xF2F52010,  # f2fs
    0xCA451A4E,  # bcachefs
    libc.TMPFS_MAGIC,
))
_PAGE = 4096  # bytes of options that mount(2) takes, the final zero included
_MODULE = "kernel/fs/overlayfs/overlay.ko"


def choose(want: dict, dest: Dest, tree: str) -> str:
    """Return the kind of tree that the task asks for; auto means an overlay where that can be. `tree`: path of the image's.

    LauncherError for what cannot be.
    """
    store = want["backing_store"]
    if want["read_only"]:
        _check_read_only(want)
        check_above(dest)
        return stamp.READ_ONLY
    if store == "copy":
        return stamp.COPY
    why = obstacle(dest, tree)
    if why and store == "overlay":
        raise LauncherError(f"cannot be had: {why}", option="backing_store", value="overlay", remedy="Use copy, or auto")
    return stamp.COPY if why else stamp.OVERLAY


def _check_read_only(want: dict) -> None:
    for option in ("devices", "preserve_setuid"):
        if want[option]:
            raise LauncherError("cannot be had together with read_only, which shows the image as it is", option=option, value=True,
                                remedy="Leave one of them away")
    if want["backing_store"] != "auto":
        raise LauncherError("cannot be had together with read_only, which needs none of its own", option="backing_store",
                            value=want["backing_store"], remedy="Leave one of them away")


def check_above(dest: Dest) -> None:
    """LauncherError when nothing can be mounted at `dest` that stays where it is."""
    why = above.unsafe(dest.parent)
    if why:
        raise LauncherError(f"can have neither an overlay nor the image itself: {why}", option="dest", value=dest.path,
                            remedy="Give a dest below directories of root's alone, or use backing_store copy")


def obstacle(dest: Dest, tree: str) -> str:
    """Return why there can be no overlay at `dest`, '' when nothing is known that speaks against it."""
    from ...kernel import mounts

    upper, work = stamp.upper_and_work(dest.parent, dest.name, "0" * 8)
    if not kernel_has_overlay():
        return "this kernel has no overlayfs"
    if any(character in dest.real + tree for character in ":,\\"):
        return f"overlayfs cannot take a path with : , or \\ in it, as {dest.real}"
    if len(os.fsencode(mounts.overlay_options(tree, upper, work))) >= _PAGE:
        return "the path is too long for the options of mount(2)"
    magic = _filesystem(dest.parent)
    if magic not in _UPPER:
        return f"the file system at {dest.parent} (type 0x{magic:x}) is none that can hold what is written to an overlay"
    return above.unsafe(dest.parent)


def kernel_has_overlay() -> bool:
    """Whether the kernel has overlayfs, or a module of it."""
    if any(line.split()[-1:] == ["overlay"] for line in files.read_text("/proc/filesystems").split("\n")):
        return True
    # Not loaded yet, then mount(2) loads it.
    module = f"/lib/modules/{os.uname().release}/{_MODULE}"
    return any(os.path.exists(module + suffix) for suffix in ("", ".xz", ".zst", ".gz"))


def _filesystem(directory: str) -> int:
    """Type of the file system on which `directory` is, or will be made."""
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return libc.fstatfs_type(fd)
    finally:
        os.close(fd)
