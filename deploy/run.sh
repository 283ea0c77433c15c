#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Starts bus, registry, media worker and gateway with embedded defaults (or the PARLEY_* settings of the environment) and
# supervises them in the foreground: a process that dies is started again after 100 ms, at most ten times a minute, one line
# each. Ctrl-C or SIGTERM ends all of it, rooms included. `make run` calls it.
#
# usage: run.sh FOLDER-OF-PROGRAMS. Logs, the store and `pids` (lines "name pid") go to PARLEY_RUN_DIR (build/run).
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:?usage: run.sh FOLDER-OF-PROGRAMS}")
dir=$(mkdir -p "${PARLEY_RUN_DIR:-build/run}" && realpath "${PARLEY_RUN_DIR:-build/run}")
unset PARLEY_RUN_DIR
names=(bus registry media-worker gateway)
groups=()

say() { echo "run: $*"; }

# The same secret over restarts of the suite, so that clients find their sessions again.
if [ -z "${PARLEY_SUITE_SECRET:-}${PARLEY_SUITE_SECRET_FILE:-}" ]; then
    [ -s "$dir/secret" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$dir/secret")
    export PARLEY_SUITE_SECRET_FILE=$dir/secret
fi
export PARLEY_REGISTRY_STORE=${PARLEY_REGISTRY_STORE:-$dir/registry.db}

write_pids() { # of all processes, whole or not at all
    (
        flock 9
        for name in "${names[@]}"; do [ -s "$dir/pid.$name" ] && echo "$name $(<"$dir/pid.$name")"; done >"$dir/pids.new"
        mv "$dir/pids.new" "$dir/pids"
    ) 9>"$dir/pids.lock"
}

supervise() { # one process, for ever; runs in a process group of its own, which the process and its rooms share
    local name=$1 child=0 ending='' starts=() status
    trap 'ending=1; kill -TERM $child 2>/dev/null' TERM
    trap '' INT
    while [ -z "$ending" ]; do
        "$bin/parley-$name" >>"$dir/$name.log" 2>&1 9>&- &
        child=$!
        echo "$child" >"$dir/pid.$name" && write_pids
        wait "$child"
        status=$?
        while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done # a trap ends `wait` early
        [ -n "$ending" ] && break
        starts+=("$EPOCHSECONDS")
        [ ${#starts[@]} -gt 10 ] && starts=("${starts[@]: -10}")
        local pause=0.1
        [ ${#starts[@]} = 10 ] && [ $((EPOCHSECONDS - starts[0])) -lt 60 ] && pause=$((60 - EPOCHSECONDS + starts[0]))
        say "$name (pid $child) ended with status $status; starting it again in $pause s (log: $dir/$name.log)"
        sleep "$pause" &
        wait $!
    done
    rm -f "$dir/pid.$name"
}

end() { # SIGTERM to all, a second one for those that drain, then SIGKILL to whole groups: rooms outlive their host otherwise
    trap '' INT TERM
    say "ending"
    kill -TERM "${groups[@]}" 2>/dev/null
    local tries
    for tries in $(seq 50); do
        kill -0 "${groups[@]}" 2>/dev/null || break
        [ "$tries" = 10 ] && for name in "${names[@]}"; do [ -s "$dir/pid.$name" ] && kill -TERM "$(<"$dir/pid.$name")" 2>/dev/null; done
        sleep 0.1
    done
    for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null; done
    rm -f "$dir"/pid.* "$dir/pids" "$dir/pids.lock"
    exit 0
}

wait_until_ready() {
    local answer='' tries
    for tries in $(seq 300); do
        answer=$(deploy/health.sh ready) && return 0
        sleep 0.1
    done
    say "not ready after 30 s: $answer; the logs are in $dir" >&2
    return 1
}

port=${PARLEY_GATEWAY_PORT:-8080}
listen=${PARLEY_GATEWAY_LISTEN:-127.0.0.1}
shown=$listen
[ "$listen" = 0.0.0.0 ] || [ "$listen" = :: ] && shown=$(hostname)
[ "$listen" = 127.0.0.1 ] && shown=localhost
scheme=http
[ -n "${PARLEY_GATEWAY_TLS_CERTIFICATE:-}" ] && scheme=https

trap end INT TERM
set -m
for name in "${names[@]}"; do
    supervise "$name" 2>/dev/null & # bash tells of killed jobs there; we say it better
    groups+=("$!")
done
set +m
say "logs, store and pids are in $dir"
wait_until_ready && echo "Parley is ready: $scheme://$shown:$port/"
while :; do wait; done
