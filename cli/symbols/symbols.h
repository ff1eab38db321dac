/*
 * Names for addresses: function, source file and line.
 *
 *     struct symbols *symbols = symbols_new(SYMBOLS_LINES);
 *     struct module *module = symbols_module(symbols, NULL, "/srv/server");
 *     if (!module->wrong && symbols_find(symbols, module, 0x1a4b, &place)) ...
 *
 * An address counts as nm, addr2line and our log count: from the beginning of the file as its program
 * headers number it ("/srv/server+0x1a4c" of a stack). A stack holds return addresses: look one less up,
 * which is within the call.
 *
 * The functions come from the file's .symtab; if it is stripped, from the debug file that its build-id names
 * (/usr/lib/debug/.build-id/xx/yyyy.debug); else from .dynsym. A table is read once, sorted, and kept.
 * An address that no function contains has no name: the nearest one would be a guess.
 *
 * Lines, and the names of inlined functions, come from addr2line; names of C++ and Rust from c++filt. Both are in
 * binutils. To read DWARF and to demangle, in every version of either, would be more code than the
 * rest of this command. Parameter lists are left out, and what is longer than SYMBOL_BYTES is cut. They are started without a shell, are asked through a socket, and end with symbols_free.
 * Without them there are no lines, and such names stay mangled.
 *
 * A file may be hostile, and the library under addr2line has a history: it gets only files of root or of
 * this user that nobody else can write, and none from below another root. It gets the open file, no name, and
 * limits of time and memory. c++filt gets names from any file. Both run without root's rights (symbols/tool.h).
 * Everything else here reads through elf/reader.h, which trusts nothing.
 *
 * Bounds: 64 modules and 2 million functions (32 MB) are kept, and those not used for longest go first;
 * 4 processes of addr2line run at a time; each answer may take 10 s, all together 60 s. Live, since no
 * events are read meanwhile, they are 2 s and 10 s, of which 1 s comes back each minute. A file whose answer takes
 * longer has no lines.
 */
#ifndef SAFECLOSE_SYMBOLS_H
#define SAFECLOSE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* With lines and demangled names, or the same while events come in; without, no program is started. */
enum symbols_how { SYMBOLS_LINES, SYMBOLS_LIVE, SYMBOLS_NAMES };

#define SYMBOL_BYTES 512
#define BUILD_ID_BYTES 129

struct symbols;

struct module {
    const char *wrong; /* why it can't be read: "it ...", or the error's text; NULL if it can be */
    const char *no_names; /* why it gives no names ("it is stripped"); NULL if it gives some */
    char build_id[BUILD_ID_BYTES]; /* in hexadecimal; "" if it has none */
    struct timespec changed;       /* when the file was last written, replaced or renamed (ctime) */
};

struct place {
    char function[SYMBOL_BYTES]; /* that has the address in its machine code; never "" */
    uint64_t offset;             /* in it, of the address that was asked for */
    char inlined[SYMBOL_BYTES];  /* the innermost function that was inlined there, or "" */
    char file[SYMBOL_BYTES];     /* source file, or "" */
    unsigned line;               /* 0: unknown */
};

/* Never NULL. Ends with symbols_free. */
struct symbols *symbols_new(enum symbols_how how);
void symbols_free(struct symbols *symbols);

/* Never NULL; good until the next call. root: NULL, or a directory below which path is looked for as a
 * process in there would ("/proc/42/root"); its links can't lead out of it. Called again with a file
 * that has been replaced, it reads the new one. */
const struct module *symbols_module(struct symbols *symbols, const char *root, const char *path);

/* False if no function is known to contain the address. The line is looked for only then. */
bool symbols_find(struct symbols *symbols, const struct module *module, uint64_t address,
                  struct place *place);

/* Replaces a mangled name by what c++filt makes of it, if that fits into cap; else leaves it. */
void symbols_demangle(struct symbols *symbols, char *name, size_t cap);

#endif
