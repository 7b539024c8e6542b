#!/bin/sh
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# System initialisation. cgroups as on Slackware: a tmpfs, and one version 1 mount for each controller of /proc/cgroups, or version 2 when
# /etc/default/cgroups (of 2025) or the kernel's command line says so.
PATH=/sbin:/usr/sbin:/bin:/usr/bin
export PATH

mount -n -t proc proc /proc 2>/dev/null
mount -n -t sysfs sysfs /sys 2>/dev/null
mount -n -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mkdir -p /dev/pts /dev/shm /run/lock /run/sshd
mount -n -t devpts -o mode=0620,gid=5 devpts /dev/pts
mount -n -t tmpfs -o nosuid,nodev tmpfs /dev/shm

CGROUPS_VERSION=1
[ -r /etc/default/cgroups ] && . /etc/default/cgroups
for word in $(cat /proc/cmdline); do
    case $word in cgroups_version=*) CGROUPS_VERSION=${word#cgroups_version=} ;; esac
done
if [ "$CGROUPS_VERSION" = 2 ]; then
    mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -n -t tmpfs -o mode=0755,size=8M cgroup_root /sys/fs/cgroup
    sed -n '/^#/!s/\t.*//p' /proc/cgroups | while read -r controller; do
        mkdir /sys/fs/cgroup/"$controller"
        mount -n -t cgroup -o "$controller" cgroup /sys/fs/cgroup/"$controller" || rmdir /sys/fs/cgroup/"$controller"
    done
fi

modprobe -a virtio_pci virtio_net 2>/dev/null
hostname slackware
