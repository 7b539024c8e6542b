#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_exec
short_description: Run a command in a running container
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Runs one more process in a container that runs, in all of its namespaces and in its cgroup, with the user, the capabilities and the system call
    filter that the container itself has.
  - What the command needs must be in the container. Nothing of the container is run on the host, and no shell is used unless the command
    names one.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
attributes:
  check_mode:
    support: partial
    details:
      - What a command would do cannot be known. With O(creates) or O(removes) the task reports a change if the command would run; without them it is
        skipped, as M(ansible.builtin.command) does.
  idempotent:
    support: partial
    details: With O(creates) or O(removes) only.
options:
  name:
    description: Name of the container, which must be running.
    type: str
    required: true
  argv:
    description:
      - The command as a list of words. The first is an absolute path in the container, or a name that is looked up in its C(PATH).
      - Either O(argv) or O(command) is required.
    type: list
    elements: str
  command:
    description: The command as text, which is split into words as a shell would do. Nothing else that a shell does is done.
    type: str
  chdir:
    description:
      - Absolute path of the directory in the container in which it is run.
      - The default is the container's own O(coracle.launcher.container#module:working_dir).
    type: str
  user:
    description:
      - User to run it as, by number or by its name in the container's own C(/etc/passwd). A group may follow after a colon.
      - The default is the user and the group of the container.
    type: str
  env:
    description:
      - Environment variables beside those that the container's own process was started with. Write values in quotes, YAML takes V(yes) and V(1.10)
        for something else.
      - Nobody on the host but root can read them while the command runs. Use C(no_log) to keep them out of Ansible's output.
    type: dict
  stdin:
    description: Text for the command's standard input, which is empty otherwise.
    type: str
  stdin_add_newline:
    description: Whether to end O(stdin) with a newline.
    type: bool
    default: true
  stdin_base64:
    description: Any bytes for the command's standard input, as base64.
    type: str
  strip_empty_ends:
    description: Whether to remove line ends from the end of RV(stdout) and RV(stderr).
    type: bool
    default: true
  timeout:
    description:
      - Seconds that the command may take. Then its process group gets SIGTERM, and two seconds later, or when it has ended before that, everything
        that it has started is killed, also what has left its process group and session.
      - Without it a command that never ends never ends.
      - What the command leaves running when it ends in time goes on.
    type: float
  max_output:
    description:
      - How much of each output is kept, in bytes or with a unit as V(512K). What comes after that is read and thrown away, and RV(truncated) says so.
      - At most V(64M).
    type: str
    default: 4M
  creates:
    description:
      - A path or shell pattern in the container. When it exists, the command is not run. Relative to O(chdir).
      - It is looked up as a process of the container would, in its mounts and behind its links, and never outside of it. A link that leads
        nowhere exists.
    type: str
  removes:
    description: A path or shell pattern in the container. When it does not exist, the command is not run.
    type: str
notes:
  - Needs root.
seealso:
  - module: coracle.launcher.container
  - module: coracle.launcher.container_logs
  - module: ansible.builtin.command
"""

EXAMPLES = r"""
- name: Reload a server
  coracle.launcher.container_exec:
    name: web1
    argv: [/usr/sbin/nginx, -s, reload]

- name: Fill the database once
  coracle.launcher.container_exec:
    name: db1
    command: /usr/bin/initdb -D /var/lib/db
    user: db:db
    creates: /var/lib/db/VERSION
    timeout: 60

- name: With a shell, because of the pipe
  coracle.launcher.container_exec:
    name: web1
    argv: [/bin/sh, -c, "ls /srv | wc -l"]
  register: files
  changed_when: false

- name: Send a file of any bytes
  coracle.launcher.container_exec:
    name: web1
    argv: [/bin/tar, -x, -C, /srv]
    stdin_base64: "{{ lookup('ansible.builtin.file', 'site.tar.b64') }}"

- name: An answer of no is no failure
  coracle.launcher.container_exec:
    name: web1
    argv: [/bin/grep, -q, maintenance, /etc/web.conf]
  register: maintenance
  changed_when: false
  failed_when: maintenance.rc > 1
"""

RETURN = r"""
cmd:
  description: The words of the command.
  returned: success
  type: list
  elements: str
  sample: [/usr/sbin/nginx, -s, reload]
rc:
  description:
    - Its exit status, 128 and the number after a signal. The task fails unless it is V(0).
    - V(127) also when the program is not there, V(126) when it cannot be executed, V(125) when the host could not run it; RV(msg) says which.
  returned: success, and when the command was tried
  type: int
  sample: 0
stdout:
  description: What it wrote to its standard output. Bytes that are no UTF-8 are written as C(\\xNN).
  returned: success, and when the command was tried
  type: str
  sample: signal process started
stderr:
  description: What it wrote to its standard error.
  returned: success, and when the command was tried
  type: str
  sample: ""
stdout_base64:
  description: All bytes of the standard output when they are no UTF-8, null otherwise.
  returned: success, and when the command was tried
  type: str
  sample: null
stderr_base64:
  description: All bytes of the standard error when they are no UTF-8, null otherwise.
  returned: success, and when the command was tried
  type: str
  sample: null
truncated:
  description: Whether one of the outputs was longer than O(max_output).
  returned: success, and when the command was tried
  type: bool
  sample: false
timed_out:
  description: Whether it was killed after O(timeout). The task has failed then.
  returned: success, and when the command was tried
  type: bool
  sample: false
msg:
  description: Why it was not run, could not be run, or has failed.
  returned: when there is something to say
  type: str
  sample: Did not run the command since /var/lib/db/VERSION exists
changes:
  description: One entry for the command when it was run, and one before it when the launcher's code was brought to the host.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: V(command), or V(launcher).
      type: str
      returned: always
      sample: command
    before:
      description: Null, or the version of the launcher that was found.
      type: raw
      returned: always
      sample: null
    after:
      description: The words of the command, or the version of the launcher.
      type: raw
      returned: always
      sample: [/usr/sbin/nginx, -s, reload]
    action:
      description: V(live), or V(create) for a launcher where there was none.
      type: str
      returned: always
      sample: live
    why:
      description: The reason, when there is more to say.
      type: str
      returned: always
      sample: ""
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode, execution  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module


def main() -> None:
    run_module(execution.spec(), execution.read, execution.plan, execution.apply, execution.result)


if __name__ == "__main__":
    main()
