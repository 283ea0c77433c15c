#!/bin/sh
# SPDX-License-Identifier: MIT
# Prometheus of profile `monitoring`, on 127.0.0.1:9090: prometheus.yml beside this file with the gateway's own port and
# scheme, fifteen days kept in the volume `metrics`.
set -eu
conf=/tmp/prometheus.yml
scheme=http
[ -n "${PARLEY_GATEWAY_TLS_CERTIFICATE:-}" ] && scheme=https
sed "s/127.0.0.1:8080/127.0.0.1:${PARLEY_GATEWAY_PORT:-8080}/; s/scheme: http$/scheme: $scheme/" /usr/lib/parley/prometheus.yml >"$conf"
exec prometheus --config.file="$conf" --storage.tsdb.path=/var/lib/parley/metrics --storage.tsdb.retention.time=15d \
    --web.listen-address="${PARLEY_MONITORING_LISTEN:-127.0.0.1:9090}" --log.level=warn
