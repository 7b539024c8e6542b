# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""THE table: settings key, module option, how a value is read, what a change of it costs. And the grammar of the settings file.

The file is the article's, a superset: `key: value` or `key:value`, one a line, whole-line comments with #. Lists are numbered
(`arg1`, `env1`, `ulimit1`), so are the networks after the first (`bridge2`). A value that begins with a double quote is quoted:
\\" \\\\ \\n \\r \\t \\xNN \\uNNNN inside. `parse(render(spec)) == spec` for every normalised spec; an empty mapping or list is what the
file says by leaving it out.
"""

from __future__ import annotations

from ..base import rates, text
from ..base.errors import LauncherError, SettingsError
from . import devices, mounting, privileges, resolving, restart, routes, sysctls, trunks, ulimits
from .change import LIVE, RECREATE, RESTART

LIMIT = 65536  # bytes of a settings file


def _user(value, option):
    """A number or a name of the rootfs' own passwd; the number -1, however written, would mean "keep root" to the kernel."""
    shown = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(shown, str) and text.is_digits(shown):
        number = text.parse_integer(shown, option, 0, text.MAX_ID)
        if len(shown) <= 10:
            return str(number)
    first = isinstance(shown, str) and shown[:1]
    if not first or not (first.isalpha() or first == "_") or not shown.isascii() or len(shown) > 32 \
            or not all(c.isalnum() or c in "_.-$" for c in shown):
        raise LauncherError("is neither a number nor a name", option=option, value=value,
                            remedy=f"Give a number from 0 to {text.MAX_ID}, or a name from the rootfs' own /etc/passwd or /etc/group")
    return shown


def _groups(value, option):
    """Users' names have no comma and no space, so in the file they are in one line."""
    return sorted({_user(word, option) for word in _words(value, option)})


def _words(value, option):
    listed = _listed(value)
    if not isinstance(listed, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give a list of words")
    return listed


def _oom_score(value, option):
    return text.parse_integer(value, option, -1000, 1000)  # OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX of <linux/oom.h>


def _size(value, option):
    return text.parse_size(value, option)


def _shm_size(value, option):
    size = text.parse_size(value, option)
    if size < 1:
        raise LauncherError("is no size that a file system in memory can have", option=option, value=value, remedy="Give e.g. 64M")
    return size


def _percent(value, option):
    return text.parse_integer(value, option, 1, 25600)


def _shares(value, option):
    return text.parse_integer(value, option, 2, 262144)


def _cpus(value, option):
    """Processors as text with at most three decimals, so that one value has one spelling: '0.5', '2'; '-1' is no limit."""
    if value in (-1, "-1"):
        return "-1"
    shown = format(value, ".3f") if isinstance(value, float) else str(value) if not isinstance(value, bool) else ""
    whole, _point, fraction = shown.partition(".")
    fraction = fraction.rstrip("0")
    if not text.is_digits(whole) or len(whole) > 4 or (fraction and not text.is_digits(fraction)) or len(fraction) > 3 \
            or int(whole) * 1000 + int((fraction or "0").ljust(3, "0")) < 10:
        raise LauncherError("is not a number of processors", option=option, value=value, remedy="Use e.g. 0.5 or 2; at least 0.01, or -1 for no limit")
    return f"{int(whole)}.{fraction}" if fraction else str(int(whole))


def _pids(value, option):
    return text.parse_integer(value, option, -1, 4194304)


def _command(value, option):
    if not isinstance(value, list) or not value:
        raise LauncherError("names no process", option=option, value=value, remedy="Give the absolute path of a program in the rootfs")
    for word in value:
        _line(word, option, control=True)
    if not value[0].startswith("/"):
        raise LauncherError("is no absolute path", option="process", value=value[0], remedy="Begin with /, as the rootfs sees it")
    return list(value)


def _line(value, option, control=False):
    if not isinstance(value, str) or "\0" in value or (not control and text.has_control(value)):
        raise LauncherError("has a control character", option=option, value=value, remedy="Remove it")
    if any(0xD800 <= ord(character) < 0xE000 for character in value):  # how Python holds bytes that are no UTF-8
        raise LauncherError("is not UTF-8", option=option, value=text.printable(value), remedy="Give UTF-8 text")
    return value


def check_path(value, option: str) -> str:
    """Return an absolute path in its shortest spelling. LauncherError for one with '..' or control characters."""
    _line(value, option)
    parts = value.split("/")
    if not value.startswith("/") or ".." in parts or len(value) > 4095:
        raise LauncherError("is no absolute path without '..'", option=option, value=value, remedy="Begin with / and name every directory")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def _hostname(value, option):
    good = isinstance(value, str) and 1 <= len(value) <= 64 and value.isascii() and all(c.isalnum() or c in "-." for c in value)
    if not good or value[0] in "-.":
        raise LauncherError("is not a host name", option=option, value=value, remedy="Use 1 to 64 of A-Z a-z 0-9 . -")
    return value


def _pairs(value, option):
    if not isinstance(value, dict):
        raise LauncherError("is no mapping", option=option, value=value, remedy="Give NAME: value pairs")
    pairs = {}
    for name, content in value.items():
        if not isinstance(name, str) or not name or "=" in name or text.has_control(name) or name != name.strip():
            raise LauncherError(f"{name!r} is not a name", option=option, remedy="Use a name without '=', spaces at its ends and control characters")
        pairs[_line(name, option)] = _line(str(content), option, control=True)
    return pairs


_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "CONT": 18, "STOP": 19,
            "WINCH": 28, "PWR": 30}


def signal_number(value, option="stop_signal"):
    """Return the number of a signal given as 15, 'TERM' or 'SIGTERM'. Numbers are those of x86 and arm (signal(7))."""
    shown = str(value).upper()
    name = shown[3:] if shown.startswith("SIG") else shown
    if name in _SIGNALS:
        return _SIGNALS[name]
    if text.is_digits(shown) and 1 <= int(shown) <= 64 and len(shown) <= 2:
        return int(shown)
    raise LauncherError("is not a signal", option=option, value=value, remedy="Use a name as TERM or a number from 1 to 64")


def _signal(value, option):
    number = signal_number(value, option)
    return {known: name for name, known in _SIGNALS.items()}.get(number, str(number))


def _seconds(value, option):
    return text.parse_integer(value, option, 0, 86400)


def _policy(value, option):
    if value is False:  # what YAML makes of a bare no
        return restart.NO
    if value not in restart.POLICIES:
        raise LauncherError("is no restart policy", option=option, value=value, remedy=f"Use {', '.join(restart.POLICIES[:-1])} or {restart.POLICIES[-1]}")
    return value


def _retries(value, option):
    return text.parse_integer(value, option, 0, 1000000)


def _flag(value, option):
    if value in (True, "yes", "true", "1"):
        return True
    if value in (False, "no", "false", "0"):
        return False
    raise LauncherError("is neither yes nor no", option=option, value=value, remedy="Write yes or no")


def _image(value, option):
    digest = value[7:] if isinstance(value, str) and value.startswith("sha256:") else ""
    if len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
        raise LauncherError("is not the digest of an image", option=option, value=value, remedy="Use sha256: and 64 hexadecimal digits")
    return value


def _render(value):
    if isinstance(value, list):
        return ", ".join(value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _listing(normalise):
    """A rule for a list, for one that is a line of words in the file."""
    return lambda value, option: normalise(_words(value, option), option)


class Key:
    """One row. `key`: in the settings file. `option`: in modules and in a spec. `normalise(value, option)` takes a value of a task or
    of the file and returns the one spelling of it. `cost`: of a change while the container runs."""

    __slots__ = ("key", "option", "normalise", "cost")

    def __init__(self, key, option, normalise, cost):
        self.key = key
        self.option = option
        self.normalise = normalise
        self.cost = cost


# The order is that of a rendered file and of every list of changes.
SCALARS = (
    Key("image", "image", _image, RECREATE),
    Key("rootfs", "rootfs", check_path, RECREATE),
    Key("readonly", "read_only", _flag, RESTART),
    Key("user", "user", _user, RESTART),
    Key("group", "group", _user, RESTART),
    Key("groups", "groups", _groups, RESTART),
    Key("memlimit", "memory", _size, LIVE),
    Key("cpupercent", "cpu_percent", _percent, LIVE),
    Key("cpushares", "cpu_shares", _shares, LIVE),
    Key("cpus", "cpus", _cpus, LIVE),
    Key("pidslimit", "pids_limit", _pids, LIVE),
    Key("oomscoreadj", "oom_score_adj", _oom_score, LIVE),
    Key("workdir", "working_dir", check_path, RESTART),
    Key("hostname", "hostname", _hostname, RESTART),
    Key("interactive", "interactive", _flag, RESTART),
    Key("init", "init", _flag, RESTART),
    Key("capabilities", "capabilities", _listing(privileges.normalise_given), RESTART),
    Key("capdrop", "cap_drop", _listing(privileges.normalise_dropped), RESTART),
    Key("dnsservers", "dns_servers", resolving.normalise_servers, RESTART),
    Key("dnssearch", "dns_search_domains", resolving.normalise_domains, RESTART),
    Key("dnsopts", "dns_opts", resolving.normalise_options, RESTART),
    Key("shmsize", "shm_size", _shm_size, RESTART),
    Key("stopsignal", "stop_signal", _signal, LIVE),
    Key("stoptimeout", "stop_timeout", _seconds, LIVE),
    Key("restartpolicy", "restart_policy", _policy, LIVE),
    Key("restartretries", "restart_retries", _retries, LIVE),
    Key("logmaxsize", "log_max_size", _size, LIVE),
)
COMMAND = Key("process", "command", _command, RESTART)
# In the file each item has a line of its own, ulimit1.
LISTS = (
    Key("mount", "mounts", mounting.normalise_mounts, RESTART),
    Key("tmpfs", "tmpfs", mounting.normalise_tmpfs, RESTART),
    Key("device", "devices", devices.normalise, RESTART),
    Key("ulimit", "ulimits", ulimits.normalise, RESTART),
)
PAIRS = (
    Key("env", "env", _pairs, RESTART),
    Key("host", "etc_hosts", resolving.normalise_hosts, RESTART),
    Key("sysctl", "sysctls", sysctls.normalise, RESTART),
    Key("label", "labels", _pairs, LIVE),
)
NETWORKS = Key("bridge", "networks", None, LIVE)


def _interface(value, option):
    return text.check_interface(value, option)


def _word(value, option):
    _line(value, option)
    if value.split() != [value] or "," in value:
        raise LauncherError("is not one word", option=option, value=value, remedy="Remove spaces and commas")
    return value


def _mtu(value, option):
    return text.parse_integer(value, option, 68, 65535)


def _vlan(value, option):
    return text.parse_integer(value, option, 0, trunks.MAX_VLAN)


def _bridge_type(value, option):
    from .network import BRIDGE_TYPES

    if value not in BRIDGE_TYPES:
        raise LauncherError("is no type of bridge", option=option, value=value, remedy=f"Use {', '.join(BRIDGE_TYPES[:-1])} or {BRIDGE_TYPES[-1]}")
    return value


def _addresses(value, option):
    return [_word(word, option) for word in _listed(value)]


def _trunks(value, option):
    return trunks.render_trunks(trunks.parse_trunks(_listed(value), option))


def _listed(value):
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _rate(value, option):
    return rates.render_rate(rates.parse_rate(value, option))


def _routes(value, option):
    given = routes.parse_routes(value, option) if isinstance(value, str) else value
    return [_route(route, f"{option}[{index}]") for index, route in enumerate(given)]


def _route(given, option):
    route = {}
    for name, normaliser in (("dest", _word), ("gateway", _word), ("metric", routes.parse_metric), ("onlink", _flag)):
        value = given.get(name)
        if value is not None and value != "":
            route[name] = normaliser(value, f"{option}.{name}")
    if "dest" not in route:
        raise LauncherError("names no destination", option=option, remedy="Add dest, e.g. 10.0.0.0/8")
    if not route.get("onlink", True):
        del route["onlink"]
    return route


# Keys of one network; the first one of a container has no number, the second has 2.
NETWORK = (
    Key("bridge", "bridge", _interface, LIVE),
    Key("bridgetype", "bridge_type", _bridge_type, LIVE),
    Key("ip", "addresses", _addresses, LIVE),
    Key("gw", "gateway", _word, LIVE),
    Key("gwonlink", "gateway_onlink", _flag, LIVE),
    Key("metric", "metric", routes.parse_metric, LIVE),
    Key("routes", "routes", _routes, LIVE),
    Key("interface", "interface_name", _interface, LIVE),
    Key("hostinterface", "host_interface", _interface, LIVE),
    Key("mac", "mac_address", _word, LIVE),
    Key("mtu", "mtu", _mtu, LIVE),
    Key("vlan", "vlan", _vlan, LIVE),
    Key("trunks", "trunks", _trunks, LIVE),
    Key("isolated", "isolated", _flag, LIVE),
    Key("ingressrate", "ingress_rate", _rate, LIVE),
    Key("egressrate", "egress_rate", _rate, LIVE),
    Key("up", "up", _flag, LIVE),
)

# What a network of a container is that does not say it; all other options depend on the host, or are as somebody has left them.
NETWORK_DEFAULTS = {"bridge_type": "auto", "gateway_onlink": False, "routes": [], "vlan": 0, "trunks": [], "isolated": False,
                    "ingress_rate": "0", "egress_rate": "0", "up": True}

KEYS = SCALARS + (COMMAND,) + LISTS + PAIRS + (NETWORKS,)

DEFAULTS = {"user": "0", "stop_signal": "TERM", "stop_timeout": 10, "restart_policy": restart.NO, "log_max_size": 10 << 20, "interactive": False,
            "pids_limit": None}

SUPERVISED = ("stop_signal", "stop_timeout", "restart_policy", "restart_retries", "log_max_size")  # a supervisor reads them again when told to


def normalise_network(value: dict, option: str) -> dict:
    """Return one network with its given options in their one spelling, all lists as lists. What is not given is not there."""
    network = {}
    for row in NETWORK:
        given = value.get(row.option)
        if given is None or given == "":
            continue
        spelled = row.normalise(given, f"{option}.{row.option}" if option else row.option)
        if spelled != []:
            network[row.option] = spelled
    if "bridge" not in network:
        raise LauncherError("names no bridge", option=option, remedy="Add bridge")
    return network


def normalise(options: dict) -> dict:
    """Return a spec: the given options (None and absent mean "not asked") in their one spelling, in the order of the table."""
    spec = {}
    for row in KEYS:
        value = options.get(row.option)
        if value is None:
            continue
        if row is NETWORKS:
            spec["networks"] = [normalise_network(network, f"networks[{index}]") for index, network in enumerate(value)]
        else:
            spec[row.option] = row.normalise(value, row.option)
    return spec


# --- the file


def parse(content: bytes, name: str = "settings") -> dict:
    """Return the spec of a settings file. SettingsError names `name`, line, key, value and remedy."""
    if len(content) > LIMIT:
        raise SettingsError(f"is larger than {LIMIT} bytes", place=name, remedy="A settings file has a few lines")
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError("is not UTF-8", place=f"{name}:{line}", remedy="Save the file as UTF-8") from None
    found = {}
    for number, line in enumerate(lines, 1):
        entry = _parse_line(line, f"{name}:{number}")
        if entry is None:
            continue
        key, value = entry
        if key in found:
            raise SettingsError(f"is there twice, first in line {found[key][1]}", option=key, place=f"{name}:{number}", remedy="Remove one")
        found[key] = (value, number)
    return _assemble(found, name)


def _parse_line(line, place):
    line = line[:-1] if line.endswith("\r") else line
    stripped = line.strip(" \t")
    if not stripped or stripped.startswith("#"):
        return None
    key, colon, value = stripped.partition(":")
    key, value = key.strip(" \t"), value.strip(" \t")
    if not colon:
        raise SettingsError(f"{text.printable(stripped)!r} has no colon", place=place, remedy="Write key: value")
    if text.has_control(key) or text.has_control(value):  # tabs around them, for alignment, are gone by now
        raise SettingsError("has a control character", option=text.printable(key), place=place, remedy='Quote the value: "\\t" for a tab, "\\n" for a line')
    return key, _unquote(value, key, place) if value.startswith('"') else value


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def _unquote(value, key, place):
    def wrong(problem):
        return SettingsError(problem, option=key, value=value, place=place, remedy='Close the quotes; \\" and \\\\ stand for " and \\')

    out, index, end = [], 1, len(value)
    while index < end:
        character = value[index]
        if character == '"':
            if index != end - 1:
                raise wrong("goes on after its closing quote")
            return "".join(out)
        if character != "\\":
            out.append(character)
            index += 1
            continue
        escape = value[index + 1:index + 2]
        if escape in _ESCAPES and escape:
            out.append(_ESCAPES[escape])
            index += 2
            continue
        width = {"x": 2, "u": 4}.get(escape)
        digits = value[index + 2:index + 2 + width] if width else ""
        if not width or len(digits) != width or not all(c in "0123456789abcdefABCDEF" for c in digits):
            raise wrong("has an unknown escape")
        code = int(digits, 16)
        if code == 0 or 0xD800 <= code < 0xE000:
            raise wrong("has an escape that is no character")
        out.append(chr(code))
        index += 2 + width
    raise wrong("has no closing quote")


def _quote(value):
    plain = value and not value.startswith('"') and value == value.strip() and not text.has_control(value)
    if plain and "\u2028" not in value:
        return value
    out = []
    for character in value:
        code = ord(character)
        if character in '"\\':
            out.append("\\" + character)
        elif character == "\n":
            out.append("\\n")
        elif code < 32 or 127 <= code < 160:
            out.append(f"\\x{code:02x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def _split(key):
    base = key.rstrip("0123456789")
    digits = key[len(base):]
    return base, int(digits) if digits and len(digits) <= 6 and not digits.startswith("0") else (0 if not digits else -1)


def _assemble(found, name):
    scalars = {row.key: row for row in SCALARS}
    lists = {row.key: row for row in LISTS}
    pairs = {row.key: row for row in PAIRS}
    network_keys = {row.key: row for row in NETWORK}
    options, arguments, list_items, pair_items, networks = {}, {}, {}, {}, {}
    process = None

    def at(number):
        return f"{name}:{number}"

    for key, (value, line) in found.items():
        base, number = _split(key)
        if key in scalars:
            options[scalars[key].option] = _scalar(scalars[key], value, at(line))
        elif key == "process":
            process = _read(lambda word, _option: _command([word], "process")[0], value, key, at(line))
        elif base == "arg" and number > 0:
            arguments[number] = value
        elif base in lists and number > 0:
            list_items.setdefault(base, {})[number] = (value, key, line)
        elif base in pairs and number > 0:
            pair_name, equals, content = value.partition("=")
            if not equals:
                raise SettingsError("has no '='", option=key, value=value, place=at(line), remedy="Write NAME=value")
            pair_items.setdefault(base, {})[number] = (pair_name, content, key, line)
        elif base in network_keys and (number == 0 or number > 1):
            if not value:
                raise SettingsError("has no value", option=key, place=at(line), remedy="Remove the line or give a value")
            networks.setdefault(number or 1, {})[network_keys[base].option] = (value, key, line)
        else:
            raise _unknown(key, at(line))
    if process is None and arguments:
        raise SettingsError("is missing, but arguments are there", option="process", place=name, remedy="Add process: /path/of/program")
    if process is not None:
        options["command"] = [process] + [arguments[number] for number in sorted(arguments)]
    for base, items in list_items.items():
        options[lists[base].option] = _list(lists[base], items, at)
    for base, items in pair_items.items():
        options[pairs[base].option] = _pair_dict(pairs[base], items, at)
    if networks:
        options["networks"] = [_network(networks[number], at) for number in sorted(networks)]
    return {row.option: options[row.option] for row in KEYS if row.option in options}


def _read(normaliser, value, key, place):
    try:
        return normaliser(value, key)
    except LauncherError as error:
        raise SettingsError(error.problem, option=key, value=value, remedy=error.remedy, place=place) from None


def _scalar(row, value, place):
    spelled = _read(row.normalise, value, row.key, place)
    if spelled == []:
        raise SettingsError("has no value", option=row.key, place=place, remedy="Remove the line or give a value")
    return spelled


def _list(row, items, at):
    """The items in the order of their numbers. What is wrong with one alone is told with its line, with all of them with the last."""
    ordered = [items[number] for number in sorted(items)]
    for value, key, line in ordered:
        _read(lambda word, option: row.normalise([word], option), value, key, at(line))
    _value, key, line = ordered[-1]
    return _read(lambda _value, option: row.normalise([value for value, _key, _line_number in ordered], option), "", key, at(line))


def _pair_dict(row, items, at):
    pairs = {}
    for number in sorted(items):
        pair_name, content, key, line = items[number]
        if pair_name in pairs:
            raise SettingsError(f"gives {pair_name} a second time", option=key, place=at(line), remedy="Remove one")
        pairs.update(_read(lambda _value, option, pair={pair_name: content}: row.normalise(pair, option), content, key, at(line)))
    return pairs


def _network(rows, at):
    line = min(line for _value, _key, line in rows.values())
    if "bridge" not in rows:
        _value, key, line = next(iter(rows.values()))
        raise SettingsError("has no bridge beside it", option=key, place=at(line), remedy="Add bridge with the same number")
    for option, (value, key, line) in rows.items():
        _read(lambda _value, _option, given={"bridge": "x", option: value}: normalise_network(given, ""), value, key, at(line))
    return normalise_network({option: value for option, (value, _key, _line_number) in rows.items()}, "")


def _render_of_network(option, value):
    if option == "routes":
        return routes.render_routes(value)
    return ", ".join(value) if isinstance(value, list) else _render(value)


def _unknown(key, place):
    from difflib import get_close_matches  # only on the way to an error: a lean start does not load it

    known = [row.key for row in SCALARS] + ["process", "arg1"] + [f"{row.key}1" for row in LISTS + PAIRS] + [row.key for row in NETWORK]
    near = get_close_matches(key, known, 1, 0.6)
    remedy = f"Did you mean {near[0]}?" if near else "Known keys: " + " ".join(known)
    return SettingsError("is not a known key", option=text.printable(key), place=place, remedy=remedy)


def render(spec: dict) -> bytes:
    """Return the settings file of a normalised spec."""
    lines = []
    for row in SCALARS:
        if spec.get(row.option, []) != []:
            lines.append(f"{row.key}: {_quote(_render(spec[row.option]))}")
    command = spec.get("command")
    if command:
        lines.append(f"process: {_quote(command[0])}")
        lines.extend(f"arg{number}: {_quote(word)}" for number, word in enumerate(command[1:], 1))
    for row in LISTS:
        for number, item in enumerate(spec.get(row.option, []), 1):
            lines.append(f"{row.key}{number}: {_quote(item)}")
    for row in PAIRS:
        for number, (pair_name, content) in enumerate(spec.get(row.option, {}).items(), 1):
            lines.append(f"{row.key}{number}: {_quote(pair_name + '=' + content)}")
    for number, network in enumerate(spec.get("networks", []), 1):
        suffix = "" if number == 1 else str(number)
        for row in NETWORK:
            if row.option in network:
                lines.append(f"{row.key}{suffix}: {_quote(_render_of_network(row.option, network[row.option]))}")
    return ("\n".join(lines) + "\n").encode()
