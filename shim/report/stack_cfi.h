/*
 * What .eh_frame says of one address: how the frame's caller is found. Every read is checked
 * against the end of what is read, so that tables which are wrong give no answer, and never a
 * crash.
 */
#ifndef SAFECLOSE_STACK_CFI_H
#define SAFECLOSE_STACK_CFI_H

#include "report/stack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By their DWARF numbers (System V ABI for the machine). */
#if defined(__x86_64__)
#define CFI_PACKED
#define CFI_REGISTERS 17
#define CFI_SP 7
#define CFI_RETURN 16
#elif defined(__i386__)
#define CFI_PACKED
#define CFI_REGISTERS 9
#define CFI_SP 4
#define CFI_RETURN 8
#else
#define CFI_PACKED                                                                                 \
    __attribute__((packed)) /* so many registers make several rows too large for a stack */
#define CFI_REGISTERS 35
#define CFI_SP 31
#define CFI_RETURN 30
#define CFI_RETURN_SIGNED 34 /* arm64: the return address carries an authentication code */
#endif

enum cfi_rule {
    CFI_SAME,          /* the register is as in the caller */
    CFI_UNDEFINED,     /* lost */
    CFI_AT,            /* saved at CFA + value */
    CFI_IS,            /* CFA + value */
    CFI_REGISTER,      /* in the register of that number */
    CFI_AT_EXPRESSION, /* saved where the expression says */
    CFI_IS_EXPRESSION, /* what the expression says */
};

struct cfi_register {
    int32_t value; /* of an expression, its place, from the module's `tables` */
    uint8_t rule;
} CFI_PACKED;

/* One row of the table: the rules in force at an address. */
struct cfi_row {
    struct cfi_register registers[CFI_REGISTERS];
    int32_t cfa_offset; /* or the place of an expression */
    uint8_t cfa_register;
    bool cfa_expression;
};

/* The bytes that may be read. */
struct cfi_bytes {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* something was missing or makes no sense; what was read is 0 */
};

/* The row for an address in the module, false where there is none. signal: the frame is the one by
 * which a signal handler returns. */
bool cfi_find(const struct module *module, uintptr_t address, struct cfi_row *row, bool *signal);

uint64_t cfi_uleb(struct cfi_bytes *b);
int64_t cfi_sleb(struct cfi_bytes *b);
uint64_t cfi_fixed(struct cfi_bytes *b, unsigned size);

#endif
