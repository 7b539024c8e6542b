#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_rootfs
short_description: Root file systems out of initrds, tar archives and OCI images, extracted once and safely
version_added: 0.1.0
description:
  - Extracts an archive and puts its tree at O(dest), where a container, or anything else, can have it as its root.
  - The archive is an initrd (cpio), a tar archive, an OCI image layout or a docker archive, compressed or not. The format is recognised by
    content, never by name.
  - Each archive is extracted once on a host, into the image store C(/var/lib/coracle/images), under its sha256, however many trees and
    containers are made from it. The tree at O(dest) is an overlay on that image, a copy of it, or the image itself.
  - An archive on the controller is sent only to hosts that lack its content. An archive that has not changed is not read again.
  - The archive may be hostile. It is read by a process that may write nowhere but below its image, no symbolic link is followed, and what
    is wrong with the archive is said with the name of the entry and its offset.
  - The old tree, or none, is there until the new one is complete. They change places in one step, and O(state=previous) goes back.
author:
  - The coracle contributors (@coracle)
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
attributes:
  async:
    support: none
    details: An archive of the controller may have to be sent in the middle of the task.
options:
  src:
    description:
      - A path on the controller. A relative one is looked up as for the module M(ansible.builtin.copy), also in the C(files) directory of
        a role.
      - A path on the host, with O(remote_src=true).
      - A URL, C(http://) or C(https://), which the host fetches. O(checksum) is required then.
      - V(sha256:) and the digest of an image that the host has extracted before.
      - The file may be a cpio archive of format newc, crc, odc or old binary, as the kernel takes them, also several one after the other,
        as with early microcode; a tar archive of format ustar, pax or GNU; or an OCI or docker archive, as C(skopeo copy), C(buildah push)
        and C(docker save) write them. Each as it is or compressed with gzip, xz, lzma, bzip2, zstd, lz4 or lzop.
      - A directory is taken as an OCI image layout. Of an image for several platforms that of the host is used.
      - Required with O(state=present).
    type: path
  remote_src:
    description:
      - Whether O(src) is a path on the host.
    type: bool
    default: false
  checksum:
    description:
      - The digest that the archive must have, V(sha256:) and 64 hexadecimal digits. With another one nothing is done.
      - Of a file it is what C(sha256sum) prints, of the directory of an OCI image layout the digest of the manifest.
    type: str
  validate_certs:
    description:
      - Whether the certificate of an C(https) server must be one that the host trusts.
    type: bool
    default: true
  url_username:
    description:
      - User for a server that asks for one.
    type: str
  url_password:
    description:
      - Password of O(url_username).
    type: str
  timeout:
    description:
      - Seconds after which a server that sends nothing is given up, from V(1) to V(86400).
    type: int
    default: 30
  dest:
    description:
      - Absolute path of the tree itself. Directories above it are made when they are missing.
      - It must not exist, be empty, or be a tree that this module has made. C(/), symbolic links, mount points of others and anything else
        are refused. So is a tree that would have to change while a process has it as its root.
      - The file C(.NAME.coracle) beside the tree says what it was made from.
    type: path
    required: true
  backing_store:
    description:
      - V(overlay) mounts an overlay on the image. It takes no time and no space, and what is written is kept in C(.NAME.overlay) beside the
        tree. When the tree is made from another image, what was written goes with the old one. All directories above the tree must be
        root's, and not writable by others unless they are sticky.
      - V(copy) makes a tree of its own, which shares its blocks with the image where the file system can.
      - V(auto) leaves the kind of a tree that is there, and makes a new one an overlay where the kernel and the file systems can, else a
        copy.
      - An overlay is mounted without set-id programs unless O(preserve_setuid), and without device nodes unless O(devices). After a
        restart of the host it is mounted again by the next run, or by C(coracle start) of the container that it belongs to.
    type: str
    choices:
      - auto
      - copy
      - overlay
    default: auto
  read_only:
    description:
      - Mount the image itself at O(dest), read-only. Nothing is copied, and nothing can be written there.
      - It cannot be had together with another O(backing_store) than V(auto), nor with O(devices) or O(preserve_setuid).
    type: bool
    default: false
  state:
    description:
      - V(present) makes the tree, or makes it again when the archive has other content.
      - V(previous) goes back to the image that the tree was made from before. Done twice, it stays there. O(state=present) goes forward again.
      - V(absent) removes a tree that this module has made. The image stays in the store, unless O(prune).
    type: str
    choices:
      - present
      - absent
      - previous
    default: present
  prune:
    description:
      - Remove the images of this host that no container and no tree uses, not even as its previous one. Each is one of the RV(changes).
    type: bool
    default: false
  verify:
    description:
      - Compare the tree with its image and, when anything differs, make it again. Each difference is one of the RV(changes).
      - Names, types, permissions, owners, sizes, link targets and content are compared, times are not. What is in the tree and not in
        the image is a difference too, so what a container wrote there is lost.
    type: bool
    default: false
  preserve_setuid:
    description:
      - Keep the set-user-id and set-group-id bits and the capabilities of files. Without it they are dropped. Directories keep their bits,
        all keep the rest.
    type: bool
    default: false
  devices:
    description:
      - Make the device nodes of the archive. Without it they are skipped and counted. A container gets a C(/dev) of its own and needs none.
    type: bool
    default: false
  max_bytes:
    description:
      - The most that all files of the archive may have together, in bytes or with a suffix K, M, G or T (powers of 1024). Of a URL,
        at most 64 MiB more than that are fetched.
    type: str
    default: 4G
  max_entries:
    description:
      - The most entries that the archive may have.
    type: int
    default: 500000
  max_depth:
    description:
      - The most directories above an entry, 256 at most.
    type: int
    default: 100
notes:
  - Names with C(..) in them, entries whose path goes through a symbolic link, owners above 2147483647, wrong checksums, archives without
    their end mark and whatever stands behind the last archive, zeros excepted, are errors. A C(/) before a name is dropped.
  - Of two entries with one name the later one wins. Times before 1970 become 1970.
  - zstd is unpacked with windows of up to 64 MiB, others are refused. xz and lzma take as much memory as their dictionary has, 64 MiB for
    what C(xz -9) wrote.
  - gzip, xz, lzma and bzip2 are in Python. For zstd, lz4 and lzop the host needs a library or the tool of that name;
    M(coracle.launcher.container_host_info) tells what a host has. A fetched archive is fetched by the host, with the proxies of the task's
    C(environment).
  - On a terminal, a line every two seconds tells how far a large archive of the controller has been sent.
seealso:
  - module: coracle.launcher.container
  - module: coracle.launcher.container_host_info
"""

EXAMPLES = r"""
- name: The root file system of the container web, out of an initrd on the controller
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /var/lib/coracle/containers/web/chroot

- name: Out of an initrd on the host, which must be the expected one
  coracle.launcher.container_rootfs:
    src: /usr/src/slackware64-current/isolinux/initrd.img
    remote_src: true
    checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    dest: /tmp/slackware/chroot

- name: Out of a tar archive that the host fetches
  coracle.launcher.container_rootfs:
    src: https://images.example.org/alpine-minirootfs-3.22.1-x86_64.tar.gz
    checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    dest: /srv/trees/alpine

- name: From a server that wants a password
  coracle.launcher.container_rootfs:
    src: https://images.example.org/private/root.tar.zst
    checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    url_username: deploy
    url_password: "{{ images_password }}"
    dest: /srv/trees/private

- name: From an image that the host has
  coracle.launcher.container_rootfs:
    src: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    dest: /srv/trees/second

# On the controller: skopeo copy docker://alpine:3.22 oci:files/alpine:3.22
- name: Out of an OCI image layout, a directory on the controller
  coracle.launcher.container_rootfs:
    src: alpine
    dest: /srv/trees/alpine

# docker save alpine:3.22 | zstd > /srv/alpine.tar.zst
- name: Out of what docker saved on the host
  coracle.launcher.container_rootfs:
    src: /srv/alpine.tar.zst
    remote_src: true
    dest: /srv/trees/alpine

- name: A copy, which is written much and must live through anything
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /srv/trees/build
    backing_store: copy

- name: An overlay, or a message why this host cannot
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /srv/trees/test
    backing_store: overlay

- name: The image itself, which nobody can write
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /srv/trees/fixed
    read_only: true

- name: Back to the image before this one
  coracle.launcher.container_rootfs:
    dest: /srv/trees/test
    state: previous

- name: Say which files are no more as in the image, and make the tree again
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /var/lib/coracle/containers/web/chroot
    verify: true

# The tree must not be the root of a process: of a running container, say.
- name: Only say it
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /var/lib/coracle/containers/web/chroot
    verify: true
  check_mode: true

- name: Remove it, and all images that nobody uses
  coracle.launcher.container_rootfs:
    dest: /tmp/slackware/chroot
    state: absent
    prune: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. An empty list when nothing was.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description:
        - What differed. RV(changes[].option=src) stands for the image, compared by digest.
        - RV(changes[].option=dest) stands for a tree that goes or is mounted again, and for what a run that was killed left beside it.
        - RV(changes[].option=backing_store), RV(changes[].option=read_only), RV(changes[].option=devices) and
          RV(changes[].option=preserve_setuid) have the value of the tree before.
        - RV(changes[].option=verify) is a file that differs, RV(changes[].option=image) an image in the store that does and is extracted
          again, RV(changes[].option=prune) an image that goes.
      type: str
    before:
      description: What was there, C(null) for nothing.
      type: raw
    after:
      description: What was asked for, C(null) for nothing.
      type: raw
    action:
      description:
        - C(create), C(recreate) or C(remove) of the tree, an image or what is left over; C(live) where an overlay is mounted again,
          as after a restart of the host.
      type: str
    why:
      description: The reason, where it is not plain.
      type: str
image:
  description:
    - The image that the tree is made from.
    - In check mode it is what a run would find. The archive is read for that where it lies, on the host or on the controller. Of one that
      would have to be fetched only RV(image.digest) is known.
  returned: success and O(state) is not V(absent)
  type: dict
  contains:
    digest:
      description: V(sha256:) and the digest of the archive as it is. Of the directory of an OCI image layout, that of the manifest.
      type: str
      sample: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    format:
      description: Format of the archive, C(newc), C(crc), C(odc), C(bin), C(ustar), C(pax), C(gnu), C(v7), C(oci) or C(docker).
      type: str
      sample: newc
    segments:
      description: Compression of each archive in the file, or of each layer, in order. C(none) is one that is not compressed.
      type: list
      elements: str
      sample: ["none", "gzip"]
    entries:
      description: How many entries the archive has.
      type: int
      sample: 2387
    bytes:
      description: Bytes of all files together.
      type: int
      sample: 137045245
    skipped:
      description: How many C(devices) and C(sockets) of the archive the tree does not have.
      type: dict
      sample: {"devices": 2, "sockets": 0}
backing_store:
  description: What the tree is, V(copy), V(overlay) or V(read_only). In check mode what it would be.
  returned: success and O(state) is not V(absent)
  type: str
  sample: overlay
previous:
  description: Digest of the image that O(state=previous) would go back to, null when there is none.
  returned: success and O(state) is not V(absent)
  type: str
  sample: null
duration:
  description: Seconds that the extraction into the image store took, null when nothing was extracted.
  returned: success and O(state) is not V(absent)
  type: float
  sample: 0.61
pruned:
  description: Digests of the images that O(prune) removed, or would remove in check mode.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import text
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import sources
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import module as rootfs


def main() -> None:
    spec = {
        "argument_spec": {
            "src": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "checksum": {"type": "str"},
            "validate_certs": {"type": "bool", "default": True},
            "url_username": {"type": "str"},
            "url_password": {"type": "str", "no_log": True},
            "timeout": {"type": "int", "default": 30},
            "dest": {"type": "path", "required": True},
            "backing_store": {"type": "str", "choices": ["auto", "copy", "overlay"], "default": "auto"},
            "read_only": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent", "previous"], "default": "present"},
            "prune": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": False},
            "preserve_setuid": {"type": "bool", "default": False},
            "devices": {"type": "bool", "default": False},
            "max_bytes": {"type": "str", "default": "4G"},
            "max_entries": {"type": "int", "default": 500000},
            "max_depth": {"type": "int", "default": 100},
        },
        "required_if": [("state", "present", ("src",))],
        "required_together": [("url_username", "url_password")],
    }
    run_module(spec, read=_read, plan=rootfs.plan, apply=_apply, result=rootfs.result)


def _read(want: dict) -> rootfs.Have:
    text.parse_integer(want["timeout"], "timeout", 1, 86400)
    return rootfs.read(want)


def _apply(want: dict, have: rootfs.Have, changes: list) -> None:
    from ansible_collections.coracle.launcher.plugins.module_utils._ansible.download import Fetcher  # not for a run that changes nothing

    sources.use_fetcher(Fetcher(want))
    rootfs.apply(want, have, changes)


if __name__ == "__main__":
    main()
