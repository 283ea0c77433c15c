#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzzes one decoder with libFuzzer under clang and the address sanitizer, starting from its corpus.
# usage: fuzz.sh TARGET SECONDS; new inputs of worth stay in build/fuzz/TARGET, a crash in build/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?which decoder? one of: $(ls tests/fuzz/corpus | tr '\n' ' ')}
seconds=${2:-60}
out=build/fuzz
mkdir -p "$out/$target"
make -s -j2 B=build/fuzz/objects MODE=asan CC=clang EXTRA_CFLAGS=-fsanitize=fuzzer-no-link "build/fuzz/objects/tests/fuzz/fuzz_$target.o" \
    build/fuzz/objects/lib/media-worker.a build/fuzz/objects/lib/gateway.a build/fuzz/objects/lib/registry.a build/fuzz/objects/lib/common.a
clang -fsanitize=fuzzer,address,undefined -o "$out/fuzz_$target" "build/fuzz/objects/tests/fuzz/fuzz_$target.o" \
    build/fuzz/objects/lib/{media-worker,gateway,registry,common}.a \
    $(pkg-config --libs glib-2.0 gio-unix-2.0 libczmq libzmq libprotobuf-c jansson gstreamer-1.0 gstreamer-base-1.0 gstreamer-sdp-1.0 \
        libssl libcrypto libsrtp2 nice libwebsockets libuv) -lm
exec "$out/fuzz_$target" -max_total_time="$seconds" -artifact_prefix="$out/" "$out/$target" "tests/fuzz/corpus/$target"
