# SPDX-License-Identifier: 0BSD
# qmail-verify: `make` builds, `make check` tests, `make demo` shows, `make install` installs.
#
# One makefile, not recursive.  What is compiled is found by name: rooms/*.cc become the archive
# libqv.a, each other .cc at the top becomes a program, tests/<room>/*_test.cc a test program.
# Everything is written under build/; dependencies are made by the compiler, none is committed.
#
#   make MODE=debug|asan     build/debug, build/asan instead of the release build in build/
#   make CXX=clang++ CC=clang
#   make WERROR=-Werror      as `make check` does

MODE    ?= release
PREFIX  ?= /usr/local
MANDIR  ?= $(PREFIX)/share/man
QMAILHOME ?= /var/qmail
VERSION := $(shell sed -n 's/^\([0-9][0-9.]*\).*/\1/p' CHANGES | head -n 1)

B := build$(if $(filter-out release,$(MODE)),/$(MODE))
O := $(B)/obj

ROOMS := core wire control event daemon maps rcpt helper verify cache probe deliver proxymap
# Top-level sources that belong to the hook library, not programs of their own.
HOOK_TOP := verifyrcpt verifyask verifyvalue sockbits udpbits

# ---- what is there -----------------------------------------------------------------------------

PKG_CONFIG ?= pkg-config
pkg = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo $(1))
REQUIRED_PKGS := libevent libevent_openssl openssl lmdb hiredis
# tinycdb ships no .pc file with every distribution: where there is none it is looked for by name.
CDB_CFLAGS := $(if $(call pkg,libcdb),$(shell $(PKG_CONFIG) --cflags libcdb))
CDB_LIBS   := $(if $(call pkg,libcdb),$(shell $(PKG_CONFIG) --libs libcdb),-lcdb)

# A table type says what it needs in a line `//@ needs: NAME...` (pkg-config names, or header:FILE
# with `//@ libs: -lNAME` where the library ships no .pc file); without it the type is left out.
MAPS_CHOICE := $(shell sh tools/choose-maps $(PKG_CONFIG) maps)
MAPS_SOURCES := $(patsubst map:%,%,$(filter map:%,$(MAPS_CHOICE)))
MAPS_LEFT_OUT := $(patsubst without:%,%,$(filter without:%,$(MAPS_CHOICE)))
MAPS_PKGS := $(sort $(patsubst pkg:%,%,$(filter pkg:%,$(MAPS_CHOICE))))
MAPS_LIBS := $(sort $(patsubst lib:%,%,$(filter lib:%,$(MAPS_CHOICE))))

PKGS := $(REQUIRED_PKGS) $(MAPS_PKGS)
# Other people's headers are not ours to warn about.
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)) $(CDB_CFLAGS)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) $(CDB_LIBS) $(MAPS_LIBS)
GTEST_CFLAGS = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags gtest gmock))
GTEST_LIBS = $(shell $(PKG_CONFIG) --libs gtest gmock gtest_main)

# ---- flags -------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wformat=2 \
	-Wimplicit-fallthrough -Wswitch-enum -Wundef -Wvla
WARNXX := $(WARN) -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
WERROR ?=

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_debug   := -O0 -g
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
# What `make fuzz` builds with clang: product code watched, libFuzzer's main linked in.
FLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
LINK_release  := -pie -Wl,-z,relro,-z,now
LINK_asan     := -fsanitize=address,undefined
LINK_fuzz     := -fsanitize=fuzzer,address,undefined

COMMON := $(FLAGS_$(MODE)) -fPIC $(WERROR) -I. -D_GNU_SOURCE -MMD -MP
CXX20  := -std=c++20 -fno-exceptions -fno-rtti $(WARNXX) $(COMMON)
# The hook library and what it is made of need no C++ runtime (house rule; tests/gates/tier0).
TIER0  := $(CXX20) -fno-threadsafe-statics -fvisibility=hidden -U_GLIBCXX_ASSERTIONS
TIER1  := $(CXX20) $(if $(filter release,$(MODE)),-D_GLIBCXX_ASSERTIONS) $(PKG_CFLAGS) \
	-DQV_VERSION='"$(VERSION)"' -DQV_QMAILHOME='"$(QMAILHOME)"'
LINK   := $(LINK_$(MODE)) -Wl,--as-needed

V ?=
# `make V=1` shows the commands themselves.
say = $(if $(V),,@echo "  $(1)";)

# ---- objects -----------------------------------------------------------------------------------

TIER0_SOURCES := $(wildcard core/*.cc wire/datagram.cc) $(addsuffix .cc,$(HOOK_TOP))
TIER0_OBJECTS := $(TIER0_SOURCES:%.cc=$(O)/%.o)

ROOM_SOURCES := $(filter-out maps/%,$(foreach room,$(ROOMS),$(wildcard $(room)/*.cc))) $(MAPS_SOURCES)
ROOM_OBJECTS := $(ROOM_SOURCES:%.cc=$(O)/%.o) $(if $(MAPS_SOURCES),$(O)/registry.o)
PROGRAMS := $(filter-out $(HOOK_TOP),$(basename $(wildcard *.cc)))
FULL_BINARY := $(B)/bin/qmail-virtual-full
PROGRAM_BINARIES := $(PROGRAMS:%=$(B)/bin/%) $(FULL_BINARY)

HOOK_LIBS := $(if $(wildcard verifyrcpt.cc),$(B)/lib/libverifyrcpt.a $(B)/lib/libverifyrcpt.so)

.PHONY: all check demo bench fuzz asan tidy format format-check docs-check install install-check \
	clean deps tests
.DELETE_ON_ERROR:
.SECONDARY: $(PROGRAMS:%=$(O)/%.o)

all: $(HOOK_LIBS) $(PROGRAM_BINARIES) hooks $(B)/config.txt
	@for left in $(MAPS_LEFT_OUT); do echo "left out: $$left"; done

# Which compiler, flags and tables this build was made with.
$(B)/config.txt: Makefile $(wildcard maps/*.cc)
	@mkdir -p $(@D)
	@{ $(CXX) --version | head -n 1; echo "flags: $(TIER1)"; echo "maps: $(notdir $(basename $(MAPS_SOURCES)))"; \
	  echo "left out: $(MAPS_LEFT_OUT)"; } >$@

# Objects made with other flags, another compiler or another QMAILHOME are made again.
$(O)/flags: FORCE
	$(shell mkdir -p $(@D))$(file >$@.new,$(filter-out ccache,$(CXX)) $(filter-out -Werror,$(TIER0) $(TIER1)) $(CXXFLAGS))
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

.PHONY: FORCE

$(TIER0_OBJECTS): $(O)/%.o: %.cc $(O)/flags
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(TIER0) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

$(O)/%.o: %.cc $(O)/flags
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(TIER1) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

# One row per table type that was found; the old file stays where nothing changed.
$(O)/registry.cc: $(MAPS_SOURCES) Makefile tools/choose-maps tools/make-registry
	@mkdir -p $(@D)
	@sh tools/make-registry $(MAPS_SOURCES) >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(O)/registry.o: $(O)/registry.cc $(O)/flags
	$(call say,CXX $<)$(CXX) $(TIER1) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

# qmail-virtual may be started for every message, and five sixths of that took loading what clients
# of databases need.  It has the other table types, and where its settings name one of these it runs
# qmail-virtual-full, which is the same program with all.
ELSEWHERE_SOURCES := $(filter $(addprefix maps/,ldap.cc mysql.cc pgsql.cc redis.cc sqlite.cc),$(MAPS_SOURCES))
STATIC_RUNTIME = $(if $(filter release debug,$(MODE)),$(if $(findstring /,$(shell $(CXX) -print-file-name=libstdc++.a)),-static-libstdc++ -static-libgcc))

$(O)/registry_lean.cc: $(MAPS_SOURCES) Makefile tools/choose-maps tools/make-registry
	@mkdir -p $(@D)
	@sh tools/make-registry $(filter-out $(ELSEWHERE_SOURCES),$(MAPS_SOURCES)) -- $(ELSEWHERE_SOURCES) >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(O)/registry_lean.o: $(O)/registry_lean.cc $(O)/flags
	$(call say,CXX $<)$(CXX) $(TIER1) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

# The registry stands before the archive, so that the one in there is not taken.
$(B)/bin/qmail-virtual: $(O)/qmail-virtual.o $(O)/registry_lean.o $(B)/libqv.a $(B)/lib/libverifyrcpt.a
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) $(STATIC_RUNTIME) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(FULL_BINARY): $(O)/qmail-virtual.o $(B)/libqv.a $(B)/lib/libverifyrcpt.a
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(B)/libqv.a: $(ROOM_OBJECTS)
	@rm -f $@
	$(call say,AR  $@)$(AR) rcs $@ $^

$(B)/lib/libverifyrcpt.a: $(TIER0_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  $@)$(AR) rcs $@ $^

# The version script keeps back what the standard headers make visible of their own accord.
$(B)/lib/libverifyrcpt.so: $(TIER0_OBJECTS) verifyrcpt.exports
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CC) -shared $(if $(filter asan,$(MODE)),$(LINK_asan)) -Wl,-soname,libverifyrcpt.so.2 -Wl,-z,defs \
	  -Wl,--version-script=verifyrcpt.exports -o $@ $(TIER0_OBJECTS)
	@ln -sf libverifyrcpt.so $@.2

$(B)/bin/%: $(O)/%.o $(B)/libqv.a $(B)/lib/libverifyrcpt.a
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

.PHONY: hooks
hooks:
# A hook that needs building brings hooks/<server>/rules.mk, which adds to `hooks`.
include $(wildcard hooks/*/rules.mk)

# ---- tests -------------------------------------------------------------------------------------

# tests/<room>/*_test.cc make build/tests/<room>_test; tests/*_test.cc are those of the top.
TEST_ROOMS := $(filter-out e2e fuzz fakes data gates replay,$(patsubst tests/%/,%,$(sort $(dir $(wildcard tests/*/*_test.cc)))))
TEST_BINARIES := $(TEST_ROOMS:%=$(B)/tests/%_test) $(if $(wildcard tests/*_test.cc),$(B)/tests/top_test)
FAKES := $(patsubst %.cc,$(O)/%.o,$(wildcard tests/fakes/*.cc))

# Product code compiled again for the tests would be other code than what is shipped: link it.
test_objects = $(patsubst %.cc,$(O)/%.o,$(wildcard tests/$(1)/*.cc))

$(O)/tests/%.o: tests/%.cc $(O)/flags
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(filter-out -Wpedantic -Wold-style-cast,$(TIER1)) $(GTEST_CFLAGS) $(CXXFLAGS) -c $< -o $@

define test_binary
$(B)/tests/$(1)_test: $(call test_objects,$(1)) $(FAKES) $(B)/libqv.a $(HOOK_LIBS_A)
	@mkdir -p $$(@D)
	$$(call say,LD  $$@)$$(CXX) $$(LINK) -o $$@ $$^ $$(GTEST_LIBS) $$(PKG_LIBS)
endef
HOOK_LIBS_A := $(filter %.a,$(HOOK_LIBS))
$(foreach room,$(TEST_ROOMS),$(eval $(call test_binary,$(room))))
$(B)/tests/top_test: $(patsubst %.cc,$(O)/%.o,$(wildcard tests/*_test.cc)) $(FAKES) $(B)/libqv.a $(HOOK_LIBS_A)
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) -o $@ $^ $(GTEST_LIBS) $(PKG_LIBS)

tests: $(TEST_BINARIES)

# ---- benchmarks --------------------------------------------------------------------------------

BENCH_BINARIES := $(patsubst bench/%.cc,$(B)/bench/%,$(wildcard bench/*.cc))

$(BENCH_BINARIES): $(B)/bench/%: $(O)/bench/%.o $(B)/libqv.a
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) -o $@ $^ $(PKG_LIBS)

# Prints ratios against peers measured in the same run; BENCH names one of bench/.
BENCH ?= verify
bench: all $(BENCH_BINARIES)
	@for bench in $(BENCH); do bench/$$bench || exit 1; done

# ---- fuzzing -----------------------------------------------------------------------------------

# Every build compiles the targets against a small runner that replays the corpus; `make fuzz`
# builds them with libFuzzer (clang) and looks for new inputs, FUZZ_SECONDS per target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.cc,%,$(wildcard tests/fuzz/fuzz_*.cc))
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(B)/tests/fuzz_%)

$(FUZZ_REPLAYS): $(B)/tests/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay_main.o $(B)/libqv.a $(HOOK_LIBS_A)
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK) -o $@ $^ $(PKG_LIBS)

# With MODE=fuzz and clang, build/fuzz/fuzz_NAME.
FUZZERS := $(FUZZ_TARGETS:%=$(B)/fuzz_%)
$(FUZZERS): $(B)/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(B)/libqv.a $(HOOK_LIBS_A)
	$(call say,LD  $@)$(CXX) $(LINK) -o $@ $^ $(PKG_LIBS)

replays: $(FUZZ_REPLAYS)
fuzzers: $(FUZZERS)

# ---- checking ----------------------------------------------------------------------------------

# `make check` is everything; the parts have targets of their own.  ccache is used where it is.
CCACHE := $(if $(shell command -v ccache 2>/dev/null),ccache)
GXX   ?= g++
CLANG ?= clang++
JOBS  ?= $(shell nproc 2>/dev/null || echo 1)
# A make of its own, as many jobs at a time as there are cores unless -j said otherwise.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(JOBS))
STRICT = $(SUBMAKE) WERROR=-Werror

deps:
	@CXX="$(CXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build check demo

# What is missing is installed first, and only then does another make look at what is there.
check:
	@CXX="$(GXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build check
	+@$(STRICT) CXX="$(CCACHE) $(GXX)" check-build
	@python3 tests/run --fuzz-seconds $(FUZZ_SECONDS)

# Every source passes both compilers with -Werror, and no more often than it must: the release build
# for the end-to-end tests, a debug build of what must not need the C++ runtime, the tests under the
# sanitizers, and the fuzzers, for which clang compiles all rooms; clang then reads what is left.
CHECK_STEP = +@echo "== $(1)"; $(STRICT)
.PHONY: check-build clang-check tier0 replays fuzzers fuzz-build
check-build:
	$(call CHECK_STEP,release build) all
	$(call CHECK_STEP,debug build of the hook library) MODE=debug tier0
	$(call CHECK_STEP,sanitizer build) MODE=asan tests replays
	$(call CHECK_STEP,fuzzers) fuzz-build
	$(call CHECK_STEP,clang) CXX=$(CLANG) clang-check

tier0: $(HOOK_LIBS)

# What the fuzzers do not have clang compile.  One stamp per source, so that only what changed is
# read again.
CLANG_SOURCES := $(PROGRAMS:%=%.cc) $(wildcard tests/*_test.cc $(TEST_ROOMS:%=tests/%/*.cc) \
	tests/fakes/*.cc tests/fuzz/replay_main.cc bench/*.cc)
CLANG_STAMPS := $(CLANG_SOURCES:%.cc=build/clang/%.ok)
clang-check: $(CLANG_STAMPS)
$(CLANG_STAMPS): build/clang/%.ok: %.cc
	@mkdir -p $(@D)
	$(call say,CHK $<)$(CXX) -fsyntax-only $(filter-out $(if $(filter tests/%,$<),-Wpedantic -Wold-style-cast),$(if $(filter $<,$(TIER0_SOURCES)),$(TIER0),$(TIER1))) \
		$(if $(filter tests/%,$<),$(GTEST_CFLAGS)) $(CXXFLAGS) -MF $(@:.ok=.d) -MT $@ $< && touch $@

asan:
	+@$(STRICT) MODE=asan CXX="$(CCACHE) $(GXX)" all tests replays
	@python3 tests/run --build build/asan unit replay

fuzz-build:
	+@$(STRICT) MODE=fuzz CXX="$(CCACHE) $(CLANG)" fuzzers

fuzz: fuzz-build
	@python3 tests/run --fuzz-seconds $(FUZZ_SECONDS) fuzz

# Product sources only; what was found clean is looked at again when it, or any header, changes.
TIDY_SOURCES := $(wildcard *.cc) $(ROOM_SOURCES)
TIDY_STAMPS = $(TIDY_SOURCES:%.cc=build/tidy/%.ok)
.PHONY: tidy-check
tidy:
	@CXX="$(CXX)" sh tools/deps build tidy
	+@$(SUBMAKE) -k tidy-check
tidy-check: $(TIDY_STAMPS)
build/tidy/%.ok: %.cc .clang-tidy $(wildcard *.h */*.h)
	@mkdir -p $(@D)
	$(call say,TIDY $<)clang-tidy --quiet $< -- $(filter-out -MMD -MP $(PKG_CFLAGS),$(TIER1)) $(PKG_CFLAGS) \
		2>$(@:.ok=.err) && touch $@ || { cat $(@:.ok=.err); exit 1; }

FORMATTED := git ls-files '*.cc' '*.h' '*.c'
format:
	@$(FORMATTED) | xargs clang-format -i

format-check:
	@$(FORMATTED) | xargs clang-format --dry-run -Werror

docs-check:
	@python3 tests/run gate/docs

# ---- showing, installing -----------------------------------------------------------------------

demo:
	@CXX="$(CXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build demo
	+@$(SUBMAKE) all
	@python3 tools/demo

INSTALL_PLACES = DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" QMAILHOME="$(QMAILHOME)" MANDIR="$(MANDIR)"
install: all
	@$(INSTALL_PLACES) sh tools/install tools/manifest

install-check:
	@$(INSTALL_PLACES) sh tools/install -c tools/manifest

ifneq ($(strip $(MAKECMDGOALS)),clean)
-include $(shell find $(B)/obj build/clang -name '*.d' 2>/dev/null)
endif

clean:
	rm -rf build
