#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what building, running and testing Parley needs on Debian 12: Debian packages by apt, the tests' JavaScript
# packages by npm. `setup.sh run` leaves out what only tests need; `setup.sh bench` adds the peer that benches measure, `setup.sh compose` a Docker engine.
# Says what it does; does nothing, quickly, when all is there. Needs root or sudo only to install.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=( # to build and run
    build-essential pkg-config protobuf-c-compiler protobuf-compiler
    libzmq3-dev libczmq-dev libprotobuf-c-dev libjansson-dev libjwt-dev libglib2.0-dev
    libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libssl-dev libsqlite3-dev
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base gstreamer1.0-tools libsrtp2-dev libnice-dev
    openssl libcmocka-dev
)
if [ "${1:-all}" != run ]; then # to test
    packages+=(clang clang-format clang-tidy libclang-rt-14-dev cppcheck perl iproute2 iptables chromium)
    packages+=(firefox-esr python3-aiortc python3-numpy python3-websockets python3-gst-1.0 gir1.2-gst-plugins-bad-1.0
        gstreamer1.0-nice gstreamer1.0-plugins-good gstreamer1.0-plugins-bad) # peers that we did not write
    command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
fi
if [ "${1:-all}" = bench ]; then # to compare with; `all` brings the rest
    packages+=(janus)
fi
if [ "${1:-all}" = compose ]; then # to test the composed stack
    packages+=(docker.io docker-compose debootstrap)
fi

missing=()
for package in "${packages[@]}"; do
    [ -e "/var/lib/dpkg/info/$package.list" ] || [ -e "/var/lib/dpkg/info/$package:amd64.list" ] ||
        [ -e "/var/lib/dpkg/info/$package:arm64.list" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "setup: these packages are missing and neither root nor sudo is at hand: ${missing[*]}" >&2; exit 1; }
        root=(sudo)
    fi
    echo "setup: installing ${#missing[@]} Debian packages: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    policy=/usr/sbin/policy-rc.d # Janus is to be measured, not run: neither by its installation nor at boot
    if [[ " ${missing[*]} " == *" janus "* ]] && [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin $policy
        trap '"${root[@]}" rm -f $policy' EXIT
    fi
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >build-setup.log 2>&1 ||
        { tail -20 build-setup.log >&2; echo "setup: apt-get install failed; the log is build-setup.log" >&2; exit 1; }
    rm -f build-setup.log
    [[ " ${missing[*]} " != *" janus "* ]] || "${root[@]}" update-rc.d janus disable
fi
if [ "${1:-all}" != run ] && [ ! tests/node_modules/.installed -nt tests/package-lock.json ]; then
    echo "setup: installing the tests' npm packages"
    (cd tests && npm ci --loglevel=error --no-audit --no-fund && touch node_modules/.installed)
fi
