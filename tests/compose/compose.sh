#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Proves deploy/: builds the images and lets browsers meet in the composed stack, with a Docker engine of its own. Nothing of
# the machine's is used or left: the engine's data, its socket and its processes live in a temporary folder and in namespaces
# that end with this script. Images are built with the machine's network; the stack then runs in a network of its own, so that
# the unedited file finds its ports free. The base image is made by debootstrap, because no image registry may be at hand.
#
# usage: compose.sh (as root; `make test-compose` calls it). build/compose/base.tar keeps the base image for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=build/compose/base.tar

in_namespaces() { # kinds, phase: this script again, in fresh namespaces; all that it starts ends with it
    unshare "${@:2}" --pid --mount --fork --kill-child --mount-proc "$0" "$1"
}

start_engine() { # arguments of dockerd; it must not outlive a crash of ours, hence the namespaces
    rm -rf "$COMPOSE_FOLDER/exec" "$COMPOSE_FOLDER/pid"
    dockerd --data-root "$COMPOSE_FOLDER/data" --exec-root "$COMPOSE_FOLDER/exec" --pidfile "$COMPOSE_FOLDER/pid" \
        --host "$DOCKER_HOST" "$@" >>"$COMPOSE_FOLDER/dockerd.log" 2>&1 &
    local tries
    for tries in $(seq 300); do
        docker version >/dev/null 2>&1 && return
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    echo "compose: the Docker engine does not start:" >&2
    tail -5 "$COMPOSE_FOLDER/dockerd.log" >&2
    return 1
}

quietly() { # what it does; shown when it fails
    "$@" >"$COMPOSE_FOLDER/step.log" 2>&1 || { tail -40 "$COMPOSE_FOLDER/step.log" >&2; return 1; }
}

make_base() {
    [ -s "$base" ] && return
    echo "compose: making the base image by debootstrap"
    quietly debootstrap --variant=minbase bookworm "$COMPOSE_FOLDER/base"
    mkdir -p "$(dirname "$base")"
    tar -C "$COMPOSE_FOLDER/base" --exclude=./var/cache/apt/archives/*.deb -cf "$base.new" . && mv "$base.new" "$base"
    rm -rf "$COMPOSE_FOLDER/base"
}

case ${1:-all} in
all)
    [ "$(id -u)" = 0 ] || { echo "compose: needs root, for a Docker engine of its own" >&2; exit 1; }
    COMPOSE_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/parley-compose-XXXXXX")
    export COMPOSE_FOLDER DOCKER_HOST=unix://$COMPOSE_FOLDER/socket
    unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME
    trap 'rm -rf "$COMPOSE_FOLDER"' EXIT
    make_base
    echo "compose: building the images"
    in_namespaces build
    in_namespaces test --net
    ;;
build)
    start_engine --bridge=none --iptables=false --ip6tables=false
    docker import - debian:bookworm-slim <"$base" >/dev/null
    quietly docker-compose -f deploy/docker-compose.yml --profile turn --profile monitoring build
    docker images --format '{{.Repository}} {{.Size}}' | grep '^parley' | sed 's/^/compose: image /'
    ;;
test)
    # Browsers want a network to be there, even to reach this very machine.
    ip link add outside type veth peer name inside
    for link in lo outside inside; do ip link set "$link" up; done
    ip address add 198.51.100.1/24 dev inside
    ip route add default dev inside
    start_engine
    cd tests
    node --test --test-concurrency=1 compose/*.test.mjs
    ;;
esac
