#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every bench: those of C that are named as arguments, then those with browsers. Figures go to stdout, all else to stderr.
# What cannot run here, or takes longer than its time, is said and left out: the others still run.
set -uo pipefail
cd "$(dirname "$0")/.."

run() { # seconds, name, command
    local seconds=$1 name=$2 start=$SECONDS status
    shift 2
    echo "bench: $name" >&2
    timeout --kill-after=10 "$seconds" "$@"
    status=$?
    [ $status = 0 ] || echo "bench: $name failed with status $status" >&2
    echo "bench: $name took $((SECONDS - start)) s" >&2
}

for program in "$@"; do
    run 180 "$(basename "$program")" "$program"
done
run 300 first_frame node bench/first_frame.mjs
