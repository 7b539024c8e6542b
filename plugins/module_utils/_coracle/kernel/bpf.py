# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of bpf(2) that a program attached to a cgroup needs, and one map of one value beside it. Layouts are <linux/bpf.h>'s.

Every function raises OSError: ENOSYS without the call, EPERM without CAP_SYS_ADMIN, EINVAL for what this kernel was built without.
Descriptors are close-on-exec and the caller's to close.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from ..base import libc

# enum bpf_cmd
_MAP_CREATE, _MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _PROG_LOAD, _PROG_ATTACH, _PROG_DETACH = 0, 1, 2, 5, 8, 9
_PROG_GET_FD_BY_ID, _MAP_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 13, 14, 15, 16

_MAP_TYPE_ARRAY = 2
F_ALLOW_MULTI = 2
F_REPLACE = 4

MAX_PROGRAMS = 64  # of one type on one cgroup: BPF_CGROUP_MAX_PROGS of the kernel
_NAME_BYTES = 16  # BPF_OBJ_NAME_LEN, with its zero


class Program:
    """An attached program: its `id`, `kind` (enum bpf_prog_type), `name`, and the ids of its `maps`."""

    __slots__ = ("id", "kind", "name", "maps")

    def __init__(self, number: int, kind: int, name: str, maps: list[int]):
        self.id = number
        self.kind = kind
        self.name = name
        self.maps = maps


def load(kind: int, name: str, instructions: bytes) -> int:
    """Verify and load a program of `kind` (8 bytes an instruction); a descriptor. E2BIG: longer or more tangled than the kernel accepts."""
    code, licence = _buffer(instructions), _buffer(b"GPL\0")
    attributes = struct.pack("=IIQQIIQII16s", kind, len(instructions) // 8, _address(code), _address(licence), 0, 0, 0, 0, 0, name.encode())
    return libc.bpf(_PROG_LOAD, bytearray(attributes))


def attach(cgroup: int, program: int, point: int, replaced: int | None = None) -> None:
    """Attach a program beside those of others (BPF_F_ALLOW_MULTI) to the cgroup directory's descriptor, in the place of `replaced`, if given.

    EPERM: another program is attached alone, here or above. E2BIG: there are MAX_PROGRAMS. EINVAL: before Linux 5.6 none can be replaced;
    ENOENT: `replaced` is attached no more.
    """
    flags = F_ALLOW_MULTI | (0 if replaced is None else F_REPLACE)
    libc.bpf(_PROG_ATTACH, bytearray(struct.pack("=IIIII", cgroup, program, point, flags, replaced or 0)))


def detach(cgroup: int, program: int, point: int) -> None:
    """Undo attach(). ENOENT when it is not attached."""
    libc.bpf(_PROG_DETACH, bytearray(struct.pack("=IIII", cgroup, program, point, 0)))


def query(cgroup: int, point: int) -> list[int]:
    """Ids of the programs attached to this very cgroup, in the order in which they run."""
    found = (ctypes.c_uint32 * MAX_PROGRAMS)()
    attributes = bytearray(struct.pack("=IIIIQI4x", cgroup, point, 0, 0, _address(found), MAX_PROGRAMS))
    libc.bpf(_PROG_QUERY, attributes)
    return list(found[:struct.unpack_from("=I", attributes, 24)[0]])


def program_by_id(number: int) -> int:
    """A descriptor of a loaded program; ENOENT when it has gone."""
    return libc.bpf(_PROG_GET_FD_BY_ID, bytearray(struct.pack("=III", number, 0, 0)))


def describe(program: int) -> Program:
    """What the kernel tells about a program, Linux 4.15."""
    maps = (ctypes.c_uint32 * 8)()
    info = bytearray(80)  # struct bpf_prog_info up to its name
    struct.pack_into("=IIQ", info, 48, 0, len(maps), _address(maps))
    _info(program, info)
    kind, number = struct.unpack_from("=II", info)
    count = struct.unpack_from("=I", info, 52)[0]
    return Program(number, kind, _text(info[64:]), list(maps[:count]))


def create_map(name: str, value: bytes) -> int:
    """A map that holds one value, for a program to keep; a descriptor."""
    fd = libc.bpf(_MAP_CREATE, bytearray(struct.pack("=IIIIIII16s", _MAP_TYPE_ARRAY, 4, len(value), 1, 0, 0, 0, name.encode())))
    try:
        key, content = _buffer(bytes(4)), _buffer(value)
        libc.bpf(_MAP_UPDATE_ELEM, bytearray(struct.pack("=I4xQQQ", fd, _address(key), _address(content), 0)))
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_map(number: int, name: str, limit: int) -> bytes | None:
    """The value of the map with this id, as create_map() made it; None when it is no map of that name, or larger than `limit` bytes."""
    fd = libc.bpf(_MAP_GET_FD_BY_ID, bytearray(struct.pack("=III", number, 0, 0)))
    try:
        info = bytearray(40)  # struct bpf_map_info up to its name
        _info(fd, info)
        kind, _number, key_size, value_size = struct.unpack_from("=IIII", info)
        if (kind, key_size, _text(info[24:])) != (_MAP_TYPE_ARRAY, 4, name) or value_size > limit:
            return None
        key, content = _buffer(bytes(4)), ctypes.create_string_buffer(value_size)
        libc.bpf(_MAP_LOOKUP_ELEM, bytearray(struct.pack("=I4xQQQ", fd, _address(key), _address(content), 0)))
        return content.raw[:value_size]
    finally:
        os.close(fd)


def with_memory(make):
    """Return make(), once more without RLIMIT_MEMLOCK when it says EPERM: before Linux 5.11 programs and maps count as locked memory."""
    import resource

    try:
        return make()
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:  # Python's word for EPERM: no CAP_SYS_RESOURCE
        raise OSError(errno.EPERM, os.strerror(errno.EPERM)) from error
    try:
        return make()
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def _info(fd: int, info: bytearray) -> None:
    """Fill a struct bpf_prog_info or bpf_map_info, as much of it as `info` has room for."""
    view = (ctypes.c_char * len(info)).from_buffer(info)
    libc.bpf(_OBJ_GET_INFO_BY_FD, bytearray(struct.pack("=IIQ", fd, len(info), ctypes.addressof(view))))


def _buffer(data: bytes):
    return ctypes.create_string_buffer(data, len(data))


def _address(buffer) -> int:
    return ctypes.addressof(buffer)


def _text(name: bytes | bytearray) -> str:
    return bytes(name[:_NAME_BYTES]).partition(b"\0")[0].decode("ascii", "replace")
