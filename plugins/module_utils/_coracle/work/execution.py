# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that enters a container for the module container_exec: a sealed interpreter, between the module and the command inside.

It gets the command's input on 0, hands its output on through 1 and 2, reads what to do from one pipe and tells the end through another. In
both pipes: words, each ended by a NUL; a key and its value after the other. Not in its arguments, which everybody on the host can read.
"""

from __future__ import annotations

import os

from ..base.errors import HOST_FAILED, LauncherError


class Request:
    """What to run: in the container `name`, `argv` as `user` (None: the container's) in `cwd` (None: the container's) with `env` added to
    its own, for `seconds` (None: as long as it likes)."""

    __slots__ = ("name", "argv", "user", "cwd", "env", "seconds")

    def __init__(self, name: str, argv: list[str], user: str | None = None, cwd: str | None = None, env: dict[str, str] | None = None,
                 seconds: float | None = None):
        self.name, self.argv, self.user, self.cwd, self.env, self.seconds = name, argv, user, cwd, env or {}, seconds

    def render(self) -> bytes:
        """No word may have a NUL, no name of `env` a =."""
        pairs = [("name", self.name)] + [("argv", word) for word in self.argv]
        pairs += [(key, value) for key, value in (("user", self.user), ("cwd", self.cwd)) if value is not None]
        pairs += [("env", f"{key}={value}") for key, value in self.env.items()]
        if self.seconds is not None:
            pairs.append(("seconds", repr(self.seconds)))
        return _render(pairs)


class Answer:
    """How it ended: `code` its exit status, 128+n after signal n, or 125 to 127 when it could not be run, `error` saying why;
    `expired`: it was killed because its time was over."""

    __slots__ = ("code", "expired", "error")

    def __init__(self, code: int, expired: bool = False, error: LauncherError | None = None):
        self.code, self.expired, self.error = code, expired, error

    def render(self) -> bytes:
        pairs = [("code", str(self.code)), ("expired", "yes" if self.expired else "no")]
        if self.error is not None:
            pairs += [(key, str(getattr(self.error, key))) for key in _TOLD if getattr(self.error, key) is not None]
        return _render(pairs)


_TOLD = ("problem", "option", "value", "remedy", "place")


def parse_request(data: bytes) -> Request:
    """The Request that was rendered."""
    request = Request("", [])
    for key, value in _pairs(data):
        if key == "argv":
            request.argv.append(value)
        elif key == "env":
            name, _equals, text = value.partition("=")
            request.env[name] = text
        elif key == "seconds":
            request.seconds = float(value)
        else:
            setattr(request, key, value)
    return request


def parse_answer(data: bytes) -> Answer | None:
    """The Answer that was rendered; None when it is not whole: who should have written it was killed."""
    found = dict(_pairs(data))
    if "code" not in found or not data.endswith(b"\0"):
        return None
    code = int(found.pop("code"))
    expired = found.pop("expired", "no") == "yes"
    error = LauncherError(found.pop("problem"), code=code, **found) if "problem" in found else None
    return Answer(code, expired, error)


def _render(pairs):
    return b"".join(os.fsencode(word) + b"\0" for pair in pairs for word in pair)


def _pairs(data):
    words = [os.fsdecode(word) for word in data.split(b"\0")[:-1]]
    return list(zip(words[::2], words[1::2]))


def serve(requests: int, answers: int) -> int:
    """Do what the pipe `requests` asks, tell `answers` how it ended; return 0."""
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    answer = _answer(parse_request(_read_all(requests)))
    data = answer.render()
    while data:
        data = data[os.write(answers, data):]
    return 0


def _answer(asked):
    from . import deadline, enter  # not for the module, which only needs the words above

    try:
        limit = None if asked.seconds is None else deadline.Deadline(asked.name, asked.seconds)
        code = enter.execute(asked.name, asked.argv, user=asked.user, cwd=asked.cwd, env=asked.env, stdin=True, limit=limit)
        return Answer(code, limit is not None and limit.expired)
    except LauncherError as error:
        return Answer(error.code, error=error)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return Answer(HOST_FAILED, error=LauncherError(f"the host refused: {error.strerror or error}{where}"))


def _read_all(descriptor):
    data = b""
    while True:
        piece = os.read(descriptor, 65536)
        if not piece:
            os.close(descriptor)
            return data
        data += piece
