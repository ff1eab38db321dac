/*
 * A scene has two actors. The program runs with the library under test in front of it; the peer is
 * another process, which never has it, and is the witness too. scene.c opens with how they meet.
 */
#ifndef SAFECLOSE_TESTS_SCENE_H
#define SAFECLOSE_TESTS_SCENE_H

#include "listed.h"
#include "net.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SCENE_CONTROL = 50, /* the program's end of the wire between the two */
    SCENE_GIVEN = 30,   /* where the program finds a connection that it inherits */
    SCENE_MOST = 1024,  /* connections of one actor */
    SCENE_KEPT = 77, /* in errno before a call that must not touch it (EBADFD: no call gives it) */
};

/* ---- Sentences ---------------------------------------------------------------------------------- */

/* What an actor can do: the words that say it, and what to call with the words behind them. */
struct verb {
    const char *words;
    void (*act)(const char *rest);
};

/* Written before main() only, by the heads of the functions. */
extern struct verb program_verbs[128];
extern struct verb peer_verbs[64];

#define VERB_LISTED(verbs, function, rest, words)                                                  \
    static void function(const char *rest);                                                        \
    LISTED(struct verb, verbs, words, function)                                                    \
    static void function(__attribute__((unused)) const char *rest)

#define VERB(function, rest, words) VERB_LISTED(program_verbs, function, rest, words)
#define PEER_VERB(function, rest, words) VERB_LISTED(peer_verbs, function, rest, words)

/* Performs STEP by the verb with the most words that fit. A sentence that no verb fits ends the scene. */
void scene_act(const struct verb *verbs, const char *step);

/* The number that TEXT begins with, K and M being 1024 and 1024 * 1024. */
long scene_number(const char *text);

/* Ends the scene: "scene: unable to X: reason of errno". */
_Noreturn void scene_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- What was seen ------------------------------------------------------------------------------ */

/* One more "key=value". A key that begins with ~ is of this run only: a port, a pid. */
void scene_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All that was said since the last call. */
const char *scene_said(void);

/* "EAGAIN"; "kept" for SCENE_KEPT. */
const char *scene_errno(int error);

/* What travels on a connection: the byte at this place of the stream. */
unsigned char scene_byte(long at);

/* All of SIZE bytes from place AT on, waiting as long as it takes. 0, or an errno. */
int scene_write(int fd, long at, long size);

/* Reads at most LIMIT bytes (all where it is negative) from place AT on and counts them in *GOT.
 * Returns 0 at the end of the stream or the limit, else the errno that ended it; ETIMEDOUT too. */
int scene_read(int fd, long at, long limit, long *got, bool *right);

/* ---- The actors ---------------------------------------------------------------------------------- */

extern const struct net_options *peer_options; /* of the scene; set before the first step */

/* Where the peer connects to, or where it listens. */
extern int peer_port;

/* Why the kernel reset the connections that there are: notes what is new, says all of it. */
void peer_notes_reasons(void);
void peer_says_reasons(void);

/* A connected pair made by the peer alone; returns the end that is the program's. */
int peer_makes_pair(void);

/* Runs the program until the peer is gone. */
int program_main(void);

/* The program's connections, the latest being the one that a sentence without "all" means. */
struct program {
    int listener;
    int connections[SCENE_MOST];
    int count;
};

extern struct program program;

int program_connection(void);
void program_takes(int fd); /* one more connection */
void program_drops(int fd); /* it is closed */

/* close(), and errno after it. Callable wherever close is. */
struct closed {
    int result;
    int error;
};

struct closed program_close(int fd);
void program_says_closed(const char *what, struct closed closed);

/* Sends what was said, now: for those who say something after the last step. */
void program_replies(void);

/* scene_share.c: this executable as the program that an inetd starts. */
int share_echo_main(const char *count);

#endif
