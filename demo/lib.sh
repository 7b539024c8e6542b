# shellcheck shell=bash
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What demo/run and demo/clean share.
# shellcheck disable=SC2034 # they use the names

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$top/.build
work=$build/demo            # all that the demo makes outside the launcher's own places
packages=$work/packages     # Debian packages that the demo installed, dependencies included
inventory=$top/demo/inventory
coracle=/usr/local/sbin/coracle

bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$*"; }
good() { printf '  %s%s%s\n' "$green" "$*" "$plain"; }
fail() { # MESSAGE [LOG]: ends the demo
    printf '\n%s%s%s\n' "$red" "$1" "$plain" >&2
    [ $# -lt 2 ] || tail -n 20 "$2" >&2
    exit 1
}
show() { # COMMAND...: says the command as one types it, then its output
    local status=0
    printf '  %s# %s%s\n' "$dim" "${*##*/sbin/}" "$plain"
    "$@" 2>&1 | sed 's/^/  /' || status=$?
    return $status
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "Containers need root: sudo make ${1}"
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
list_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}:${Architecture}\n' | sed -n 's/^installed //p' | sort; }

install_packages() { # NAMES: says what is missing, installs it, and notes down all that came with it
    local name before missing=()
    if ! command -v dpkg-query >/dev/null; then
        say "No dpkg here. The demo expects what Debian has in: $*"
        return
    fi
    for name in "$@"; do is_installed "$name" || missing+=("$name"); done
    if [ ${#missing[@]} = 0 ]; then
        say "Debian packages: all there ($*)"
        return
    fi
    say "Debian packages to install: ${missing[*]}"
    say "  (make demo-clean removes them again)"
    before=$(list_packages)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } \
        >"$work/apt.log" 2>&1; then
        fail "apt-get could not install ${missing[*]}:" "$work/apt.log"
    fi
    comm -13 <(echo "$before") <(list_packages) >>"$packages"
}

make_tree() { # the path where Ansible finds the collection; the same as `make tree`
    [ -e "$build/tree" ] || touch "$work/made-tree"
    mkdir -p "$build/tree/ansible_collections/coracle"
    ln -sfn ../../../.. "$build/tree/ansible_collections/coracle/launcher"
}

make_venv() { # ansible-core of its own, in the versions of demo/requirements.txt
    local key
    /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "Ansible needs Python 3.10 or newer on the machine that runs it, and /usr/bin/python3 is $(/usr/bin/python3 -V)."
    key=$(cat "$top/demo/requirements.txt" "$top/tests/constraints.txt" | sha256sum | cut -c1-12)
    if [ -e "$build/venv/complete-$key" ]; then
        say "ansible-core: $("$build/venv/bin/python" -c 'import ansible.release; print(ansible.release.__version__)') in .build/venv"
        return
    fi
    say "ansible-core: into .build/venv, once"
    rm -rf "$build/venv"
    if ! { /usr/bin/python3 -m venv "$build/venv" &&
        "$build/venv/bin/python" -m pip install --disable-pip-version-check --no-cache-dir -r "$top/demo/requirements.txt" -c "$top/tests/constraints.txt" &&
        touch "$build/venv/complete-$key"; } >"$work/venv.log" 2>&1; then
        fail "No virtual environment with ansible-core:" "$work/venv.log"
    fi
}

playbook() { # ARGUMENTS of ansible-playbook, away from the caller's own settings of Ansible
    local variable
    (
        for variable in $(compgen -e ANSIBLE_ || true); do unset "$variable"; done
        cd "$top" || exit
        export ANSIBLE_CONFIG=$top/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$build/tree ANSIBLE_HOME=$work/ansible
        export ANSIBLE_REMOTE_TMP=$work/ansible/remote LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
        [ -z "$green" ] || export ANSIBLE_FORCE_COLOR=1
        exec "$build/venv/bin/ansible-playbook" -i "$inventory" "$@"
    )
}
