# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages about links of pyroute2 (0.7.2 of Debian 12 to 0.9), without the rest of it. The only file that imports the library.

`from pyroute2 import IPRoute` brings the whole library along, asyncio and ssl too: 100 to 200 ms of CPU in a module's process. The
class that is needed here costs 15 to 30, and what it encodes goes through a socket of ours, which takes no time to open.
"""

from __future__ import annotations

import os
import sys

from ...base.errors import LauncherError
from . import netlink

_IFF_UP = 1
_HEADER = 16  # bytes of struct nlmsghdr, which our socket makes
# A link that exists is changed by RTM_NEWLINK without NLM_F_CREATE, as ip(8) does it.
_COMMANDS = {"add": (netlink.RTM_NEWLINK, netlink.CREATE | netlink.EXCLUSIVE), "set": (netlink.RTM_NEWLINK, 0),
             "del": (netlink.RTM_DELLINK, 0)}

_ifinfmsg = None
_has_site = False


def require() -> None:
    """LauncherError when pyroute2 is not there, found without importing it: for checks before the first effect."""
    if _ifinfmsg is None:
        _find()


def _find():
    _bring_site()
    from importlib.util import find_spec

    found = find_spec("pyroute2")
    if found is None:
        raise _missing("no module of that name")
    return found


def _bring_site() -> None:
    """The launcher runs with -S, and pyroute2 is in site-packages."""
    global _has_site
    if sys.flags.no_site and not _has_site:
        import site

        site.main()
        _has_site = True


def _missing(problem: str) -> LauncherError:
    return LauncherError(f"the Python library pyroute2 is missing for {sys.executable}: {problem}", option="networks",
                         remedy="Run the role coracle.launcher.container_host, or install python3-pyroute2")


def _load() -> None:
    global _ifinfmsg
    if _ifinfmsg is not None:
        return
    if sys.modules.get("pyroute2") is None:
        _put_bare_package(_find())
    import platform

    # 0.7 asks these two when it is imported, and they run the programs `file` and `uname` of whoever set PATH.
    kept = platform.architecture, platform.uname
    platform.architecture, platform.uname = _architecture, _uname
    try:
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    except ImportError as error:
        raise _missing(str(error)) from error
    finally:
        platform.architecture, platform.uname = kept
    _ifinfmsg = ifinfmsg


def _architecture(*_arguments, **_named) -> tuple[str, str]:
    return ("64bit" if sys.maxsize > 1 << 32 else "32bit", "")


def _uname():
    from collections import namedtuple

    result = namedtuple("result", "system node release version machine processor")
    return result(*os.uname(), processor="")


def _put_bare_package(spec) -> None:
    """Let modules of pyroute2 be imported without the package's own __init__, which imports them all.

    Whoever asks the package for a name of its own later gets it: then __init__ is executed after all.
    """
    from importlib.util import find_spec, module_from_spec

    package = module_from_spec(spec)

    def rest(name: str):
        if name[:2] == "__" or find_spec(f"pyroute2.{name}") is not None:
            raise AttributeError(name)  # a module of it: the import statement that looks for it goes on and imports it
        del package.__getattr__
        spec.loader.exec_module(package)
        return getattr(package, name)

    package.__getattr__ = rest  # PEP 562
    sys.modules["pyroute2"] = package


class Route:
    """One open socket in the calling thread's namespace, with the words of pyroute2's IPRoute. OSError with the kernel's errno."""

    __slots__ = ("_socket",)

    def __init__(self):
        _load()
        self._socket = netlink.Socket()

    def close(self) -> None:
        """Close the socket; twice is fine."""
        self._socket.close()

    def link(self, command: str, index: int = 0, kind: str | None = None, state: str | None = None, **values) -> None:
        """'add', 'set', 'del' a link. `state`: 'up', 'down'. Other names are the kernel's attributes without their prefix: `ifname` is
        IFLA_IFNAME. `kind` of a new link, with `peer` of a veth (attributes, too), or `br_...` of a bridge (IFLA_BR_...)."""
        message = _ifinfmsg()
        message["index"] = index
        message["flags"] = _IFF_UP if state == "up" else 0
        message["change"] = _IFF_UP if state is not None else 0
        data = _attributes({key: values.pop(key) for key in list(values) if key.startswith("br_")})
        peer = values.pop("peer", None)
        if peer is not None:
            data.append(["VETH_INFO_PEER", {"attrs": _attributes(peer)}])
        message["attrs"] = _attributes(values)
        if kind is not None:
            message["attrs"].append(["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", kind], ["IFLA_INFO_DATA", {"attrs": data}]]}])
        message.encode()
        number, flags = _COMMANDS[command]
        self._socket.change(number, bytes(message.data)[_HEADER:message["header"]["length"]], flags)


def _attributes(values: dict) -> list:
    return [[f"IFLA_{key.upper()}", value] for key, value in values.items()]
