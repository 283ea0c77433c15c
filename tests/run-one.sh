#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs one test program for prove: TAP passes through; what the test and the tested code had to say is shown only on failure.
tap=$(mktemp)
log=$(mktemp)
"$@" >"$tap" 2>"$log"
status=$?
cat "$tap"
if [ $status -ne 0 ]; then
    tail -n 200 "$log" >&2
    grep '^#' "$tap" >&2
fi
rm -f "$tap" "$log"
exit $status
