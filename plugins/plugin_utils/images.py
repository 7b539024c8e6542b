# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the controller for modules of the host: named by digest, and sent only to hosts that lack them.

A module gets the digest of an archive in place of its path. Where the image store of the host lacks it, the module changes nothing and
answers `needs_image: [digest]`; then the archives are sent to a temporary directory, and the module is called once more with their
paths there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

    Args = dict[str, t.Any]
    TaskVars = dict[str, t.Any]

_KEYS = ("src", "image")  # the options of our modules that name an archive; beside them stand `remote_src` and `checksum`
_PREFIX = "sha256:"
_PIECE = 1 << 20
_digests: dict[tuple[str | int, ...], str] = {}  # of this process: a list of containers names the same archive many times


class ImageError(AnsibleError):
    """An archive that cannot be read on the controller, or is another than the task says."""


def is_local(options: Args, key: str) -> bool:
    """True when `options[key]` is the path of an archive on the controller."""
    value = options.get(key)
    if value is None or boolean(options.get("remote_src") or False, strict=False):
        return False
    return not str(value).startswith(_PREFIX)


def find_image(action: ActionBase, path: str) -> str:
    """Return the absolute path of an archive, looked up as the module copy does it: also in a role's files."""
    found: str = action._find_needle("files", str(path))
    return found


def digest_of(path: str) -> str:
    """Return 'sha256:...' of a file on the controller. ImageError when it is no regular file or cannot be read."""
    try:
        # Not blocking: a fifo that nobody writes to must not hang the play.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read on the controller: {error.strerror}.") from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise ImageError(f"The image {path} is no regular file. Give an initrd: a cpio archive, compressed or not.")
        identity = (path, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        if identity not in _digests:
            sha256 = hashlib.sha256()
            while piece := os.read(fd, _PIECE):
                sha256.update(piece)
            _digests[identity] = _PREFIX + sha256.hexdigest()
        return _digests[identity]
    finally:
        os.close(fd)


class ImageSender:
    """Calls modules for one action plugin: ImageSender(self, task_vars).run(NAME, ARGS, {PATH: DIGEST})."""

    def __init__(self, action: ActionBase, task_vars: TaskVars):
        self._action = action
        self._task_vars = task_vars

    def run(self, module_name: str, args: Args, sources: dict[str, str]) -> dict[str, t.Any]:
        """Return the module's result. `sources`: every path that `args` names at `src` or `image`, at any depth, and its digest.

        The module sees the digest at that option and at `checksum`, or the path of the archive on the host and `remote_src: true`.
        """
        places = {path: (digest, digest) for path, digest in sources.items()}
        result = self._execute(module_name, _replace(args, places))
        needed = [str(digest) for digest in result.pop("needs_image", [])]
        if not needed or not set(needed) <= set(sources.values()):
            return result
        sent: dict[str, str] = {}
        for path, digest in sources.items():
            if digest in needed:
                if digest not in sent:  # two paths may have one content
                    sent[digest] = self._send(path, digest)
                places[path] = (sent[digest], digest)
        result = self._execute(module_name, _replace(args, places))
        result.pop("needs_image", None)
        if isinstance(result.get("msg"), str):
            for path, (where, _digest) in places.items():
                result["msg"] = result["msg"].replace(where, path)
        return result

    def _send(self, path: str, digest: str) -> str:
        """Copy an archive to the task's temporary directory on the host, which goes when the task ends, and return its path there."""
        shell = self._action._connection._shell
        if shell.tmpdir is None:
            self._action._make_tmp_path()
        remote: str = self._action._transfer_file(path, shell.join_path(shell.tmpdir, digest[len(_PREFIX):]))
        self._action._fixup_perms2([shell.tmpdir, remote])
        return remote

    def _execute(self, module_name: str, args: Args) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._action._execute_module(module_name=module_name, module_args=args, task_vars=self._task_vars)
        return result


def _replace(value: t.Any, places: dict[str, tuple[str, str]]) -> t.Any:
    """Return a copy of options in which archives of the controller are named by what `places` says: path -> (where now, digest)."""
    if isinstance(value, list):
        return [_replace(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: _replace(item, places) for key, item in value.items()}
    for key in _KEYS:
        if is_local(value, key) and str(value[key]) in places:
            where, digest = places[str(value[key])]
            copy.update({key: where, "checksum": digest, "remote_src": where != digest})
    return copy
