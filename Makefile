# SPDX-License-Identifier: 0BSD
# qmail-verify: `make` builds, `make check` tests, `make demo` shows, `make install` installs;
# `make help` lists the rest.
#
# One makefile, not recursive.  What is compiled is found by name: a room's *.cc become its archive,
# each other .cc at the top becomes a program, tests/<room>/*_test.cc a test program.  Everything is
# written under build/; dependencies are made by the compiler, none is committed.
#
#   make MODE=debug|asan     build/debug, build/asan instead of the release build in build/
#   make CXX=clang++ CC=clang
#   make WERROR=-Werror      as `make check` does
#   make V=1                 shows the commands

MODE    ?= release
PREFIX  ?= /usr/local
MANDIR  ?= $(PREFIX)/share/man
QMAILHOME ?= /var/qmail
VERSION := $(shell sed -n 's/^\([0-9][0-9.]*\).*/\1/p' CHANGES | head -n 1)

B := build$(if $(filter-out release,$(MODE)),/$(MODE))
O := $(B)/obj

# Each room stands before the rooms it may include, which is the order a linker wants.
ROOMS := proxymap lmtp deliver probe cache verify agent rcpt maps/tool maps/types maps process event control wire core
# What a room may include besides itself (tests/gates/layers holds it; ARCHITECTURE says why), and is
# linked with.
MAY_core     :=
MAY_wire     := core
MAY_control  := core
MAY_event    := core control
MAY_process  := core control event
MAY_maps     := core control wire event
MAY_maps/types := core wire event maps
MAY_maps/tool  := core maps maps/types
MAY_rcpt     := core control maps
MAY_agent    := core control event process maps rcpt
MAY_verify   := core wire control event process maps rcpt agent udpbits
MAY_cache    := core control maps
MAY_probe    := core wire control event process cache
MAY_deliver  := core control event maps process
MAY_lmtp     := core wire control event process deliver
MAY_proxymap := core wire control event process maps
# Rooms that only the tests of a room need.
TESTS_MAY_control := maps
TESTS_MAY_event   := probe
TESTS_MAY_maps    := maps/tool proxymap
TESTS_MAY_deliver := rcpt
# What a room is linked with that it may not include: the table of types (registry.cc) is what maps/
# opens tables by.  Those two need each other, so the linker is told of all archives as a group.
WITH_maps := maps/types
# Top-level sources that belong to the hook library, not programs of their own.
HOOK_TOP := verifyrcpt verifyask verifyvalue sockbits udpbits

.PHONY: all help check demo bench fuzz asan tidy format format-check docs-check install install-check \
	clean deps tests test coverage bare
all:

# ---- what is there -----------------------------------------------------------------------------

# A `#` that every make and every shell leaves alone.
HASH := \#
# $(call lacks_header,NAME,FLAGS): NAME where the C compiler does not find it, else nothing.
lacks_header = $(if $(shell echo '$(HASH)include <$(1)>' | $(CC) $(CPPFLAGS) $(2) -E - >/dev/null 2>&1 && echo found),,$(1))

PKG_CONFIG ?= pkg-config
# Nothing where a package is missing.  Other people's headers are not ours to warn about.
pkg_cflags = $(patsubst -I%,-isystem%,$(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null))
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)

# What is missing is said before a compiler says it in its own words.
ifneq ($(filter-out help deps check demo bare clean,$(or $(MAKECMDGOALS),all)),)
$(shell CXX="$(CXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps -n build)
endif

REQUIRED_PKGS := libevent libevent_openssl openssl lmdb hiredis
# tinycdb ships no .pc file with every distribution: where there is none it is looked for by name.
CDB_CFLAGS := $(call pkg_cflags,libcdb)
CDB_LIBS   := $(or $(call pkg_libs,libcdb),-lcdb)

# A table type says in a line `//@ needs: NAME...` which packages (pkg-config names) it needs; it is
# left out where one of them is missing.  One that needs more than every program may load becomes a
# module, which is loaded when a table of that type is named (maps/registry.h).
MAPS_BASE_PKGS := lmdb libpcre2-8
MAPS_CHOICE := $(shell sh tools/choose-maps $(PKG_CONFIG) "$(MAPS_BASE_PKGS)" maps maps/types maps/tool)
chosen_maps = $(patsubst $(1):%,%,$(filter $(1):%,$(MAPS_CHOICE)))
MAPS_SOURCES := $(call chosen_maps,map)
MAPS_NEEDY := $(call chosen_maps,needy)
MAPS_TYPES := $(call chosen_maps,type)
MAPS_MODULES := $(call chosen_maps,module)
MAPS_LEFT_OUT := $(call chosen_maps,without)
MAPS_PKGS := $(sort $(call chosen_maps,pkg))

PKG_CFLAGS := $(call pkg_cflags,$(REQUIRED_PKGS)) $(CDB_CFLAGS)
MAPS_CFLAGS := $(filter-out $(PKG_CFLAGS),$(call pkg_cflags,$(MAPS_PKGS)))
PKG_LIBS := $(call pkg_libs,$(REQUIRED_PKGS) $(MAPS_PKGS)) $(CDB_LIBS)
GTEST_CFLAGS := $(call pkg_cflags,gtest gmock)
GTEST_LIBS := $(call pkg_libs,gtest gmock gtest_main)

# ---- flags -------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wformat=2 \
	-Wimplicit-fallthrough -Wswitch-enum -Wundef -Wvla
WARNXX := $(WARN) -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
WERROR ?=

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_debug   := -O0 -g
# With clang product code is watched for libFuzzer, too, so that tests and fuzzers share one build.
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	$(if $(findstring clang,$(CXX)),-fsanitize=fuzzer-no-link) -fno-sanitize-recover=all
FLAGS_coverage := -O0 -g --coverage
LINK_release  := -pie -Wl,-z,relro,-z,now
LINK_asan     := -fsanitize=address,undefined
LINK_coverage := --coverage

COMMON := $(FLAGS_$(MODE)) -fPIC $(WERROR) -I. -D_GNU_SOURCE -MMD -MP
CXX20  := -std=c++20 -fno-exceptions -fno-rtti $(WARNXX) $(COMMON)
# The hook library and what it is made of need no C++ runtime (house rule; tests/gates/tier0).
TIER0  := $(CXX20) -fno-threadsafe-statics -fvisibility=hidden -U_GLIBCXX_ASSERTIONS
TIER1  := $(CXX20) $(if $(filter release,$(MODE)),-D_GLIBCXX_ASSERTIONS) $(PKG_CFLAGS) \
	-DQV_VERSION='"$(VERSION)"' -DQV_QMAILHOME='"$(QMAILHOME)"'
# GoogleTest's macros are old casts.  Sanitized tests take longer to optimise than to run, and of them a
# report needs no more than line numbers.
TESTING := $(filter-out -Wpedantic -Wold-style-cast -fsanitize=fuzzer-no-link,$(TIER1)) \
	$(if $(filter asan,$(MODE)),-O0 -g1) $(GTEST_CFLAGS)
LINK   := $(LINK_$(MODE)) -Wl,--as-needed

V ?=
# Every command that makes something is a step and says which of how many: [12/345].  The number is
# asked of a dry run when the first step is taken.
STEPS = $(eval STEPS := $(words $(shell $(MAKE) -n --no-print-directory $(MAKEOVERRIDES) STEPS=0 $(MAKECMDGOALS) \
	2>/dev/null | grep -o ':[/]step')))$(STEPS)
STEP :=
next_step = $(eval STEP += x)[$(words $(STEP))/$(STEPS)]
say = @$(if $(filter 0,$(STEPS)),: :/step;,$(if $(V),echo "$(next_step)";set -x;,echo "$(next_step) $(1)";))

# ---- objects -----------------------------------------------------------------------------------

# $(call chosen,FILE,TEXT) is FILE, which holds TEXT and is as old as TEXT has been so: what was made
# with other flags, or out of other parts, is made again.  A dry run leaves it as it is.  (GNU make 4.3
# does not always read a file as it is: cat does.)
same = $(if $(subst x$(1),,x$(2))$(subst x$(2),,x$(1)),,yes)
dry_run := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
chosen = $(1)$(if $(or $(call same,$(shell cat $(1) 2>/dev/null),$(strip : $(2))),$(and $(dry_run),$(wildcard $(1)))),,$(shell \
	mkdir -p $(dir $(1)))$(file >$(1),$(strip : $(2))))
without_ccache = $(filter-out ccache,$(1))

TIER0_SOURCES := $(wildcard core/*.cc wire/datagram.cc) $(addsuffix .cc,$(HOOK_TOP))
TIER0_OBJECTS := $(TIER0_SOURCES:%.cc=$(O)/%.o)

room_sources = $(if $(filter maps maps/%,$(1)),$(filter $(wildcard $(1)/*.cc),$(MAPS_SOURCES)),$(wildcard $(1)/*.cc))
room_objects = $(patsubst %.cc,$(O)/%.o,$(call room_sources,$(1)) $(if $(filter maps/types,$(1)),registry.cc))
ROOM_SOURCES := $(foreach room,$(ROOMS),$(call room_sources,$(room)))
ROOM_ARCHIVES := $(ROOMS:%=$(B)/rooms/%.a)
# A room and those below it, in the linker's order.
below = $(sort $(1) $(WITH_$(1)) $(foreach room,$(MAY_$(1)),$(call below,$(room))))
archives = $(patsubst %,$(B)/rooms/%.a,$(filter $(foreach room,$(1),$(call below,$(room))),$(ROOMS)))

PROGRAMS := $(filter-out $(HOOK_TOP),$(basename $(wildcard *.cc)))
PROGRAM_BINARIES := $(PROGRAMS:%=$(B)/bin/%)
MODULES := $(MAPS_MODULES:%=$(B)/lib/qmail-verify/maps/%.so)

HOOK_ARCHIVE := $(B)/lib/libverifyrcpt.a
HOOK_LIBS := $(HOOK_ARCHIVE) $(B)/lib/libverifyrcpt.so

.DELETE_ON_ERROR:
.SECONDARY: $(PROGRAMS:%=$(O)/%.o) $(MAPS_MODULES:%=$(O)/modules/%.o) $(MAPS_MODULES:%=$(O)/modules/%.cc)

all: $(HOOK_LIBS) $(PROGRAM_BINARIES) $(MODULES) hooks $(B)/config.txt
	@:; $(foreach left,$(MAPS_LEFT_OUT),echo "left out: $(left)";)

# Which compiler, flags and tables this build was made with.
$(B)/config.txt: $(call chosen,$(O)/config,$(CXX) $(TIER1) $(MAPS_CHOICE))
	@mkdir -p $(@D)
	@{ $(CXX) --version | head -n 1; echo "flags: $(TIER1)"; echo "maps: $(MAPS_TYPES)"; \
	  echo "modules: $(MAPS_MODULES)"; \
	  echo "left out: $(MAPS_LEFT_OUT)"; } >$@

FLAGS := $(call chosen,$(O)/flags,$(call without_ccache,$(CXX)) $(filter-out -Werror,$(TIER0) $(TIER1)) $(CXXFLAGS) $(CPPFLAGS))

$(TIER0_OBJECTS): $(O)/%.o: %.cc $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(TIER0) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

NEEDY_OBJECTS := $(MAPS_NEEDY:%.cc=$(O)/%.o)
$(NEEDY_OBJECTS): TIER1 += $(MAPS_CFLAGS)
$(NEEDY_OBJECTS): $(call chosen,$(O)/maps-flags,$(MAPS_CFLAGS))

$(O)/%.o: %.cc $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(TIER1) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

$(O)/%.o: $(O)/%.cc $(FLAGS)
	$(call say,CXX $<)$(CXX) $(TIER1) $(CXXFLAGS) $(CPPFLAGS) -c $< -o $@

# The table of types, and what a module says of itself.  Programs and modules know by the checksum of
# the headers they share whether they belong together.
MAPS_INTERFACE := $(VERSION)-$(word 1,$(shell cat maps/map.h maps/source.h core/result.h | cksum))
MAPS_REGISTRY := $(MAPS_INTERFACE) $(PREFIX)/lib/qmail-verify/maps
$(O)/registry.cc: $(call chosen,$(O)/types,$(MAPS_REGISTRY) $(MAPS_TYPES) -- $(MAPS_MODULES)) tools/make-registry
	@sh tools/make-registry $(MAPS_REGISTRY) $(MAPS_TYPES) -- $(MAPS_MODULES) >$@

$(MAPS_MODULES:%=$(O)/modules/%.cc): $(O)/modules/%.cc: $(O)/types tools/make-registry
	@mkdir -p $(@D)
	@sh tools/make-registry -m $(MAPS_INTERFACE) $* >$@

# $(call archive,FILE,OBJECTS)
define archive
$(1): $(2) $(call chosen,$(O)/$(notdir $(basename $(1))).parts,$(2))
	@mkdir -p $$(@D) && rm -f $$@
	$$(call say,AR  $$@)$$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach room,$(ROOMS),$(eval $(call archive,$(B)/rooms/$(room).a,$(call room_objects,$(room)))))
$(eval $(call archive,$(HOOK_ARCHIVE),$(TIER0_OBJECTS)))

# The version script keeps back what the standard headers make visible of their own accord.
$(B)/lib/libverifyrcpt.so: $(TIER0_OBJECTS) verifyrcpt.exports $(O)/libverifyrcpt.parts
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CC) -shared $(LINK_$(filter asan coverage,$(MODE))) -Wl,-soname,libverifyrcpt.so.2 -Wl,-z,defs \
	  -Wl,--version-script=verifyrcpt.exports -o $@ $(TIER0_OBJECTS) $(split_debug)
	@ln -sf libverifyrcpt.so $@.2

# ---- programs ----------------------------------------------------------------------------------

# Debug information stays in .debug/ beside a release program, where gdb looks for it; what is
# installed is small.
OBJCOPY ?= objcopy
split_debug = $(if $(filter release,$(MODE)),&& mkdir -p $(@D)/.debug && \
	$(OBJCOPY) --only-keep-debug $@ $(@D)/.debug/$(@F).debug && \
	$(OBJCOPY) --strip-unneeded --add-gnu-debuglink=$(@D)/.debug/$(@F).debug $@)

LINKED := $(call chosen,$(O)/linked,$(call without_ccache,$(CXX)) $(LINK) $(LDFLAGS) $(PKG_LIBS) $(LDLIBS))
group = -Wl,--start-group $(filter %.a,$(1)) -Wl,--end-group
# $(call link,LIBRARIES): the objects and archives among the prerequisites make the target.
link = $(call say,LD  $@)$(CXX) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call group,$^) $(1) $(PKG_LIBS) $(LDLIBS)

# qmail-virtual may be started for every message: it loads as little as it can.
$(B)/bin/qmail-virtual: LDFLAGS += $(if $(filter release debug,$(MODE)),$(if $(findstring /,$(shell \
	$(CXX) -print-file-name=libstdc++.a)),-static-libstdc++ -static-libgcc))

$(B)/bin/%: $(O)/%.o $(ROOM_ARCHIVES) $(HOOK_ARCHIVE) $(LINKED)
	@mkdir -p $(@D)
	$(call link) $(split_debug)

# A module has a copy of its own of what it uses of ours, and shows one symbol.  What sanitizers leave
# undefined is in the program.
LINK_MODULE := $(filter-out -pie,$(LINK)) -shared $(if $(filter asan,$(MODE)),,-Wl,-z,defs) \
	-Wl,--version-script=maps/types/module.exports
$(MODULES): $(B)/lib/qmail-verify/maps/%.so: $(O)/modules/%.o $(call archives,maps) maps/types/module.exports $(LINKED)
	@mkdir -p $(@D)
	$(call say,LD  $@)$(CXX) $(LINK_MODULE) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call group,$^) $(PKG_LIBS) $(LDLIBS) $(split_debug)

# ---- hooks -------------------------------------------------------------------------------------

.PHONY: hooks
hooks:

# $(call hook,NAME,PRODUCT,MISSING): PRODUCT is one of the hooks; where something is missing that it
# needs, an old one is removed, so that nobody tests or installs it.
define hook
.PHONY: hook-$(1)
hooks: hook-$(1)
$(if $(3),hook-$(1):
	@rm -f $(2); echo "left out: hooks/$(1) ($(3) not found)",hook-$(1): $(2))
endef
# A hook that needs building brings hooks/<server>/rules.mk, which adds to `hooks`.
include $(wildcard hooks/*/rules.mk)

# ---- tests -------------------------------------------------------------------------------------

# tests/<room>/*_test.cc make build/tests/<room>_test; tests/*_test.cc are those of the top.
TEST_ROOMS := $(filter-out e2e fuzz fakes data gates replay,$(patsubst tests/%/,%,$(sort $(dir $(wildcard tests/*/*_test.cc)))))
TEST_BINARIES := $(TEST_ROOMS:%=$(B)/tests/%_test) $(B)/tests/top_test
FAKES := $(B)/rooms/fakes.a
test_objects = $(patsubst %.cc,$(O)/%.o,$(wildcard tests/$(1)*.cc))

TESTING_FLAGS := $(call chosen,$(O)/testing-flags,$(TESTING))
$(O)/tests/%.o: tests/%.cc $(FLAGS) $(TESTING_FLAGS)
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(TESTING) $(CXXFLAGS) -c $< -o $@

$(eval $(call archive,$(FAKES),$(call test_objects,fakes/)))

# $(call test_binary,NAME,OBJECTS,ROOMS): product code compiled again for the tests would be other code
# than what is shipped, so it is linked: the archives of the rooms under test and those below.
define test_binary
$(B)/tests/$(1)_test: $(2) $(FAKES) $(call archives,$(3)) $(HOOK_ARCHIVE) $(LINKED) \
    $(call chosen,$(O)/$(1)_test.parts,$(2) $(3)) | $(MODULES)
	@mkdir -p $$(@D)
	$$(call link,$$(GTEST_LIBS))
endef
$(foreach room,$(TEST_ROOMS),$(eval $(call test_binary,$(room),$(call test_objects,$(room)/),$(room) $(TESTS_MAY_$(room)))))
$(eval $(call test_binary,top,$(call test_objects,),wire))

# Tests that were taken out of the tree are not run any more.
tests: $(TEST_BINARIES)
	@rm -f $(filter-out $(TEST_BINARIES),$(wildcard $(B)/tests/*_test))

# One room's tests and nothing else, with sanitizers: what to run after every change.
ROOM ?=
test:
	@[ -n "$(ROOM)" ] || { echo "usage: make test ROOM=NAME, with a name out of: $(TEST_ROOMS) top" >&2; exit 2; }
	+@$(SUBMAKE) MODE=asan CXX="$(ASAN_CXX)" $(ROOM:%=build/asan/tests/%_test)
	@python3 tests/run --build build/asan $(ROOM:%=unit/%@asan)

# Lines that the unit tests and the fuzzers' inputs reach, in per cent, by room.
coverage:
	@CXX="$(GXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build check
	+@$(SUBMAKE) MODE=coverage CXX="$(CCACHED)" tests replays
	@find build/coverage -name '*.gcda' -delete
	@python3 tests/run --build build/coverage unit replay
	@python3 tools/coverage build/coverage

# ---- benchmarks --------------------------------------------------------------------------------

BENCH_BINARIES := $(patsubst bench/%.cc,$(B)/bench/%,$(wildcard bench/*.cc))

$(BENCH_BINARIES): $(B)/bench/%: $(O)/bench/%.o $(ROOM_ARCHIVES) $(LINKED)
	@mkdir -p $(@D)
	$(call link)

# Prints ratios against peers measured in the same run; BENCH names one of bench/.
BENCH ?= verify
bench: all $(BENCH_BINARIES)
	@for bench in $(BENCH); do bench/$$bench || exit 1; done

# ---- fuzzing -----------------------------------------------------------------------------------

# Every build compiles the targets against a small runner that replays the corpus.  With libFuzzer
# (clang) they look for new inputs: FUZZ_SECONDS in `make check`, MINUTES in `make fuzz`, shared by all.
FUZZ_SECONDS ?= 40
MINUTES ?= 30
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.cc,%,$(wildcard tests/fuzz/fuzz_*.cc))
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(B)/tests/fuzz_%)

$(FUZZ_REPLAYS): $(B)/tests/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay_main.o $(ROOM_ARCHIVES) $(HOOK_ARCHIVE) $(LINKED)
	@mkdir -p $(@D)
	$(call link)

# With MODE=asan and clang, build/asan/fuzz/NAME.
FUZZERS := $(FUZZ_TARGETS:%=$(B)/fuzz/%)
$(FUZZERS): $(B)/fuzz/%: $(O)/tests/fuzz/fuzz_%.o $(ROOM_ARCHIVES) $(HOOK_ARCHIVE) $(LINKED)
	@mkdir -p $(@D)
	$(call link,-fsanitize=fuzzer)

replays: $(FUZZ_REPLAYS)
	@rm -f $(filter-out $(FUZZ_REPLAYS),$(wildcard $(B)/tests/fuzz_*))
fuzzers: $(FUZZERS)
	@rm -rf $(filter-out $(FUZZERS) $(addsuffix .%,$(FUZZERS)),$(wildcard $(B)/fuzz/*))

# ---- checking ----------------------------------------------------------------------------------

# `make check` is everything; the parts have targets of their own.  ccache is used where it is.
CCACHE := $(if $(shell command -v ccache 2>/dev/null),ccache)
GXX   ?= g++
CLANG ?= clang++
CCACHED = $(strip $(CCACHE) $(GXX))
# Clang builds what is sanitized, three times as fast; without it g++ does, and there are no fuzzers.
ASAN_CXX := $(strip $(CCACHE) $(if $(shell command -v $(CLANG) 2>/dev/null),$(CLANG),$(GXX)))
JOBS  ?= $(shell nproc 2>/dev/null || echo 1)
# A make of its own, as many jobs at a time as there are cores unless -j said otherwise.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(JOBS))
STRICT = $(SUBMAKE) WERROR=-Werror

deps:
	@CXX="$(CXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build check demo

# $(call check_step,NAME,COMMAND): says what is being done, and writes down how long it took.
check_step = echo "== $(1)"; began=$$(date +%s); $(2) && mkdir -p build && \
	echo "$$(($$(date +%s) - began)) $(1)" >>build/check-steps

# What is missing is installed first, and only then does another make look at what is there.
check:
	@rm -f build/check-steps
	@$(call check_step,packages,CXX="$(GXX)" PKG_CONFIG="$(PKG_CONFIG)" sh tools/deps build check)
	+@$(MAKE) --no-print-directory check-build
	@python3 tests/run --fuzz-seconds $(FUZZ_SECONDS) --steps build/check-steps

# Every source passes both compilers with -Werror, and no more often than it must: g++ makes the release
# build for the end-to-end tests and a debug build of what must not need the C++ runtime; clang makes
# the sanitizer build of all rooms, their tests and the fuzzers.  Each then reads what only the other
# has compiled.
.PHONY: check-build read tier0 replays fuzzers fuzz-build
check-build:
	+@$(call check_step,release build,$(STRICT) CXX="$(CCACHED)" all)
	+@$(call check_step,debug build of the hook library,$(STRICT) CXX="$(CCACHED)" MODE=debug tier0)
	+@$(call check_step,sanitizer build,$(STRICT) CXX="$(ASAN_CXX)" MODE=asan tests fuzzers)
	+@$(call check_step,the rest read by clang,$(STRICT) CXX=$(CLANG) MODE=clang read)
	+@$(call check_step,the rest read by g++,$(STRICT) CXX=$(GXX) MODE=gcc read)

tier0: $(HOOK_LIBS)

# One stamp per source, so that only what changed is read again.
READ_clang := $(PROGRAMS:%=%.cc) $(wildcard tests/fuzz/replay_main.cc bench/*.cc)
READ_gcc := $(wildcard tests/*_test.cc $(TEST_ROOMS:%=tests/%/*.cc) tests/fakes/*.cc tests/fuzz/*.cc)
READ_STAMPS := $(patsubst %.cc,$(O)/%.ok,$(READ_$(MODE)))
read: $(READ_STAMPS)
$(READ_STAMPS): $(O)/%.ok: %.cc $(FLAGS) $(TESTING_FLAGS)
	@mkdir -p $(@D)
	$(call say,CHK $<)$(CXX) -fsyntax-only $(if $(filter tests/%,$<),$(TESTING),$(TIER1)) \
		$(CXXFLAGS) -MF $(@:.ok=.d) -MT $@ $< && touch $@

asan:
	+@$(STRICT) MODE=asan CXX="$(ASAN_CXX)" tests $(if $(findstring clang,$(ASAN_CXX)),fuzzers,replays)
	@python3 tests/run --build build/asan unit replay

fuzz-build:
	+@$(STRICT) MODE=asan CXX="$(strip $(CCACHE) $(CLANG))" fuzzers

fuzz: fuzz-build
	@python3 tests/run --fuzz-seconds $$(($(MINUTES) * 60)) fuzz

# The README's commands on a machine that has never seen the project: a minimal Debian of its own.
bare:
	@sh tools/deps bare
	@python3 tests/run e2e/bare

# Product sources only; what was found clean is looked at again when it, or any header, changes.
TIDY_SOURCES := $(wildcard *.cc) $(ROOM_SOURCES)
TIDY_STAMPS = $(TIDY_SOURCES:%.cc=build/tidy/%.ok)
.PHONY: tidy-check
tidy:
	@CXX="$(CXX)" sh tools/deps build tidy
	+@$(SUBMAKE) -k tidy-check
tidy-check: $(TIDY_STAMPS)
build/tidy/%.ok: %.cc .clang-tidy $(wildcard *.h */*.h */*/*.h)
	@mkdir -p $(@D)
	$(call say,TIDY $<)clang-tidy --quiet $< -- $(filter-out -MMD -MP,$(TIER1)) $(MAPS_CFLAGS) \
		2>$(@:.ok=.err) && touch $@ || { cat $(@:.ok=.err); exit 1; }

FORMATTED := git ls-files '*.cc' '*.h' '*.c'
format:
	@$(FORMATTED) | xargs clang-format -i

format-check:
	@$(FORMATTED) | xargs clang-format --dry-run -Werror

docs-check:
	@python3 tests/run gate/docs

# What clangd and other tools want to know of each source.
compile_commands.json: $(FLAGS) tools/compile-commands
	@$(MAKE) -nB V=1 STEPS=1 --no-print-directory all tests replays $(BENCH_BINARIES) | python3 tools/compile-commands >$@

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

help:
	@sed -n 's/^#: //p' Makefile

#: make                     the release build, in build/
#: make demo                a small mail system in a temporary directory, asked a dozen questions
#: make check               everything: both compilers, sanitizers, all tests, some fuzzing
#: make install             PREFIX, QMAILHOME, MANDIR and DESTDIR say where; make install-check
#: make deps                installs what all of these need, or says what to install
#: make test ROOM=rcpt      one room's tests, with sanitizers
#: make fuzz MINUTES=30     libFuzzer, its time shared by all targets
#: make bare                the commands of README in a minimal Debian (root, debootstrap)
#: make bench BENCH=verify  ratios to other programs, measured beside them
#: make coverage            lines reached by the tests, in per cent, by room
#: make asan, make tidy     the tests under the sanitizers; clang-tidy
#: make format, format-check, docs-check, compile_commands.json, clean

ifneq ($(strip $(MAKECMDGOALS)),clean)
-include $(shell find $(O) -name '*.d' 2>/dev/null)
endif

clean:
	rm -rf build compile_commands.json
