/*
 * The oracle: a server of every kind of process, on whose connections it is known who has what to come.
 *
 * The program that is started is the clients'. It starts itself once more as the server, with the library
 * in front. Each connection has a scenario, drawn from the seed and its index: who accepts it, whom it is
 * shared with and how, who gives it up and when, and who uses it. The user reads what the client sent and
 * answers. All others only give the connection up, so without the library no user ever misses a byte, and
 * no client a byte of an answer to a request that was read to its end.
 *
 *   robbed   a user misses bytes of the request
 *   cut      a user can't write its answer, or its client gets less of it
 *   undone   a reset that has to stay (asked for by the program, or nobody can prove that the connection is
 *            in nobody else's hands) was none
 *   hung     somebody waits in vain
 *
 * Server and clients share a memory, the board: a client says there which scenario its port plays, a user
 * how much it read and wrote.
 *
 * A server plays a generation of connections, and is killed then: what one server has come to distrust is
 * forgotten, and what is played does not depend on where a run began but for what runs beside it.
 */
#ifndef SAFECLOSE_TESTS_ORACLE_H
#define SAFECLOSE_TESTS_ORACLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- A scenario (oracle_scenario.c) ---------------------------------------------------------- */

/* How a connection comes to have a second holder. In_call: that is a call of another thread, which the
 * library has to look for. */
#define ORACLE_KINDS(KIND)                                                                         \
    KIND(ALONE, "alone")                                                                           \
    KIND(DUP, "dup")                                                                               \
    KIND(DUP_FAILS, "dup that fails")                                                              \
    KIND(FORK, "fork")                                                                             \
    KIND(GRANDCHILD, "grandchild")                                                                 \
    KIND(CROWD, "grandchild, and a crowd")                                                         \
    KIND(KILLED, "killed child")                                                                   \
    KIND(HEADLESS, "child without main thread")                                                    \
    KIND(NOBODY, "child of another user")                                                          \
    KIND(NAMESPACE, "child in a pid namespace")                                                    \
    KIND(ADOPT, "child of another thread")                                                         \
    KIND(VFORK, "vfork child")                                                                     \
    KIND(TABLE, "child whose table another has")                                                   \
    KIND(TAKEN, "taken by a child")                                                                \
    KIND(FLIGHT, "in flight")                                                                      \
    KIND(PASS, "passed to a worker")                                                               \
    KIND(CHILD_PASS, "passed on by a child")                                                       \
    KIND(EXEC, "fork and exec")                                                                    \
    KIND(SPAWN, "spawned program")                                                                 \
    KIND(SHELL, "beside a shell")                                                                  \
    KIND(READER, "call: reader")                                                                   \
    KIND(WRITER, "call: writer")                                                                   \
    KIND(FORK_READER, "reader, and a fork")                                                        \
    KIND(FORK_WRITER, "writer, and a fork")

enum kind {
#define KIND(id, name) KIND_##id,
    ORACLE_KINDS(KIND)
#undef KIND
        KIND_COUNT
};

/* How a number is given up. From DOOR_EXIT on the whole process ends. */
enum door {
    DOOR_CLOSE,
    DOOR_SYS_CLOSE,
    DOOR_DUP2,
    DOOR_SYS_DUP2,
    DOOR_RANGE,
    DOOR_FCLOSE,
    DOOR_EXIT,
    DOOR_UNDERSCORE_EXIT,
    DOOR_EXIT_GROUP,
    DOOR_SIGKILL,
    DOOR_COUNT
};

struct scenario {
    uint64_t index;
    enum kind kind;
    int variant;       /* which of several calls that do the same */
    bool by_worker;    /* a prefork worker accepts it, else a thread */
    bool other_uses;   /* who it is shared with is the user, else who accepted it */
    bool reads;        /* the user reads the request to its end, else it leaves all that is left */
    bool zero_linger;  /* the user asks for a reset */
    bool ordered;      /* the user waits until all others have given it up */
    bool keeps;        /* not close-on-exec */
    bool signals;      /* signal handlers dup it and close the copy */
    bool scans;        /* the child looks for connections of other threads */
    bool preloaded;    /* the program that is executed */
    bool raw;          /* the child may not use malloc */
    bool tries;        /* the child executes a program first, which fails */
    int request;       /* bytes */
    int early;         /* of it, read by who accepts, before it is shared */
    int at_once;       /* of it, sent at once */
    int pause;         /* microseconds until the rest is sent */
    int answer;        /* bytes */
    int client_sleeps; /* microseconds, before it reads */
    int others;        /* how many give it up before the user's turn */
    int spin[2];       /* microseconds: of the others, of the user */
    enum door door[2]; /* likewise */
};

enum { OTHER, USER };

void scenario_draw(struct scenario *s, uint64_t seed, uint64_t index);
void scenario_words(const struct scenario *s, char *words, size_t size);
const char *kind_name(enum kind kind);

/* The user is another thread of the process that closes, and has no number of its own. */
bool kind_is_call(enum kind kind);
bool kind_has_writer(enum kind kind);
bool kind_has_reader(enum kind kind);

/* A reset has to stay. */
bool scenario_stays(const struct scenario *s);

/* Nobody reads what is left, nobody asked for a reset, and the library can prove that nobody else holds
 * the connection. */
bool scenario_may_be_mended(const struct scenario *s);

/* What was sent AT bytes into a request or an answer. */
unsigned char pattern(uint64_t index, bool answer, long at);

/* ---- The board ------------------------------------------------------------------------------- */

enum { GENERATION = 250, BOARD_FD = 3 };

enum read_end { READ_ALL, READ_EOF, READ_TIMEOUT, READ_WRONG, READ_ERROR };

struct slot {
    _Atomic int
        claimed; /* KIND_ADOPT: who uses it; KIND_CROWD: its stage; a worker has received it */
    _Atomic int given_up; /* by so many others */
    _Atomic int phase;    /* 1: the client goes on */
    _Atomic int read;     /* bytes of the request that the user got, with those read early */
    _Atomic int read_end;
    _Atomic int written; /* of the answer */
    _Atomic int write_error;
    _Atomic int done; /* the user is */
};

struct board {
    uint64_t seed;
    uint64_t first; /* the index of the first slot, when each is played once */
    int again;      /* how often each is played */
    long position;  /* of the first slot, in the run */
    int count;
    int threads;
    int patience_ms;               /* after which somebody waits in vain */
    _Atomic int ports[2];          /* the threads', the workers' */
    _Atomic int crashed;           /* processes that ended by a signal which nobody sent */
    _Atomic int by_port[2][65536]; /* the slot that the client at this port plays, plus 1 */
    struct slot slots[GENERATION];
};

extern struct board *board;

void board_scenario(struct scenario *s, int slot);

/* A connection in somebody's hands. */
struct act {
    int fd;
    struct slot *slot;
    struct scenario s;
};

/* Which one this number is: false where no client says so. */
bool act_of(struct act *a, int fd);

/* ---- Who plays ------------------------------------------------------------------------------- */

/* Waits until *value is at least WANTED; false when the board's patience is over. */
bool wait_for(_Atomic int *value, int wanted);
void spin(int microseconds);

/* oracle_server.c */
int server_main(void);
int helper_main(int argc, char **argv);

/* For oracle_play.c: a worker's end of this channel receives connections. */
extern int channels[2]; /* its own user's, and another's */
extern char program[4096];

/* oracle_play.c: what who has accepted it does. */
void play(struct act *a);

/* oracle_holder.c */
extern _Thread_local volatile int for_handler; /* what the handler of signals dups; -1: nothing */
void give_up(struct act *a);
void use(struct act *a);
void read_request(struct act *a, int size, int flags);
void write_answer(struct act *a);
void wait_unread(const struct act *a);
void close_by(struct act *a, enum door door);
_Noreturn void end_by(enum door door);

/* oracle_client.c: plays one, and judges. */
struct verdict {
    bool robbed, cut, undone, hung;
    bool mended, left;
    char why[160];
};

void client_play(const struct scenario *s, int slot, struct verdict *v);

#endif
