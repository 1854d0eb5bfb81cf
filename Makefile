# SPDX-License-Identifier: Apache-2.0
# One Makefile for everything: `make help` lists the targets. Sources are found by wildcard, so a new
# file needs no line here. V=1 shows the commands, BUILD=dir builds elsewhere.

BUILD   ?= build
PREFIX  ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$(2)')

WARN    := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Wno-unused-parameter -Wno-missing-field-initializers
CFLAGS  ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iengine -I.
ALL_CFLAGS = -std=gnu11 $(WARN) $(WERROR) -fPIE -fstack-protector-strong $(SAN) $(CFLAGS) -MMD -MP

# Static, so that one file works in every image (glibc, musl, none at all), and position-independent.
# A static program cannot ask NSS; glibc's warning about that is an error here, because the engine
# and the shim must never depend on files of the image.
LINK    ?= -static-pie
LDFLAGS += -Wl,-z,relro,-z,now,-z,noexecstack
LIBS    := -lseccomp -lcap -ldw -lelf -lcapstone -lyajl_s -llzma -lz -lbz2 -lpthread -lm

obj      = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)))
MX      := $(call obj,engine/*.c)
SHIM    := $(call obj,shim/*.c)
HOOK    := $(call obj,hook/*.c)
# Everything but the programs' own files. A program takes from the archive what it refers to.
LAYERS  := $(call obj,$(addsuffix /*.c,$(addprefix engine/,base sys tracee mxm sea rem ctl compare)) oci/*.c)
LIBMX   := $(BUILD)/libmx.a
# The in-process agent: a flat image for a fixed address, which the engine carries as data.
AGENT   := $(BUILD)/agent/agent.bin
LAYERS  += $(BUILD)/obj/engine/agent/image.o
AGENT_CFLAGS = -std=gnu11 $(WARN) $(WERROR) -O2 -ffreestanding -fno-builtin -mgeneral-regs-only -fno-pic \
           -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-jump-tables

PROGRAMS := $(BUILD)/mx $(if $(SHIM),$(BUILD)/mx-shim) $(if $(HOOK),$(BUILD)/mx-hook)
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
VICTIMS  := $(patsubst tests/victims/%.c,$(BUILD)/victims/%,$(wildcard tests/victims/*.c))
BENCHES  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

all: $(PROGRAMS) ## build everything (the default)

$(BUILD)/mx: $(MX) $(LIBMX)
$(BUILD)/mx-shim: $(SHIM) $(LIBMX)
$(BUILD)/mx-hook: $(HOOK) $(LIBMX)
$(PROGRAMS):
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $(SAN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBMX): $(LAYERS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

AGENT_OBJS := $(BUILD)/agent/entry.o $(patsubst engine/agent/%.c,$(BUILD)/agent/%.o,$(wildcard engine/agent/*.c))

$(BUILD)/agent/entry.o: engine/agent/entry.S engine/agent/wire.h Makefile
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -c -o $@ $<

$(BUILD)/agent/%.o: engine/agent/%.c $(wildcard engine/agent/*.h) Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(AGENT_CFLAGS) -c -o $@ $<

# entry.o first: its way in and the one system call have fixed addresses.
$(AGENT): $(AGENT_OBJS)
	$(call say,AGENT,$@)
	$(Q)$(LD) -nostdlib -static -N --no-warn-rwx-segments -Ttext=0x102000 -e agent_start -o $(@D)/agent.elf $^
	$(Q)objcopy -O binary -j .text -j .rodata $(@D)/agent.elf $@

$(BUILD)/obj/engine/agent/image.o: engine/agent/image.S $(AGENT)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wa,-I$(BUILD) -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIBMX) Makefile
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(SAN) $(LDFLAGS) -o $@ $< $(LIBMX) $(LIBS)

# Victims are the programs that tests run under the engine: small, dynamic, with threads. A victim
# that needs other flags says so in a line `victim-flags: ...` of its own.
$(BUILD)/victims/%: tests/victims/%.c Makefile
	$(call say,VICT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -O1 -g -MMD -MP $$(sed -n 's/.*victim-flags: *\([^*]*\).*/\1/p' $<) -o $@ $< -pthread

$(BUILD)/bench/%: tests/bench/%.c Makefile
	$(call say,BENCH,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(WARN) -O2 -g -MMD -MP -o $@ $< -pthread

victims: $(VICTIMS)
benches: $(BENCHES)
unit: $(UNIT)

deps: ## install the Debian packages that are missing
	@scripts/install-deps build test

check: deps ## install what is missing, build, run all tests
	$(Q)$(MAKE) --no-print-directory all unit victims
	@BUILD=$(BUILD) scripts/run-tests unit bats no-agent

check-unit: all unit victims ## run the unit tests only
	@BUILD=$(BUILD) scripts/run-tests unit

check-bats: all victims ## run the tests of the programs only; T="tests/a.bats ..." for some of them
	@BUILD=$(BUILD) scripts/run-tests $(or $(T),bats)

check-heavy: all victims ## what takes half an hour: 10,000 requests a server and mode, 200 random kills
	@BUILD=$(BUILD) TEST_TIMEOUT=3600 MX_REQUESTS=10000 MX_CRASHES=17 scripts/run-tests \
		tests/mxm_servers.bats tests/mxm_crash.bats

check-recoveries: all ## redis: 100,000 commands beside one that runs alone, 1,000 crashes, each version with the bug and as leader
	@BUILD=$(BUILD) MX_CRASHES=1000 bats --filter '^redis: the' tests/rem.bats

RUNS ?= 2000
check-random: all ## programs made at random that crash: RUNS=2000, SEED=N
	@tests/random_faults.py $(BUILD)/mx $(RUNS) $(SEED)

BUGGY ?= redis lighttpd memcached nginx
check-bugs: all ## servers from Debian source with six bugs put in, in either version: BUGGY="nginx ..."
	@scripts/install-deps build test bugs
	@for server in $(BUGGY); do BUILD=$(BUILD) scripts/build-bugs $$server || exit; done
	@tests/bugs.py $(BUILD)/mx $(BUILD)/bugs $(BUGGY)

check-ring: all victims ## a version that spoils what the agents share: RUNS=2000, SEED=N
	@tests/ring_faults.py $(BUILD)/mx $(BUILD)/victims/vandal $(RUNS) $(SEED)

SOAK ?= 3600
check-soak: all victims ## random victims for a time: check-ring check-soak and check-random, half of SOAK=3600 seconds each
	@tests/ring_faults.py $(BUILD)/mx $(BUILD)/victims/vandal $$(($(SOAK) / 2))s $(SEED)
	@tests/random_faults.py $(BUILD)/mx $$(($(SOAK) / 2))s $(SEED)

asan: ## build with address and undefined-behaviour sanitizers and run the unit tests
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan LINK=-pie CFLAGS='-O1 -g' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' check-unit

lint: ## format, layers, headers, warnings of two compilers, shell scripts
	@BUILD=$(BUILD) CC='$(CC)' CLANG='$(CLANG)' CPPFLAGS='$(CPPFLAGS)' WARN='$(WARN)' scripts/lint

FILES ?= $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format: ## format the C sources; FILES="a.c ..." for some of them
	clang-format -i $(FILES)

check-package: ## the Debian packages, built, installed and purged on clean roots (10 minutes)
	@scripts/install-deps package
	@BUILD=$(abspath $(BUILD)) scripts/check-package

demo: ## a real server in podman survives a crash of its new version
	@scripts/install-deps build demo
	$(Q)$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) scripts/demo

BENCH ?=
bench: all benches ## how fast programs run under the engine, beside native: BENCH="redis nginx", ROUNDS=3 (an hour for all)
	@scripts/install-deps bench
	@BUILD=$(BUILD) scripts/bench --rounds $(or $(ROUNDS),3) --json $(BUILD)/bench.json $(BENCH)

bench-rem: all ## what a crash costs: recovery time, and what clients notice of it
	@BUILD=$(abspath $(BUILD)) scripts/bench-rem

bench-start: all ## what starting a container costs, under crun and under mx-shim in turn
	@scripts/install-deps demo
	@BUILD=$(BUILD) scripts/bench-start

bench-takeover: all ## how soon a client has a reply after the leader has crashed
	@BUILD=$(abspath $(BUILD)) scripts/bench-takeover

bench-stop: all benches ## what one synchronised system call costs, beside native
	@BUILD=$(BUILD) scripts/bench-stop

docs: $(BUILD)/docs/syscalls.md $(patsubst docs/man/%,$(BUILD)/docs/%.txt,$(wildcard docs/man/*.[1-8])) ## the system-call table and the manual pages as text

$(BUILD)/docs/syscalls.md: $(BUILD)/mx
	$(call say,DOC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BUILD)/mx syscalls --markdown >$@.tmp && mv $@.tmp $@

$(BUILD)/docs/%.txt: docs/man/%
	$(call say,DOC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)man --warnings -l $< >$@.tmp && mv $@.tmp $@

install: all ## install programs, manual pages, completion (DESTDIR, PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/mx
	install -m 755 $(BUILD)/mx $(DESTDIR)$(PREFIX)/bin/mx
	$(if $(SHIM),install -m 755 $(BUILD)/mx-shim $(DESTDIR)$(PREFIX)/bin/mx-shim)
	$(if $(HOOK),install -m 755 $(BUILD)/mx-hook $(DESTDIR)$(PREFIX)/libexec/mx/mx-hook)
	sed 's|@PREFIX@|$(PREFIX)|g' dist/oci-hook.json.in | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(SYSCONFDIR)/containers/oci/hooks.d/mx-hook.json
	sed 's|@PREFIX@|$(PREFIX)|g' dist/containers.conf.in | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(SYSCONFDIR)/containers/containers.conf.d/mx.conf
	cd examples && find . -type f -exec install -D -m 644 '{}' '$(abspath $(DESTDIR)$(PREFIX)/share/doc/mx)/examples/{}' ';'
	for page in $(wildcard docs/man/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -D -m 644 completions/mx.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mx
	ln -sf mx $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mx-shim
	install -D -m 644 completions/_mx $(DESTDIR)$(ZSHDIR)/_mx
	for program in mx mx-shim; do \
		install -D -m 644 completions/$$program.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$program.fish; done
	test -e $(DESTDIR)$(SYSCONFDIR)/mx/mx.conf || install -D -m 644 dist/mx.conf $(DESTDIR)$(SYSCONFDIR)/mx/mx.conf

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  make %-11s %s\n' "$$target" "$$text"; done

include $(wildcard tests/*/*.mk tests/*/*/*.mk)

.PHONY: all unit victims benches deps check check-unit check-bats check-heavy check-random check-recoveries check-bugs check-ring check-soak check-package asan lint format demo bench bench-rem bench-start bench-stop bench-takeover docs install clean help
.DELETE_ON_ERROR:
.SECONDARY:

-include $(MX:.o=.d) $(SHIM:.o=.d) $(HOOK:.o=.d) $(LAYERS:.o=.d) $(addsuffix .d,$(UNIT) $(VICTIMS) $(BENCHES))
