/*
 * What the players are written with, beside net.h: steps that have to work. One that doesn't ends the process, with
 * a line on stderr.
 */
#ifndef SAFECLOSE_TESTS_PLAY_H
#define SAFECLOSE_TESTS_PLAY_H

#include "net.h"

#include <pthread.h>

/* "PROGRAM: unable to WHAT: reason of errno", and the end, with status 99. */
_Noreturn void unable(const char *what);

/* For what must not be negative; comes back as it is. */
int must(long result, const char *what);

pthread_t start_thread(void *(*routine)(void *), void *arg);

/* The body of a thread that does nothing. */
void *sleep_for_ever(void *unused);

/* A listening socket on 127.0.0.1, close-on-exec; any port where it is 0. */
int listen_here(int port, int backlog);

/* A connection to 127.0.0.1, close-on-exec. */
int connect_here(int port);

/* What is executed next has $LIBSAFECLOSE in front of it, unless that is empty. */
void go_behind_library(void);

/* A size that /proc/self/status has: "VmRSS". */
long status_kb(const char *name);

/* As many descriptors as may be. */
void raise_limit(void);

/* Mounts that nobody else sees. */
void have_own_mounts(void);

/* What a CLASS of programs does before it begins: "plain" nothing; "setuid", "setuid-dumpable": it becomes nobody;
 * "chroot": changes to a root without /proc; "undumpable". */
void become_class(const char *class);

/* The head of a request, and its size: TEXT as printf(1) takes it (\r, \n, \0 and octal); %b is the size of the body.
 * For free. */
char *request_head(const char *text, long long body, size_t *size);

#endif
