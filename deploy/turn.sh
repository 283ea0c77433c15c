#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The relay of profile `turn`: coturn, which opens only to credentials that the registry hands out in its answers to joins
# (turn.secret), and which relays to the suite's media and to nothing else, so that it is no way into anybody's network.
#
# Media are taken to be at this host's addresses, PARLEY_MEDIA_ADVERTISE_IP, and PARLEY_TURN_PEERS: media workers on other
# hosts. With a TLS certificate it answers on 5349, too. PARLEY_TURN_PORTS are the ports of the relayed side.
set -euo pipefail
conf=/tmp/turnserver.conf
ports=${PARLEY_TURN_PORTS:-50200-50999}

if [ -z "${PARLEY_TURN_URIS:-}" ]; then
    echo "turn: PARLEY_TURN_URIS is not set: no browser will ask for this relay. Set it to what browsers can reach," >&2
    echo "turn: for example turn:meet.example.org:3478?transport=udp, for this container and the rest of the suite alike." >&2
    exit 1
fi
if [ -z "${PARLEY_TURN_SECRET:-}" ]; then # secrets.sh has made it
    PARLEY_TURN_SECRET=$(<"$PARLEY_TURN_SECRET_FILE")
fi
IFS=', ' read -ra peers <<<"$(hostname -I | tr -d '\n') ${PARLEY_MEDIA_ADVERTISE_IP:-} ${PARLEY_TURN_PEERS:-}"

umask 077
{
    echo "use-auth-secret"
    echo "static-auth-secret=$PARLEY_TURN_SECRET"
    echo "realm=${PARLEY_SUITE_DOMAIN:-localhost}"
    echo "fingerprint"
    echo "listening-port=3478"
    echo "min-port=${ports%-*}"
    echo "max-port=${ports#*-}"
    for peer in "${peers[@]}"; do echo "allowed-peer-ip=$peer"; done
    echo "denied-peer-ip=0.0.0.0-255.255.255.255"
    echo "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    echo "no-multicast-peers"
    echo "no-tcp-relay"
    echo "no-cli"
    echo "no-rfc5780"
    if [ -n "${PARLEY_GATEWAY_TLS_CERTIFICATE:-}" ]; then
        echo "tls-listening-port=5349"
        echo "cert=$PARLEY_GATEWAY_TLS_CERTIFICATE"
        echo "pkey=$PARLEY_GATEWAY_TLS_KEY"
        echo "no-tlsv1"
        echo "no-tlsv1_1"
    else
        echo "no-tls"
        echo "no-dtls"
    fi
    echo "userdb=/tmp/turndb"
    echo "pidfile=/tmp/turnserver.pid"
    echo "log-file=stdout"
    echo "simple-log"
} >"$conf"
echo "turn: relays to ${peers[*]} on ports $ports"
exec turnserver -c "$conf"
