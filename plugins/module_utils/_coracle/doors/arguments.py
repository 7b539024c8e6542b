# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a command line -> options and names. By a table, not argparse, whose import alone doubles the time of a start."""

from __future__ import annotations

from ..base.errors import LauncherError

TEXT, FLAG, NUMBER, MANY = "text", "flag", "number", "many"


class Option:
    """One option of a verb. `names`: all its spellings; `key`: in the result; `kind`: one of the words above."""

    __slots__ = ("names", "key", "kind", "shown", "help")

    def __init__(self, names, key, kind, shown="", help_text=""):
        self.names, self.key, self.kind, self.shown, self.help = names.split(), key, kind, shown, help_text


class Verb:
    """One verb: `usage` after `coracle VERB`, `purpose` in one line, three `examples`, its `options`. `least`, `most`: how many names;
    `rest`: everything from the second name on belongs to somebody else's command."""

    __slots__ = ("name", "usage", "purpose", "examples", "options", "least", "most", "rest")

    def __init__(self, name, usage, purpose, examples, options=(), least=0, most=None, rest=False):
        self.name, self.usage, self.purpose, self.examples = name, usage, purpose, examples
        self.options, self.least, self.most, self.rest = options, least, most, rest


class Usage(LauncherError):
    """Words that make no sense: exit status 2."""


def parse(verb: Verb, words: list[str]) -> tuple[dict, list[str]]:
    """Return ({key: value}, names). Usage for an unknown option, a missing value, too few or too many names."""
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
            option = known.get(spelled)
            if option is None:
                raise Usage(f"{spelled} is no option of {verb.name}", remedy=f"See coracle {verb.name} --help")
            if option.kind == FLAG:
                values[option.key] = True
                continue
            if attached is None:
                if index == len(words):
                    raise Usage(f"{spelled} needs a value", remedy=f"See coracle {verb.name} --help")
                attached = words[index]
                index += 1
            _store(values, option, spelled, attached)
    if len(names) < verb.least or (verb.most is not None and len(names) > verb.most and not verb.rest):
        raise Usage(f"usage: coracle {verb.name} {verb.usage}")
    return values, names


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
            raise Usage(f"{spelled}: {text!r} is not a number of seconds or lines")
        values[option.key] = number
    elif option.kind == MANY:
        values.setdefault(option.key, []).append(text)
    else:
        values[option.key] = text


def help_of(verb: Verb) -> str:
    """The help of one verb: purpose, usage, options, examples."""
    lines = [f"{verb.purpose}.", "", f"Usage: coracle {verb.name} {verb.usage}".rstrip(), ""]
    for option in verb.options:
        lines.append(f"  {', '.join(option.names) + (' ' + option.shown if option.shown else ''):28} {option.help}")
    if verb.options:
        lines.append("")
    lines.append("Examples:")
    lines += [f"  {example}" for example in verb.examples]
    return "\n".join(lines) + "\n"
