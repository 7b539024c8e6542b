# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one container but its networks. After a change run tests/tools/generate_doc_fragments.py, which writes _containers.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the container, 1 to 63 of V(a-z 0-9 _ . -), beginning with a letter or a digit.
      - Its directory is C(/var/lib/coracle/containers/NAME), unless O(path) says otherwise.
      - When not given, it is the last part of O(path).
    type: str
  path:
    description:
      - Directory of a container that was made by hand, with a file C(settings) and a directory C(chroot).
        It is adopted as it is, and the options given are merged into its settings.
      - The directory must exist.
    type: path
  image:
    description:
      - The archive of the root file system, one of those that M(coracle.launcher.container_rootfs) takes, such as an initrd, a tar archive or
        an OCI image layout, compressed or not. A path on the controller, or on the host with O(remote_src=true); a URL, C(http://) or
        C(https://), which the host fetches and for which O(checksum) is required; or the digest of an image that the host already has, as
        C(sha256:HEX).
      - An archive of the controller is sent only when the host does not have an image of that digest, and a URL is fetched only then.
      - The image is extracted once on each host. Containers share it, and what a container writes goes to a layer of its own.
      - Changing it recreates the container, and the layer is emptied.
    type: path
  remote_src:
    description: Whether O(image) is a path on the host.
    type: bool
    default: false
  checksum:
    description:
      - Digest that the archive of O(image) must have, as C(sha256:HEX). Of the directory of an OCI image layout it is the digest of the
        manifest.
      - With it the archive is not even opened when the host has that image.
    type: str
  rootfs:
    description:
      - Directory on the host that the container sees as C(/), used as it is. Absolute path.
      - Changing it recreates the container.
    type: path
  command:
    description:
      - The process and its arguments. The process is the absolute path of a program in the root file system; no shell is involved.
      - Needed when the container does not exist yet.
      - A change restarts the container.
    type: list
    elements: str
  process:
    description: Absolute path of the program, the first word of O(command). The word of the settings file.
    type: str
  args:
    description: Arguments of O(process), the other words of O(command).
    type: list
    elements: str
  user:
    description:
      - User of the process, a number or a name of the root file system's own C(/etc/passwd). A new container has V(0).
      - A change restarts the container.
    type: str
  group:
    description:
      - Group of the process, a number or a name of the root file system's own C(/etc/group).
      - A change restarts the container.
    type: str
  working_dir:
    description:
      - Directory in the root file system in which the process starts.
      - A change restarts the container.
    type: str
  hostname:
    description:
      - Host name inside the container.
      - A change restarts the container.
    type: str
  interactive:
    description:
      - Whether the standard input of the process stays open.
      - A change restarts the container.
    type: bool
  env:
    description:
      - Environment of the process, all of it. Write values in quotes, YAML takes V(yes) and V(1.10) for something else.
      - It is shown in diff mode, in the result and in the settings file. The file is readable by root alone.
      - A change restarts the container.
    type: dict
  labels:
    description:
      - Words about the container for people and for M(coracle.launcher.container_info), all of them. Write values in quotes.
      - Changes while the container runs.
    type: dict
  memory:
    description:
      - Most memory that all processes of the container may use, in bytes or with a suffix as in V(64M) (powers of 1024).
        V(-1) is no limit.
      - Changes while the container runs.
    type: str
    aliases: [memlimit]
  cpu_percent:
    description:
      - Weight of the container when processors are contended, in percent of the kernel's default of 1024 shares. V(5) is 51 shares.
        This is no upper limit, which O(cpus) is.
      - Changes while the container runs.
    type: int
    aliases: [cpupercent]
  cpu_shares:
    description:
      - The same weight as O(cpu_percent) in shares, from V(2) to V(262144).
      - Changes while the container runs.
    type: int
  cpus:
    description:
      - Most processor time, in processors. V(0.5) is half of one, V(-1) is no limit.
      - Changes while the container runs.
    type: float
  pids_limit:
    description:
      - Most processes and threads. V(-1) is no limit.
      - Changes while the container runs.
    type: int
  stop_signal:
    description:
      - Signal that asks the process to end, by name as V(TERM) or by number. A new container has V(TERM).
      - Changes while the container runs.
    type: str
  stop_timeout:
    description:
      - Seconds after O(stop_signal) until the container is killed. A new container has V(10).
      - Changes while the container runs.
    type: int
  restart_policy:
    description:
      - What happens when the process ends without being asked. A new container has V(no).
      - V(no) leaves it.
      - V(on-failure) starts it again after an exit status other than 0, after a signal, and after an end that nobody saw.
      - V(always) and V(unless-stopped) start it again, however it ended.
      - The first restart comes after 100 milliseconds, each further one after twice the time, up to a minute. Ten seconds of life end the row.
      - A container that the task starts, and that does not live for O(start_grace), is a failure of the task and is not tried again.
      - The same rules hold when the host starts and C(coracle boot) is part of that, which the role P(coracle.launcher.container_host#role)
        sees to. Then V(always) starts the container whatever was before, V(unless-stopped) and V(on-failure) unless somebody has stopped
        it, or it had ended for good, and V(no) does not.
      - Changes while the container runs.
    type: str
    choices: ["no", on-failure, always, unless-stopped]
  restart_retries:
    description:
      - Most restarts in a row with O(restart_policy=on-failure). V(0), the default, is no limit.
      - Changes while the container runs.
    type: int
  log_max_size:
    description:
      - Most bytes of output that are kept, with a suffix as in V(10M). A new container has V(10M).
      - Changes while the container runs.
    type: str
  bridge:
    description: Short for one entry of O(networks), its O(networks[].bridge).
    type: str
  ip:
    description: Short for one entry of O(networks), its O(networks[].addresses). Needs O(bridge).
    type: list
    elements: str
  gw:
    description: Short for one entry of O(networks), its O(networks[].gateway). Needs O(bridge).
    type: str
  state:
    description:
      - V(started) means that the container exists, runs, and was still alive O(start_grace) seconds after its start.
      - V(stopped) means that it exists and does not run.
      - V(present) means that it exists. One that runs goes on, one that does not is not started.
      - V(absent) means that it is stopped and gone with all that belongs to it, the directory included. Of a container that lies
        elsewhere (O(path)) the settings and the root file system stay, only what the launcher made is removed.
        A bridge that the launcher made goes with its last container.
    type: str
    choices: [absent, present, stopped, started]
    default: started
  start_grace:
    description: Seconds that a container must stay alive to count as started, from V(0) to V(60).
    type: float
    default: 0.25
  restart:
    description:
      - Restart the container when it was running already. This option is not idempotent.
      - Other changes are made as well, with one restart for all.
    type: bool
    default: false
  recreate:
    description:
      - Stop the container, empty the layer that it has written on top of its O(image), and start it again.
        A root file system of its own is left alone. This option is not idempotent.
    type: bool
    default: false
  on_restart_required:
    description:
      - What to do when a running container must be restarted for an option to take effect.
      - V(restart) restarts it.
      - V(notify) writes the settings, lets it run as it is, and returns RV(restart_required=true).
      - V(fail) fails before anything is changed.
    type: str
    choices: [restart, notify, fail]
    default: restart
notes:
  - An option that is not given is not compared, and keeps the value that it has.
  - Needs root. Networks need the Python library C(pyroute2) on the managed host.
  - The launcher itself is brought to the host when it is needed, once for each version.
  - When the first start of a new container fails, the message has the reason and the last lines of its output, and the container is removed
    again. To look at what it left behind, create it with O(state=present) and start it in a second task.
"""
