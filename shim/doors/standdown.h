/*
 * When the library must stop asking: the program has installed a seccomp filter, which may kill it
 * for a system call it does not expect, or a thread has a table of descriptors of its own, so that
 * ours is wrong.
 */
#ifndef SAFECLOSE_STANDDOWN_H
#define SAFECLOSE_STANDDOWN_H

/* STANDDOWN_LEAVING: the thread's own table will lack our descriptors. */
enum standdown { STANDDOWN_NONE, STANDDOWN_SECCOMP, STANDDOWN_LEAVING, STANDDOWN_UNSHARED };

/* Before the system call that makes it necessary: from now on every hook passes through. A process that used TCP says
 * so once, with the summary; at once if nothing could be written later. Returns the reason, or STANDDOWN_NONE if the
 * hooks passed through already. */
enum standdown standdown_begin(enum standdown reason);

/* After that call. reason: what standdown_begin returned. ret: what the call returned, which is returned. If the call
 * failed, all is as before. */
long standdown_end(enum standdown reason, long ret);

#endif
