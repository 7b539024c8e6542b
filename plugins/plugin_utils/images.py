# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the controller for modules of the host: named by digest, and sent only to hosts that lack them.

A module gets the digest of an archive in place of its path. Where the image store of the host lacks it, the module changes nothing and
answers `needs_image: [digest]`; then the archives are sent to a temporary directory, and the module is called once more with their
paths there. The directory of an OCI image layout travels as one tar file.

In check mode nothing is sent: the archive is read here (local_archives.py), and an empty file stands for it on the host, where in check
mode a module only looks whether it can be opened.
"""

from __future__ import annotations

import contextlib
import tempfile
import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from . import local_archives
from .local_archives import Archive
from .progress import Progress

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.plugins.action import ActionBase

    Args = dict[str, t.Any]
    TaskVars = dict[str, t.Any]
    Sources = dict[str, Archive]
    Places = dict[str, tuple[str, str]]

ImageError = local_archives.ImageError
_KEYS = ("src", "image")  # the options of our modules that name an archive; beside them stand `remote_src` and `checksum`
_PREFIX = "sha256:"
_ELSEWHERE = (_PREFIX, "http://", "https://")


def is_local(options: Args, key: str) -> bool:
    """True when `options[key]` is the path of an archive on the controller."""
    value = options.get(key)
    if value is None or boolean(options.get("remote_src") or False, strict=False):
        return False
    return not str(value).startswith(_ELSEWHERE)


def find_image(action: ActionBase, options: Args, key: str, task_vars: TaskVars) -> Archive:
    """Return the archive that `options[key]` names, looked up as the module copy does it: also in a role's files.

    ImageError: it cannot be read, or is another than `options["checksum"]` says.
    """
    path = str(action._find_needle("files", str(options[key])))
    archive = local_archives.look(path, lambda: _machine(action, task_vars))
    if options.get("checksum") not in (None, archive.digest):
        raise ImageError(f"The image {path} has the digest {archive.digest}, not the checksum {options['checksum']}.")
    return archive


def _machine(action: ActionBase, task_vars: TaskVars) -> str:
    """What `uname -m` says on the host, which decides what is taken of an image for several platforms."""
    facts = task_vars.get("ansible_facts") or {}
    known = facts.get("architecture") or task_vars.get("ansible_architecture")
    if known and not action._task.delegate_to:  # facts are those of the play's host
        return str(known)
    answer = action._low_level_execute_command("uname -m", sudoable=False)
    machine = str(answer.get("stdout", "")).strip()
    if answer.get("rc") != 0 or not machine:
        raise AnsibleError(f"The host does not say which machine it is: {answer.get('stderr') or answer.get('stdout') or 'no answer'}")
    return machine


class ImageSender:
    """Calls modules for one action plugin: ImageSender(self, task_vars).run(NAME, ARGS, {PATH: ARCHIVE})."""

    def __init__(self, action: ActionBase, task_vars: TaskVars):
        self._action = action
        self._task_vars = task_vars

    def run(self, module_name: str, args: Args, sources: Sources) -> dict[str, t.Any]:
        """Return the module's result. `sources`: every path that `args` or one of its `containers` names at `src` or `image` -> archive.

        The module sees the digest at that option and at `checksum`, or the path of the archive on the host and `remote_src: true`.
        """
        places = {path: (archive.digest, archive.digest) for path, archive in sources.items()}
        result = self._execute(module_name, _replace(args, places))
        needed = [str(digest) for digest in result.pop("needs_image", [])]
        if not needed or not set(needed) <= {archive.digest for archive in sources.values()}:
            return result
        if self._action._task.check_mode:
            looks = (local_archives.inspect(archive, args, _option(args, archive.path))
                     for archive in sources.values() if archive.digest in needed)
            failed = next((found for found in looks if "failed" in found), None)
            if failed:
                return failed
        sent: dict[str, str] = {}
        for path, archive in sources.items():
            if archive.digest in needed:
                if archive.digest not in sent:  # two paths may have one content
                    sent[archive.digest] = self._send(archive)
                places[path] = (sent[archive.digest], archive.digest)
        result = self._execute(module_name, _replace(args, places))
        result.pop("needs_image", None)
        _say(result, places)
        return result

    def _send(self, archive: Archive) -> str:
        """Copy an archive to the task's temporary directory on the host, which goes when the task ends, and return its path there."""
        shell = self._action._connection._shell
        if shell.tmpdir is None:
            self._action._make_tmp_path()
        remote = str(shell.join_path(shell.tmpdir, archive.digest[len(_PREFIX):]))
        with self._file_of(archive) as path, Progress(str(self._task_vars.get("inventory_hostname", "")), path, remote, archive.name):
            self._action._transfer_file(path, remote)
        self._action._fixup_perms2([shell.tmpdir, remote])
        return remote

    @contextlib.contextmanager
    def _file_of(self, archive: Archive) -> Iterator[str]:
        """What is sent: the archive itself, a tar of its files, or in check mode an empty file."""
        if not archive.is_layout and not self._action._task.check_mode:
            yield archive.path
            return
        with tempfile.NamedTemporaryFile(dir=_local_tmp(), prefix="coracle-image-") as file:
            if not self._action._task.check_mode:
                archive.write(file)
                file.flush()
            yield file.name

    def _execute(self, module_name: str, args: Args) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._action._execute_module(module_name=module_name, module_args=args, task_vars=self._task_vars)
        return result


def _local_tmp() -> str:
    return str(constants.DEFAULT_LOCAL_TMP)  # type: ignore[attr-defined]  # set when Ansible has read its configuration


def _each(args: Args) -> Iterator[Args]:
    """The options that may name an archive: those of the module, and of each of its `containers`. Nothing below is ours: labels, env."""
    yield args
    containers = args.get("containers")
    if isinstance(containers, list):
        yield from (item for item in containers if isinstance(item, dict))


def _option(args: Args, path: str) -> str:
    """Name of the option that names the archive `path`: src or image."""
    return next((key for options in _each(args) for key in _KEYS if options.get(key) == path), "")


def _replace(args: Args, places: Places) -> Args:
    """Return a copy of options in which archives of the controller are named by what `places` says: path -> (where now, digest)."""
    copy = _with_places(args, places)
    if isinstance(args.get("containers"), list):
        copy["containers"] = [_with_places(item, places) if isinstance(item, dict) else item for item in args["containers"]]
    return copy


def _with_places(options: Args, places: Places) -> Args:
    copy = dict(options)
    for key in _KEYS:
        if is_local(options, key) and str(options[key]) in places:
            where, digest = places[str(options[key])]
            copy.update({key: where, "checksum": digest, "remote_src": where != digest})
    return copy


def _say(result: dict[str, t.Any], places: Places) -> None:
    """Name archives in the messages of a result, and of each of its `containers`, as the task does."""
    for values in _each(result):
        if isinstance(values.get("msg"), str):
            for path, (where, _digest) in places.items():
                values["msg"] = values["msg"].replace(where, path)
