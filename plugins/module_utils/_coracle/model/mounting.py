# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted in a container beside its root: the options `mounts` and `tmpfs`, their text in a settings file, and the plan of a start.

A mount is docker's: `type=bind,source=/srv/data,target=/data,readonly` in the file, a mapping in a task. Pure; a lean start loads this.
"""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError
from . import resolving

BIND, TMPFS = TYPES = ("bind", "tmpfs")
TMPFS_SIZE = 64 << 20  # bytes, of one that does not say it: what a container writes there is memory of the host
_OURS = ("proc", "sys", "dev")  # of the container's root: what the launcher mounts itself
_FLAGS = {"readonly": "read_only", "ro": "read_only", "nonrecursive": "non_recursive"}
_VALUES = {"type": "type", "source": "source", "src": "source", "target": "target", "destination": "target", "dst": "target",
           "tmpfs-size": "tmpfs_size", "tmpfs-mode": "tmpfs_mode"}
_TMPFS_WORDS = ("exec", "ro")
_TMPFS_UNSAID = ("noexec", "rw", "nosuid", "nodev")  # as it is anyhow
_TMPFS_NUMBERS = ("uid", "gid", "nr_inodes")


class Plan:
    """One mount of a start. `target`: as the container sees it; `source`: path on the host, None for a tmpfs, of which `data` are the
    options of mount(2); `recursive`: with what is mounted below the source."""

    __slots__ = ("target", "source", "read_only", "recursive", "noexec", "data")

    def __init__(self, target, source=None, read_only=False, recursive=True, noexec=False, data=""):
        self.target, self.source, self.data = target, source, data
        self.read_only, self.recursive, self.noexec = read_only, recursive, noexec


def plan(spec: dict) -> list[Plan]:
    """The mounts of a spec, those that others lie in first."""
    found = [_plan_mount(mount) for mount in map(parse, spec.get("mounts", []))] + [_plan_tmpfs(word) for word in spec.get("tmpfs", [])]
    return sorted(found, key=depth)


def depth(one: Plan) -> int:
    """What to sort by: a mount comes after those that it may lie in."""
    return one.target.count("/")


def check_together(spec: dict) -> None:
    """LauncherError for two mounts of a spec on one directory."""
    seen = set(resolving.files(spec, ""))
    for one in plan(spec):
        if one.target in seen:
            raise LauncherError("is mounted on twice", option="mounts", value=one.target,
                                remedy="Remove one of mounts, tmpfs, dns_* and etc_hosts")
        seen.add(one.target)


# --- mounts


def normalise_mounts(value, option: str) -> list[str]:
    """Return mounts, each a mapping or its text, as texts in their one spelling, sorted. LauncherError."""
    if not isinstance(value, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give a list of mappings with source and target")
    return sorted({_text(_checked(parse(one, option) if isinstance(one, str) else one, option)) for one in value})


def parse(word: str, option: str = "mounts") -> dict:
    """Return the mapping of a mount's text; not checked, but every name in it is one that there is. LauncherError."""
    mount: dict = {}
    for part in word.split(","):
        name, equals, content = part.partition("=")
        known = _VALUES.get(name) if equals else _FLAGS.get(name)
        if known is None or known in mount:
            problem = f"has {part!r}, which means nothing here" if known is None else f"has {known} twice"
            raise LauncherError(problem, option=option, value=word,
                                remedy="Write it as type=bind,source=/srv/data,target=/data,readonly")
        mount[known] = content if equals else True
    return mount


def _checked(mount, option):
    """The mapping with every value in its one spelling; what is as it is anyhow is left out."""
    if not isinstance(mount, dict):
        raise LauncherError("is no mapping", option=option, value=mount, remedy="Give source and target")
    given = {name: content for name, content in mount.items() if content is not None}
    kind = given.get("type", BIND)
    if kind not in TYPES:
        raise LauncherError("is no type of mount", option=f"{option}.type", value=kind, remedy=f"Use {' or '.join(TYPES)}")
    known = {"type": kind, "target": check_target(given.get("target"), f"{option}.target")}
    for name in given:
        if name not in _ALLOWED[kind]:
            raise LauncherError(f"means nothing with type {kind}", option=f"{option}.{name}", value=given[name], remedy="Remove it")
    if kind == BIND:
        known["source"] = _path(given.get("source"), f"{option}.source")
    for name in ("read_only", "non_recursive"):
        if _flag(given.get(name, False), f"{option}.{name}"):
            known[name] = True
    if "tmpfs_size" in given:
        known["tmpfs_size"] = str(_size(given["tmpfs_size"], f"{option}.tmpfs_size"))
    if "tmpfs_mode" in given:
        known["tmpfs_mode"] = _mode(given["tmpfs_mode"], f"{option}.tmpfs_mode")
    return known


_ALLOWED = {BIND: ("type", "source", "target", "read_only", "non_recursive"),
            TMPFS: ("type", "target", "read_only", "tmpfs_size", "tmpfs_mode")}


def _text(mount):
    parts = [f"{name}={mount[known]}" for name, known in (("type", "type"), ("source", "source"), ("target", "target"),
                                                          ("tmpfs-size", "tmpfs_size"), ("tmpfs-mode", "tmpfs_mode")) if known in mount]
    return ",".join(parts + [flag for flag in ("readonly", "nonrecursive") if _FLAGS[flag] in mount])


def _plan_mount(mount):
    if mount["type"] == BIND:
        return Plan(mount["target"], mount["source"], "read_only" in mount, "non_recursive" not in mount)
    data = f"size={mount.get('tmpfs_size', TMPFS_SIZE)},mode={mount.get('tmpfs_mode', '1777')}"
    return Plan(mount["target"], read_only="read_only" in mount, noexec=True, data=data)


# --- tmpfs


def normalise_tmpfs(value, option: str) -> list[str]:
    """Return file systems in memory, '/run' or '/run:size=16M,mode=755,exec', in their one spelling, sorted. LauncherError."""
    if not isinstance(value, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give e.g. ['/run:size=16M']")
    return sorted({_tmpfs(word, option) for word in value})


def _tmpfs(word, option):
    target, _colon, options = word.partition(":") if isinstance(word, str) else ("", "", "")
    found = dict(_tmpfs_option(part, option) for part in options.split(",") if part and part not in _TMPFS_UNSAID)
    shown = ",".join(f"{name}={content}" if content else name for name, content in sorted(found.items()))
    return f"{check_target(target, option)}:{shown}" if shown else check_target(target, option)


def _tmpfs_option(part, option):
    name, _equals, content = part.partition("=")
    if part in _TMPFS_WORDS:
        return part, ""
    if name == "size":
        return name, str(_size(content, option))
    if name == "mode":
        return name, _mode(content, option)
    if name in _TMPFS_NUMBERS:
        return name, str(text.parse_integer(content, option, 0, text.MAX_ID))
    raise LauncherError("is no option of a tmpfs", option=option, value=part,
                        remedy=f"Use size, mode, {', '.join(_TMPFS_NUMBERS)}, {' or '.join(_TMPFS_WORDS)}")


def _plan_tmpfs(word):
    target, _colon, options = word.partition(":")
    parts = options.split(",") if options else []
    data = [part for part in parts if part not in _TMPFS_WORDS]
    data += [unsaid for unsaid in (f"size={TMPFS_SIZE}", "mode=1777") if not any(part.startswith(unsaid[:5]) for part in data)]
    return Plan(target, read_only="ro" in parts, noexec="exec" not in parts, data=",".join(data))


# --- values


def check_target(value, option: str) -> str:
    """Return a place in the container where something may be mounted. LauncherError: the root, and what is the launcher's."""
    target = _path(value, option)
    first = target.split("/")[1]
    if not first or first in _OURS:
        raise LauncherError("is a place where nothing can be mounted", option=option, value=target,
                            remedy="Use read_only for /, shm_size for /dev/shm, devices for /dev, sysctls for /proc/sys")
    return target


def _path(value, option):
    parts = value.split("/") if isinstance(value, str) else []
    if not parts or parts[0] or ".." in parts or len(value) > 4095 or text.has_control(value) or not value.isprintable():
        raise LauncherError("is no absolute path without '..'", option=option, value=value, remedy="Begin with / and name every directory")
    if "," in value or ":" in value or '"' in value:
        raise LauncherError("has a character that a mount cannot have", option=option, value=value, remedy='Choose a path without , : and "')
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def _size(value, option):
    size = text.parse_size(value, option)
    if size < 1:
        raise LauncherError("is no size that a file system in memory can have", option=option, value=value, remedy="Give e.g. 64M")
    return size


def _mode(value, option):
    """Octal, as chmod(1) takes it. A number is what YAML has made of it, which nobody knows any more: only text is taken."""
    if not isinstance(value, str) or not 1 <= len(value) <= 5 or not all(c in "01234567" for c in value) or int(value, 8) > 0o1777:
        raise LauncherError("is no mode of a directory", option=option, value=value, remedy='Give octal digits in quotes, e.g. "1777"')
    return format(int(value, 8), "o")


def _flag(value, option):
    if not isinstance(value, bool):
        raise LauncherError("is neither yes nor no", option=option, value=value, remedy="Write true or false")
    return value
