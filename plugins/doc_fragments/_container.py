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
  read_only:
    description:
      - Whether nothing can be written to the root file system, with all that the host has mounted in it.
        O(tmpfs), O(mounts) and C(/dev/shm) are not concerned.
      - A change restarts the container.
    type: bool
  mounts:
    description:
      - What of the host the container sees, all of it. V([]) is nothing. Devices and set-id bits in there have no effect.
      - The result and the settings file have them as C(type=bind,source=/srv/data,target=/data,readonly).
      - Needs Linux 5.12.
      - A change restarts the container.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(bind) is a file or directory of the host.
          - V(tmpfs) is an empty file system in memory, which the container loses when it ends, and which counts as memory
            of the container.
        type: str
        choices: [bind, tmpfs]
        default: bind
      source:
        description:
          - Absolute path on the host of what V(bind) shows, without symbolic links on the way, since whoever may change a
            link would choose what the container sees. It must exist.
        type: path
      target:
        description:
          - Absolute path in the container. It is made when it is missing; a symbolic link in the root file system leads to
            where it leads inside the container.
          - Nothing can be mounted on C(/), and on or below C(/proc), C(/sys) and C(/dev).
        type: str
        required: true
      read_only:
        description: Whether the container can write there, with all that is mounted below.
        type: bool
      non_recursive:
        description: Whether to leave out what the host has mounted below O(mounts[].source).
        type: bool
      tmpfs_size:
        description: Most bytes in a V(tmpfs), with a suffix as in V(16M). Without it V(64M).
        type: str
      tmpfs_mode:
        description: Mode of a V(tmpfs) in octal, in quotes. Without it V(1777).
        type: str
  tmpfs:
    description:
      - File systems in memory, all of them, as V(/run) or V(/run:size=16M,mode=755,exec). They are empty when the container
        starts and count as its memory. Options are C(size) (else 64M), C(mode) (else 1777), C(uid), C(gid), C(nr_inodes),
        C(ro), and C(exec), without which no program in it can be run.
      - A change restarts the container.
    type: list
    elements: str
  shm_size:
    description:
      - Most bytes in C(/dev/shm), with a suffix as in V(256M). Without this option V(64M).
      - A change restarts the container.
    type: str
  sysctls:
    description:
      - Kernel parameters that the container has of its own, all that are set. Names begin with C(net.) or C(fs.mqueue.), or
        are one of V(kernel.msgmax), V(kernel.msgmnb), V(kernel.msgmni), V(kernel.sem), V(kernel.shmall), V(kernel.shmmax),
        V(kernel.shmmni), V(kernel.shm_rmid_forced). Write values in quotes.
      - A change restarts the container.
    type: dict
  command:
    description:
      - The process and its arguments. The process is the absolute path of a program in the root file system; no shell is involved.
      - Needed when the container does not exist yet.
      - A change restarts the container.
    type: list
    elements: str
  entrypoint:
    description:
      - The first words of the process, which those of O(command) follow. Both together are what the container
        runs, and are compared as O(command).
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
  groups:
    description:
      - Other groups of the process beside O(group), all of them, numbers or names of the root file system's
        own C(/etc/group). V([]) is none, as without this option.
      - A change restarts the container.
    type: list
    elements: str
    aliases: [group_add]
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
  init:
    description:
      - Whether a small process of the launcher is PID 1, which passes signals on to O(command) and waits for
        orphans. Without it O(command) is PID 1 itself, for which a signal without a handler does nothing.
      - A change restarts the container.
    type: bool
  capabilities:
    description:
      - Capabilities of the process beside those of every container, all of them, as V(NET_ADMIN). User 0 has V(CHOWN),
        V(DAC_OVERRIDE), V(FOWNER), V(FSETID), V(KILL), V(NET_BIND_SERVICE), V(SETGID) and V(SETUID) anyhow, with a network
        also V(NET_RAW), of which the system call filter leaves C(ping). Any other user has those that are named here, and
        no others.
      - The largest set is that with V(AUDIT_WRITE), V(IPC_LOCK), V(IPC_OWNER), V(LEASE), V(NET_ADMIN), V(NET_BROADCAST),
        V(NET_RAW), V(SETFCAP) and V(SETPCAP); V(ALL) is all of it.
      - A change restarts the container.
    type: list
    elements: str
    aliases: [cap_add]
  cap_drop:
    description:
      - Capabilities that user 0 does not have, all of them; V(ALL) is all that it has anyhow. O(capabilities)
        has the last word.
      - A change restarts the container.
    type: list
    elements: str
  dns_servers:
    description:
      - Name servers, at most three. With this option, O(dns_search_domains) or O(dns_opts) the container has
        a C(/etc/resolv.conf) of what they say in the place of that of its root file system, which it cannot
        write.
      - A change restarts the container.
    type: list
    elements: str
  dns_search_domains:
    description:
      - Domains in which names without a dot are looked for.
      - A change restarts the container.
    type: list
    elements: str
  dns_opts:
    description:
      - Options of C(resolv.conf), as V(ndots:2).
      - A change restarts the container.
    type: list
    elements: str
  etc_hosts:
    description:
      - Names and their addresses. With this option the container has a C(/etc/hosts) of them, of C(localhost) and of the
        addresses that its networks have when it starts, in the place of that of its root file system, which it cannot write.
      - A change restarts the container.
    type: dict
  devices:
    description:
      - Devices of the host that the container has, all of them, as V(/dev/fuse) or V(/dev/net/tun:/dev/net/tun:rw) (path on
        the host, path in the container, what is allowed of reading, writing and making a node). They have the owner and the
        mode that they have on the host.
      - With it the container's cgroup lets it use these devices and those of every container, which needs the controller
        C(devices) or on cgroup v2 a kernel with CONFIG_CGROUP_BPF.
      - A change restarts the container.
    type: list
    elements: str
  env:
    description:
      - Environment of the process, all of it. Write values in quotes, YAML takes V(yes) and V(1.10) for something else.
      - It is shown in diff mode, in the result and in the settings file. The file is readable by root alone.
      - A change restarts the container.
    type: dict
  env_file:
    description:
      - A file of the host with lines C(NAME=value), which are taken as they are; C(#) begins a comment.
      - What it says is compared as if it were in O(env), which has the last word where both give a name.
    type: path
  ulimits:
    description:
      - Resource limits of the process and its children, all that differ from the launcher's own, as V(nofile:1024:4096)
        (soft limit, hard limit) or V(nproc:100) for both. V(-1) is no limit. The names are those of C(limits.conf), such as
        V(nofile), V(nproc), V(core), V(memlock).
      - A hard limit above that of the host's root needs the capability CAP_SYS_RESOURCE there.
      - A change restarts the container.
    type: list
    elements: str
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
  oom_score_adj:
    description:
      - How soon the processes of the container are killed when the memory of the host is short, from V(-1000) (never) to
        V(1000). Without this option it is V(0).
      - Changes while the container runs, for all of its processes. A lower value than they have ever had from outside needs
        the capability CAP_SYS_RESOURCE.
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
