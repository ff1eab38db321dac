/*
 * What the kernel has, and the headers of an older system lack: those of Debian 11 (Linux 5.10, glibc 2.31) are the oldest
 * that this is built with. The numbers are the same on every machine.
 */
#ifndef SAFECLOSE_NEWER_H
#define SAFECLOSE_NEWER_H

#include <linux/close_range.h>
#include <sys/syscall.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

#endif
