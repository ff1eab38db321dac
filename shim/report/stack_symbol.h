/*
 * Names of functions, from the symbol tables of a module's own file, read with open and pread: the
 * loader keeps only what is exported, and asking it takes its lock. The file is believed only where
 * it is the one that was loaded, and every number in it is checked.
 */
#ifndef SAFECLOSE_STACK_SYMBOL_H
#define SAFECLOSE_STACK_SYMBOL_H

#include "report/stack.h"

struct symbol {
    uint64_t address; /* in the file, that a name is wanted for; set by who asks */
    uint64_t start;   /* of the function that it is in */
    uint32_t name;    /* its place in the string table, 0 where there is none */
    bool global;
};

/* How much of symbol tables is read for one stack: 10 ms, which the program has to wait. */
#define SYMBOLS_BUDGET (4 << 20)

struct symbols {
    int fd;
    uint64_t budget;  /* what is left of it */
    uint64_t strings; /* where the string table is, and its size */
    uint64_t strings_size;
    struct symbol found[STACK_MAX];
    unsigned count;
    unsigned char bytes[1536];
};

/*
 * Looks for the functions of found[0..count), in .symtab and else in .dynsym, a function without a
 * size not being one. A table beyond the budget counts as none. Leaves the file open for
 * symbols_name, to be closed with symbols_close, where it returns true; false where the file can't
 * be had, or is not the one that was loaded.
 */
bool symbols_find(struct symbols *s, const struct module *module);

/* The name of found[i] and its length, cut at SYMBOL_NAME bytes; NULL if there is none. Valid
 * until the next call. */
#define SYMBOL_NAME 1024
const char *symbols_name(struct symbols *s, unsigned i, size_t *len);

void symbols_close(struct symbols *s);

#endif
