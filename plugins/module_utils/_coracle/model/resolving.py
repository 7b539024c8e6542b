# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name servers and hosts of a container: what may be asked, and the text of its resolv.conf(5) and hosts(5). Pure."""

from __future__ import annotations

from ..base.errors import LauncherError

RESOLV_CONF, HOSTS = "/etc/resolv.conf", "/etc/hosts"
_MOST_SERVERS = 3  # MAXNS of <resolv.h>: the C library asks no more of them


def normalise_servers(value, option: str) -> list[str]:
    """Return addresses of name servers, in the order in which they are asked. LauncherError."""
    servers = [_address(word, option) for word in _words(value, option)]
    if len(servers) > _MOST_SERVERS:
        raise LauncherError(f"has more than {_MOST_SERVERS} servers, and the C library asks no more", option=option, value=servers,
                            remedy=f"Give at most {_MOST_SERVERS}")
    return servers


def normalise_domains(value, option: str) -> list[str]:
    """Return domains in which a short name is looked for; '.' is none. LauncherError."""
    return [word if word == "." else _name(word, option) for word in _words(value, option)]


def normalise_options(value, option: str) -> list[str]:
    """Return options of resolv.conf(5), as ndots:2. LauncherError."""
    for word in _words(value, option):
        if len(word) > 253 or not _is_word(word, "_-:."):
            raise LauncherError("is not an option of resolv.conf", option=option, value=word,
                                remedy="Give options such as ndots:2, rotate or edns0")
    return _words(value, option)


NORMALISE = {"dns_servers": normalise_servers, "dns_search_domains": normalise_domains, "dns_opts": normalise_options}


def normalise_hosts(value, option: str) -> dict[str, str]:
    """Return {name: address}, sorted by name. LauncherError."""
    if not isinstance(value, dict):
        raise LauncherError("is no mapping", option=option, value=value, remedy="Give NAME: ADDRESS")
    return {_name(name, option): _address(value[name], option) for name in sorted(value, key=str)}


def resolv_conf(spec: dict) -> str | None:
    """The text of the container's own /etc/resolv.conf; None: it has that of its root file system."""
    lines = [f"search {' '.join(spec['dns_search_domains'])}"] if spec.get("dns_search_domains") else []
    lines += [f"nameserver {server}" for server in spec.get("dns_servers", [])]
    lines += [f"options {' '.join(spec['dns_opts'])}"] if spec.get("dns_opts") else []
    return "\n".join(lines) + "\n" if lines else None


def hosts(spec: dict, hostname: str) -> str | None:
    """The text of the container's own /etc/hosts; None: it has that of its root file system."""
    if not spec.get("etc_hosts"):
        return None
    own = [address.partition("/")[0] for network in spec.get("networks", []) for address in network.get("addresses", [])]
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{address} {hostname}" for address in own or ["127.0.1.1"]]  # 127.0.1.1 as Debian has it for a host without an address
    return "\n".join(lines + [f"{address} {name}" for name, address in spec["etc_hosts"].items()]) + "\n"


def files(spec: dict, hostname: str) -> dict[str, str]:
    """{path in the container: text} of those that a spec asks for."""
    found = {RESOLV_CONF: resolv_conf(spec), HOSTS: hosts(spec, hostname)}
    return {path: content for path, content in found.items() if content is not None}


def _words(value, option):
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise LauncherError("is no list of words", option=option, value=value, remedy="Give a list")
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise LauncherError("is given twice", option=option, value=twice, remedy="Give it once")
    return words


def _address(word, option):
    from ipaddress import ip_address  # 15 ms that a start without this need not have

    host, scope, zone = word.partition("%") if isinstance(word, str) else ("", "", "")
    try:
        version = ip_address(host).version
    except ValueError:
        version = 0
    if not version or (scope and not (version == 6 and _is_word(zone, "_.-"))):
        raise LauncherError("is not an IP address", option=option, value=word, remedy="Give addresses such as 192.0.2.53 or fd00::53")
    return word


def _name(word, option):
    """A name of RFC 1035's form, underscores allowed."""
    shown = word if isinstance(word, str) else ""
    labels = (shown[:-1] if shown.endswith(".") else shown).split(".")
    if len(shown) > 253 or not all(len(label) <= 63 and _is_word(label, "_-") and label[0] != "-" for label in labels):
        raise LauncherError("is not the name of a host or a domain", option=option, value=word, remedy="Give names such as db or example.org")
    return word


def _is_word(word, more):
    return bool(word) and word.isascii() and all(character.isalnum() or character in more for character in word)
