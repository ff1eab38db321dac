/*
 * safeclose: what every file of the library shares, and the rules it lives by.
 *
 * We are a guest in a process that knows nothing of us. A hook can be entered from a signal
 * handler, from a thread with an 8 kB stack, from the child of a vfork that runs in its parent's
 * memory, from malloc's own start-up before any constructor ran, and after the last destructor.
 * Hence, on every path that starts at a hook:
 *
 *   1. No malloc, no stdio, no dlsym, no lock. State is static or mapped once, and changes by
 * atomic operations, so a signal or a fork in the middle leaves nothing held. What must not be
 * called is poisoned below and does not compile.
 *   2. Kernel questions go through sys.h, which returns -errno and never touches errno. Only the
 * real call that the program asked for sets it, or a hook that answers in its place.
 *   3. Frames are small: text is formatted in buffers of its own (sink.h), never on the stack.
 *   4. Nothing waits for a peer or a full pipe. A wait for a thread is short, and ends by itself: for one that opens
 * the log (wait.h), for the start of a lot (linger.h).
 *   5. Bookkeeping comes before the real call; after it the number may be somebody else's.
 *   6. "I don't know" is an answer, and means: pass through, and say so.
 */
#ifndef SAFECLOSE_H
#define SAFECLOSE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ground/libc.h"

/* A hook: one of the few names that leave the library. libsafeclose.map lists them all. */
#define EXPORT __attribute__((visibility("default")))

/* The same hook by a name that glibc has besides. An alias needs none of the optimizer's hints that
 * the declaration of the other carries. */
#define ALIAS(name) __attribute__((visibility("default"), alias(#name)))
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#endif

/* Variables of a hook's thread. The model is fixed because the general one may allocate on first
 * use. */
#define PER_THREAD __thread __attribute__((tls_model("initial-exec")))

/* Allocation, stdio, locale and the loader take locks that the interrupted program may hold. */
#ifndef SAFECLOSE_MAY_CALL_LIBC
#pragma GCC poison malloc calloc realloc strdup
#pragma GCC poison printf fprintf snprintf vsnprintf puts fputs perror syslog
#pragma GCC poison localtime localtime_r gmtime_r strftime strerror
#pragma GCC poison pthread_mutex_lock dlsym dladdr dl_iterate_phdr
#endif

#endif
