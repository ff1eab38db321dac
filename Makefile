# make                    ./libsafeclose.so, the command ./safeclose, the demos, man pages and completions
# make demo               shows the difference, and fails where it is not there
# make deps test          installs what the tests need, and runs them all
# make referee N=10000    plays that many connections nobody has played before: is what is logged what the
#                         kernel did? SEED=... plays one again, and tells; with N, so many from there on.
# make deps-servers servers     stock servers that answer early: what arrives as is, drained, lingering
# make deps-servers controls    programs that close well stay as they are, in every mode
# make deps-servers beside-nginx    lingering: the library beside nginx's own
# make faults             makes each system call of the library fail, by call site: does the program see more
#                         of it than a missing remedy? OPTIONS: as tests/hostile/faults.py --help lists them.
# make bench              what the library costs, beside its budgets; OPTIONS="--row cpu": a part of it
# make watch-cost         what `safeclose watch` costs
# make hostile            peers that mean harm, by the ten thousand: a table of what it took
# make attack T=600       a server that its own children attack, for so long as built and as long with sanitizers
# make oracle N=20000     a mixed server whose holders are known: does anybody miss a byte? OPTIONS="-l 300000": as
#                         scripts/oracle -h lists them.
# make kernels            tests on Debian's kernels 6.1 and 6.12, emulated, 75 minutes each at most; OPTIONS: as
#                         scripts/kernels -h lists them. scripts/deps --kernels gets what that needs.
# make dist               the sources as a tarball in build/package: the same sources give the same bytes
# make deps-package deb   Debian packages there, and what lintian says of them
# make try-deb            installs, uses and purges them in a new minimal Debian
# make endurance N=1000000   so many connections through one server: what is lost, and what grows
# make lint check         style; what the library exports, needs and calls
# make fuzz T=600         runs each fuzzer of tests/unit/ for so many seconds (clang); what they found before is
#                         in tests/unit/corpus/, and make test plays it again
# make install PREFIX=/usr/local DESTDIR=      and uninstall: library, command, man pages, completions; install-strip
# make ARCH=i386          and ARCH=aarch64, CC=musl-gcc, CC=clang: for another machine or libc
# make matrix             builds for each of them, and runs the core tests there; OPTIONS: as scripts/matrix -h lists them
# V=1 prints the commands; WERROR= lets a newer compiler warn without failing.

PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR = $(PREFIX)/lib
BINDIR = $(PREFIX)/bin
DOCDIR = $(PREFIX)/share/doc/safeclose
MANDIR = $(PREFIX)/share/man
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
$(foreach place,CURDIR DESTDIR PREFIX,$(if $(word 2,$($(place))),$(error $(place)="$($(place))": must have no blanks)))

# Another machine or libc: ARCH=i386 or ARCH=aarch64, or the name of its compiler, CC=musl-gcc. What runs here while
# it is built comes from CC_FOR_BUILD. CC, CFLAGS, CPPFLAGS and LDFLAGS may come from the environment.
ARCH ?=
CC_i386 = gcc -m32
CC_aarch64 = $(firstword $(foreach name,gcc gcc-12,$(shell command -v aarch64-linux-gnu-$(name))) aarch64-linux-gnu-gcc)
ifneq ($(ARCH),)
CC = $(or $(CC_$(ARCH)),$(error ARCH=$(ARCH): must be i386 or aarch64; for others set CC))
else ifeq ($(origin CC),default)
CC = gcc
endif
CC_FOR_BUILD ?= gcc
CFLAGS ?= -O2 -g
INSTALL ?= install
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
WERROR = -Werror

LIB = libsafeclose.so
COMMAND = safeclose
Q = $(if $(V),,@)
comma := ,
hash := \#
say = @printf '  %-5s %s\n'

BUILD = build

# Machine and libc that the compiler builds for.
TARGET := $(shell echo '$(hash)include <features.h>' | $(CC) -E -dM -xc - 2>/dev/null | \
	sed -nE 's/^.define __(GLIBC|x86_64|i386|aarch64|LP64)__ .*/\1/p')
IS_X86_64 := $(filter x86_64,$(TARGET))
IS_GLIBC := $(filter GLIBC,$(TARGET))

# The kernel's headers, for compilers that don't find them: musl-gcc looks at none but musl's own, and gcc -m32 doesn't
# look where the machine's are. Links lead to these alone, after all others.
KERNEL_HEADERS ?= /usr/include
KERNEL_ASM ?= $(firstword $(wildcard $(KERNEL_HEADERS)/asm $(KERNEL_HEADERS)/$(shell $(CC_FOR_BUILD) -print-multiarch)/asm))
KERNEL := $(shell printf '%s\n' '$(hash)include <linux/inet_diag.h>' '$(hash)include <asm/errno.h>' | $(CC) -E -xc - >/dev/null 2>&1 || \
	{ mkdir -p $(BUILD)/kernel && ln -sfn $(KERNEL_HEADERS)/linux $(KERNEL_HEADERS)/asm-generic $(KERNEL_ASM) $(BUILD)/kernel && \
	echo -idirafter $(BUILD)/kernel; })

# Offsets, inode numbers and limits have 64 bits on every machine, in all but what stands in front of libc's functions.
WIDE = $(if $(filter LP64,$(TARGET)),,-D_FILE_OFFSET_BITS=64)
DEFAULT_FLAGS = $(and $(filter gcc,$(CC)),$(IS_X86_64),$(IS_GLIBC),$(filter -Oz,$(SMALL)),$(filter file,$(origin CFLAGS)),$(if $(CPPFLAGS)$(LDFLAGS),,yes))
# Whether and what is optimized across files is decided here, by file; for the command and the rest as the flags say.
SHIM_CFLAGS = $(filter-out -flto% -fno-lto -ffat-lto-objects,$(CFLAGS))
# The same bytes from every folder.
SAME = -ffile-prefix-map=$(CURDIR)=.
BASE_FLAGS = $(WARNINGS) $(WERROR) $(SAME) $(KERNEL) $(CPPFLAGS)
PLAIN_FLAGS = -std=gnu11 $(CFLAGS) $(BASE_FLAGS)
# A frame that is overrun ends the process: every frame of what reads the words of others, and those with
# arrays elsewhere, unless the flags ask for more. On x86-64 jumps and returns land where they should; without the two marks the library
# would switch that off for the whole program. 4 kB of its size.
READS_OTHERS = remedy/% report/stack% report/sink% report/ledger ground/log_open tcp/content
ALL_FRAMES = $(filter -fstack-protector-all,$(CFLAGS))
HARDENING = $(if $(ALL_FRAMES),,$(if $(filter $(READS_OTHERS),$*),-fstack-protector-strong)) $(if $(IS_X86_64),-fcf-protection=full)
# The doors that a stack is taken behind; the others have returned by then, and before the real call.
STACKS = close dup exit range stream
# All but the way from a hook to the stack of its caller is one unit for the optimizer, which then knows all
# callers, and has no tables for unwinding (debuggers have their own): 16 kB. Objects are fat, because tests link
# some of them by themselves.
NO_LTO = hooks/% $(STACKS:%=doors/%) doors/start doors/closing doors/tell remedy/streams tcp/pending report/event report/event_stack \
	report/stack% ground/strings
LTO := $(shell echo 'int a;' | $(CC) -flto=auto -flto-partition=one -shared -fPIC -xc -o /dev/null - 2>/dev/null && \
	echo -flto=auto -flto-partition=one -ffat-lto-objects -fno-asynchronous-unwind-tables)
PLAIN_LINK = $(if $(LTO),-fno-lto -fno-use-linker-plugin)
# It is loaded into every program, and its time is the kernel's: small is worth more than fast. (Before gcc 12
# there is no -Oz.)
SMALL := $(shell echo | $(CC) -Oz -E - >/dev/null 2>&1 && echo -Oz || echo -Os)
# A frame of the library must fit the smallest stack that a program may call close() on.
SHIM_FLAGS = -std=gnu11 -fstack-protector $(SHIM_CFLAGS) $(BASE_FLAGS) -Ishim -fPIC $(HARDENING) -fvisibility=hidden -fno-strict-aliasing -Wframe-larger-than=1024 \
	-U_FILE_OFFSET_BITS -U_TIME_BITS $(if $(filter hooks/% ground/real,$*),,$(WIDE)) $(if $(filter -O2,$(CFLAGS)),$(SMALL) -fno-jump-tables) \
	$(if $(filter $(NO_LTO),$*),,$(if $(LTO),$(LTO) -frandom-seed=$*)) \
	$(if $(filter ground/strings,$*),-fno-builtin $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns))
# What stacks are taken by. musl-gcc does not ask for it.
FRAMES = -Wl,--eh-frame-hdr
# For musl no libc is named (ground/libc.h); which of its symbols are missing, check-exports says.
SHIM_LINK = -shared $(FRAMES) -Wl,-soname,$(LIB) -Wl,--version-script=shim/libsafeclose.map \
	-Wl,-z,now,-z,relro,-z,noexecstack,-z,nodelete \
	$(if $(IS_X86_64),-Wl$(comma)-z$(comma)ibt$(comma)-z$(comma)shstk) -Wl,--hash-style=gnu \
	$(if $(IS_GLIBC),-Wl$(comma)-z$(comma)defs,-nodefaultlibs -lgcc)

SHIM_LDFLAGS = $(filter-out -flto% -pie,$(LDFLAGS))
SHIM_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard shim/*/*.c))
# The command takes from the library what is pure: the meaning of a setting's value and of a close, how numbers
# are written, and unwinding.
COMMAND_PURE = ground/format report/meaning report/stack_cfi report/stack_unwind settings/options
# In cli/ a path names the room ("elf/reader.h"), or the library's ("shim/tcp/causes.def").
COMMAND_INCLUDES = -I. -Icli -Ishim
COMMAND_SOURCES = $(wildcard cli/*.c cli/*/*.c)
COMMAND_OBJECTS = $(COMMAND_SOURCES:%.c=$(BUILD)/%.o) $(COMMAND_PURE:%=$(BUILD)/shim/%.o)
PAGES = $(patsubst %.in,$(BUILD)/%,$(wildcard man/*.in))
COMPLETIONS = $(patsubst %.in,$(BUILD)/%,$(wildcard cli/completion.*.in))
DEMOS = $(patsubst %.c,$(BUILD)/%,$(filter-out demo/net.c,$(wildcard demo/*.c)))

# A test is a cmocka program (unit_*, kernel_facts_*) or a bats file; the other programs and the
# libraries (*_lib.c) of tests/ are what the bats files drive. They stand in a folder for each kind of test, and are
# built into one, build/tests.
vpath %.c $(wildcard tests/*/)
BUILT_TESTS = $(addprefix $(BUILD)/tests/,$(basename $(notdir $(1))))
CMOCKA_TESTS = $(call BUILT_TESTS,$(wildcard tests/unit/unit_*.c tests/kernel/kernel_facts*.c))
TEST_LIBS = $(patsubst %,%.so,$(call BUILT_TESTS,$(wildcard tests/*/*_lib.c)))
# The programs of several files: X.c and every X_*.c.
BIG_TESTS = scene referee attack faults inject oracle linger_epoll watch_play
BIG_PARTS = $(foreach big,$(BIG_TESTS),$(wildcard tests/*/$(big)_*.c))
# For other machines and libcs: the tests of these folders, and what they play with.
CORE = unit kernel doors holders remedy report
CORE_PROGRAMS = $(filter $(call BUILT_TESTS,$(wildcard $(patsubst %,tests/%/*.c,$(CORE) support))),$(TEST_PROGRAMS))
CORE_LIBS = $(patsubst %,%.so,$(call BUILT_TESTS,$(wildcard $(patsubst %,tests/%/*_lib.c,$(CORE) support))))
# A fuzzer, fuzz_X, includes the sources that it tests, or X_SOURCES names them. The tests play its corpus, tests/unit/corpus/X,
# with replay_X, which needs no clang.
FUZZERS = $(patsubst tests/unit/fuzz_%.c,%,$(wildcard tests/unit/fuzz_*.c))
REPLAYS = $(FUZZERS:%=$(BUILD)/tests/replay_%)
log_SOURCES = $(filter-out cli/main.c,$(COMMAND_SOURCES)) $(COMMAND_PURE:%=shim/%.c)
FUZZ_FLAGS = -std=gnu11 -g -O1 $(COMMAND_INCLUDES) -fno-sanitize-recover=all
TEST_PROGRAMS = $(filter-out $(CMOCKA_TESTS) $(TEST_LIBS:.so=) $(addprefix $(BUILD)/tests/,$(PLAYERS) net_trace) \
	$(BUILD)/tests/replay $(FUZZERS:%=$(BUILD)/tests/fuzz_%) \
	$(call BUILT_TESTS,$(BIG_PARTS)), $(call BUILT_TESTS,$(wildcard tests/*/*.c)))
BENCH_LIB = $(BUILD)/scripts/bench_empty_lib.so
BENCH_PROGRAMS = $(filter-out $(BENCH_LIB:.so=),$(patsubst %.c,$(BUILD)/%,$(wildcard scripts/bench_*.c)))
# cmocka is there for the machine's own libc; for others there is as much of it as the tests use.
CMOCKA := $(shell printf '$(hash)include <%s.h>\n' stdarg stddef setjmp stdint cmocka | sed '$$aint main(void) { return 0; }' | $(CC) -xc -o /dev/null - -lcmocka >/dev/null 2>&1 && echo -lcmocka)
# They are parts of libc since glibc 2.34, and empty.
PARTS_OF_LIBC = -ldl -lrt -lutil
TEST_CFLAGS = $(PLAIN_FLAGS) -Itests/support -Ishim -Icli -MMD -MP -pthread $(if $(CMOCKA),,-Itests/support/no_cmocka) \
	-include tests/support/libc.h $(if $(IS_GLIBC),,-Itests/support/musl)
TEST_FLAGS = $(TEST_CFLAGS) $(FRAMES)

all: $(LIB) $(COMMAND) $(DEMOS) $(PAGES) $(COMPLETIONS)

$(LIB): $(SHIM_OBJECTS) shim/libsafeclose.map
	$(say) LINK $@
	$(Q)$(CC) $(SHIM_CFLAGS) $(SAME) $(LTO) $(SHIM_LDFLAGS) -o $@ $(SHIM_OBJECTS) $(SHIM_LINK)

# For the campaign of failing calls, which tells a call by where it is in the source.
PLAIN_LIB = $(BUILD)/plain/$(LIB)
$(PLAIN_LIB): $(SHIM_OBJECTS) shim/libsafeclose.map
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_LINK) $(SHIM_CFLAGS) $(SAME) $(SHIM_LDFLAGS) -o $@ $(SHIM_OBJECTS) $(SHIM_LINK)

# By another compiler than before all is built anew: what is there may be for another machine or libc.
COMPILER = $(BUILD)/compiler

$(COMPILER):
	$(Q)mkdir -p $(@D) && echo '$(CC)' >$@

ifneq ($(shell cat $(COMPILER) 2>/dev/null),$(CC))
$(COMPILER): ALWAYS
endif

$(BUILD)/shim/%.o: shim/%.c Makefile $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SHIM_FLAGS) -MMD -MP -c -o $@ $<

$(COMMAND): $(COMMAND_OBJECTS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(SAME) $(FRAMES) $(LDFLAGS) -o $@ $(COMMAND_OBJECTS)

$(BUILD)/cli/%.o: cli/%.c Makefile $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_FLAGS) $(WIDE) $(COMMAND_INCLUDES) -MMD -MP -c -o $@ $<

$(BUILD)/cli/report/html.o: cli/report/page.css cli/report/page.js

# What they say of settings and causes comes from the tables of shim/; the version and its day from where these stand.
VERSION = $(shell sed -nE 's/^.define SAFECLOSE_VERSION "(.*)"$$/\1/p' shim/settings/config.h)
DATE = $(shell LC_ALL=C date -u -d "$$(sed -nE 's/^$(hash)$(hash) .*, ([0-9-]+)$$/\1/p' scripts/package/CHANGELOG.md | head -n 1)" '+%B %-d, %Y')

$(PAGES) $(COMPLETIONS): $(BUILD)/%: %.in $(BUILD)/scripts/tables shim/settings/config.h scripts/package/CHANGELOG.md
	$(say) FILL $@
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's/@VERSION@/$(VERSION)/' -e 's/@DATE@/$(DATE)/' $< | $(BUILD)/scripts/tables >$@

$(BUILD)/scripts/tables: $(wildcard shim/*/*.def)

$(BUILD)/demo/%: demo/%.c demo/net.c demo/net.h $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -o $@ demo/$*.c demo/net.c

# unit_X tests shim/ROOM/X.c alone, or with the files that X_PARTS names.
stack_PARTS = stack_cfi stack_memory stack_module stack_unwind
$(BUILD)/tests/unit_stack: $(stack_PARTS:%=$(BUILD)/shim/report/%.o)
$(BUILD)/tests/unit_outcome: $(BUILD)/shim/tcp/verdict.o
$(BUILD)/tests/unit_outcome $(BUILD)/tests/unit_verdict $(BUILD)/tests/unit_content: $(BUILD)/shim/report/names.o

define unit_test
$(BUILD)/tests/unit_%: tests/unit/unit_%.c $(BUILD)/shim/$(1)%.o
	$$(say) CC $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(TEST_FLAGS) $$(PLAIN_LINK) $$(LDFLAGS) -o $$@ $$(sort $$(filter %.o,$$^)) tests/unit/unit_$$*.c $(CMOCKA) $(PARTS_OF_LIBC)
endef
$(foreach room,ground settings report tcp remedy,$(eval $(call unit_test,$(room)/)))

$(BUILD)/tests/unit_loaded: $(BUILD)/tests/loaded_lib.so
$(BUILD)/tests/loaded_lib.so: override LDFLAGS += -Wl,--hash-style=sysv

# Those of the command have its objects, without its main.
CLI_UNITS = $(patsubst %,$(BUILD)/tests/unit_%,groups json overload processes symbols watch)
$(CLI_UNITS): $(BUILD)/tests/unit_%: tests/unit/unit_%.c $(filter-out $(BUILD)/cli/main.o,$(COMMAND_OBJECTS))
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_FLAGS) $(COMMAND_INCLUDES) $(LDFLAGS) -o $@ $(filter %.o,$^) $< $(CMOCKA)

$(BUILD)/tests/kernel_facts_%: tests/kernel/kernel_facts_%.c $(BUILD)/tests/support/net.o $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_FLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(CMOCKA) $(PARTS_OF_LIBC)

$(BUILD)/tests/%_lib.so: %_lib.c $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_FLAGS) $(LDFLAGS) -fPIC -shared -o $@ $< $(PARTS_OF_LIBC)

# The later of two sources is the one whose includes -MF keeps.
$(BUILD)/tests/replay_%: tests/unit/fuzz_%.c tests/unit/replay.c Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_FLAGS) $(WARNINGS) $(WERROR) -fsanitize=address,undefined -MMD -MP -MF $@.d \
		-o $@ tests/unit/replay.c $($*_SOURCES) tests/unit/fuzz_$*.c

$(BUILD)/fuzz/%: tests/unit/fuzz_%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -MMD -MP -MF $@.d -o $@ $($*_SOURCES) $<

$(BUILD)/tests/replay_log $(BUILD)/fuzz/log: $(log_SOURCES) $(wildcard cli/*.h cli/*/*.h) cli/report/page.css cli/report/page.js

# What most programs share is compiled once.
PLAYERS = net net_answers play options

$(addprefix $(BUILD)/tests/support/,$(addsuffix .o,$(PLAYERS) net_trace)): $(BUILD)/tests/support/%.o: tests/support/%.c Makefile $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(BUILD)/tests/%: %.c $(PLAYERS:%=$(BUILD)/tests/support/%.o) $(COMPILER)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_FLAGS) $(LDFLAGS) -o $@ $(sort $(filter %.c %.o,$^)) $(PARTS_OF_LIBC)

# Those that ask for the kernel's reasons read the tracepoint as the command does.
TRACED = $(filter $(addprefix $(BUILD)/tests/,scene referee door_% kernel_facts_% linger_process_peer),$(TEST_PROGRAMS) $(CMOCKA_TESTS))
TRACE_READER = $(addprefix $(BUILD)/cli/,$(addsuffix .o,process/process $(addprefix trace/,endpoint format page pipe record tracefs)))
$(TRACED): $(BUILD)/tests/support/net_trace.o $(TRACE_READER) $(BUILD)/shim/ground/format.o

define big_test
$(BUILD)/tests/$(1): $(wildcard tests/*/$(1)_*.c)
endef
$(foreach big,$(BIG_TESTS),$(eval $(call big_test,$(big))))

$(BENCH_LIB): $(BUILD)/%.so: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -fPIC -shared -o $@ $<

$(BENCH_PROGRAMS): scripts/bench.h

# It runs while this is built.
$(BUILD)/scripts/tables: scripts/tables.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_FOR_BUILD) -std=gnu11 -O1 $(WARNINGS) $(WERROR) -o $@ $<

$(BUILD)/scripts/%: scripts/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -pthread -o $@ $<

# Unless make was told how many.
ALL_PROCESSORS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

demo:
	$(Q)+$(MAKE) --no-print-directory $(ALL_PROCESSORS) all
	$(Q)demo/run

deps:
	$(Q)scripts/deps

tests: all $(PLAIN_LIB) $(TEST_LIBS) $(TEST_PROGRAMS) $(REPLAYS) $(CMOCKA_TESTS) $(BENCH_PROGRAMS) $(BENCH_LIB)

unit-tests: $(filter $(BUILD)/tests/unit_%,$(CMOCKA_TESTS))
kernel-tests: $(filter $(BUILD)/tests/kernel_%,$(CMOCKA_TESTS))
core-tests: all $(CORE_LIBS) $(CORE_PROGRAMS) $(CMOCKA_TESTS)

deps-servers:
	$(Q)scripts/deps --servers

test:
	$(Q)+$(MAKE) --no-print-directory $(ALL_PROCESSORS) check lint tests
	$(Q)tests/run

# RACE=1: how often data that comes during a close makes the log wrong. OPTIONS: as the referee's --help
# lists them.
REFEREE_WHICH = $(if $(RACE),--race --count $(or $(N),2000),$(if $(SEED),$(if $(N),--first $(SEED) --count \
	$(N),--seed $(SEED)),--fresh --count $(or $(N),1000)))

referee: $(LIB) $(BUILD)/tests/referee
	$(Q)LIBSAFECLOSE=$(CURDIR)/$(LIB) $(BUILD)/tests/referee $(REFEREE_WHICH) $(OPTIONS)

faults: $(PLAIN_LIB) $(BUILD)/tests/faults $(BUILD)/tests/inject
	$(Q)LIBSAFECLOSE=$(CURDIR)/$(PLAIN_LIB) tests/hostile/faults.py $(OPTIONS)

# What a fuzzer finds new goes to build/fuzz; what it fails on, too, under a name that begins as its own.
T = 60

fuzz: $(FUZZERS:%=fuzz-%)

fuzz-%: $(BUILD)/fuzz/%
	$(Q)mkdir -p $(BUILD)/fuzz/$*.found
	$(Q)$(BUILD)/fuzz/$* -max_total_time=$(T) -max_len=4096 -timeout=5 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz/$*. $(BUILD)/fuzz/$*.found $(wildcard tests/unit/corpus/$*)

servers: $(LIB) $(BUILD)/tests/field_client $(BUILD)/tests/crowd
	$(Q)scripts/servers $(OPTIONS)

controls: $(LIB) $(BUILD)/tests/crowd
	$(Q)scripts/controls $(OPTIONS)

beside-nginx: $(LIB) $(BUILD)/tests/crowd
	$(Q)scripts/beside-nginx $(OPTIONS)

bench: $(LIB) $(BENCH_PROGRAMS) $(BENCH_LIB)
	$(Q)scripts/bench $(OPTIONS)

watch-cost: $(COMMAND) $(BENCH_PROGRAMS)
	$(Q)scripts/watch-cost

hostile: $(LIB) $(call BUILT_TESTS,$(wildcard tests/hostile/hostile_*.c))
	$(Q)scripts/hostile $(ROWS)

attack: $(LIB) $(BUILD)/tests/attack
	$(Q)scripts/attack -t $(T) $(OPTIONS)

oracle: $(LIB) $(BUILD)/tests/oracle
	$(Q)scripts/oracle $(if $(N),-n $(N)) $(if $(MODES),-m "$(MODES)") $(if $(THREADS),-t "$(THREADS)") \
		$(if $(BUSY),-b "$(BUSY)") $(if $(SEED),-s $(SEED)) $(if $(FIRST),-f $(FIRST)) $(OPTIONS)

kernels: tests
	$(Q)scripts/kernels $(OPTIONS)

dist:
	$(Q)scripts/package/dist

deb:
	$(Q)scripts/package/deb $(OPTIONS)

deps-package:
	$(Q)scripts/deps --package

try-deb: deb
	$(Q)scripts/package/try-deb --clean

.PHONY: ALWAYS kernels dist deb deps-package try-deb

endurance: $(LIB) $(BUILD)/tests/hostile_server $(BUILD)/tests/endurance_clients
	$(Q)scripts/endurance $(N)

matrix:
	$(Q)scripts/matrix $(OPTIONS)

lint:
	$(Q)scripts/lint

# The limit of the size is for the flags that are used by default.
check: $(LIB) $(COMMAND)
	$(Q)scripts/check-exports $(if $(DEFAULT_FLAGS),,--any-size) $(CURDIR)/$(LIB) $(CURDIR)/$(COMMAND)
	$(Q)scripts/check-layers

# install-strip: without what debuggers need, which is most of the library's file.
STRIP ?= strip
INSTALL_PROGRAM = $(INSTALL)

install-strip:
	$(Q)$(MAKE) --no-print-directory install INSTALL_PROGRAM='$(INSTALL) -s --strip-program=$(STRIP)'

# The library takes its name when it is whole: programs that preload it may start meanwhile.
install: $(LIB) $(COMMAND) $(PAGES) $(COMPLETIONS)
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR) $(BINDIR) $(DOCDIR) $(MANDIR)/man1 $(MANDIR)/man7 \
		$(BASHDIR) $(ZSHDIR))
	$(INSTALL_PROGRAM) -m 755 $(LIB) $(DESTDIR)$(LIBDIR)/$(LIB).new
	mv -f $(DESTDIR)$(LIBDIR)/$(LIB).new $(DESTDIR)$(LIBDIR)/$(LIB)
	$(INSTALL_PROGRAM) -m 755 $(COMMAND) $(DESTDIR)$(BINDIR)/$(COMMAND)
	$(INSTALL) -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 644 $(BUILD)/man/safeclose.1 $(DESTDIR)$(MANDIR)/man1/safeclose.1
	$(INSTALL) -m 644 $(BUILD)/man/libsafeclose.7 $(DESTDIR)$(MANDIR)/man7/libsafeclose.7
	$(INSTALL) -m 644 $(BUILD)/cli/completion.bash $(DESTDIR)$(BASHDIR)/safeclose
	$(INSTALL) -m 644 $(BUILD)/cli/completion.zsh $(DESTDIR)$(ZSHDIR)/_safeclose

uninstall:
	rm -f $(addprefix $(DESTDIR),$(LIBDIR)/$(LIB) $(BINDIR)/$(COMMAND) $(MANDIR)/man1/safeclose.1 \
		$(MANDIR)/man7/libsafeclose.7 $(BASHDIR)/safeclose $(ZSHDIR)/_safeclose)
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,README.md LICENSE)
	rmdir $(DESTDIR)$(DOCDIR) 2>/dev/null || :

clean:
	rm -rf $(BUILD) $(LIB) $(COMMAND)

.PHONY: all demo deps deps-servers unit-tests kernel-tests core-tests tests test referee faults servers controls beside-nginx \
	watch-cost hostile attack oracle endurance fuzz bench matrix lint check install install-strip uninstall clean
.DELETE_ON_ERROR:
-include $(SHIM_OBJECTS:.o=.d) $(COMMAND_OBJECTS:.o=.d) $(wildcard $(BUILD)/tests/*.d $(BUILD)/tests/support/*.d $(BUILD)/fuzz/*.d)
