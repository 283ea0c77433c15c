# SPDX-License-Identifier: MIT
# How tests are built and run. tests/unit/<folder>/test_<module>.c links common and the archive of the service that its
# folder names (and of those that it uses); tests/integration/<story>.c and tests/bench/<name>.c link common, tests/support and the native peers; each
# tests/fuzz/fuzz_<decoder>.c links everything that it may need and is replayed over tests/fuzz/corpus/<decoder>/.

UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*/test_*.c))
INTEGRATION := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/integration/*.c))
FUZZ := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench/*.c))
SUPPORT := $(call archive,support)
$(SUPPORT): $(call objects,tests/support)

.PHONY: tests-built bench-built bench-run
tests-built: $(UNIT) $(INTEGRATION) $(FUZZ)
bench-built: $(BENCH) $(B)/tests/bench/delay-link

LINK = mkdir -p $(@D); echo "  LD $@"; $(CC) $(MODE_CFLAGS_$(MODE)) -o $@ $^
unit_service = $(word 3,$(subst /, ,$(1)))
define unit_rule
$(patsubst tests/%.c,$(B)/tests/%,$(1)): $(patsubst %.c,$(B)/%.o,$(1)) \
	$(if $(filter common,$(call unit_service,$(1))),,$(call archive,$(call unit_service,$(1)))) \
	$(foreach u,$(USES_$(call unit_service,$(1))),$(call archive,$(u))) $(call archive,common)
	@$$(LINK) $$(call libs_for,$(call unit_service,$(1))) $$(shell pkg-config --libs cmocka) -lm
endef
$(foreach t,$(wildcard tests/unit/*/test_*.c),$(eval $(call unit_rule,$(t))))

$(INTEGRATION) $(BENCH): $(B)/tests/%: $(B)/tests/%.o $(SUPPORT) $(call archive,load) \
	$(call archive,media-worker) $(call archive,common)
	@$(LINK) $(call libs_for,tests) $(call libs_for,media-worker) -lm
$(B)/tests/bench/delay-link: $(B)/tests/bench/link/main.o
	@$(LINK) $$(pkg-config --libs glib-2.0)
$(FUZZ): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(call archive,media-worker) $(call archive,gateway) \
	$(call archive,registry) $(call archive,common)
	@$(LINK) $(call libs_for,gateway) $(call libs_for,media-worker) -lm

test-unit: tests-built ## unit tests alone
	@prove --exec tests/run-one.sh $(UNIT)

test-integration: tests-built all ## integration tests alone: real processes on private endpoints
	@PARLEY_BIN=$(abspath $(B)/bin) prove --exec tests/run-one.sh $(INTEGRATION)

test-fuzz: tests-built ## every decoder over its corpus
	@for f in $(FUZZ); do $$f tests/fuzz/corpus/$${f##*/fuzz_} || exit 1; done

test-browser: all ## browser tests alone (Chromium, fake devices)
	@cd tests && PARLEY_BIN=$(abspath $(B)/bin) node --test --test-concurrency=1 browser/*.test.mjs

test-compose: ## build the images and let browsers meet in the composed stack (as root; brings its own Docker engine)
	@deploy/setup.sh compose
	@tests/compose/compose.sh

test-interop: all ## interop tests alone: webrtcbin, aiortc and Firefox with Chromium, in a network of their own
	@cd tests && PARLEY_BIN=$(abspath $(B)/bin) interop/namespace.sh node --test --test-concurrency=1 interop/*.test.mjs

fuzz: ## fuzz one decoder with libFuzzer: make fuzz TARGET=rtp SECONDS=60
	@tests/fuzz/fuzz.sh "$(TARGET)" "$(or $(SECONDS),60)"

bench-run:
	@PARLEY_BIN=$(abspath $(B)/bin) tests/bench/run.sh $(abspath $(BENCH))
