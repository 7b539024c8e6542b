# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platforms of an image a machine can run: uname(2)'s names beside those of OCI (image-index.md, Go's GOARCH)."""

from __future__ import annotations

_ARM = ("v7", "v6", "v5", "")
# What a machine runs, the best first: architecture and variants of it. amd64/v2 and above ask for more than every x86_64 has.
_X86 = ("386", ("",))
_RUNS = {
    "x86_64": (("amd64", ("", "v1")), _X86),
    "i386": (_X86,),
    "i486": (_X86,),
    "i586": (_X86,),
    "i686": (_X86,),
    "aarch64": (("arm64", ("", "v8")), ("arm", ("v8", *_ARM))),
    "armv8l": (("arm", ("v8", *_ARM)),),
    "armv7l": (("arm", _ARM),),
    "armv6l": (("arm", _ARM[1:]),),
    "armv5tel": (("arm", _ARM[2:]),),
    "loongarch64": (("loong64", ("",)),),
}  # fmt: skip


def rank(platform: dict, machine: str) -> int | None:
    """Return how well `machine` (uname -m) runs `platform` (of a descriptor): 0 is best, None is not at all."""
    if platform.get("os", "linux") != "linux":
        return None
    wanted = (platform.get("architecture"), platform.get("variant") or "")
    return next((place for place, choice in enumerate(_choices(machine)) if choice == wanted), None)


def _choices(machine: str) -> list[tuple[str, str]]:
    runs = _RUNS.get(machine, ((machine, ("",)),))  # ppc64le, s390x and riscv64 are called the same in both worlds
    return [(architecture, variant) for architecture, variants in runs for variant in variants]


def wanted(machine: str) -> str:
    """Return the platform that suits `machine` best, for messages: linux/amd64."""
    architecture, variant = _choices(machine)[0]
    return shown({"os": "linux", "architecture": architecture, "variant": variant})


def shown(platform: dict) -> str:
    """Return a platform as docker and podman write it: linux/arm/v7."""
    values = [platform.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(value for value in values if isinstance(value, str) and value) or "one without a name"
