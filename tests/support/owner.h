/*
 * What the programs of owner_*.bats have in common. Such a program takes a connection from a peer
 * (owner_peer.c, which has no library in front of it and started the program), shares it in some
 * way, and closes its own number while bytes are unread. Then whoever is left reads: had the close
 * taken a byte, the holder would miss it; had it ended the connection, the peer would miss the
 * answer.
 *
 * Whoever has something for the peer to do asks it over one socket, which all processes of a
 * program inherit; as they take turns, nobody gets another's answer. A failure that a test can't
 * mean ends the process with a line on stderr.
 */
#ifndef SAFECLOSE_TESTS_OWNER_H
#define SAFECLOSE_TESTS_OWNER_H

#include "listed.h"
#include "play.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OWNER_PEER = 1000,   /* the number of the socket to the peer */
    OWNER_BYTES = 1000,  /* what the peer sends where nothing else is said */
    OWNER_NUMBER = 1005, /* a number that no connection gets by itself */
};

struct owner_question {
    char what;
    long number;
};

struct owner_answer {
    long bytes; /* how many came */
    int error;  /* what the last read failed with, 0 at the end of the stream */
    bool right; /* the bytes that were to come */
};

/* The byte at this place of either direction's stream. */
static inline unsigned char owner_byte(long at)
{
    return (unsigned char)(at * 31 + at / 251);
}

/* One line of what is compared with bare, in one write. */
__attribute__((format(printf, 1, 2))) static inline void owner_say(const char *format, ...)
{
    char line[200];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (write(STDOUT_FILENO, line, (size_t)len) != len)
        _exit(98);
}

/* In the peer's child: becomes the program, with the library in front of it and the wire to its peer. Nothing else
 * that happens to be open, such as what bats talks through, is the program's. */
static inline _Noreturn void owner_becomes(char **command, int wire)
{
    must(dup2(wire, OWNER_PEER), "hand over the wire");
    close_range(3, OWNER_PEER - 1, 0);
    go_behind_library();
    execv(command[0], command);
    _exit(127);
}

/* The peer's program. */
static pid_t owner_program;

static inline void owner_loses_patience(int signal)
{
    static const char text[] = "the program does not end\n";

    (void)signal;
    if (write(STDOUT_FILENO, text, sizeof text - 1) > 0)
        kill(-owner_program, SIGKILL);
    _exit(1);
}

/* Starts the program, which has PREPARE(PLACES) done first and ends within so many seconds; returns the wire to it. */
static inline int owner_starts(char **command, void (*prepare)(const char *places),
                               const char *places, unsigned seconds)
{
    int wires[2];

    /* Whoever loses its parent comes to us, so that nobody is overlooked. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires), "make a wire");
    raise_limit(); /* for the program too */
    owner_program = must(fork(), "fork");
    if (owner_program == 0) {
        setpgid(0, 0);
        prepare(places);
        owner_becomes(command, wires[1]);
    }
    close(wires[1]);
    signal(SIGALRM, owner_loses_patience);
    alarm(seconds);
    return wires[0];
}

/* A question whose answer is to be waited for later: the peer gets on with it. */
static inline void owner_begins_to_ask(char what, long number)
{
    struct owner_question question = {what, number};

    if (send(OWNER_PEER, &question, sizeof question, MSG_NOSIGNAL) != sizeof question)
        unable("ask the peer");
}

static inline struct owner_answer owner_hears(void)
{
    struct owner_answer answer;

    if (recv(OWNER_PEER, &answer, sizeof answer, 0) != sizeof answer)
        unable("hear the peer's answer");
    return answer;
}

static inline struct owner_answer owner_ask(char what, long number)
{
    owner_begins_to_ask(what, number);
    return owner_hears();
}

/* A listening socket that the peer knows of. */
static inline int owner_listens(void)
{
    int fd = listen_here(0, 64);

    owner_ask('P', net_port(fd));
    return fd;
}

/* The peer's next connection, not close-on-exec. */
static inline int owner_takes(int listener)
{
    owner_ask('C', 0);
    return must(accept(listener, NULL, NULL), "accept");
}

/* The first one, its listening socket out of the way. */
static inline int owner_takes_one(void)
{
    int listener = owner_listens();
    int fd = owner_takes(listener);

    must(close(listener), "close the listening socket");
    return fd;
}

/* The peer sends so many more bytes; they are in the receive queue when this returns. */
static inline void owner_sends(long bytes)
{
    owner_ask('S', bytes);
}

/* Whether what was read from place AT on is what the peer sent. */
static inline bool owner_right(const unsigned char *bytes, long at, long count)
{
    for (long i = 0; i < count; i++)
        if (bytes[i] != owner_byte(at + i))
            return false;
    return true;
}

/* All that fd gives, from place AT on, up to the end that the peer is told to make, so that whoever
 * was stolen from does not wait for ever. Says how many bytes, and whether they were right. */
static inline void owner_reads(const char *who, int in, long at)
{
    static unsigned char bytes[4096];
    long got = 0;
    ssize_t n;
    bool right = true;

    owner_ask('F', 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0) {
        right = right && owner_right(bytes, at + got, n);
        got += n;
    }
    owner_say("%s read %ld bytes, %s, then %s\n", who, got, right ? "right" : "wrong",
              n == 0 ? "the end" : strerrorname_np(errno));
}

/* The holder's part: reads what there is and answers with as much as the peer sent. */
static inline void owner_serves(const char *who, int in, int out)
{
    unsigned char answer[OWNER_BYTES];

    owner_reads(who, in, 0);
    for (long i = 0; i < OWNER_BYTES; i++)
        answer[i] = owner_byte(i);
    if (send(out, answer, sizeof answer, MSG_NOSIGNAL) != (ssize_t)sizeof answer)
        owner_say("%s can't answer: %s\n", who, strerrorname_np(errno));
    close(in);
    if (out != in)
        close(out);
}

static inline void owner_says_peer_read(struct owner_answer end)
{
    owner_say("peer read %ld bytes, %s, then %s\n", end.bytes, end.right ? "right" : "wrong",
              end.error ? strerrorname_np(end.error) : "the end");
}

/* What the peer gets up to the end of the connection. */
static inline void owner_peer_reads(void)
{
    owner_says_peer_read(owner_ask('R', 0));
}

/* A gate that one process or thread waits at until another opens it. */
struct owner_gate {
    int ends[2];
};

/* Out of the way of the connections, and kept by an exec. */
static inline struct owner_gate owner_gate(void)
{
    static int number = OWNER_NUMBER + 10;
    struct owner_gate gate;
    int ends[2];

    must(pipe(ends), "make a pipe");
    for (int i = 0; i < 2; i++) {
        gate.ends[i] = must(dup2(ends[i], number++), "move a pipe");
        close(ends[i]);
    }
    return gate;
}

static inline void owner_opens(struct owner_gate gate)
{
    must(write(gate.ends[1], "", 1), "open a gate");
}

static inline void owner_waits(struct owner_gate gate)
{
    char byte;

    if (read(gate.ends[0], &byte, 1) != 1)
        unable("wait at a gate");
}

/* PID's end, if it is a regular one. */
static inline void owner_reaps(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            unable("wait for a child");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        owner_say("child ended with status %#x\n", (unsigned)status);
}

/* What a program can play; written before main() only. */
static struct owner_scene {
    const char *name;
    void (*play)(void);
} owner_scenes[64];

/* The head of a scene. */
#define SCENE(function, name)                                                                      \
    static void function(void);                                                                    \
    LISTED(struct owner_scene, owner_scenes, name, function)                                       \
    static void function(void)

static inline int owner_plays(const char *name)
{
    for (struct owner_scene *scene = owner_scenes; scene->name; scene++)
        if (name && strcmp(scene->name, name) == 0) {
            scene->play();
            return 0;
        }
    fprintf(stderr, "owner: no scene \"%s\"\n", name ? name : "");
    return 2;
}

#endif
