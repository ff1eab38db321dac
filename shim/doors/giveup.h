/*
 * When the library must stop asking: the program has installed a seccomp filter, which may kill it
 * for a system call it does not expect, or a thread has a table of descriptors of its own, so that
 * ours is wrong.
 */
#ifndef SAFECLOSE_GIVEUP_H
#define SAFECLOSE_GIVEUP_H

/* GIVEUP_LEAVING: the thread's own table will lack our descriptors. */
enum giveup { GIVEUP_NOTHING, GIVEUP_SECCOMP, GIVEUP_LEAVING, GIVEUP_UNSHARED };

/* Before the system call that makes it necessary: from now on every hook passes through. Said once,
 * with the summary, in a process that used TCP, and at once where later is too late to write
 * anything. Returns the reason, or GIVEUP_NOTHING where it was so already, or nobody watched. */
enum giveup giveup_begin(enum giveup reason);

/* After that call, with what giveup_begin and the call returned; returns the latter. Where the call
 * failed all is as before. */
long giveup_end(enum giveup reason, long ret);

#endif
