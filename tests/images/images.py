# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparisons of tests/images/run, which prepares what this needs: images, tools, and a mount namespace with an empty store."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trees

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from module_runs import Modules  # noqa: E402  # pylint: disable=wrong-import-position

CPIO = "cpio -i --make-directories --preserve-modification-time --quiet"
FILES = ("file", "node")  # GNU cpio gives neither directories nor links their time
MOST = (*FILES, "directory", "symlink")
ALL = (*MOST, "root")
# As mkinitramfs of Debian 12 calls them.
COMPRESSORS = {"gzip": "gzip -n", "bzip2": "bzip2", "lzma": "lzma", "xz": "xz --check=crc32", "lz4": "lz4 -9 -l", "lzop": "lzop",
               "zstd": "zstd -q -9"}


class Image(NamedTuple):
    """`path`: file or OCI layout. `unpack`: shell command of the reference tools in an empty directory; $image is the path. `times`: of
    which kinds they set them. `segments`, `format`: what the module must say. `below`: where in the directory the tree is."""

    name: str
    path: Path
    unpack: str
    segments: list[str]
    format: str = "newc"
    times: tuple[str, ...] = FILES
    below: str = "."


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--installer", action="append", required=True, help="ARCHITECTURE=FILE")
    parser.add_argument("--initramfs", type=Path, required=True, help="a cpio archive, not compressed")
    parser.add_argument("--dracut", type=Path, required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    modules, results = Modules(), {True: 0, False: 0}
    for group in (as_they_are, of_initramfs_tools, with_microcode, tars, layers):
        if only and not any(group.__name__.startswith(name) for name in only):
            continue
        for image in group(options):
            for passed in compare(image, options.work, modules):
                results[passed] += 1
    modules.close()
    print(f"{results[True]} passed, {results[False]} failed")
    return 1 if results[False] or not results[True] else 0


# ---- groups of images; one that had to be made is removed when the next is asked for


def as_they_are(options: argparse.Namespace) -> Iterator[Image]:
    for word in options.installer:
        architecture, path = word.split("=")
        yield Image(f"installer-{architecture}", Path(path), f"gzip -dc < $image | {CPIO}", ["gzip"])
    first = Path(options.installer[0].split("=")[1])
    yield Image("installer-by-bsdcpio", first, "gzip -dc < $image | bsdcpio -idm --quiet 2>/dev/null", ["gzip"], times=MOST)
    yield Image("dracut", options.dracut, f"gzip -dc < $image | {CPIO}", ["gzip"])


def of_initramfs_tools(options: argparse.Namespace) -> Iterator[Image]:
    plain, work = options.initramfs, options.work
    yield Image("initramfs", plain, f"{CPIO} < $image", ["none"])
    for name, command in COMPRESSORS.items():
        path = work / f"initramfs.{name}"
        shell(f"{command} -c < {shlex.quote(str(plain))} > {path}", work)
        yield Image(f"initramfs-{name}", path, f"{CPIO} < {shlex.quote(str(plain))}", [name])
        if name in ("gzip", "zstd"):
            yield Image(f"initramfs-{name}-by-unmkinitramfs", path, "unmkinitramfs $image .", [name])
        path.unlink()


def with_microcode(options: argparse.Namespace) -> Iterator[Image]:
    """In front of each an archive that is not compressed, and in one case a second one, as dracut and initramfs-tools write them."""
    plain, work = options.initramfs, options.work
    early, again = work / "early", work / "again"
    for folder, name in ((early, "GenuineIntel.bin"), (again, "AuthenticAMD.bin")):
        place = folder / "kernel" / "x86" / "microcode"
        place.mkdir(parents=True)
        (place / name).write_bytes(os.urandom(70_001))
        shell(f"find kernel | cpio -o -H newc --quiet > ../{folder.name}.cpio", folder)
    path = work / "microcode.img"
    both = f"{CPIO} < {work}/early.cpio && {CPIO} < {shlex.quote(str(plain))}"
    shell(f"(cat early.cpio; zstd -q -9 -c < {shlex.quote(str(plain))}) > {path}", work)
    yield Image("microcode-zstd", path, both, ["none", "zstd"])
    yield Image("microcode-zstd-by-unmkinitramfs", path, "unmkinitramfs $image . && cp -a early/. main/.", ["none", "zstd"], below="main")
    shell(f"(cat early.cpio; head -c 3000 /dev/zero; cat again.cpio; xz -1 --check=crc32 -c < {shlex.quote(str(plain))}; "
          f"head -c 600 /dev/zero) > {path}", work)
    yield Image("microcode-twice-xz", path, f"{CPIO} < {work}/again.cpio && {both}", ["none", "none", "xz"])
    path.unlink()


def tars(options: argparse.Namespace) -> Iterator[Image]:
    """Trees of the reference tools, written and read by GNU tar."""
    installer, initramfs, work = Path(options.installer[0].split("=")[1]), options.initramfs, options.work
    for source, unpack in ((installer, f"gzip -dc | {CPIO}"), (initramfs, CPIO)):
        tree = work / "tree"
        tree.mkdir()
        shell(f"cat {shlex.quote(str(source))} | {unpack}", tree)
        for name, command, form in (("gzip", "gzip -1", "gnu"), ("xz", "xz -0", "pax"), ("zstd", "zstd -q -3", "ustar")):
            path = work / f"tar.{name}"
            shell(f"tar --numeric-owner --format={form} -c . | {command} -c > {path}", tree)
            yield Image(f"tar-{form}-{name}-{source.stem}", path, f"{command.split()[0]} -dc < $image | tar --numeric-owner -xp", [name], form,
                        ALL)
            path.unlink()
        shutil.rmtree(tree)


def layers(options: argparse.Namespace) -> Iterator[Image]:
    """An image of three layers: the tree, one that takes away and changes, one that adds. By umoci and skopeo in every shape they have."""
    initramfs, work = options.initramfs, options.work
    layout, bundle, other = work / "layout", work / "bundle", work / "reference.oci"
    umoci = f"umoci {{}} --image {layout}:latest"
    shell(f"umoci init --layout {layout} && {umoci.format('new')} && {umoci.format('unpack')} {bundle}", work)
    rootfs = bundle / "rootfs"
    changes = (f"{CPIO} < {shlex.quote(str(initramfs))}",
               "rm usr/bin/sh && rm -r usr/lib/udev && mkdir usr/lib/udev && echo anew > usr/lib/udev/only && ln -sfn /nowhere init && "
               "chmod 4755 usr/bin/busybox && chown 1:2 etc",
               "mkdir -p opt/x/y && echo third > opt/x/y/z && ln opt/x/y/z opt/z && mknod opt/c c 1 3 && touch -d @77 opt/z && chown 7:8 opt")
    for change in changes:
        shell(change, rootfs)
        shell(f"{umoci.format('repack --refresh-bundle')} {bundle}", work)
    shell(f"umoci unpack --image {layout}:latest {other}", work)
    reference, copy = f"cp -a {other}/rootfs/. .", f"skopeo --insecure-policy copy -q oci:{layout}:latest"
    yield Image("oci-layout", layout, reference, ["gzip"] * 3, "oci", ALL)
    shell(f"{copy} oci-archive:oci.tar:latest && {copy} docker-archive:docker.tar:example/initramfs:latest && gzip -1 -k docker.tar", work)
    yield Image("oci-archive", work / "oci.tar", reference, ["gzip"] * 3, "oci", ALL)
    yield Image("docker-archive", work / "docker.tar", reference, ["none"] * 3, "docker", ALL)
    yield Image("docker-archive-gzip", work / "docker.tar.gz", reference, ["none"] * 3, "docker", ALL)
    shell(f"skopeo --insecure-policy copy -q --dest-compress-format zstd oci:{layout}:latest oci:{work}/zstd:latest", work)
    yield Image("oci-layout-zstd", work / "zstd", reference, ["zstd"] * 3, "oci", ALL)
    shell("rm -r etc && ln -s usr etc", rootfs)  # umoci hides each file below etc all the same
    shell(f"{umoci.format('repack --refresh-bundle')} {bundle} && rm -r {other} && umoci unpack --image {layout}:latest {other}", work)
    yield Image("oci-directory-became-link", layout, reference, ["gzip"] * 4, "oci", ALL)


def compare(image: Image, work: Path, modules: Modules) -> Iterator[bool]:
    """Extract `image` by the reference tools once and by the module in each way; say how each comparison ended."""
    reference = work / "reference"
    reference.mkdir()
    shell(f"image={shlex.quote(str(image.path))}; {image.unpack}", reference)
    theirs = trees.look(str(reference / image.below))
    shutil.rmtree(reference)
    ways = (("copy", {"backing_store": "copy", "devices": True, "preserve_setuid": True}, lambda tree: tree),
            ("overlay", {"backing_store": "overlay"}, trees.as_by_default))
    for way, options, expected in ways:
        start = time.monotonic()
        found = by_module(image, work, modules, options, expected(theirs))
        verdict = f"ok    {len(theirs)} names, {time.monotonic() - start:.1f} s" if not found else "FAILED"
        print(f"{image.name:36} {way:8} {verdict}", *found[:12], sep="\n      " if found else "", flush=True)
        yield not found
    run = modules(dest=f"{work}/place/root", state="absent", prune=True)
    if run.code:
        raise SystemExit(f"the tree cannot be removed: {run}")


def by_module(image: Image, work: Path, modules: Modules, options: dict, theirs: dict) -> list[str]:
    """What is wrong with the module's tree, in lines."""
    dest = f"{work}/place/root"
    run = modules(src=str(image.path), remote_src=True, dest=dest, **options)
    if run.code or run.err or run.orphans:
        return [repr(run)]
    said = run.values["image"]
    wrong = [f"{key}: {said[key]}, not {wanted}" for key, wanted in (("segments", image.segments), ("format", image.format)) if said[key] != wanted]
    wrong += trees.differences(trees.look(dest), theirs, image.times)
    again = modules(src=str(image.path), remote_src=True, dest=dest, verify=True, **options)
    if again.code or again.changed:
        wrong.append(f"the second run is not idle: {again}")
    return wrong


def shell(command: str, cwd: Path) -> None:
    """Run it, and end everything when it fails."""
    done = subprocess.run(["bash", "-o", "pipefail", "-ec", command], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False)
    if done.returncode:
        raise SystemExit(f"{command}\nfailed: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    raise SystemExit(main())
