/* clone(2) as the lot's thread needs it. */
#ifndef SAFECLOSE_LOT_CLONE_H
#define SAFECLOSE_LOT_CLONE_H

/* Runs body(argument) in a child with these flags, its stack growing down from stack (aligned to 16
 * bytes), its thread pointer tls, and *tid its tid for as long as it lives (CLONE_PARENT_SETTID and
 * CLONE_CHILD_CLEARTID are the caller's to ask for). The tid, or -errno. Signal-safe. */
long lot_clone(unsigned long flags, void *stack, void *tls, _Atomic int *tid, void (*body)(void *),
               void *argument);

#endif
