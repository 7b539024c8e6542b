# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says about itself: the list of verbs, one verb, its version, and what a misspelt verb may have meant."""

from __future__ import annotations

import os
import sys

from ..base import places
from ..base.errors import LauncherError
from .arguments import Usage, Verb
from .suggestions import nearest
from .vocabulary import ALIASES, VERBS


def overview() -> str:
    """All verbs, on one screen."""
    lines = ["coracle runs containers with nothing but the kernel.", "", "Usage: coracle VERB [OPTIONS] [NAME...]", ""]
    lines += [f"  {verb.name:11}{verb.purpose}" for verb in VERBS]
    return "\n".join([*lines, "", "coracle VERB --help, coracle --version, man coracle, man coracle-settings"]) + "\n"


def help_of(verb: Verb) -> str:
    """One verb: purpose, usage, options, examples."""
    lines = [f"{verb.purpose}.", "", f"Usage: coracle {verb.name} {verb.usage}".rstrip(), ""]
    for option in verb.options:
        lines.append(f"  {', '.join(option.names) + (' ' + option.shown if option.shown else ''):30} {option.help}")
    if verb.options:
        lines.append("")
    lines.append("Examples:")
    lines += [f"  {example}" for example in verb.examples]
    return "\n".join(lines) + "\n"


def version() -> str:
    """The digest of the launcher's code, the Python that runs it, the cgroup mode of the host."""
    from ..kernel.cgroup import detect

    try:
        mode = detect.find().mode
    except LauncherError:
        mode = "none"
    return f"coracle {os.path.basename(os.path.realpath(sys.path[0]))} (Python {sys.version.split()[0]}, cgroup {mode}, {places.LIBRARY})\n"


def unknown(word: str) -> Usage:
    """The error for a word that is no verb, with the one that was meant."""
    near = nearest(word, [*(verb.name for verb in VERBS), *ALIASES], 0.5)
    hint = f"Did you mean {near}?" if near else "See coracle --help"
    if word == "ps":  # "list" in docker, "processes of one" in runc
        hint = "Did you mean list, or top NAME?"
    return Usage(f"{word!r} is no verb", remedy=hint)
