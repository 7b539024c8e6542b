#!/usr/bin/env bash
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Real initrds, deployed: of the Debian installer, of initramfs-tools, and one shaped like Slackware's.

set -euo pipefail

top=$ANSIBLE_COLLECTIONS_PATH/ansible_collections/coracle/launcher
work=$(mktemp -d)
snapshot=/run/coracle-images.snapshot # on the host, and nothing that a snapshot looks at
arguments=("$@")
trap clean EXIT

clean() { # also after a failure: the next target wants the host as it was
    ansible-playbook -i "$INVENTORY_PATH" -i "$PWD/images.yml" -e "test_work=$work" coracle.launcher.remove >/dev/null
    rm -rf "$work"
}

play() { # PLAYBOOK [ARGUMENTS]: leaves its output in $work/output
    ansible-playbook -i "$INVENTORY_PATH" -i "$PWD/images.yml" -e "test_work=$work" "$@" ${arguments[@]+"${arguments[@]}"} | tee "$work/output"
}

recap() { # WORD NUMBER: what the recap must say of testhost
    sed 's/\x1b\[[0-9;]*m//g' "$work/output" | grep -Eq "^testhost .*\b$1=$2\b" || { echo "FAILED: the recap does not say $1=$2" >&2; exit 1; }
}

host() { # VERB: of snapshot.py, on the host
    ansible testhost -i "$INVENTORY_PATH" -m ansible.builtin.script -a "snapshot.py $1 $snapshot executable=/usr/bin/python3"
}

cp ../setup_snapshot/files/snapshot.py .
python "$top/tests/tools/compose_image.py" slackware "$work/slackware.img"
# shellcheck disable=SC2016 # the inner shell's $0
unshare --mount --propagation private sh -c \
    'mount -t tmpfs none /boot && echo CONFIG_RD_GZIP=y > /boot/config-0.0.0 && exec mkinitramfs -c gzip -o "$0" 0.0.0' "$work/initramfs.img"
play coracle.launcher.remove # a launcher that another target left
host save

play coracle.launcher.deploy
play verify.yml -e test_record="$work/first"
play coracle.launcher.deploy
recap changed 0
play verify.yml -e test_record="$work/second"
cmp "$work/first" "$work/second"
play coracle.launcher.remove
host compare
