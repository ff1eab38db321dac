/*
 * faults: the program whose library is made to fail (inject.h). It uses every door and every way in
 * which a connection comes, and writes down all that a program and its peers can see: what each
 * call returns, errno, the signal mask, how long it took, which numbers are open, what the peer
 * read and how its connection ended. Bare, two transcripts are the same byte for byte; the campaign
 * (faults.py) compares those with the library in front with them.
 */
#ifndef SAFECLOSE_TESTS_FAULTS_H
#define SAFECLOSE_TESTS_FAULTS_H

#include "inject.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* One line of the transcript. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Writes down a call: CALL("close it", close(fd)) is its result. errno is set to 77 before, so that
 * a call which leaves it as it was can be told. */
#define CALL(label, call)                                                                          \
    ({                                                                                             \
        long called_;                                                                              \
        before_call();                                                                             \
        called_ = (long)(call);                                                                    \
        after_call(label, called_, true);                                                          \
        called_;                                                                                   \
    })

/* The same where the result is a pid: only what is wrong with it. */
#define CALL_ANY(label, call)                                                                      \
    ({                                                                                             \
        long called_;                                                                              \
        before_call();                                                                             \
        called_ = (long)(call);                                                                    \
        after_call(label, called_, false);                                                         \
        called_;                                                                                   \
    })

void before_call(void);
void after_call(const char *label, long result, bool exact);

/* ---- Connections; a slot is the peer's name for one ------------------------------------------ */

extern int listening; /* on an ephemeral port of the loopback */
extern int port;      /* that one */

void begin_listening(void);
struct answer ask_peer(enum peer_op op, int slot, int argument);
int accepted(int slot);  /* by accept(2), without an address */
int connected(int slot); /* by us */

/* More than 5: until the lot's nap is over, and it waits for events. */
void pause_ms(int ms);

/* Has the peer send so many bytes, and waits until they are here. */
void arrive(int slot, int fd, int bytes);
void arrive_urgent(int slot, int fd);
void peer_finishes(int slot, int fd);

/* An accepted connection with 5 bytes unread, and 10 written. */
int early(int slot);

/* How the connection ended for the peer. Where the program asked for a reset, no mode may make
 * anything else of it. */
void ended(const char *label, int slot);
void ended_as_asked(const char *label, int slot);

/* It has not ended. */
void goes_on(const char *label, int slot);

/* What can be read here now, without waiting. */
void unread_is(const char *label, int fd);

/* The numbers open below 900; the library's are above. */
void say_numbers(void);

/* Two processes that take turns. */
struct turns {
    int to_child[2];
    int to_parent[2];
};

struct turns make_turns(void);
void give(const int pipe[2]);
void wait_for(const int pipe[2]);
void end_turns(struct turns *turns);

/* Waits for a child, and says how it ended. */
void reap(const char *label, int pid);

/* ---- The scenes ------------------------------------------------------------------------------ */

void play_few(void);
void play_moves(void);
void play_doors(void);
void play_ways(void);
void play_epoll(void);
void play_share(void);
void play_spawn(char *self);
void play_threads(void);
void play_rights(void);
void play_hidden(void);
void play_ends(char *self);
void play_sandbox(void);
void play_root(void);

#endif
