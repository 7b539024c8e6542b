# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash

# What tests/run, tests/images/run and tests/bench/run prepare alike.

shopt -s inherit_errexit
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${CORACLE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coracle-tests}
log=$top/.build/log
# shellcheck disable=SC2034 # they use it
system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() { # NAMES: says which are missing before it installs them
    local name missing=()
    command -v dpkg-query >/dev/null || return 0
    for name in "$@"; do is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Debian packages to install: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        echo "Not root. Please run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    logged packages apt-get update
    DEBIAN_FRONTEND=noninteractive logged packages apt-get install --yes --no-remove --no-install-recommends "${missing[@]}"
}

logged() { # NAME COMMAND...: its output goes to a file, and is shown when it fails
    local file=$log/$1.log
    shift
    "$@" >>"$file" 2>&1 || { tail -n 30 "$file" >&2; exit 1; }
}

real_python() { # CANDIDATE...: the file of the first that really runs (a version manager's stand-in may not)
    local candidate
    for candidate in "$@"; do
        "$candidate" -c 'import sys; print(sys.executable)' 2>/dev/null && return 0
    done
    return 1
}

python_of_version() { # 3.N: in PATH, or where a version manager keeps its own
    local managed=()
    if command -v pyenv >/dev/null; then managed=("$(pyenv root)"/versions/"$1".*/bin/python"$1"); fi
    real_python "python$1" ${managed[@]+"${managed[@]}"}
}

make_venv() { # NAME PYTHON REQUIREMENTS [CONSTRAINTS]: prints its path; made once for each content of the requirements
    local name=$1 python=$2 requirements=$3 constraints=${4:-$top/tests/constraints.txt} key venv
    key=$(cat "$requirements" "$constraints" <(readlink -f "$python") | sha256sum | cut -c1-12)
    venv=$cache/venv/$name-$key
    if [ ! -e "$venv/complete" ]; then
        echo "Virtual environment $name: $venv" >&2
        rm -rf "$venv"
        logged "venv-$name" "$python" -m venv "$venv"
        logged "venv-$name" "$venv/bin/python" -m pip install --disable-pip-version-check -r "$requirements" -c "$constraints"
        touch "$venv/complete"
    fi
    echo "$venv"
}

copy_checkout() { # FOLDER: what git would commit, so that an edit during the run changes nothing
    mkdir -p "$1"
    git -c safe.directory='*' -C "$top" ls-files -z -co --exclude-standard |
        tar -C "$top" -c --null -T - --ignore-failed-read 2>/dev/null | tar -C "$1" -x
}

mkdir -p "$log" "$cache/venv"
