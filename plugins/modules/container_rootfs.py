#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_rootfs
short_description: Root file systems out of initrds, extracted once and safely
version_added: 0.1.0
description:
  - Extracts an initrd (a cpio archive, compressed or not) and puts the tree at O(dest), where a container can have it as its root.
  - Each archive is extracted once on a host, into the image store C(/var/lib/coracle/images), under the sha256 of the file. The tree at
    O(dest) is a copy of that, which shares its blocks where the file system can.
  - An archive on the controller is sent only to hosts that lack its content. An archive that has not changed is not read again.
  - The archive may be hostile. Nothing is written outside of the tree, no symbolic link is followed, and what is wrong with the archive
    is said with the name of the entry and its offset.
  - The old tree, or none, is there until the new one is complete. They change places in one step.
author:
  - The coracle contributors (@coracle)
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
options:
  src:
    description:
      - Path of the archive on the controller, or on the host with O(remote_src=true). On the controller a relative path is looked up
        as for the module M(ansible.builtin.copy), also in the C(files) directory of a role.
      - It may also be V(sha256:) and the digest of an image that the host has extracted before.
      - The format is recognised by content, never by name, as cpio of format C(newc) or C(crc), as it is or compressed with gzip, xz,
        bzip2 or lzma. Several archives one after the other, as with early microcode, are all extracted.
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
    type: str
  dest:
    description:
      - Absolute path of the tree itself. Directories above it are made when they are missing.
      - It must not exist, be empty, or be a tree that this module has made. C(/), symbolic links, mount points and anything else are
        refused. So is a tree that would have to change while a process has it as its root.
      - The file C(.NAME.coracle) beside the tree says what it was made from.
    type: path
    required: true
  backing_store:
    description:
      - V(copy) makes a tree of its own, which may be written. V(auto) does the same.
      - V(overlay) is refused. A container gets an overlay on its image with the option O(coracle.launcher.container#module:image).
    type: str
    choices:
      - auto
      - copy
      - overlay
    default: auto
  state:
    description:
      - V(present) makes the tree, or makes it again when the archive has other content.
      - V(absent) removes a tree that this module has made. The image stays in the store.
    type: str
    choices:
      - present
      - absent
    default: present
  verify:
    description:
      - Compare the tree with its image and, when anything differs, make it again. Each difference is one of the RV(changes).
      - Names, types, permissions, owners, sizes, link targets and content are compared, times are not. What is in the tree and not in
        the image is a difference too, so what a container wrote there is lost.
    type: bool
    default: false
  preserve_setuid:
    description:
      - Keep the set-user-id and set-group-id bits of files. Without it they are dropped. Directories keep their bits, all keep the rest.
    type: bool
    default: false
  devices:
    description:
      - Make the device nodes of the archive. Without it they are skipped and counted. A container gets a C(/dev) of its own and needs none.
    type: bool
    default: false
  max_bytes:
    description:
      - The most that all files of the archive may have together, in bytes or with a suffix K, M, G or T (powers of 1024).
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
  - Of two entries with one name the later one wins.
  - Archives of the old cpio formats, tar archives, and the compressions zstd, lz4 and lzop are recognised and refused.
seealso:
  - module: coracle.launcher.container
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

- name: Say which files are no more as in the image, and make the tree again
  coracle.launcher.container_rootfs:
    src: initrd.img
    dest: /var/lib/coracle/containers/web/chroot
    verify: true

- name: Remove it
  coracle.launcher.container_rootfs:
    dest: /tmp/slackware/chroot
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. An empty list when nothing was.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: What differed. RV(changes[].option=src) stands for the image, compared by digest.
      type: str
    before:
      description: What was there, C(null) for nothing.
      type: raw
    after:
      description: What was asked for, C(null) for nothing.
      type: raw
    action:
      description: C(create), C(recreate) or C(remove).
      type: str
    why:
      description: The reason, where it is not plain.
      type: str
image:
  description:
    - The image that the tree is made from.
    - In check mode only RV(image.digest) is known of an archive whose content the host lacks and that lies on the controller.
  returned: success and O(state=present)
  type: dict
  contains:
    digest:
      description: V(sha256:) and the digest of the archive as it is.
      type: str
      sample: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    format:
      description: Format of the archive, C(newc) or C(crc).
      type: str
      sample: newc
    segments:
      description: Compression of each archive in the file, in order. C(none) is an archive that is not compressed.
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
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import rootfs


def main() -> None:
    spec = {
        "argument_spec": {
            "src": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "checksum": {"type": "str"},
            "dest": {"type": "path", "required": True},
            "backing_store": {"type": "str", "choices": ["auto", "copy", "overlay"], "default": "auto"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "verify": {"type": "bool", "default": False},
            "preserve_setuid": {"type": "bool", "default": False},
            "devices": {"type": "bool", "default": False},
            "max_bytes": {"type": "str", "default": "4G"},
            "max_entries": {"type": "int", "default": 500000},
            "max_depth": {"type": "int", "default": 100},
        },
        "required_if": [("state", "present", ("src",))],
    }
    run_module(spec, read=rootfs.read, plan=rootfs.plan, apply=rootfs.apply, result=rootfs.result)


if __name__ == "__main__":
    main()
