# assetfs: one non-recursive Makefile.
#
#   make                 both programs (build/assetfs, build/assetctl)
#   make check           every test that a machine of 2 cores can run
#   make check-unit      unit tests, fuzz corpora; no root needed
#   make check-lint      layers, headers, man pages
#   make check-shell     shell tests (root, /dev/fuse; starts a Ceph RGW)
#   make check-long      what takes minutes and gigabytes
#   make fuzz            libFuzzer on each parser of outside bytes, with clang;
#                        FUZZ_SECONDS=60 each
#   make install         DESTDIR= PREFIX=
#
# V=1 shows commands. SAN=address,undefined or SAN=thread build into folders
# of their own, as does every other compiler than gcc (CC=clang).

VERSION := 0.1.0
PREFIX ?= /usr/local
SBINDIR ?= /sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
PKG_CONFIG ?= pkg-config

ifeq ($(origin CC),default)
CC := gcc
endif
empty :=
comma := ,
CC_IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
BUILD ?= build$(if $(CC_IS_CLANG),-clang)$(if $(SAN),-$(subst $(comma),-,$(SAN)))

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
ifneq ($(V),1)
Q := @
say = @echo '  $(1)	$(2)';
endif

# ---- flags ---------------------------------------------------------------

PKGS := libcurl libxml-2.0 libcrypto libzstd jansson
FUSE_PKG := fuse3

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
	-Wwrite-strings -Wvla -Wundef -Wformat=2 -Wimplicit-fallthrough \
	-Wcast-qual -Wnull-dereference -Wdate-time
ifeq ($(CC_IS_CLANG),)
WARN += -Wduplicated-cond -Wlogical-op -Wjump-misses-init
endif

HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE \
	-ftrivial-auto-var-init=zero
ifneq ($(CC_IS_CLANG),)
HARDEN := $(filter-out -ftrivial-auto-var-init=zero,$(HARDEN)) \
	-ftrivial-auto-var-init=pattern
endif
ifeq ($(SAN),)
ifeq ($(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),)
HARDEN += -D_FORTIFY_SOURCE=3
endif
OPTIMISE := -O2
else
OPTIMISE := -O1 -fno-omit-frame-pointer -DLOCK_CHECKS
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all
endif
# Of `make fuzz`; without it, tests/fuzz/main.c replays the corpora.
ifneq ($(LIBFUZZER),)
SANFLAGS += -fsanitize=fuzzer-no-link
endif

ALL_CPPFLAGS := -D_GNU_SOURCE -I. -DASSETFS_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=gnu17 $(OPTIMISE) -g -pthread $(WARN) $(HARDEN) $(SANFLAGS) \
	-ffile-prefix-map=$(CURDIR)=. \
	$(shell $(PKG_CONFIG) --cflags $(PKGS)) $(EXTRA_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
LIBS = $(shell $(PKG_CONFIG) --libs $(PKGS)) -llmdb
FUSE_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(FUSE_PKG))
FUSE_LIBS = $(shell $(PKG_CONFIG) --libs $(FUSE_PKG))

# ---- what is built -------------------------------------------------------

# Everything but the two main functions goes into one archive, so that unit
# tests can link any module. fs is kept out of what assetctl links.
CORE_SRC := $(sort $(wildcard s3/base/*.c s3/*.c cache/*.c))
FS_SRC := $(sort $(wildcard fs/*.c))
TOOLS_SRC := $(sort $(wildcard tools/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
PROXY_SRC := $(sort $(wildcard tests/proxy/*.c))
GEN_SRC := $(sort $(wildcard tests/gen/*.c))
CONFORM_SRC := $(sort $(wildcard tests/conform/*.c))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
CORE_OBJ := $(call obj,$(CORE_SRC))
FS_OBJ := $(call obj,$(FS_SRC))
TOOLS_OBJ := $(call obj,$(TOOLS_SRC))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
GEN := $(patsubst tests/gen/%.c,$(BUILD)/gen/%,$(GEN_SRC))
CONFORM := $(patsubst tests/conform/%.c,$(BUILD)/conform/%,$(CONFORM_SRC))

LIB := $(BUILD)/libassetfs.a
PROGRAMS := $(if $(FS_SRC),$(BUILD)/assetfs) $(if $(TOOLS_SRC),$(BUILD)/assetctl)
TEST_PROGRAMS := $(UNIT) $(FUZZ) $(GEN) $(CONFORM) \
	$(if $(PROXY_SRC),$(BUILD)/proxy)

all: $(PROGRAMS)
tests: all $(TEST_PROGRAMS)

# A change of flags rebuilds; the stamp is only touched when they differ.
FLAGS_NOW := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' > $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(FS_OBJ): EXTRA_CFLAGS = $(FUSE_CFLAGS)

$(LIB): $(CORE_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcsD $@ $^

$(BUILD)/assetfs: $(FS_OBJ) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(LIBS)

$(BUILD)/assetctl: $(TOOLS_OBJ) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Modules of fs and tools can be linked by unit tests too, without the mains.
TESTABLE_OBJ = $(filter-out %/main.o,$(FS_OBJ) $(TOOLS_OBJ))
$(BUILD)/libtestable.a: $(TESTABLE_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcsD $@ $^

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libtestable.a $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(LIBS)

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o \
		$(if $(LIBFUZZER),,$(BUILD)/tests/fuzz/main.o) \
		$(BUILD)/libtestable.a $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) \
		-o $@ $^ $(FUSE_LIBS) $(LIBS)

$(BUILD)/gen/%: $(BUILD)/tests/gen/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

$(BUILD)/conform/%: $(BUILD)/tests/conform/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/proxy: $(call obj,$(PROXY_SRC))
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

# ---- checks --------------------------------------------------------------

export BUILD CC SAN

check: tests
	$(Q)tests/run.sh all

check-unit: tests
	$(Q)tests/run.sh unit fuzz

check-lint:
	$(Q)tests/run.sh lint

check-shell: tests
	$(Q)tests/run.sh shell

check-long: tests
	$(Q)tests/run.sh long

# What it finds, and inputs that reach new code, stay in build-libfuzzer/found.
FUZZ_SECONDS ?= 60
fuzz:
	$(Q)$(MAKE) CC=clang SAN=address,undefined LIBFUZZER=1 \
		BUILD=build-libfuzzer fuzz-targets
	$(Q)BUILD=build-libfuzzer FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run.sh fuzz-long

fuzz-targets: $(FUZZ)

# ---- install -------------------------------------------------------------

MAN := $(sort $(wildcard man/*.[0-9]))
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SBINDIR) \
		$(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/assetfs $(BUILD)/assetctl $(DESTDIR)$(PREFIX)/bin
	install -m 755 fs/mount.assetfs $(DESTDIR)$(SBINDIR)/mount.assetfs
	sed 's|@PREFIX@|$(PREFIX)|' fs/assetfs@.service.in \
		> $(DESTDIR)$(UNITDIR)/assetfs@.service
	set -e; for page in $(MAN); do section=$${page##*.}; \
		install -D -m 644 $$page \
		$(DESTDIR)$(PREFIX)/share/man/man$$section/$${page##*/}; done

clean:
	rm -rf build build-*

FORCE:
.PHONY: all tests check check-unit check-lint check-shell check-long fuzz \
	fuzz-targets install clean FORCE

-include $(patsubst %.o,%.d,$(CORE_OBJ) $(FS_OBJ) $(TOOLS_OBJ) \
	$(call obj,$(UNIT_SRC) $(FUZZ_SRC) $(PROXY_SRC) $(GEN_SRC) \
	tests/fuzz/main.c $(CONFORM_SRC)))
