# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of tests/bench/run-extract, which prepares what this needs: tools, an environment, an empty store in memory."""

from __future__ import annotations

import argparse
import glob
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from measure import Failed, median, quick, ratio, spread, table, verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from module_runs import Modules  # noqa: E402  # pylint: disable=wrong-import-position

PARTS = ("images", "entries", "again", "trees")
INSTALLER = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/initrd.gz"
CPIO = "cpio -i --make-directories --quiet"
# Format: how the image is made of the plain archive, the reference, its budget.
FORMATS = {"gzip": (None, f"gunzip < $image | {CPIO}", 0.6), "xz": ("xz -9 --check=crc32", f"xz -dc < $image | {CPIO}", 0.6),
           "zstd": ("zstd -19 -q", f"zstd -dcq < $image | {CPIO}", 0.6)}
MEMORY_BUDGET = 64.0  # MiB
SECOND_RUN, TENTH_TREE = 20.0, 20.0  # ms
TENTH_DISK = 1.0  # MB


class Sample(NamedTuple):
    """Seconds, and KiB of the process that does it (0: not measured)."""

    wall: float
    cpu: float
    peak: int = 0


class Place(NamedTuple):
    """Where trees are made: `store` is empty before each extraction."""

    name: str
    path: Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--disk", type=Path, required=True)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS) or options.rounds < 1:
        parser.error(f"--only takes {', '.join(PARTS)}; rounds begin at 1")
    started = time.monotonic()
    print(f"Linux {platform.release()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    try:
        for part in parts:
            {"images": images, "entries": entries, "again": again, "trees": tenth}[part](options)
    except Failed as error:
        print(f"bench: {error}")
        return 1
    print(f"\n{time.monotonic() - started:.0f} s; load at the end {os.getloadavg()[0]:.1f}")
    return 0


# ---- one image


def ours(options: argparse.Namespace, place: Place, archive: Path, flags: tuple[str, ...]) -> Sample:
    """`flags` of Python: -S hides the libraries that are not Python's own."""
    store = place.path / "store"
    command = [sys.executable, "-B", "-I", *flags, str(Path(__file__).parent / "extract_once.py"), str(options.tree), str(store), str(archive)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{shlex.join(command)}:\n{done.stdout}{done.stderr}")
    shutil.rmtree(store)
    wall, cpu, peak, _entries = done.stdout.split()
    return Sample(float(wall), float(cpu), int(peak))


def theirs(place: Place, archive: Path, command: str) -> Sample:
    folder = place.path / "reference"
    folder.mkdir()
    here = os.getcwd()
    os.chdir(folder)
    try:
        sample = quick(["/bin/sh", "-c", f"image={shlex.quote(str(archive))}; {command}"])
    finally:
        os.chdir(here)
        shutil.rmtree(folder)
    return Sample(*sample)


def contestants_of(options: argparse.Namespace, archive: Path, reference: str) -> dict[str, Callable[[Place], Sample]]:
    return {
        reference.replace("< $image ", "").replace(CPIO, "cpio"): lambda place: theirs(place, archive, reference),
        "bsdtar": lambda place: theirs(place, archive, "bsdtar -xpf $image"),
        "coracle, Python's own library or the tool": lambda place: ours(options, place, archive, ("-S",)),
        "coracle, with isal and zstandard": lambda place: ours(options, place, archive, ()),
    }


def images(options: argparse.Namespace) -> None:
    """The installer's initrd in three compressions, in memory and on disk."""
    for name, (compress, reference, budget) in FORMATS.items():
        archive = Path(INSTALLER) if compress is None else options.memory / f"initrd.{name}"
        if compress is not None:
            print(f"once: {compress}", flush=True)
            subprocess.run(f"gunzip -c {INSTALLER} | {compress} -c > {archive}", shell=True, check=True)
        for place in (Place("memory (tmpfs)", options.memory), Place("disk", options.disk)):
            contestants = contestants_of(options, archive, reference)
            times: dict[str, list[Sample]] = {label: [] for label in contestants}
            for number in range(-1, options.rounds):  # -1: to warm up
                for label, contestant in contestants.items():
                    os.sync()
                    sample = contestant(place)
                    if number >= 0:
                        times[label].append(sample)
            show(f"Installer's initrd, {archive.stat().st_size / 1e6:.0f} MB of {name}, to {place.name}", times, budget if "tmpfs" in place.name else None)
        if compress is not None:
            archive.unlink()


def show(title: str, times: dict[str, list[Sample]], budget: float | None) -> None:
    """The first contestant is the reference. On disk there is no budget: the file system's inodes cost more than all else."""
    first, rows = next(iter(times.values())), []
    for label, samples in times.items():
        walls, cpus = [sample.wall for sample in samples], [sample.cpu for sample in samples]
        share = ratio(walls, [sample.wall for sample in first])
        peak = max(sample.peak for sample in samples) / 1024
        mine = label.startswith("coracle")
        rows.append((label, spread(walls, 0, 1000), spread(cpus, 0, 1000), verdict(share, budget) if mine and budget else f"{share:.2f}",
                     f"{peak:.0f} MiB {'ok' if peak <= MEMORY_BUDGET else 'OVER'}" if mine else ""))
    table(title, ("", "wall, ms", "CPU, ms", "of the first", f"peak <= {MEMORY_BUDGET:.0f}"), rows)


# ---- many entries


def entries(options: argparse.Namespace) -> None:
    """Small files, 10 000 and ten times as many."""
    archives = {count: options.memory / f"{count}.cpio" for count in (10_000, 100_000)}
    for count, path in archives.items():
        path.write_bytes(many(count))
    place, rows = Place("memory", options.memory), []
    times: dict[tuple[str, int], list[float]] = {}
    for _round in range(options.rounds):
        for count, path in archives.items():
            times.setdefault(("cpio", count), []).append(theirs(place, path, f"{CPIO} < $image").wall)
            times.setdefault(("coracle", count), []).append(ours(options, place, path, ("-S",)).wall)
    for (label, count), walls in times.items():
        share = ratio(walls, times["cpio", count])
        growth = ratio(walls, times[label, 10_000]) / 10 if count > 10_000 else None
        rows.append((f"{label}, {count} files", spread(walls, 0, 1000), f"{median(walls) / count * 1e6:.1f}", f"{share:.2f}",
                     f"{growth:.2f}" if growth else ""))
    table("Files of 100 bytes, to memory", ("", "wall, ms", "µs each", "of cpio", "of linear"), rows)
    for path in archives.values():
        path.unlink()


def many(count: int) -> bytes:
    def entry(name: bytes, mode: int, data: bytes, ino: int) -> bytes:
        fields = (ino, mode, 0, 0, 1, 1_000_000_000, len(data), 8, 1, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    parts = [entry(b"%03d" % number, 0o40755, b"", number + 1) for number in range(count // 100)]
    parts += [entry(b"%03d/%02d" % divmod(number, 100), 0o100644, b"x" * 100, 10_000 + number) for number in range(count)]
    return b"".join(parts) + entry(b"TRAILER!!!", 0, b"", 0)


# ---- the module


def again(options: argparse.Namespace) -> None:
    """A second run with nothing to do, beside a module that does nothing: each as the file that Ansible runs on a host."""
    dest = options.memory / "again" / "root"
    arguments = f"src={INSTALLER} remote_src=true dest={dest}"
    scripts = {"ansible.builtin.ping": ansiballz(options, "ansible.builtin.ping", ""),
               "container_rootfs, nothing to do": ansiballz(options, "coracle.launcher.container_rootfs", arguments)}
    times: dict[str, list[Sample]] = {label: [] for label in scripts}
    for number in range(-1, max(10, options.rounds)):
        for label, script in scripts.items():
            sample = Sample(*quick([sys.executable, str(script)]))
            if number >= 0:
                times[label].append(sample)
    ping, mine = times.values()
    rows = [(label, spread([sample.wall for sample in samples], 0, 1000), spread([sample.cpu for sample in samples], 0, 1000))
            for label, samples in times.items()]
    table("A second run, process of the module, ms", ("", "wall", "CPU"), rows)
    more = median([one.wall - other.wall for one, other in zip(mine, ping)]) * 1000
    print(f"more than a module that does nothing: {verdict(more, SECOND_RUN)} ms")


def ansiballz(options: argparse.Namespace, module: str, arguments: str) -> Path:
    """Run the module once by Ansible and return the file that it was run from."""
    folder = options.memory / module
    environment = {**os.environ, "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TMP": str(folder), "ANSIBLE_COLLECTIONS_PATH": str(options.tree),
                   "ANSIBLE_PIPELINING": "0"}
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local", "-e",
               f"ansible_python_interpreter={sys.executable}", "-m", module, "-a", arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = glob.glob(f"{folder}/*/AnsiballZ_*.py")
    if done.returncode or len(found) != 1:
        raise Failed(f"{shlex.join(command)}: {found}\n{done.stdout}{done.stderr}")
    return Path(found[0])


def tenth(options: argparse.Namespace) -> None:
    """Ten trees of one image: what each adds."""
    modules, rows = Modules(), []
    for backing_store in ("overlay", "copy"):
        for number in range(1, 11):
            used = in_use(options.memory) + in_use(Path("/var/lib/coracle"))
            run = modules(src=INSTALLER, remote_src=True, dest=str(options.memory / "trees" / f"{number}" / "root"), backing_store=backing_store)
            if run.code:
                raise Failed(repr(run))
            grown = (in_use(options.memory) + in_use(Path("/var/lib/coracle")) - used) / 1e6
            if number in (1, 2, 10):
                judged = number == 10 and backing_store == "overlay"
                spent = [verdict(value * 1000, TENTH_TREE) if judged else f"{value * 1000:.0f}" for value in (run.seconds, run.cpu)]
                rows.append((f"{backing_store}, tree {number}", *spent, verdict(grown, TENTH_DISK) if judged else f"{grown:.2f}"))
        for number in range(1, 11):
            run = modules(dest=str(options.memory / "trees" / f"{number}" / "root"), state="absent", prune=True)
            if run.code:
                raise Failed(repr(run))
    modules.close()
    table("Trees of one image, in memory; the module's time without Python's start", ("", "ms", "CPU, ms", "MB"), rows)


def in_use(path: Path) -> int:
    """Bytes in use of the file system at `path`."""
    found = os.statvfs(path)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


if __name__ == "__main__":
    raise SystemExit(main())
