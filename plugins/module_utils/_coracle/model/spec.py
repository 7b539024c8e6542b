# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of one container: module options -> Want, and how a want and stored specs are merged and compared. Pure: no I/O.

The spec inside is that of model/settings.py, so what a task asks and what a file says have one spelling and are compared as values.
"""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError
from . import restart, settings
from .change import CREATE, LIVE, RESTART, Change

ABSENT, PRESENT, STOPPED, STARTED = STATES = ("absent", "present", "stopped", "started")
ON_RESTART_REQUIRED = ("restart", "notify", "fail")

LIMITS = ("memory", "cpu_percent", "cpu_shares", "cpus", "pids_limit")  # what the kernel enforces, and tells back
SHORTHAND = {"bridge": "bridge", "ip": "addresses", "gw": "gateway"}  # the article's words for one network

# Two ways to say one thing: a spec has one of each pair, the one that was asked last.
RIVALS = {"image": "rootfs", "rootfs": "image", "cpu_percent": "cpu_shares", "cpu_shares": "cpu_percent"}

# What a settings file means that does not name the option. None: whatever the launcher finds.
_UNSAID = {"read_only": False, "groups": [], "init": False, "capabilities": [], "cap_drop": [], "dns_servers": [], "dns_search_domains": [],
           "dns_opts": [], "oom_score_adj": 0, "shm_size": 64 << 20, "mounts": [], "tmpfs": [], "devices": [], "ulimits": [], "etc_hosts": {},
           "sysctls": {}, "memory": text.UNLIMITED, "cpus": "-1", "pids_limit": text.UNLIMITED, "restart_retries": 0, "env": {}, "labels": {}, "networks": [],
           **{option: value for option, value in settings.DEFAULTS.items() if value is not None}}


class Want:
    """One container as a task wants it.

    `name`, `path`: as given, one of them may be None. `spec`: the given options, normalised; `spec["image"]` is a digest or missing.
    `archive`: path of the image's archive on this host or its URL, None when `image` is a digest or not given. `checked`: the task says
    the digest of the archive (`checksum`); else work/container.py reads it from the file. `env_file`: path on this host, which
    work/container.py reads below `spec["env"]`. `start_grace`: seconds. `unattended`: no task
    asks, but the start of the host: what fails is tried again under its restart policy.
    """

    __slots__ = ("name", "path", "state", "spec", "archive", "checked", "env_file", "start_grace", "restart", "recreate", "on_restart_required",
                 "unattended")

    def __init__(self, name=None, path=None, state=STARTED, spec=None):
        self.name = name
        self.path = path
        self.state = state
        self.spec = {} if spec is None else spec
        self.archive = None
        self.checked = False
        self.env_file = None
        self.start_grace = 0.25
        self.restart = False
        self.recreate = False
        self.on_restart_required = "restart"
        self.unattended = False


def read_options(options: dict) -> Want:
    """Return the Want of one container's module options. LauncherError names the option, also for two that contradict each other."""
    _check_together(options)
    want = Want(options.get("name"), options.get("path"), options.get("state") or STARTED)
    image = options.get("image")
    checksum = options.get("checksum")
    if checksum is not None:
        settings.normalise({"image": checksum})
    if image is not None and not image.startswith("sha256:"):
        want.archive, want.checked, image = _archive(image, checksum), checksum is not None, checksum
    elif checksum is not None and checksum != image:
        raise LauncherError("is not the digest of image", option="checksum", value=checksum, remedy="Give one of them")
    want.spec = settings.normalise({**options, "image": image, "command": _command(options), "networks": _networks(options)})
    if options.get("env_file") is not None:
        want.env_file = settings.check_path(options["env_file"], "env_file")
    want.start_grace = _grace(options.get("start_grace"))
    want.restart = bool(options.get("restart"))
    want.recreate = bool(options.get("recreate"))
    want.on_restart_required = options.get("on_restart_required") or "restart"
    return want


def _check_together(options):
    def given(*names):
        return [name for name in names if options.get(name) is not None]

    if not given("name", "path"):
        raise LauncherError("neither name nor path is given", option="name", remedy="Give the container a name")
    for one, others in (("command", ("process", "args")), ("entrypoint", ("process", "args")), ("networks", tuple(SHORTHAND)),
                        ("image", ("rootfs",)), ("cpu_percent", ("cpu_shares",))):
        if given(one) and given(*others):
            raise LauncherError(f"cannot be together with {one}", option=given(*others)[0], remedy="Remove one of them")
    for one, other in (("args", "process"), ("ip", "bridge"), ("gw", "bridge"), ("checksum", "image")):
        if given(one) and not given(other):
            raise LauncherError(f"needs {other} beside it", option=one, remedy=f"Add {other}")
    if given("restart_policy") and options.get("restart_retries") and options["restart_policy"] != restart.ON_FAILURE:
        raise LauncherError(f"counts with restart_policy {restart.ON_FAILURE} only", option="restart_retries", value=options["restart_retries"],
                            remedy=f"Remove it, or set restart_policy: {restart.ON_FAILURE}")


def _archive(image, checksum):
    is_url = image.startswith(("http://", "https://"))
    if not (image.startswith("/") or is_url) or text.has_control(image):
        raise LauncherError("is neither the absolute path of an archive, nor an http or https URL, nor a digest", option="image",
                            value=text.shown_url(image), remedy="Give e.g. /srv/initrd.img, or sha256: and 64 hexadecimal digits")
    if is_url and checksum is None:
        raise LauncherError("is a URL, which needs checksum beside it", option="image",
                            remedy="Add checksum, sha256: and 64 hexadecimal digits")
    return image


def _command(options):
    if options.get("entrypoint"):
        return [*options["entrypoint"], *(options.get("command") or [])]
    if options.get("process") is None:
        return options.get("command")
    return [options["process"], *(options.get("args") or [])]


def _networks(options):
    if options.get("bridge") is None:
        return options.get("networks")
    return [{name: options.get(short) for short, name in SHORTHAND.items()}]


def _grace(value):
    if value is None:
        return 0.25
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 60:
        raise LauncherError("is no number of seconds", option="start_grace", value=value, remedy="Give 0 to 60")
    return float(value)


def unsaid(option: str):
    """Return what a settings file means that does not name `option`; None when the launcher decides at the start."""
    return _UNSAID.get(option)


def merge(stored: dict, asked: dict) -> dict:
    """Return `stored` with the asked options on top, in the order of the table. Neither argument is changed."""
    kept = {option: value for option, value in stored.items() if RIVALS.get(option) not in asked}
    kept.update(asked)
    return {row.option: kept[row.option] for row in settings.KEYS if row.option in kept}


def new(asked: dict) -> dict:
    """Return the spec of a container that does not exist yet. Defaults are written down, so that a later release cannot change them."""
    return merge({option: value for option, value in settings.DEFAULTS.items() if value is not None}, asked)


def same(option: str, one: dict, other: dict) -> bool:
    """True when both specs mean the same with `option`."""
    mine, theirs = one.get(option, unsaid(option)), other.get(option, unsaid(option))
    if option == "networks":
        return canonical_networks(mine) == canonical_networks(theirs)
    return mine == theirs


def canonical_networks(networks: list) -> list:
    """Return networks as they compare: every interface named, defaults filled in, addresses and routes without an order, MAC addresses in
    lower case."""
    return [{**settings.NETWORK_DEFAULTS, **network, "interface_name": network.get("interface_name", f"eth{index}"),
             "addresses": sorted(network.get("addresses", [])), "mac_address": network.get("mac_address", "").lower(),
             "routes": sorted(network.get("routes", []), key=lambda route: sorted(map(str, route.items())))}
            for index, network in enumerate(networks)]


def changes(asked: dict, stored: dict, running: bool) -> list[Change]:
    """Return what differs between the asked options and the stored spec, in the order of the table. Options not asked are not compared.

    Without a running container nothing needs a restart. A stored rival of an asked option goes, and is one change more.
    """
    found = []
    for row in settings.KEYS:
        cost = LIVE if row.cost == RESTART and not running else row.cost
        if row.option in asked:
            if not same(row.option, asked, stored):
                found.append(Change(row.option, stored.get(row.option), asked[row.option], cost))
        elif row.option in stored and RIVALS.get(row.option) in asked:
            found.append(Change(row.option, stored[row.option], None, cost, f"{RIVALS[row.option]} takes its place"))
    return found


def creation(asked: dict) -> list[Change]:
    """Return the changes that write a new container's settings."""
    return [Change(option, None, value, CREATE) for option, value in new(asked).items()]


def pending(settings_spec: dict, started_spec: dict) -> list[str]:
    """Return the options whose value in the settings waits for a restart: the container runs with another one."""
    return [row.option for row in settings.KEYS if row.cost != LIVE and not same(row.option, settings_spec, started_spec)]


def cost(option: str) -> str:
    """What a change of `option` costs while the container runs."""
    return _COSTS[option]


def order() -> dict[str, int]:
    """{option: its place in the table}."""
    return {option: index for index, option in enumerate(_COSTS)}


_COSTS = {row.option: row.cost for row in settings.KEYS}
