# make                 ./libsafeclose.so and the demos
# make demo            shows the difference, and fails if it is not there
# make deps test       installs what the tests need, and runs them all
# make bench           what it costs
# make lint check      style; what the library exports, needs and calls
# make install PREFIX=/usr/local DESTDIR=    (and uninstall)

PREFIX = /usr/local
DESTDIR =
LIBDIR = $(PREFIX)/lib
DOCDIR = $(PREFIX)/share/doc/safeclose

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
WERROR = -Werror
STD = -std=gnu11

BUILD = build
LIB = libsafeclose.so

SHIM_FLAGS = $(STD) $(CFLAGS) $(WARNINGS) $(WERROR) -fPIC -fvisibility=hidden \
	-fno-strict-aliasing -Wframe-larger-than=1024
SHIM_LINK = -shared -Wl,-soname,$(LIB) -Wl,--version-script=shim/libsafeclose.map \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,-z,nodelete -Wl,-z,defs \
	-Wl,--hash-style=both -Wl,--no-as-needed -l:libdl.so.2
PLAIN_FLAGS = $(STD) $(CFLAGS) $(WARNINGS) $(WERROR)

SHIM_SOURCES = $(wildcard shim/*.c shim/hooks/*.c)
SHIM_OBJECTS = $(SHIM_SOURCES:%.c=$(BUILD)/%.o)

DEMO_PROGRAMS = $(patsubst demo/%.c,$(BUILD)/demo/%,$(filter-out demo/net.c,$(wildcard demo/*.c)))

all: $(LIB) $(DEMO_PROGRAMS)

$(LIB): $(SHIM_OBJECTS) shim/libsafeclose.map
	@echo "  LINK $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(SHIM_OBJECTS) $(SHIM_LINK)

$(BUILD)/shim/%.o: shim/%.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(SHIM_FLAGS) -MMD -c -o $@ $<

$(BUILD)/demo/%: demo/%.c demo/net.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(PLAIN_FLAGS) -MMD -o $@ $^

clean:
	rm -rf $(BUILD) $(LIB)

.PHONY: all clean
-include $(SHIM_OBJECTS:.o=.d)
