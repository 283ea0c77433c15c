# SPDX-License-Identifier: MIT
# The whole build: one file, no recursion. Everything lands in build/$(MODE)/. `make help` lists the targets.
#
# Layout of the build: proto/*.proto become C by protoc-c; common/ is one archive; each service is an archive
# (everything but main.c, so that tests can link it) and a program build/$(MODE)/bin/parley-<service>.

MODE ?= debug
B := build/$(MODE)
SERVICES := bus gateway registry media-worker busmon load

MODE_CFLAGS_debug   := -O1 -g
MODE_CFLAGS_release := -O2 -g
MODE_CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer
MODE_CFLAGS_tsan    := -O1 -g -fsanitize=thread
MODE_CFLAGS_cover   := -O0 -g --coverage
ifeq ($(MODE_CFLAGS_$(MODE)),)
$(error MODE=$(MODE) is unknown: choose debug, release, asan, tsan or cover)
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
	-Wformat=2 -Wvla -Wundef $(if $(CI),-Werror)
PKG_common       := glib-2.0 gio-unix-2.0 libzmq libczmq libprotobuf-c jansson libjwt
PKG_gateway      := libwebsockets libuv libcrypto
PKG_registry     := sqlite3
PKG_media-worker := gstreamer-1.0 gstreamer-base-1.0 gstreamer-sdp-1.0 libcrypto libssl libsrtp2 nice
PKG_load         := libwebsockets libuv libcrypto libssl libsrtp2 nice
PKG_tests        := cmocka libwebsockets libuv libcrypto libssl libsrtp2 nice sqlite3
USES_load        := media-worker # other services' archives that one links, see its README
PKG_ALL := $(sort $(PKG_common) $(PKG_tests) $(foreach s,$(SERVICES),$(PKG_$(s))))

# Asked once, and only for targets that build: a fresh machine has no pkg-config before `make setup`.
cflags = $(eval cflags := $(shell pkg-config --cflags $(PKG_ALL)))$(cflags)
libs_for = $(shell pkg-config --libs $(sort $(PKG_common) $(PKG_$(1))))
CFLAGS = -std=c11 -D_GNU_SOURCE -DG_LOG_DOMAIN=\"parley\" -I. -Iservices -I$(B) $(MODE_CFLAGS_$(MODE)) -fPIC $(EXTRA_CFLAGS)
COMPILE = $(CC) $(CFLAGS) $(cflags) -MMD -MP -c

PROTOS := $(wildcard proto/*.proto)
PROTO_C := $(PROTOS:proto/%.proto=$(B)/proto/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)
objects = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
archive = $(B)/lib/$(1).a
PROGRAMS := $(SERVICES:%=$(B)/bin/parley-%)

.PHONY: help all setup run test test-fast test-unit test-integration test-fuzz test-browser test-interop test-compose lint format bench busmon load clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile tests/tests.mk | sed -E 's/:.*## /\t/' | expand -t 20
	@echo "MODE=debug|release|asan|tsan|cover chooses the build (now $(MODE)); make -j builds in parallel"

all: $(PROGRAMS) ## build every program into build/$(MODE)/bin

setup: ## install what is missing (Debian packages, npm packages); says what it does
	@deploy/setup.sh

run: ## install what is missing, build, start the suite and supervise it until Ctrl-C
	@deploy/setup.sh run
	@$(MAKE) --no-print-directory -j all
	@exec deploy/run.sh $(B)/bin

busmon: all ## watch the bus of the running suite (ARGS="--json --room demo")
	@exec $(B)/bin/parley-busmon $(ARGS)

load: all ## put load on the running suite, or on a remote one (ARGS="--url wss://host/ws --participants 4")
	@$(B)/bin/parley-load --url ws://127.0.0.1:$(or $(PARLEY_GATEWAY_PORT),8080)/ws $(ARGS)

test: setup ## install what is missing, build, run every test
	@$(MAKE) --no-print-directory test-fast test-browser test-interop

test-fast: setup ## unit and integration tests and the fuzz corpora
	@$(MAKE) --no-print-directory -j all tests-built
	@$(MAKE) --no-print-directory test-unit test-fuzz test-integration

# --- generated code and objects -------------------------------------------------------------------------------------
$(B)/proto/%.pb-c.c $(B)/proto/%.pb-c.h &: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=. --c_out=$(B) $<
$(B)/proto/%.o: $(B)/proto/%.pb-c.c | $(PROTO_H)
	@mkdir -p $(@D)
	@$(COMPILE) -o $@ $<
$(B)/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(COMPILE) $(WARNINGS) -o $@ $<

$(call archive,common): $(PROTO_C:.c=.o) $(call objects,common)
define service_rules
$(call archive,$(1)): $(call objects,services/$(1))
$(B)/bin/parley-$(1): $(B)/services/$(1)/main.o $(call archive,$(1)) $(foreach u,$(USES_$(1)),$(call archive,$(u))) $(call archive,common)
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$(CC) $(MODE_CFLAGS_$(MODE)) -o $$@ $$^ $$(call libs_for,$(1)) -lm
endef
$(foreach s,$(SERVICES),$(eval $(call service_rules,$(s))))
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@ && ar rcs $@ $^

include tests/tests.mk

lint: setup ## formatting, clang-tidy, cppcheck, layering and documentation checks
	@$(MAKE) --no-print-directory $(PROTO_H)
	@tests/lint.sh "$(B)" $(cflags)

format: ## format all C in place
	clang-format -i $(wildcard common/*.[ch] services/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

bench: ## measure: lines `name value unit` (never part of pass or fail)
	@deploy/setup.sh >&2 && deploy/setup.sh bench >&2
	@$(MAKE) --no-print-directory -j MODE=release all bench-built >&2
	@$(MAKE) --no-print-directory MODE=release bench-run

clean: ## remove everything that was built
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
