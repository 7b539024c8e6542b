# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""THE table of verbs. Parsing, --help and completion come from it, docs/man/coracle.8 is checked against it."""

from __future__ import annotations

from .arguments import FLAG, MANY, NUMBER, TEXT, Option, Verb

_QUIET = Option("-q --quiet", "quiet", FLAG, "", "names only")
_BARE = Option("--no-headers", "bare", FLAG, "", "no first line")
_FORMAT = Option("--format", "format", TEXT, "table|json", "for people, or for jq")
_JSON = Option("--json", "json", FLAG, "", "the same as --format json")
_FILTER = Option("--filter", "filter", MANY, "KEY=VALUE", "name=GLOB state= health= label=NAME[=VALUE]")
_TIMEOUT = Option("-t --timeout", "timeout", NUMBER, "SECONDS", "until SIGKILL (else the container's own)")
_ALL_RUNNING = Option("--all", "all", FLAG, "", "all that run")

VERBS = (
    Verb("run", "PATH", "Run the container at PATH in the foreground, on this terminal",
         ("coracle run /tmp/slackware", "coracle run /var/lib/coracle/containers/web1", "echo ls | coracle run /tmp/slackware"), least=1, most=1),
    Verb("start", "NAME|PATH...", "Start containers; each has lived for a moment then",
         ("coracle start web1", "coracle start /tmp/slackware", "coracle start --grace 2 web1 web2"),
         (Option("--grace", "grace", NUMBER, "SECONDS", "that it must live (default 0.25)"),
          Option("--all", "all", FLAG, "", "all that do not run"))),
    Verb("stop", "NAME...", "Stop containers: their stop signal, later SIGKILL",
         ("coracle stop web1", "coracle stop -t 1 web1 web2", "coracle stop --all"),
         (_TIMEOUT, Option("-s --signal", "signal", TEXT, "SIGNAL", "instead of the container's stop_signal"), _ALL_RUNNING)),
    Verb("restart", "NAME...", "Stop containers and start them again",
         ("coracle restart web1", "coracle restart web1 web2", "coracle restart --all"), (_ALL_RUNNING,)),
    Verb("kill", "NAME...", "Send a signal to the first process of containers",
         ("coracle kill web1", "coracle kill -s HUP web1", "coracle kill -s USR1 --all"),
         (Option("-s --signal", "signal", TEXT, "SIGNAL", "name or number (default KILL)"), _ALL_RUNNING)),
    Verb("list", "[NAME...]", "List containers, running or not",
         ("coracle list", "coracle list --json 'web*'", "coracle list -q --filter state=running"), (_FORMAT, _JSON, _FILTER, _QUIET, _BARE)),
    Verb("status", "NAME...", "Tell how a container does; 0 running, 3 not, 4 unknown",
         ("coracle status web1", "coracle status web1 || coracle start web1", "coracle status web1 > /dev/null; echo $?"), least=1),
    Verb("inspect", "NAME...", "Print all that is known of containers, as JSON",
         ("coracle inspect web1", "coracle inspect web1 | jq '.[0].usage'", "coracle inspect web1 web2"), least=1),
    Verb("logs", "NAME", "Print what a container has written",
         ("coracle logs web1", "coracle logs -f --tail 20 web1", "coracle logs --stderr --since 42m -t web1"),
         (Option("-f --follow", "follow", FLAG, "", "go on until it ends"),
          Option("--tail", "tail", NUMBER, "LINES", "only the last ones"),
          Option("--since", "since", TEXT, "TIME", "42m, 3h, or RFC 3339"),
          Option("--until", "until", TEXT, "TIME", "as --since"),
          Option("-t --timestamps", "timestamps", FLAG, "", "with the time of each line"),
          Option("--stdout", "stdout", FLAG, "", "only that"), Option("--stderr", "stderr", FLAG, "", "only that")), least=1, most=1),
    Verb("exec", "[OPTIONS] NAME COMMAND [ARG...]", "Run one more process in a running container",
         ("coracle exec web1 ps", "coracle exec -u 99:98 -w /tmp web1 /bin/bash", "coracle exec -i web1 cat < file"),
         (Option("-i --interactive", "stdin", FLAG, "", "pass standard input on"),
          Option("-t --tty", "tty", FLAG, "", "with a terminal (else: when there is one)"),
          Option("-T --no-tty", "no_tty", FLAG, "", "without"),
          Option("-u --user", "user", TEXT, "USER[:GROUP]", "instead of the container's"),
          Option("-w --workdir", "cwd", TEXT, "DIR", "in the container"),
          Option("-e --env", "env", MANY, "NAME=VALUE", "more environment")),
         least=2, rest=True),
    Verb("top", "NAME", "List the processes of a container", ("coracle top web1", "coracle top --no-headers web1", "coracle top --json web1"),
         (_FORMAT, _JSON, _BARE), least=1, most=1),
    Verb("stats", "[NAME...]", "Show what containers use, live on a terminal",
         ("coracle stats", "coracle stats --interval 5 'web*'", "coracle stats --format prometheus > coracle.prom"),
         (Option("--no-stream", "once", FLAG, "", "once (as when this is no terminal)"),
          Option("--interval", "interval", NUMBER, "SECONDS", "between two looks (default 1)"),
          Option("--format", "format", TEXT, "table|json|prometheus", "for people, jq, or node_exporter"), _JSON, _BARE)),
    Verb("wait", "NAME...", "Wait until containers have ended; print exit codes",
         ("coracle wait job1", "coracle wait job1 job2", "coracle start job1 && coracle wait job1"), least=1),
    Verb("images", "", "List the images of this host and who uses them",
         ("coracle images", "coracle images --json", "coracle images --prune"),
         (_FORMAT, _JSON, Option("-q --quiet", "quiet", FLAG, "", "digests only"), _BARE,
          Option("--prune", "prune", FLAG, "", "remove those that nobody uses, and list them")), most=0),
    Verb("boot", "", "Start what has a restart policy, as the host does at boot",
         ("coracle boot", "coracle boot || coracle list", "coracle shutdown && coracle boot"), most=0),
    Verb("shutdown", "", "Stop all containers, as the host does when it stops",
         ("coracle shutdown", "coracle shutdown -t 5", "coracle shutdown && coracle boot"), (_TIMEOUT,), most=0),
    Verb("completion", "bash|zsh|fish", "Print the completion of a shell",
         ("eval \"$(coracle completion bash)\"", "coracle completion zsh > _coracle", "coracle completion fish | source"), least=1, most=1),
)
ALIASES = {"ls": "list"}


def find(word: str) -> Verb | None:
    """The verb of that name or alias."""
    name = ALIASES.get(word, word)
    return next((verb for verb in VERBS if verb.name == name), None)
