# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a new tree takes the place of the old one, and how what is not needed any more goes. All under the lock of the parent directory.

Whatever the kinds of the two trees are, they change places in one rename: the directory of the place, with or without a mount on it, and
that of a temporary name. The kernel refuses to rename a mount point in a namespace where it is one, so the rename is made in a child
that has copied our mount namespace and unmounted both there; mounts belong to directories, not to names, and go along.

A run that is killed leaves at the place the old tree or the new one. The stamp knows both from before the rename until after it, and the
other one, with its mount and its layer, has the names of leftovers, which the next run removes.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ...base import beneath, files, libc
from ...base.errors import LauncherError
from ...kernel import mountinfo
from .. import uses
from . import apart, build, place, stamp, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .place import Dest, Found
    from .stamp import Made


def replace(found: Found, wanted: Made, directory: int) -> None:
    """Make the tree `wanted` and let it take the place. When this fails, all is as it was before."""
    dest = found.dest
    name = dest.temporary(os.urandom(place.RANDOM_BYTES).hex())
    try:
        build.make(dest, wanted, directory, name)
        _take_place(found, wanted, directory, name)
    finally:
        remove_leftovers(place.Found(dest), directory)


def _take_place(found: Found, wanted: Made, directory: int, name: str) -> None:
    dest = found.dest
    _check_again(found)
    old = [found.made] if found.made is not None else []
    try:
        write_stamp(dest, directory, [wanted, *old])
        points = [f"{dest.parent}/{name}"] if wanted.kind != stamp.COPY else []
        points += [dest.real] if found.mounted else []
        _rename(directory, name, dest.name, found.info is not None, points)
        if found.info is not None and found.made is None:
            _remove_empty(dest, directory, name, points)
    except BaseException:
        write_stamp(dest, directory, old)
        raise
    os.fsync(directory)
    write_stamp(dest, directory, [wanted])


def _check_again(found: Found) -> None:
    """Making a tree can take long: LauncherError when the place is not as it was, or its tree has come into use."""
    now = place.Found(found.dest)
    now.check()
    if (now.info is None, now.is_bare, now.made and now.made.line()) != (found.info is None, found.is_bare, found.made and found.made.line()):
        raise LauncherError("has been changed by somebody else meanwhile", option="dest", value=found.dest.path, remedy="Run this again")
    if now.made is not None:
        usage.check_unused(now)


def _remove_empty(dest: Dest, directory: int, name: str, points: list[str]) -> None:
    """Remove the directory of somebody else's that the tree has replaced; when it is not empty any more, it gets its place back."""
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        _rename(directory, name, dest.name, True, [dest.real] if points else [])
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
            raise
        raise LauncherError("is a directory that somebody else has filled meanwhile", option="dest", value=dest.path,
                            remedy="Move it away, or give another dest") from None


def write_stamp(dest: Dest, directory: int, trees: list[Made]) -> None:
    """Write down what the place may have, in the stamp and in the store; nothing for no tree. What is written already is not again."""
    if not trees:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(stamp.file_of(dest.name), dir_fd=directory)
        uses.remove(dest.real)
        return
    if [tree.line() for tree in trees] != [tree.line() for tree in stamp.read(dest.parent, dest.name) or []]:
        files.write_whole(directory, stamp.file_of(dest.name), "".join(tree.line() for tree in trees).encode())
    uses.add(dest.real, sorted({digest for tree in trees for digest in tree.digests()}))


def remove(found: Found, directory: int) -> None:
    """Remove a tree of ours, or the stamp of one that is gone."""
    dest = found.dest
    if found.made is not None:
        name = dest.temporary(os.urandom(place.RANDOM_BYTES).hex())
        _rename(directory, dest.name, name, False, [dest.real] if found.mounted else [])
    write_stamp(dest, directory, [])
    remove_leftovers(place.Found(dest), directory)


def remove_leftovers(found: Found, directory: int) -> None:
    """Remove what is beside the place and belongs to no tree. We hold the lock, so nobody is working on it."""
    dest = found.dest
    for mount in reversed(mountinfo.parse(mountinfo.own(), dest.plain_part())):
        if place.is_temporary_mount(dest, mount):
            libc.umount2(mount.point, libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)
    for name in found.leftovers:
        beneath.remove_tree(name, directory)
    if found.layers:
        home = files.open_directory(stamp.layers_of(dest.name), directory)
        try:
            for name in found.layers:
                beneath.remove_tree(name, home)
        finally:
            os.close(home)


def _rename(directory: int, old: str, new: str, exchange: bool, points: list[str]) -> None:
    """Rename `old` to `new`, or exchange them, whether or not something is mounted on them: `points`, in our namespace."""
    if not points:
        _switch(directory, old, new, exchange)
        return

    def bare():
        for point in points:
            libc.umount2(point, libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)
        _switch(directory, old, new, exchange)

    apart.call(bare)


def _switch(directory: int, old: str, new: str, exchange: bool) -> None:
    try:
        libc.renameat2(directory, old, directory, new, libc.RENAME_EXCHANGE if exchange else libc.RENAME_NOREPLACE)
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    # A file system that cannot. Killed between the renames, the tree that was at `new` has a leftover's name, and the next run makes it
    # again: which of the two names is that of a leftover, the callers know.
    if exchange:
        between = f"{old[:-2 * place.RANDOM_BYTES]}{os.urandom(place.RANDOM_BYTES).hex()}"
        os.rename(new, between, src_dir_fd=directory, dst_dir_fd=directory)
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
        os.rename(between, old, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
