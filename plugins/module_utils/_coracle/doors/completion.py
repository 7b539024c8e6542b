# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion for bash, zsh and fish, made from the table of verbs. Names of containers are asked of `coracle list -q`, which needs root."""

from __future__ import annotations

from .arguments import FLAG, Option, Verb, choices
from .vocabulary import VERBS

_LIST = "coracle list -q 2>/dev/null"
_PATHS, _NAMES, _NOTHING = "paths", "names", "nothing"


def _completes(verb: Verb) -> str | list[str]:
    """What the words of a verb are: names of containers, directories, some of these words, or nothing that we know."""
    if choices(verb.usage):
        return choices(verb.usage)
    return _NAMES if "NAME" in verb.usage else _PATHS if "PATH" in verb.usage else _NOTHING


def _values(option: Option) -> list[str]:
    """What the value of an option can begin with."""
    if option.key == "filter":
        return ["name=", "state=running", "state=exited", "state=created", "state=restarting", "health=", "label="]
    if option.key == "signal":
        return ["HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "WINCH"]
    return option.choices()


# --- bash


def bash() -> str:
    """For bash-completion, or to be read with eval."""
    lines = ["# bash completion of coracle, made by: coracle completion bash", "_coracle() {",
             '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=""', "    COMPREPLY=()",
             "    if ((COMP_CWORD == 1)); then",
             f'        COMPREPLY=($(compgen -W "{" ".join(verb.name for verb in VERBS)} --help --version" -- "$cur"))', "        return", "    fi",
             "    case ${COMP_WORDS[1]} in"]
    for verb in VERBS:
        lines += [f"    {verb.name}{'|ls' if verb.name == 'list' else ''})", *_bash_verb(verb), "        ;;"]
    return "\n".join([*lines, "    esac", "}", "complete -F _coracle coracle", ""])


def _bash_verb(verb):
    valued = [option for option in verb.options if option.kind != FLAG]
    lines = []
    if verb.rest:
        lines += _bash_rest(valued)
    if valued:
        lines.append("        case $prev in")
        for option in valued:
            lines.append(f"        {'|'.join(option.names)}) COMPREPLY=($(compgen -W \"{' '.join(_values(option))}\" -- \"$cur\")); return ;;")
        lines.append("        esac")
    spelled = " ".join([*(name for option in verb.options for name in option.names), "--help"])
    lines.append(f'        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "{spelled}" -- "$cur")); return; fi')
    words = _completes(verb)
    if isinstance(words, list):
        lines.append(f'        COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur"))')
    elif words == _NAMES:
        lines.append(f'        COMPREPLY=($(compgen -W "$({_LIST})" -- "$cur"))')
        if "PATH" in verb.usage:
            lines.append('        [[ $cur == */* ]] && COMPREPLY=($(compgen -d -- "$cur"))')
    elif words == _PATHS:
        lines.append('        COMPREPLY=($(compgen -d -- "$cur"))')
    return lines


def _bash_rest(valued):
    """After the name comes somebody else's command, of which we know nothing."""
    spelled = "|".join(name for option in valued for name in option.names)
    return ["        local i name=0", "        for ((i = 2; i < COMP_CWORD; i++)); do", "            case ${COMP_WORDS[i]} in",
            f"            {spelled}) ((i++)) ;;", "            -*) ;;", "            *) name=1 ;;", "            esac", "        done",
            "        ((name)) && return"]


# --- zsh


def zsh() -> str:
    """For a directory of $fpath, as _coracle, or to be read with eval."""
    lines = ["#compdef coracle", "# made by: coracle completion zsh", "",
             "_coracle_names() {", "    local -a names", f'    names=(${{(f)"$({_LIST})"}})', "    compadd -a names", "}", "",
             "_coracle() {", "    local curcontext=$curcontext state line", "    local -a verbs", "    verbs=("]
    lines += [f"        {_quoted(verb.name + ':' + verb.purpose)}" for verb in VERBS]
    lines += ["    )", "    _arguments -C '(- *)--help[list the verbs]' '(- *)--version[version]' '1: :->verb' '*:: :->rest'", "    case $state in",
              "    verb) _describe verb verbs ;;", "    rest)", "        case $words[1] in"]
    for verb in VERBS:
        words = [_zsh_option(option) for option in verb.options] + [_zsh_words(verb)]
        lines.append(f"        {verb.name}{'|ls' if verb.name == 'list' else ''}) _arguments -s {' '.join(word for word in words if word)} ;;")
    return "\n".join([*lines, "        esac ;;", "    esac", "}", "", "if (( $funcstack[(Ie)_coracle] )); then", '    _coracle "$@"', "else",
                      "    compdef _coracle coracle", "fi", ""])


def _zsh_option(option):
    text = "".join(f"\\{character}" if character in "[]:" else character for character in option.help)
    value = ""
    if option.kind != FLAG:
        words = _values(option)
        value = f":{option.shown.lower().replace(':', ' ')}:" + (f"({' '.join(words)})" if words else "")
    if len(option.names) == 1:
        return _quoted(f"{option.names[0]}[{text}]{value}")
    both = " ".join(option.names)
    return f"'({both})'{{{','.join(option.names)}}}{_quoted(f'[{text}]{value}')}"


def _zsh_words(verb):
    words = _completes(verb)
    if isinstance(words, list):
        return _quoted(f"1:shell:({' '.join(words)})")
    if words == _PATHS:
        return "'1:directory:_files -/'"
    if words == _NOTHING:
        return ""
    if verb.rest:
        return "'1:container:_coracle_names' '*::: :'"
    return "'1:container:_coracle_names'" if verb.most == 1 else "'*:container:_coracle_names'"


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish


def fish() -> str:
    """For a directory of $fish_complete_path, as coracle.fish, or to be sourced."""
    lines = ["# fish completion of coracle, made by: coracle completion fish", "complete -c coracle -f",
             "complete -c coracle -n __fish_use_subcommand -l help -d 'list the verbs'",
             "complete -c coracle -n __fish_use_subcommand -l version -d version"]
    for verb in VERBS:
        lines.append(f"complete -c coracle -n __fish_use_subcommand -a {verb.name} -d {_quoted(verb.purpose)}")
    for verb in VERBS:
        here = f"complete -c coracle -n '__fish_seen_subcommand_from {verb.name}{' ls' if verb.name == 'list' else ''}'"
        lines += [f"{here} {_fish_option(option)}" for option in verb.options]
        words = _completes(verb)
        if isinstance(words, list):
            lines.append(f"{here} -a {_quoted(' '.join(words))}")
        elif words == _NAMES:
            lines.append(f"{here} -a '({_LIST})'")
        elif words == _PATHS:
            lines.append(f"{here} -a '(__fish_complete_directories)'")
    return "\n".join([*lines, ""])


def _fish_option(option):
    words = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.kind != FLAG:
        words.append("-x" + (f" -a {_quoted(' '.join(_values(option)))}" if _values(option) else ""))
    return " ".join([*words, f"-d {_quoted(option.help)}"])


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
