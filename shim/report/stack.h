/*
 * Return addresses of the calling thread, found from the unwind tables that every module carries
 * for exceptions (.eh_frame): no frame pointers are needed, nothing is loaded, allocated or locked,
 * and no address is read before the kernel has said that it can be. Callable from anywhere that a
 * close is, signal handlers and small stacks included.
 *
 * Where libc can't say which module an address is in without a lock (glibc before 2.35), and /proc
 * can't either, what is left is the call site.
 */
#ifndef SAFECLOSE_STACK_H
#define SAFECLOSE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_MAX 32

/* Innermost first, without the library's own frames. frames[i] - 1 is an address within the call; of a
 * frame that a signal interrupted, it is the instruction that would have run next. */
struct stack {
    uintptr_t frames[STACK_MAX];
    unsigned count;
};

/* Fills in at most "most" frames (of STACK_MAX). call_site: the hook's return address, NULL at an exit. If the
 * unwinder finds another first frame, or none, call_site is the only frame. */
void stack_capture(struct stack *stack, unsigned most, const void *call_site);

/* The module that an address is in. */
struct module {
    uintptr_t start; /* of its mapping; both 0 before it is asked for */
    uintptr_t end;
    uintptr_t bias; /* address in memory minus address in the file (as nm and addr2line count) */
    uintptr_t
        tables_shift; /* where the tables say an address is, minus where it is: 0 but in a copy of them */
    const uint8_t *eh_frame_hdr; /* NULL: none */
    const uint8_t *tables;       /* where it is with .eh_frame, which can be read throughout */
    const uint8_t *tables_end;
    const char *path; /* as the loader knows it; of the executable, as the kernel does */
    bool is_executable;
    char name[256]; /* what path points to where nobody else holds it */
};

/* False if no module is known to be there: code that was made at run time. Nothing is asked
 * where the address is in the module that is there already. */
bool stack_module(uintptr_t address, struct module *module);

#endif
