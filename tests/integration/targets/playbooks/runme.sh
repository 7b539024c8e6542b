#!/usr/bin/env bash
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The playbooks as a user runs them: check mode, deploy, once more, status, remove; and as playbooks/*.yml of a clone.

set -euo pipefail

top=$ANSIBLE_COLLECTIONS_PATH/ansible_collections/coracle/launcher
work=$(mktemp -d)
snapshot=/run/coracle-playbooks.snapshot # on the host, and nothing that a snapshot looks at
inventory=(-i "$INVENTORY_PATH" -i "$PWD/fleet.yml")
arguments=("$@")
trap 'rm -rf "$work"' EXIT

say() { printf '\n--- %s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

play() { # PLAYBOOK [ARGUMENTS]: leaves its output in $work/output
    ansible-playbook "${inventory[@]}" -e "test_image=$work/demo.img" -e "test_record=$work/record" "$@" ${arguments[@]+"${arguments[@]}"} |
        tee "$work/output"
}

recap() { # WORD NUMBER: what the recap must say of testhost
    sed 's/\x1b\[[0-9;]*m//g' "$work/output" | grep -Eq "^testhost .*\b$1=$2\b" || fail "the recap does not say $1=$2"
}

host() { # VERB: of snapshot.py, on the host
    ansible testhost "${inventory[@]}" -m ansible.builtin.script -a "snapshot.py $1 $snapshot executable=/usr/bin/python3"
}

unchanged() {
    host compare >"$work/compare" || { cat "$work/compare"; fail "the host is not as it was: $*"; }
}

cp ../setup_snapshot/files/snapshot.py .
python "$top/tests/tools/compose_image.py" demo "$work/demo.img"
play coracle.launcher.remove # a launcher that another target left
host save

say "bad inventory: one message, nothing done"
if play record.yml -e test_record="$work/bad" -e '{"containers_list_bad": [{"name": "web", "user": 1}, {"name": "x", "memory": "4X"}]}'; then
    fail "a bad inventory was deployed"
fi
grep -q "web is declared twice, in containers_list_bad\[0\] and in containers_list_web\[0\]" "$work/output" || fail "no conflict was named"
grep -q "is not a size" "$work/output" || fail "no bad number was named"
unchanged "after a bad inventory"

say "check mode leaves no trace"
play record.yml --check --diff -e test_record="$work/check"
recap changed '[1-9][0-9]*'
unchanged "after check mode"

say "deploy"
play record.yml --diff -e test_record="$work/first"
diff "$work/check.changes" "$work/first.changes" || fail "check mode reported other changes than the run made"
grep -q '"running"' "$work/first.containers" || fail "nothing runs"
play verify.yml

say "once more: nothing to do, the same processes"
play record.yml -e test_record="$work/second"
recap changed 0
diff "$work/first.containers" "$work/second.containers" || fail "processes were touched"

say "from a clone, by the paths of its files"
mkdir "$work/clone"
tar -C "$top" -cf - --exclude=.git --exclude=.build --exclude=output . | tar -C "$work/clone" -xf -
make -C "$work/clone" tree
(
    cd "$work/clone"
    unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
    play playbooks/deploy.yml
)
recap changed 0

say "status"
play coracle.launcher.status
grep -Eq '^testhost +web +running +[0-9]+ ' "$work/output" || fail "the table does not show web"
grep -q '2 containers: 2 running' "$work/output" || fail "the table does not sum up"
recap changed 0

say "status of a host that does not answer, beside one that does"
if play coracle.launcher.status -i "$PWD/silent.yml"; then
    fail "a host that does not answer is no success"
fi
grep -Eq '^silent +- +not asked' "$work/output" || fail "the table does not show the silent host"
grep -Eq '^testhost +web +running' "$work/output" || fail "the table does not show the other host"

say "one less is declared, and purged"
play record.yml -e test_record="$work/purge" -e '{"containers_list_other": [], "containers_purge": true}'
recap changed 1
grep -q '"absent"' "$work/purge.containers" || fail "nothing was purged"

say "remove, first in check mode"
play coracle.launcher.remove --check
recap changed 2
play coracle.launcher.status
grep -q '1 container: 1 running' "$work/output" || fail "check mode removed something"
play coracle.launcher.remove
recap changed 2
unchanged "after remove"

say "remove once more"
play coracle.launcher.remove
recap changed 0

ansible testhost "${inventory[@]}" -m ansible.builtin.file -a "path=$snapshot state=absent" >/dev/null
