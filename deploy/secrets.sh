#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a program of the suite with its secrets. One that the operator has not given (PARLEY_SUITE_SECRET,
# PARLEY_TURN_SECRET, or the same with _FILE) is made, once, in the folder that the containers share, so that gateways
# agree on it and it outlives them. A container without that folder gets none.
#
# usage: secrets.sh PROGRAM ARGUMENTS...
set -eu
folder=/var/lib/parley/secrets

given() { eval "[ -n \"\${PARLEY_${1}_SECRET:-}\${PARLEY_${1}_SECRET_FILE:-}\" ]"; }

make_once() { # file; several containers may start at once: the first one's link stands
    [ -s "$1" ] && return
    new=$(mktemp "$1.XXXXXX") # readable by its owner only
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$new"
    ln "$new" "$1" 2>/dev/null || true
    rm -f "$new"
}

if [ -w "$folder" ]; then
    given SUITE || { make_once "$folder/suite"; export PARLEY_SUITE_SECRET_FILE="$folder/suite"; }
    given TURN || { make_once "$folder/turn"; export PARLEY_TURN_SECRET_FILE="$folder/turn"; }
fi
exec "$@"
