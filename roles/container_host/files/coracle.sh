#!/bin/sh
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The containers of the Ansible collection coracle.launcher: started at boot, ended before the host goes down. This is /etc/rc.d/rc.coracle
# on Slackware, where it must be executable to do anything at boot, and /etc/init.d/coracle elsewhere.
#
### BEGIN INIT INFO
# Provides:          coracle
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Should-Start:      openvswitch-switch
# Should-Stop:       openvswitch-switch
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Containers of coracle
### END INIT INFO

coracle=/usr/local/sbin/coracle
[ -x $coracle ] || exit 0

case "$1" in
start)
    echo "Starting containers:  $coracle boot"
    $coracle boot
    ;;
stop)
    echo "Stopping containers:  $coracle shutdown"
    $coracle shutdown
    ;;
restart | force-reload)
    $coracle shutdown
    $coracle boot
    ;;
status)
    $coracle list
    ;;
*)
    echo "Usage: $0 start|stop|restart|status" >&2
    exit 2
    ;;
esac
