# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a command line -> options and names. By a table, not argparse, whose import alone doubles the time of a start."""

from __future__ import annotations

from ..base.errors import LauncherError
from .suggestions import nearest

TEXT, FLAG, NUMBER, MANY = "text", "flag", "number", "many"
HELP = ("--help", "-h")


class Option:
    """One option of a verb. `names`: all its spellings; `key`: in the result; `kind`: one of the words above; `shown`: its value for a
    person, `a|b` when it is one of these."""

    __slots__ = ("names", "key", "kind", "shown", "help")

    def __init__(self, names, key, kind, shown="", help_text=""):
        self.names, self.key, self.kind, self.shown, self.help = names.split(), key, kind, shown, help_text

    def choices(self) -> list[str]:
        """The values that it takes; [] for any."""
        return choices(self.shown)


class Verb:
    """One verb: `usage` after `coracle VERB`, `purpose` in one line, three `examples`, its `options`. `least`, `most`: how many names;
    `rest`: everything from the second name on belongs to somebody else's command."""

    __slots__ = ("name", "usage", "purpose", "examples", "options", "least", "most", "rest")

    def __init__(self, name, usage, purpose, examples, options=(), least=0, most=None, rest=False):
        self.name, self.usage, self.purpose, self.examples = name, usage, purpose, examples
        self.options, self.least, self.most, self.rest = options, least, most, rest

    def subject(self, names: list[str]) -> str:
        """Whom an error of this verb is about; "" when it has several names, or none."""
        return names[0] if names and (self.rest or self.most == 1) else ""


class Usage(LauncherError):
    """Words that make no sense: exit status 2."""


def choices(shown: str) -> list[str]:
    """'table|json' -> ['table', 'json']; [] for 'SECONDS' and 'NAME|PATH...'."""
    return shown.split("|") if "|" in shown and shown.islower() else []


def parse(verb: Verb, words: list[str]) -> tuple[dict, list[str]]:
    """Return ({key: value}, names); {'help': True} when that is asked. Usage for an unknown option, a bad or missing value, too few or
    too many names."""
    known = {name: option for option in verb.options for name in option.names}
    values, names, index = {}, [], 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            names += words[index:]
            break
        if verb.rest and names:  # the name is there: all that follows is the command
            names += words[index - 1:]
            break
        if not word.startswith("-") or word == "-":
            names.append(word)
            continue
        for spelled, attached in _split(word, known):
            if spelled in HELP:
                return {"help": True}, []
            option = known.get(spelled)
            if option is None:
                raise _unknown(verb, spelled, known)
            if option.kind == FLAG:
                if attached is not None:
                    raise Usage(f"{spelled} takes no value", remedy=_see(verb))
                values[option.key] = True
                continue
            if attached is None:
                if index == len(words):
                    raise Usage(f"{spelled} needs a value", remedy=_see(verb))
                attached = words[index]
                index += 1
            _store(values, option, spelled, attached)
    if len(names) < verb.least:
        raise Usage("a container and a command must be named" if verb.rest else f"no {verb.usage.split()[0].strip('.').lower()} is given",
                    remedy=f"Usage: coracle {verb.name} {verb.usage}")
    if verb.most is not None and len(names) > verb.most and not verb.rest:
        raise Usage(f"{names[verb.most]!r} is one word too many", remedy=f"Usage: coracle {verb.name} {verb.usage}".rstrip())
    return values, names


def _see(verb):
    return f"See coracle {verb.name} --help"


def _unknown(verb, spelled, known):
    near = nearest(spelled, known)
    return Usage(f"{spelled} is no option of {verb.name}", remedy=f"Did you mean {near}?" if near else _see(verb))


def _split(word, known):
    """-t5, --timeout=5, -it (two flags) -> (option, attached value or None)."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return [(name, value if equals else None)]
    first = word[:2]
    if len(word) == 2:
        return [(first, None)]
    if first in known and known[first].kind != FLAG:
        return [(first, word[2:].lstrip("="))]
    return [(f"-{letter}", None) for letter in word[1:]]


def _store(values, option, spelled, text):
    if option.kind == NUMBER:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number < 1e9:
            raise Usage(f"{text!r} is not a number of {option.shown.lower()}", option=spelled)
        values[option.key] = number
    elif option.choices() and text not in option.choices():
        raise Usage(f"{text!r} is none of {', '.join(option.choices())}", option=spelled)
    elif option.kind == MANY:
        values.setdefault(option.key, []).append(text)
    else:
        values[option.key] = text
