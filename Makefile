# SPDX-License-Identifier: Apache-2.0
# kernspan. `make` builds, `make run` shows it, `make check` is the inner loop, `make test` is everything; the rest: `make help`.
# Products go to O (default out/); V=1 shows commands; J=n sets the jobs. New files need no edit here: rules work by wildcard.

O        ?= out
J        ?= $(shell nproc)
PREFIX   ?= /usr/local
CLANG    ?= clang-19
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
FUZZ_SECS ?= 60
M        ?= *
SIZE_MAX := 4194304

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(J)
endif
ifneq ($(V),1)
Q   := @
say  = @printf '  %-7s %s\n' '$1' '$2';
endif
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: FORCE build deps units corpora replay torture lint check rootless test fuzz fuzzers bench interop fresh progs run size docs install fmt clean help

# --- flags -----------------------------------------------------------------------------------------------------------
ARCH     := $(shell uname -m)
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror
INCS     := -iquote agent -iquote include -isystem $(O)	# -iquote: include/limits.h is not <limits.h>
CPPFLAGS  = -D_GNU_SOURCE $(INCS)
CFLAGS   := -std=gnu11 -O2 -g $(WARN) -fPIE -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.
LDFLAGS  := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed
LDLIBS   := -Wl,-Bstatic -lbpf -lelf -lzstd -lz -lbrotlidec -lbrotlicommon -lnghttp2 -lyaml -lsqlite3 -lseccomp -lcap \
	    -Wl,-Bdynamic -lm -lpthread -ldl
HARDEN   := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 \
	    $(if $(filter x86_64,$(ARCH)),-fcf-protection)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CC       := gcc
B        := $(O)
ifeq ($(FUZZ),1)	# libFuzzer build of the same sources; an empty slice may be NULL + 0 (gcc's check knows, clang's does not)
CC       := $(CLANG)
B        := $(O)/fuzz
CFLAGS   := $(filter-out -Werror,$(CFLAGS)) -fsanitize=fuzzer-no-link $(SANITIZE) -fno-sanitize=pointer-overflow
else ifeq ($(SAN),1)	# sanitizer build: make SAN=1 build
B        := $(O)/san
CFLAGS   += $(SANITIZE)
else
CFLAGS   += $(HARDEN)
endif
BPF_ARCH   := $(if $(filter aarch64,$(ARCH)),arm64,x86)
BPF_CFLAGS := -target bpf -mcpu=v3 -std=gnu11 -O2 -g -Wall -Wextra -Werror -D__TARGET_ARCH_$(BPF_ARCH) -Iinclude -Ibpf

# --- sources ---------------------------------------------------------------------------------------------------------
# maps first: bpftool's linker keeps offset 0 for a map whose extern it meets before the definition
BPF_SRC  := $(strip $(wildcard bpf/maps.bpf.c) $(filter-out bpf/maps.bpf.c,$(wildcard bpf/*.bpf.c)))
BPF_OBJ  := $(BPF_SRC:%.c=$(O)/%.o)
SKEL     := $(if $(BPF_SRC),$(O)/kernspan.skel.h)
MAIN     := $(if $(filter * app,$(M)),$(wildcard agent/app/main.c))
SRC      := $(filter-out $(MAIN),$(foreach m,$(M),$(wildcard agent/$m/*.c)))
OBJ      := $(SRC:%.c=$(B)/obj/%.o)
MAIN_OBJ := $(MAIN:%.c=$(B)/obj/%.o)
LIB      := $(B)/libkernspan.a
BIN      := $(if $(MAIN),$(B)/kernspan)
UNITS    := $(patsubst %.c,$(B)/%,$(foreach m,$(M),$(wildcard tests/unit/$m/*_test.c)) $(wildcard tests/bpf/*_test.c))
FUZZERS  := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
CORPORA  := $(FUZZERS:%=$(B)/tests/corpus/%)
PROGS    := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/*/*.c tests/bench/*.c) $(filter-out %_test.c,$(wildcard tests/bpf/*.c)))

# --- build -----------------------------------------------------------------------------------------------------------
build: $(LIB) $(BIN) $(SKEL)

# deploy/deps.sh LIST installs what is missing of a list, and says so; the stamp keeps it from asking again.
$(O)/.deps-%: deploy/deps.sh
	$(Q)deploy/deps.sh $*
	$(Q)mkdir -p $(@D) && touch $@
deps:
	$(Q)deploy/deps.sh build check test run

# Files that change only when what they hold changes: the objects depend on them.
stamp = @mkdir -p $(@D) && echo '$1' | cmp -s - $@ || echo '$1' > $@
$(B)/.flags: FORCE
	$(call stamp,$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS))
$(O)/.flags-bpf: FORCE
	$(call stamp,$(CLANG) $(BPF_CFLAGS) $(BPF_OBJ))
$(B)/.version: FORCE
	$(call stamp,$(or $(shell git describe --tags --always --dirty 2>/dev/null),0.1.0))

$(O)/bpf/%.o: bpf/%.c $(O)/.flags-bpf | $(O)/.deps-build
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
$(O)/kernspan.bpf.o: $(BPF_OBJ) $(O)/.flags-bpf
	$(call say,BPFLINK,$@)$(BPFTOOL) gen object $@ $(BPF_OBJ)
$(O)/kernspan.skel.h: $(O)/kernspan.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name kernspan_bpf > $@

# The modules that speak to the kernel side, by any of their files.
$(filter $(addprefix $(B)/obj/,$(addsuffix %,$(sort $(dir $(shell grep -l 'kernspan.skel.h' agent/*/*.[ch]))))),$(OBJ) $(MAIN_OBJ)): $(SKEL)
$(patsubst %.c,$(B)/obj/%.o,$(shell grep -l KS_VERSION $(SRC) $(MAIN) /dev/null)): $(B)/.version
$(B)/obj/%.o: %.c $(B)/.flags | $(B)/.version $(O)/.deps-build
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) -DKS_VERSION='"$(file < $(B)/.version)"' $(CFLAGS) -MMD -MP -c $< -o $@
$(LIB): $(OBJ)
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(OBJ)
$(B)/kernspan: $(MAIN_OBJ) $(LIB)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $(MAIN_OBJ) $(LIB) $(LDLIBS) -o $@
-include $(shell find $(O) -name '*.d' 2>/dev/null)

# --- tests -----------------------------------------------------------------------------------------------------------
# A unit test is a whole program; it may include the .c it tests, whose archive member is then not pulled in.
TESTCC = $(CC) $(CPPFLAGS) $(CFLAGS) -iquote tests -MMD -MP -MF $@.d
$(B)/tests/unit/%_test: tests/unit/%_test.c $(LIB) $(SKEL) | $(O)/.deps-check
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(TESTCC) $< $(LDFLAGS) $(LIB) -lcmocka $(LDLIBS) -o $@
# Pure functions of the kernel side, compiled for the host.
$(B)/tests/bpf/%_test: tests/bpf/%_test.c $(B)/.flags | $(O)/.deps-check
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(CC) -Ibpf $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $< $(LDFLAGS) -lcmocka -o $@
$(B)/tests/corpus/%: tests/fuzz/%_fuzz.c tests/fuzz/corpus_main.c $(LIB) $(SKEL) | $(O)/.deps-check
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(TESTCC) $(filter %.c,$^) $(LDFLAGS) $(LIB) $(LDLIBS) -o $@
$(B)/tests/fuzz/%: tests/fuzz/%_fuzz.c $(LIB) $(SKEL) | $(O)/.deps-check
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(TESTCC) -fsanitize=fuzzer $< $(LDFLAGS) $(LIB) $(LDLIBS) -o $@
# Programs that end-to-end tests and benchmarks run: one file each.
$(PROGS): $(B)/%: %.c $(LIB) $(SKEL) | $(O)/.deps-check $(O)/.deps-test
	@mkdir -p $(@D)
	$(call say,PROG,$<)$(TESTCC) $< $(LDFLAGS) $(LIB) -lssl -lcrypto $(LDLIBS) -o $@

progs: $(PROGS)
units: $(UNITS)
	$(Q)UNIT_SECS=$(if $(SAN),400,60) tests/unit/run.sh $(UNITS)
corpora: $(CORPORA)
	$(Q)CORPUS_SECS=$(if $(SAN),400,60) tests/fuzz/corpora.sh $(CORPORA)
$(B)/tests/replay/torture: tests/replay/torture.c $(LIB) $(SKEL) | $(O)/.deps-check
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(TESTCC) $< $(LDFLAGS) $(LIB) $(LDLIBS) -o $@
# Recordings: the spans they give, and that none is wrong when something is missing: a sample of the ways here, all in `torture`.
replay: $(BIN) $(B)/tests/replay/torture
	$(Q)tests/replay/run.sh $(BIN)
	$(Q)$(B)/tests/replay/torture $(if $(SAN),-qq,-q) tests/replay/*/in.wire
torture: $(B)/tests/replay/torture
	$(Q)$< tests/replay/*/in.wire
lint: $(BIN) | $(O)/.deps-check
	$(Q)KERNSPAN=$(BIN) tests/lint/run.sh
# Every part runs, so that one look shows all that is wrong.
parts = +@bad=0; for p in $1; do $(MAKE) $$p || bad=1; done; [ $$bad = 0 ] || { echo '$@: FAILED'; exit 1; }; echo '$@: passed'
rootless:
	$(call parts,units corpora replay)
check: build
	$(call parts,lint units corpora replay)
# Everything, fast parts first. Each part runs when its files exist.
test: $(O)/.deps-build $(O)/.deps-check $(O)/.deps-test
	$(Q)$(MAKE) check
	$(Q)$(MAKE) torture
	$(Q)echo '== sanitizers' && $(MAKE) SAN=1 rootless
	$(Q)$(MAKE) progs
	$(Q)O=$(O) KERNSPAN=$(BIN) tests/run.sh
fuzzers: $(FUZZERS:%=$(B)/tests/fuzz/%)
fuzz: $(O)/.deps-check $(SKEL)
	$(Q)$(MAKE) FUZZ=1 fuzzers
	$(Q)O=$(O) FUZZ_SECS=$(FUZZ_SECS) J=$(J) tests/fuzz/run.sh $(FUZZERS)
bench: build progs
	$(Q)O=$(O) KERNSPAN=$(BIN) tests/bench/run.sh
interop: build $(O)/.deps-test $(O)/.deps-interop
	$(Q)O=$(O) KERNSPAN=$(BIN) tests/run.sh interop
# A clone of HEAD in a bare system of its own, to the first span.
fresh: $(O)/.deps-fresh
	$(Q)tests/e2e/fresh/run.sh

# --- use -------------------------------------------------------------------------------------------------------------
run: build $(O)/.deps-run
	$(Q)O=$(O) KERNSPAN=$(BIN) deploy/demo.sh
$(O)/kernspan.stripped: $(O)/kernspan
	$(Q)strip -o $@ $<
size: $(O)/kernspan.stripped
	$(Q)s=$$(stat -c %s $<); echo "$< $$s bytes, goal $(SIZE_MAX)"; [ $$s -le $(SIZE_MAX) ]
# tests/lint/generated.txt names the files that the binary writes from its tables; check-generated.sh holds them fresh.
docs: $(BIN)
	$(Q)KERNSPAN=$(BIN) tests/lint/check-generated.sh --write
put = install -D -m $1 $2 $(DESTDIR)$(PREFIX)/$3
gen = $(O)/kernspan generate $1 > $(O)/$1 && $(call put,644,$(O)/$1,share/$2)
install: $(O)/kernspan.stripped
	$(Q)$(call put,755,$<,bin/kernspan)
	$(Q)$(call gen,man,man/man8/kernspan.8)
	$(Q)$(call gen,bash,bash-completion/completions/kernspan)
	$(Q)$(call gen,zsh,zsh/site-functions/_kernspan)
	$(Q)$(call gen,fish,fish/vendor_completions.d/kernspan.fish)
# The C files that differ from HEAD, or FILES=...
FILES = $(shell git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h'; git ls-files -o --exclude-standard -- '*.c' '*.h')
fmt: | $(O)/.deps-check
	$(Q)[ -z "$(FILES)" ] || clang-format-19 -i $(FILES)
clean:
	rm -rf $(O)
help:
	@echo 'make [build] | run | check | test | fuzz | bench | interop | fresh | size | docs | install | fmt | deps | clean'
	@echo 'O=dir: products elsewhere   V=1: commands   J=n: jobs   M="base flow": these modules only   SAN=1: sanitizers   FUZZ_SECS=n'
