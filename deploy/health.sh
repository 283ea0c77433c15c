#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Is it well? Exit status 0 and a word, or 1 and the reason.
#
#   health.sh ready   the gateway answers /readyz with 200: it reaches bus and registry and is not draining
#   health.sh alive   the process beside which this runs has touched its PARLEY_SUITE_ALIVE_FILE within 5 s: its loop
#                     turns and it reaches itself through the bus (the broker itself: its loop turns)
#
# Reads the gateway's own settings from the environment.
set -u

port=${PARLEY_GATEWAY_PORT:-8080}
host=${PARLEY_GATEWAY_LISTEN:-127.0.0.1}
[ "$host" = 0.0.0.0 ] && host=127.0.0.1
[ "$host" = :: ] && host=::1

get() { # path; over the gateway's own protocol
    local request="GET $1 HTTP/1.1\r\nHost: localhost:$port\r\nConnection: close\r\n\r\n"
    if [ -n "${PARLEY_GATEWAY_TLS_CERTIFICATE:-}" ]; then
        printf '%b' "$request" | timeout 3 openssl s_client -quiet -connect "[$host]:$port" 2>/dev/null
    else
        timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "%b" "$2" >&3 && cat <&3' "$host" "$port" "$request" 2>/dev/null
    fi
}

case ${1:-} in
ready)
    answer=$(get /readyz)
    text=${answer##*$'\r\n'}
    echo "${text:-no answer from $host:$port}"
    [[ $answer == "HTTP/1.1 200"* ]]
    ;;
alive)
    touched=$(stat -c %Y "$PARLEY_SUITE_ALIVE_FILE") || exit 1
    age=$((EPOCHSECONDS - touched))
    [ "$age" -le 5 ] && echo alive && exit 0
    [ "$touched" = 0 ] && echo "has not reached the bus yet" || echo "silent for $age s: stopped, or cut off from the bus"
    exit 1
    ;;
*)
    echo "usage: health.sh ready|alive" >&2
    exit 2
    ;;
esac
