#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything that can be said about the sources without running them. usage: lint.sh BUILD-FOLDER CFLAGS...
# Prints one line a check; all checks run, the exit status tells whether each was clean.
set -uo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
failed=0
check() { # title, then a command that prints what it finds and nothing else
    local title=$1 found
    shift
    found=$("$@" 2>&1)
    if [ -z "$found" ]; then echo "ok - $title"; else failed=1; printf 'not ok - %s\n%s\n' "$title" "$found"; fi
}
mapfile -t sources < <(git ls-files '*.c' '*.h' | sort)
mapfile -t units < <(git ls-files 'common/*.c' 'services/*.c')

unformatted() { clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -E 'error:' | cut -d: -f1 | sort -u; }
without_licence() { git ls-files '*.c' '*.h' '*.proto' '*.js' '*.mjs' '*.css' '*.html' '*.sh' '*.py' Makefile '*.mk' .ci/run | xargs grep -L 'SPDX-License-Identifier: MIT'; }
wrong_direction() {
    local services='bus|gateway|registry|media-worker|busmon|load' wire='stun|dtls|srtp|rtp|rtcp|vp8|twcc|receive|history'
    grep -nE "#include \"($services|tests)/" common/*.[ch] proto/* 2>/dev/null
    for service in ${services//|/ }; do # load alone uses another service's modules: media-worker's wire
        grep -nE "#include \"($services|tests)/" services/"$service"/*.[ch] 2>/dev/null | grep -v "#include \"$service/" |
            grep -vE "^services/load/.*\"media-worker/($wire)\.h\""
    done
}
seen_elsewhere() { # pattern, files that may see it
    local pattern=$1
    shift
    grep -lE "#include <$pattern" "${units[@]}" $(git ls-files 'common/*.h' 'services/*.h') | grep -vE "^($1)$"
}
foreign_libraries() {
    seen_elsewhere '(czmq|zmq)' 'common/bus.*|services/bus/(broker|watcher).*'
    seen_elsewhere 'libwebsockets' 'services/gateway/(socket|http).*|services/load/websocket\.c'
    seen_elsewhere 'uv\.h' 'common/socket_loop\.c'
    seen_elsewhere 'sqlite3' 'services/registry/store\.c'
    seen_elsewhere 'jansson' 'common/json\.c'
    seen_elsewhere 'jwt' 'common/grants\.c'
    seen_elsewhere 'openssl' 'services/media-worker/(dtls|srtp)[a-z_]*\.[ch]|services/gateway/token\.c'
    seen_elsewhere 'srtp2' 'services/media-worker/srtp[a-z_]*\.[ch]'
    seen_elsewhere 'stun/' 'services/media-worker/stun\.[ch]'
}
untested_modules() { # a test includes the header, or names it in the comment that says what it covers
    local source folder module
    for source in "${units[@]}"; do
        folder=$(basename "$(dirname "$source")")
        module=$(basename "$source" .c)
        [ "$module" = main ] && continue
        grep -qsF "$folder/$module.h" tests/unit/*/*.c tests/integration/*.c tests/browser/*.mjs || echo "$source: no test names $folder/$module.h"
    done
}
addresses_undocumented() { # every address in a service's table stands in proto/README.md
    grep -hoE '\{"[a-z]+://[^"]*"' services/*/*.c | tr -d '{"' | sed 's/%D/D/; s/%P/<process>/; s/%I/<id>/' | sort -u | while read -r address; do
        grep -qF "${address%/}" proto/README.md || echo "$address is not in proto/README.md"
    done
}
events_undocumented() { # every log event has its operator's sentence
    grep -hoE 'log_event\(\s*LOG_[A-Z]+,\s*"[a-z_.]+"' "${units[@]}" | grep -oE '"[^"]+"' | tr -d '"' | sort -u | while read -r event; do
        grep -qF "\`$event\`" deploy/README.md || echo "$event is not in deploy/README.md"
    done
}
settings_not_passed_on() { # compose passes every setting to the containers, but those that the image fixes
    grep -oE 'KEY\([A-Z_]+, "[a-z_.]+"' common/config.h | cut -d'"' -f2 | tr 'a-z.' 'A-Z_' | while read -r setting; do
        case $setting in SUITE_ALIVE_FILE | GATEWAY_CLIENT_PATH | REGISTRY_STORE) continue ;; esac
        grep -qE "^  - PARLEY_$setting$" deploy/docker-compose.yml || echo "PARLEY_$setting is not in deploy/docker-compose.yml"
    done
}
dashboard_unknown() { # what the dashboard shows is counted
    grep -oE 'parley_[a-z_]+' deploy/monitoring/grafana-dashboard.json | sort -u | sed 's/^parley_//' | while read -r metric; do
        case $metric in up | load | capacity | draining | refused_total | media_dropped_) continue ;; esac
        grep -qF "\"$metric\"" common/metrics.h || echo "parley_$metric is no metric"
    done
}
workplace() { git grep -nE '/work/|/tmp/w/|issue #?[0-9]|TODO|FIXME' -- . ':!tests/lint.sh' ':!*.json' | head -20; }
tidy_all() {
    export -f tidy_one
    printf '%s\n' "${units[@]}" | xargs -P 2 -I{} bash -c 'tidy_one "$@"' _ {} "$build" "$@"
}
tidy_one() { # results are kept beside a hash of all that they depend on: sources, headers and settings
    local source=$1 build=$2 stamp
    shift 2
    stamp=$build/tidy/$(cat "$source" .clang-tidy common/*.h "$(dirname "$source")"/*.h proto/*.proto | sha256sum | cut -c1-32)
    [ -e "$stamp" ] && return
    mkdir -p "$build/tidy"
    clang-tidy --quiet "$source" -- -std=c11 -D_GNU_SOURCE -I. -Iservices -I"$build" "$@" 2>/dev/null | grep -E 'warning:|error:' || touch "$stamp"
}
cppcheck_all() {
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --library=gtk --suppress=missingInclude \
        --suppress=unknownMacro --suppress=memleak --suppress=nullPointerRedundantCheck --suppress=ctunullpointer -I. -Iservices \
        '-DG_DEFINE_AUTOPTR_CLEANUP_FUNC(a,b)=' '-Dg_autoptr(a)=a*' '-Dg_auto(a)=a' -Dg_autofree= "${units[@]}" 2>&1
}

check "formatted by clang-format" unformatted
check "a licence line in each file" without_licence
check "includes point one way: proto, common, service" wrong_direction
check "foreign libraries stay in their files" foreign_libraries
check "every module has a test" untested_modules
check "every handled address is in proto/README.md" addresses_undocumented
check "every log event is in deploy/README.md" events_undocumented
check "every setting reaches the containers" settings_not_passed_on
check "the dashboard shows what is counted" dashboard_unknown
check "nothing of the workplace" workplace
check "cppcheck" cppcheck_all
check "clang-tidy" tidy_all "$@"
exit $failed
