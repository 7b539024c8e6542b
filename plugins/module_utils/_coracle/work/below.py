# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory that names are made in, below a root that only we can reach, and what is there already.

Each is opened beneath the root (openat2) and through no symbolic link; what is missing above a name is made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..base import beneath, files
from ..formats.entries import OPAQUE, WHITEOUT, Entry
from .layers import Layer
from .manifest import implicit_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterator

    from .notes import Notes

_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


class Below:
    """`fd`: the open directory that is at `path` below `root`. Names are made in it; `layer` is the one that makes them.

    `replaced`: something was there already, so that what was noted of it is no more true.
    """

    def __init__(self, root: int, notes: Notes):
        self._notes = notes
        self._owner = _prepare(root)
        self.root = root
        self.layer = Layer()
        self.replaced = False
        self.path = b""
        self.fd = os.dup(root)
        self.look()

    def close(self) -> None:
        os.close(self.fd)

    def look(self) -> None:
        """Find out what new files inherit here: perhaps a group (set-gid, or the mount option grpid); directories perhaps a set-gid bit."""
        info = os.fstat(self.fd)
        self._inherits = info.st_gid != self._owner[1] or info.st_mode & stat.S_ISGID

    def gives(self, entry: Entry) -> bool:
        """True when what is made here has the owner of `entry` from the start, and no bit that is not wanted."""
        return not self._inherits and (entry.uid, entry.gid) == self._owner

    def enter(self, path: bytes) -> None:
        """Make names in the directory `path` from now on, and make what is missing of it, as cpio --make-directories does."""
        try:
            fd = beneath.open_beneath(self.root, path or b".", _PARENT)
        except FileNotFoundError:
            fd = self._make_parents(path)
        os.close(self.fd)
        self.fd = fd
        self.path = path
        self.look()

    def _make_parents(self, path: bytes) -> int:
        here = os.dup(self.root)
        done = b""
        try:
            for part in path.split(b"/"):
                done = done + b"/" + part if done else part
                try:
                    os.mkdir(part, dir_fd=here)
                    fd = files.open_directory(os.fsdecode(part), here)
                    try:
                        self._implied(fd, done)
                    finally:
                        os.close(fd)
                except FileExistsError:
                    pass
                deeper = os.open(part, _PARENT | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = deeper
        except BaseException:
            os.close(here)
            raise
        return here

    def _implied(self, fd: int, path: bytes) -> None:
        """Note a directory that no entry of the layer describes."""
        record = implicit_directory(path)
        os.fchown(fd, record.uid, record.gid)
        os.fchmod(fd, record.mode)
        self._notes.record(record)

    def clear(self, entry: Entry, name: bytes) -> None:
        """Remove what an earlier entry of this name made: the later one wins. In the same layer a directory with content does not go."""
        self.replaced = True
        if not stat.S_ISDIR(os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=self.fd)
            return
        if not self.layer.reaches(entry.path):
            beneath.remove_tree(os.fsdecode(name), self.fd)
            return
        try:
            os.rmdir(name, dir_fd=self.fd)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise entry.member.error(f"a {entry.kind} in place of a directory that is not empty") from None
            raise

    def exclusively(self, entry: Entry, name: bytes, make: Callable[[], t.Any]) -> t.Any:
        """Call `make`, which fails on a name that is taken, and once more when that name was cleared."""
        try:
            return make()
        except FileExistsError:
            self.clear(entry, name)
        return make()

    def hide(self, entry: Entry) -> None:
        """Remove what layers below this one made at a path (WHITEOUT) or in it (OPAQUE). Nothing there: nothing to do."""
        if not entry.path and entry.kind == WHITEOUT:
            raise entry.member.error("it hides the root")
        parent, _slash, name = entry.path.rpartition(b"/")
        path, gone = parent if entry.kind == WHITEOUT else entry.path, False
        try:
            fd = beneath.open_beneath(self.root, path or b".", os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP) and self._made_no_directory(path):
                return  # as umoci writes it: the file or link in place of a directory, then whiteouts of what was in that
            raise
        try:
            if entry.kind == OPAQUE:
                self.layer.hide_content(fd, path, self._implied)
            else:
                gone = self.layer.hide(fd, name, entry.path, self._implied)
        finally:
            os.close(fd)
        self._notes.hidden(entry.path, WHITEOUT if gone else OPAQUE, self.layer.start)
        self.replaced = True
        self.enter(b"")  # the directory where names were made may be gone

    def _made_no_directory(self, path: bytes) -> bool:
        """True when the first thing on the way to `path` that is no directory is of this layer."""
        parts = path.split(b"/")
        for count in range(1, len(parts) + 1):
            above = b"/".join(parts[:count])
            with self.look_up(above) as (_parent, _name, found):
                if found is None or not stat.S_ISDIR(found.st_mode):
                    return self.layer.made(above)
        return False

    @contextlib.contextmanager
    def look_up(self, path: bytes) -> Iterator[tuple[int, bytes, os.stat_result | None]]:
        """Give the open parent of `path`, its last part, and what is there: None when nothing is."""
        parent, _slash, name = path.rpartition(b"/")
        try:
            fd = beneath.open_beneath(self.root, parent or b".", _PARENT)
        except FileNotFoundError:
            yield -1, name, None
            return
        try:
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                found = None
            yield fd, name, found
        finally:
            os.close(fd)


def _prepare(root: int) -> tuple[int, int]:
    """Rid `root` of ACLs from above, which everything made in it would inherit, and return the owner that new files get there."""
    for name in ("system.posix_acl_default", "system.posix_acl_access"):
        try:
            os.removexattr(root, name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
                raise
    os.mkdir("probe", dir_fd=root)
    info = os.stat("probe", dir_fd=root)
    os.rmdir("probe", dir_fd=root)
    return info.st_uid, info.st_gid
