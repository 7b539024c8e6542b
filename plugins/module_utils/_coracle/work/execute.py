# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_exec: what is asked, whether there is anything to do, and how it is told. The command is run in conversation.py."""

from __future__ import annotations

import binascii
import os

from ..base import text
from ..base.errors import LauncherError
from ..model import settings
from ..model.change import LIVE, Change
from . import enter, lookup, records
from .conversation import Conversation, Kept
from .execution import Answer, Request

MOST_OUTPUT = 64 << 20  # bytes of each stream; the result of a task is several times as large in memory
_RULES = {row.option: row.normalise for row in settings.KEYS}


class Command:
    """What a task is about. `stdin`: its whole input; `limit`: bytes of each output that are kept; `words`: what the launcher calls options,
    and how the task does; `reason`: why it need not be run; `depends`: whether it has `creates` or `removes`, which tell that before it is
    run. After apply() `answer`, `stdout`, `stderr`."""

    __slots__ = ("request", "stdin", "limit", "words", "reason", "depends", "answer", "stdout", "stderr")

    def __init__(self, request: Request, stdin: bytes, limit: int):
        self.request, self.stdin, self.limit = request, stdin, limit
        self.words = {"working_dir": "chdir"}
        self.reason, self.depends = "", False
        self.answer: Answer | None = None
        self.stdout, self.stderr = Kept(limit), Kept(limit)


def read(options: dict) -> Command:
    """The command that is asked for, in a container that runs. LauncherError."""
    command = Command(_request(options), _input(options), _limit(options["max_output"]))
    command.words["process"] = "argv" if options["argv"] is not None else "command"
    state, pidfd = enter.find(command.request.name)
    try:
        command.depends = any(options[option] is not None for option in _CONDITIONS)
        command.reason = _reason(command.request, options, state, pidfd) if command.depends else ""
    finally:
        os.close(pidfd)
    return command


def plan(command: Command) -> list[Change]:
    """One change, the command itself; none when there is nothing to do."""
    return [] if command.reason else [Change("command", None, command.request.argv, LIVE)]


def apply(command: Command) -> None:
    """Run it. LauncherError when it could not be begun at all, or not be ended; why the container did not run it is in its answer."""
    conversation = Conversation(command.stdin, command.limit)
    command.answer = conversation.run(command.request)
    command.stdout, command.stderr = conversation.stdout, conversation.stderr
    error = command.answer.error
    if error is not None:
        error.option = command.words.get(error.option, error.option)


def report(command: Command, strip: bool) -> dict:
    """The return values of a command that was run, or need not be. `strip`: without line ends at the end of the texts."""
    values: dict = {"cmd": command.request.argv, "rc": 0, "timed_out": False, "truncated": False}
    for name, kept in (("stdout", command.stdout), ("stderr", command.stderr)):
        values[name], values[f"{name}_base64"] = _decode(kept, strip)
        values["truncated"] |= kept.is_cut
    answer = command.answer
    if answer is None:
        values["msg"] = command.reason
        return values
    values.update(rc=answer.code, timed_out=answer.expired)
    if answer.expired:
        values.update(failed=True, msg=f"did not end within {command.request.seconds:g} s and was killed")
    elif answer.code:
        values.update(failed=True, msg="non-zero return code")
    return values


def _decode(kept, strip):
    """(text, base64 or None): all bytes as base64 when they are no UTF-8. Their text then has \\xNN."""
    data = bytes(kept.data)
    coded = None
    try:
        shown = data.decode()
    except UnicodeDecodeError as error:
        if kept.is_cut and error.end == len(data) and error.reason == "unexpected end of data":  # only cut in the middle of a character
            shown = data[:error.start].decode()
        else:
            shown, coded = data.decode("utf-8", "backslashreplace"), binascii.b2a_base64(data, newline=False).decode()
    return shown.rstrip("\r\n") if strip else shown, coded


# --- options


def _request(options):
    name, _path = records.identify(options["name"], None)
    request = Request(name, _argv(options))
    if options["user"] is not None:
        user, colon, group = options["user"].partition(":")
        request.user = _RULES["user"](user, "user") + (f":{_RULES['group'](group, 'user')}" if colon else "")
    if options["chdir"] is not None:
        request.cwd = _RULES["working_dir"](options["chdir"], "chdir")
    request.env = _RULES["env"](options["env"] or {}, "env")
    if options["timeout"] is not None:
        request.seconds = options["timeout"]
        if not 0 < options["timeout"] <= 86400 * 365:
            raise LauncherError("is no time that a command can take", option="timeout", value=options["timeout"],
                                remedy="Give a number of seconds above 0, or none for no limit")
    return request


def _argv(options):
    if options["argv"] is not None:
        option, words = "argv", options["argv"]
    else:
        from shlex import split

        option = "command"
        try:
            words = split(options["command"])
        except ValueError as error:
            raise LauncherError(f"cannot be split into words: {str(error).lower()}", option=option, value=options["command"],
                                remedy="Correct it, or give the words in argv") from None
    if not words or not words[0]:
        raise LauncherError("names no program", option=option, value=options[option], remedy="Give its path in the container, or a name in its PATH")
    return [_word(word, option) for word in words]


def _word(value, option):
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise LauncherError("is no text that a program could be given", option=option, value=text.printable(value), remedy="Give UTF-8 text") from None
    if "\0" in value:
        raise LauncherError("has a NUL in it, at which every program would stop reading", option=option, value=value, remedy="Remove it")
    return value


def _input(options):
    if options["stdin_base64"] is not None:
        try:
            return _decode_base64(options["stdin_base64"])
        except ValueError:
            raise LauncherError("is no base64", option="stdin_base64", remedy="Use the filter b64encode, or lookup('file') and base64 -w0") from None
    if options["stdin"] is None:
        return b""
    try:
        return os.fsencode(options["stdin"] + ("\n" if options["stdin_add_newline"] else ""))
    except UnicodeEncodeError:
        raise LauncherError("is no text", option="stdin", remedy="Give it as base64, with stdin_base64") from None


def _decode_base64(value):
    from base64 import b64decode

    return b64decode("".join(value.split()), validate=True)


def _limit(value):
    size = text.parse_size(value, "max_output")
    if not 0 <= size <= MOST_OUTPUT:
        raise LauncherError("cannot be kept in memory", option="max_output", value=value,
                            remedy=f"Give at most {text.render_size(MOST_OUTPUT)}, and send more than that to a file in the container")
    return size


# --- whether there is anything to do

_CONDITIONS = ("creates", "removes")


def _reason(request, options, state, pidfd):
    """Why the command need not be run, '' when it must."""
    base = request.cwd or enter.spec_of(state).get("working_dir", "/")
    root = lookup.open_root(state.pid, pidfd)
    try:
        for option in _CONDITIONS:
            path = options[option]
            if path is None:
                continue
            if not path:
                raise LauncherError("is no path", option=option, value=path, remedy="Give one in the container, or leave the option out")
            there = lookup.exists(root, os.path.join(base, _word(path, option)))
            if there == (option == "creates"):
                return f"Did not run the command since {path} {'exists' if there else 'does not exist'}"
    finally:
        os.close(root)
    return ""
