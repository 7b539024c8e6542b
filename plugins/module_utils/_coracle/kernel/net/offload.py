# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tx checksum offload of an interface, as `ethtool -K NAME tx off` sets it: ioctl SIOCETHTOOL of <linux/ethtool.h>.

A veth leaves the checksums of what it sends to whoever takes the packet off the wire. The userspace datapath of Open vSwitch does not
finish them, so everybody drops the packets: ping works and TCP stalls, unless the end in the namespace computes them itself.
"""

from __future__ import annotations

import _socket
import array
import fcntl
import struct
import sys

_SIOCETHTOOL = 0x8946
_ETHTOOL_GTXCSUM = 0x16
_ETHTOOL_STXCSUM = 0x17


def is_on(name: str) -> bool:
    """True when the interface of the calling thread's namespace leaves checksums to others. OSError ENODEV, EOPNOTSUPP."""
    return bool(_ethtool(name, _ETHTOOL_GTXCSUM, 0))


def switch(name: str, on: bool) -> None:
    """Switch it on or off. OSError ENODEV, EOPNOTSUPP, EPERM."""
    _ethtool(name, _ETHTOOL_STXCSUM, int(on))


def _ethtool(name: str, command: int, value: int) -> int:
    """struct ifreq of a name and a pointer to a struct ethtool_value: two u32, of which the kernel may write the second."""
    told = array.array("B", struct.pack("=II", command, value))
    request = struct.pack("16sP", name.encode(), told.buffer_info()[0]).ljust(40, b"\0")
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(any_socket.fileno(), _SIOCETHTOOL, request)
    finally:
        any_socket.close()
    return int.from_bytes(told[4:], sys.byteorder)
