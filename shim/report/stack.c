#include "safeclose.h"

#include "report/stack.h"
#include "report/stack_unwind.h"

/* How many frames may lie between the door and the unwinder: ours, and some of another library. */
#define OURS 16

void stack_capture(struct stack *stack, unsigned most, const void *call_site)
{
    struct module ours = {.end = 0};
    struct unwind u;
    unsigned skipped = 0;
    bool more;

    stack->count = 0;
    if (most > STACK_MAX)
        most = STACK_MAX;
    if (most && stack_module((uintptr_t)&stack_capture, &ours)) {
        for (more = unwind_begin(&u);
             more && skipped < OURS && u.pc - ours.start < ours.end - ours.start; skipped++)
            more = unwind_up(&u);
        for (; more && stack->count < most && (stack->count || skipped < OURS);
             more = unwind_up(&u))
            stack->frames[stack->count++] = u.pc + u.interrupted;
    }
    /* If the tables disagree with the hook, the hook is right. */
    if (most && call_site && (!stack->count || stack->frames[0] != (uintptr_t)call_site)) {
        stack->frames[0] = (uintptr_t)call_site;
        stack->count = 1;
    }
}
