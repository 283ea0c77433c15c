#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command in a network of its own that ends with it: loopback, and one address with a default route, because Firefox and
# webrtcbin make no candidates of loopback. Where such a network cannot be made, without being root, it runs the command as it
# is: the tests skip themselves then, and say why.
set -eu
own=--net
if [ "$(id -u)" != 0 ]; then
    own="--map-root-user --net"
    # shellcheck disable=SC2086 # two words
    unshare $own true || { echo "namespace: neither root nor allowed to make a network" >&2; exec "$@"; }
fi
# shellcheck disable=SC2086
exec unshare $own sh -c '
    set -eu
    ip link set lo up
    ip link add parley0 type veth peer name parley1
    ip address add 10.20.30.1/24 dev parley0
    ip link set parley0 up
    ip link set parley1 up
    ip route add default via 10.20.30.2
    exec "$@"' namespace "$@"
