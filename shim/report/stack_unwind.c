#include "safeclose.h"

#include "report/stack_unwind.h"

/* ---- Expressions (DWARF 5, section 2.5), as far as they occur in frames of signals and in the PLT -- */

enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f
};

#define DEEPEST 8

struct calculator {
    struct unwind *u;
    const uintptr_t *registers;
    uintptr_t values[DEEPEST];
    unsigned depth;
    bool bad;
};

static void push(struct calculator *c, uintptr_t value)
{
    if (c->depth == DEEPEST)
        c->bad = true;
    else
        c->values[c->depth++] = value;
}

static uintptr_t pop(struct calculator *c)
{
    if (c->depth == 0) {
        c->bad = true;
        return 0;
    }
    return c->values[--c->depth];
}

static void binary(struct calculator *c, uint8_t op)
{
    uintptr_t b = pop(c);
    uintptr_t a = pop(c);

    switch (op) {
    case OP_AND:
        return push(c, a & b);
    case OP_PLUS:
        return push(c, a + b);
    case OP_MINUS:
        return push(c, a - b);
    case OP_SHL:
        return push(c, b < 8 * sizeof(a) ? a << b : 0);
    case OP_GE:
        return push(c, (intptr_t)a >= (intptr_t)b);
    default:
        c->bad = true;
    }
}

static void step(struct calculator *c, struct cfi_bytes *b)
{
    uint8_t op = (uint8_t)cfi_fixed(b, 1);
    uintptr_t value;

    if (op >= OP_LIT0 && op <= OP_LIT31)
        return push(c, op - OP_LIT0);
    if (op >= OP_BREG0 && op <= OP_BREG31 && op - OP_BREG0 < CFI_REGISTERS)
        return push(c, c->registers[op - OP_BREG0] + (uintptr_t)cfi_sleb(b));
    switch (op) {
    case OP_DEREF:
        value = 0;
        c->bad |= !unwind_load(c->u, pop(c), &value);
        return push(c, value);
    case OP_PLUS_UCONST:
        value = pop(c);
        return push(c, value + cfi_uleb(b));
    default:
        binary(c, op);
    }
}

/* The value of the expression at that place; first is on the calculator's stack when it begins. */
static bool calculate(struct unwind *u, int32_t place, const uintptr_t *registers,
                      const uintptr_t *first, uintptr_t *value)
{
    struct cfi_bytes b = {u->module.tables + (uint32_t)place, u->module.tables_end, false};
    struct calculator c = {.u = u, .registers = registers};
    uint64_t size = cfi_uleb(&b);

    if (b.bad || size > (uint64_t)(b.end - b.at))
        return false;
    b.end = b.at + size;
    if (first)
        push(&c, *first);
    while (b.at < b.end && !b.bad && !c.bad)
        step(&c, &b);
    *value = pop(&c);
    return !b.bad && !c.bad;
}

/* ---- A frame up -------------------------------------------------------------------------------- */

static bool find_cfa(struct unwind *u, const struct cfi_row *row, const uintptr_t *before,
                     uintptr_t *cfa)
{
    if (row->cfa_expression)
        return calculate(u, row->cfa_offset, before, NULL, cfa);
    *cfa = before[row->cfa_register] + (uintptr_t)(intptr_t)row->cfa_offset;
    return true;
}

static bool find_register(struct unwind *u, const struct cfi_register *r, const uintptr_t *before,
                          uintptr_t cfa, uintptr_t *value)
{
    uintptr_t place;

    switch (r->rule) {
    case CFI_SAME:
        return true;
    case CFI_AT:
        return unwind_load(u, cfa + (uintptr_t)(intptr_t)r->value, value);
    case CFI_IS:
        *value = cfa + (uintptr_t)(intptr_t)r->value;
        return true;
    case CFI_REGISTER:
        if (r->value < 0 || r->value >= CFI_REGISTERS)
            return false;
        *value = before[r->value];
        return true;
    case CFI_AT_EXPRESSION:
        return calculate(u, r->value, before, &cfa, &place) && unwind_load(u, place, value);
    case CFI_IS_EXPRESSION:
        return calculate(u, r->value, before, &cfa, value);
    default:
        return true; /* lost, and hopefully not needed */
    }
}

#ifdef CFI_RETURN_SIGNED
/* xpaclri, which older processors take for nothing. */
static uintptr_t without_signature(uintptr_t address)
{
    register uintptr_t x30 __asm__("x30") = address;

    __asm__ volatile("hint #7" : "+r"(x30));
    return x30;
}
#endif

bool unwind_up(struct unwind *u)
{
    /* A call that never returns may be the last thing of its function: the address behind it is
     * another's. */
    uintptr_t inside = u->pc - !u->interrupted;
    uintptr_t before[CFI_REGISTERS];
    bool was_interrupted = u->interrupted;
    struct cfi_row row;
    uintptr_t cfa;

    memcpy(before, u->registers, sizeof(before));
    if (!stack_module(inside, &u->module) ||
        !cfi_find(&u->module, inside + u->module.tables_shift, &row, &u->interrupted) ||
        row.registers[CFI_RETURN].rule == CFI_UNDEFINED || !find_cfa(u, &row, before, &cfa))
        return false;
    u->registers[CFI_SP] = cfa;
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        if (!find_register(u, &row.registers[i], before, cfa, &u->registers[i]))
            return false;
    u->pc = u->registers[CFI_RETURN];
#ifdef CFI_RETURN_SIGNED
    if (row.registers[CFI_RETURN_SIGNED].value & 1)
        u->pc = without_signature(u->pc);
#endif
    /* A stack grows downward, and a frame that is not above the last would be met again; a handler
     * may have a stack of its own. */
    return u->pc != 0 && (u->interrupted || was_interrupted || cfa > before[CFI_SP]);
}

#if defined(__x86_64__)
bool unwind_begin(struct unwind *u)
{
    memset(u, 0, sizeof(*u));
    u->interrupted = true; /* the address is that of an instruction, not the one after a call */
    __asm__ volatile("movq %%rbx, 24(%[r])\n\t"
                     "movq %%rbp, 48(%[r])\n\t"
                     "movq %%rsp, 56(%[r])\n\t"
                     "movq %%r12, 96(%[r])\n\t"
                     "movq %%r13, 104(%[r])\n\t"
                     "movq %%r14, 112(%[r])\n\t"
                     "movq %%r15, 120(%[r])\n\t"
                     "leaq 0f(%%rip), %%rax\n"
                     "0:\tmovq %%rax, (%[pc])"
                     :
                     : [r] "r"(u->registers), [pc] "r"(&u->pc)
                     : "rax", "memory");
    return unwind_up(u);
}
#elif defined(__i386__)
bool unwind_begin(struct unwind *u)
{
    memset(u, 0, sizeof(*u));
    u->interrupted = true;
    __asm__ volatile("movl %%ebx, 12(%[r])\n\t"
                     "movl %%esp, 16(%[r])\n\t"
                     "movl %%ebp, 20(%[r])\n\t"
                     "movl %%esi, 24(%[r])\n\t"
                     "movl %%edi, 28(%[r])\n\t"
                     "call 0f\n" /* pushes the address of what follows, and pops it again */
                     "0:\tpopl (%[pc])\n\t"
                     :
                     : [r] "r"(u->registers), [pc] "r"(&u->pc)
                     : "memory");
    return unwind_up(u);
}
#elif defined(__aarch64__)
bool unwind_begin(struct unwind *u)
{
    bool more;

    memset(u, 0, sizeof(*u));
    u->interrupted = true;
    __asm__ volatile("stp x19, x20, [%[r], #152]\n\t"
                     "stp x21, x22, [%[r], #168]\n\t"
                     "stp x23, x24, [%[r], #184]\n\t"
                     "stp x25, x26, [%[r], #200]\n\t"
                     "stp x27, x28, [%[r], #216]\n\t"
                     "stp x29, x30, [%[r], #232]\n\t"
                     "mov x16, sp\n\t"
                     "str x16, [%[r], #248]\n\t"
                     "adr x16, 0f\n"
                     "0:\tstr x16, [%[pc]]"
                     :
                     : [r] "r"(u->registers), [pc] "r"(&u->pc)
                     : "x16", "memory");
    more = unwind_up(u);
    __asm__ volatile("" : : : "memory"); /* no jump: this frame is what is unwound first */
    return more;
}
#endif
