/*
 * The referee: draws a history of a TCP connection from a number, plays it with a real program and
 * a real peer, gives the connection up, and compares what the library wrote about it with what the
 * kernel says it did.
 *
 * Three processes play. The worker draws, is the peer, and is the witness: nothing is ever
 * preloaded into it. The template is started by the worker with the library in front, and does
 * nothing but fork. Its child is the program: one for each scenario, so that everything the library
 * remembers of a process, its counts and its rate limit start at zero. The worker tells the program
 * each step over a socket, and waits for its answer, so that a scenario happens in one order only.
 */
#ifndef SAFECLOSE_TESTS_REFEREE_H
#define SAFECLOSE_TESTS_REFEREE_H

#include "net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* ---- A scenario (referee_scenario.c) --------------------------------------------------------- */

/* By which door the program gives the connection up: all that the library knows. */
enum door {
#define DOOR(id, name) DOOR_##id,
#include "doors/doors.def"
#undef DOOR
    DOOR_COUNT
};

/* Who else has to do with the connection when it is given up. */
enum holder {
    HOLD_NOBODY,
    HOLD_DUP,         /* another number of the program's */
    HOLD_DUP_CLOSED,  /* there was one, given up before */
    HOLD_FORK,        /* a fork child */
    HOLD_FORK_ENDED,  /* there was one */
    HOLD_FORK_KILLED, /* there was one, and it could not say goodbye */
    HOLD_FLIGHT,      /* a message that nobody has received */
    HOLD_DELIVERED,   /* another number, which came in a message */
    HOLD_READER,      /* a thread waiting for data */
    HOLD_WRITER,      /* a thread waiting for room */
    HOLD_PEEKER,      /* a thread waiting for more data, which it only peeks at */
    HOLD_BUSY,        /* nobody: a thread that computes */
    HOLD_EPOLL,       /* nobody: a thread in epoll_wait, where the connection is registered */
    HOLD_POLL,        /* a thread in poll, which holds what it polls */
    HOLD_SELECT,      /* nobody: a thread in select of lower numbers, up to ours */
    HOLD_EXEC,        /* another program, without the library, which a fork child has become */
    HOLD_SPAWNER,     /* for a moment, now and then: what a thread starts */
    HOLD_OTHER,       /* nobody: a thread that waits for data of another connection */
    HOLD_COUNT
};

enum op {
    /* the peer */
    OP_PEER_SENDS,
    OP_PEER_URGENT, /* sends, the last byte urgent */
    OP_PEER_READS,
    OP_PEER_SHUTS, /* shutdown; the step's size is how */
    OP_PEER_RESETS,
    OP_PEER_CLOSES,
    /* the program */
    OP_WRITES,
    OP_READS,
    OP_READS_ALL, /* to EAGAIN, the end, or an error */
    OP_PEEKS,
    OP_TAKES_URGENT, /* MSG_OOB */
    OP_PEEKS_URGENT,
    OP_INLINE,     /* SO_OOBINLINE; size 1 or 0 */
    OP_SHUTS,      /* shutdown; size is how */
    OP_SHUTS_LOST, /* for writing, and its FIN is lost on the way */
    OP_LINGERS,    /* SO_LINGER; size is the time, LINGER_OFF off */
    OP_LINGER2,    /* TCP_LINGER2 below 0: no waiting in FIN_WAIT2 */
    OP_STEPS,
    /* not drawn as steps: what else a program is told */
    OP_OPEN,
    OP_ACCEPT,
    OP_SAMPLE,
    OP_HOLD,
    OP_GIVE_UP,
    OP_HOLDER_READS,
    OP_HOLDER_GIVES_UP,
    OP_END,
    OP_ENDED, /* the template's: the program has ended */
};

enum { LINGER_OFF = 1000, STEPS_MAX = 12, CLIENTS_MAX = 7 };

struct step {
    enum op op;
    uint32_t size;
};

/* Where the program runs, from its beginning on. */
enum setting {
    SETTING_PLAIN,
    SETTING_NO_PROC,    /* /proc is empty */
    SETTING_NO_NETLINK, /* a filter refuses sockets of that family */
    SETTING_COUNT
};

/* What it gives up on its way. */
enum drop { DROP_NOTHING, DROP_RIGHTS, DROP_ROOT /* chroot */ };

/* What becomes of a client that waits to be accepted, before the listener is given up. */
enum client { CLIENT_WAITS, CLIENT_SENDS, CLIENT_ENDS, CLIENT_RESETS };

struct scenario {
    uint64_t seed;
    enum net_family family;
    bool we_connect;      /* else the program accepts */
    bool keeps_listener;  /* until its end */
    bool resets_only;     /* SAFECLOSE_EVENTS=resets */
    bool inherits_linger; /* SO_LINGER {1,0} was set on the listener */
    bool urgent;          /* urgent data occurs: then everything sent fits the windows */
    int our_send_buffer;  /* as in struct net_options; 0: the kernel's */
    int our_receive_buffer;
    int peer_receive_buffer;
    int segment_size;
    int count;
    struct step steps[STEPS_MAX];
    enum holder holder;
    bool early; /* the holder came before the steps */
    enum door door;
    int variant;       /* of the door */
    int text;          /* bytes that wait in the stream when it is closed */
    bool holder_exits; /* the holder gives up by ending */
    bool holder_reads; /* and before that it reads what is there */
    bool listening;    /* it is the listener that is given up; no steps */
    uint32_t late;     /* under linger: what the peer still sends after the close, */
    bool late_first;   /* its FIN before it has read, */
    bool late_resets;  /* or in place of that a reset */
    bool leaves; /* under linger: the program ends right after the close, where it was its alone */
    enum setting setting;
    enum drop drop;
    bool drop_late; /* when the connection is there; else before */
    bool device;    /* our socket is bound to the interface */
    int clients;    /* who wait to be accepted */
    enum client client[CLIENTS_MAX];
};

/* The scenario of a seed. beyond: also what the library is known not to see (--beyond). */
void scenario_draw(struct scenario *s, uint64_t seed, bool beyond);

/* A scenario in one paragraph, of at most size bytes. */
void scenario_words(const struct scenario *s, char *words, size_t size);

const char *door_name(enum door door);
bool is_process(enum holder holder);            /* it is spoken to by a way of its own */
bool door_ends(const struct scenario *s);       /* the program is gone afterwards */
bool door_takes_both(const struct scenario *s); /* it closes the holder's number as well */

/* The same number on every machine: splitmix64. */
uint64_t random_next(uint64_t *state);

/* ---- What is in a receive queue (referee_queue.c) -------------------------------------------- */

/* ANNOUNCED: its byte is in a segment that has not come. */
enum mark { MARK_NONE, MARK_ANNOUNCED, MARK_WAITS, MARK_TAKEN };

/* A receive queue as tcp_recvmsg(), tcp_check_urg() and tcp_inq() treat it, in positions of the
 * stream. Good for a peer whose every send arrives at once and whole. */
struct queue {
    uint32_t arrived; /* bytes, urgent ones too */
    uint32_t at;      /* the next byte to be read */
    bool in_line;
    enum mark mark;
    uint32_t mark_at;
};

void queue_arrives(struct queue *q, uint32_t size, bool urgent);
/* Of data that is refused: the mark stands all the same. */
void queue_marks(struct queue *q, uint32_t size, enum mark mark);
uint32_t queue_read(struct queue *q, uint32_t size, bool peek); /* one call; how much it copies */
uint32_t queue_starts(const struct queue *q);   /* where the next read's first byte comes from */
uint32_t queue_counted(const struct queue *q);  /* FIONREAD */
uint32_t queue_discards(const struct queue *q); /* what reading to the end would copy */
bool queue_at_mark(const struct queue *q);
bool queue_is_urgent(const struct queue *q); /* as the log says it */

/* Byte AT of a stream: a reader can tell where what it read comes from. */
static inline unsigned char stream_byte(uint32_t at)
{
    return (unsigned char)(at * 131 + (at >> 8) * 7 + 1);
}

/* ---- The program (referee_program.c) --------------------------------------------------------- */

/* An end of a connection as the kernel describes it. */
struct sample {
    int state;
    int unread;  /* FIONREAD */
    int unacked; /* SIOCOUTQ, the FIN being one more */
    int unsent;  /* SIOCOUTQNSD, likewise */
    int at_mark;
    int backlog;
    int window; /* what the other side allows to be sent beyond what is acknowledged */
    int segment;
    uint32_t received; /* the FIN being one more */
    uint64_t cookie;
};

struct command {
    enum op op;
    uint32_t size;
    uint32_t at; /* the position in the stream that the next byte has */
    struct sockaddr_in6 address;
};

struct reply {
    enum op op;
    int result;
    int error;
    int fd;  /* the connection's number; from OP_HOLD the holder's, -1 if it has none */
    int pid; /* of who answers */
    int tid; /* from OP_HOLD: a thread that is going to wait in system call number */
    long number;
    bool garbled;                /* the bytes that were read are not those that were sent */
    struct sockaddr_in6 address; /* OP_OPEN: where the program listens */
    struct sample sample;
};

/* The numbers of the sockets that the worker speaks through, to the program and to its fork child.
 */
enum { CONTROL = 3, HOLDER_CONTROL = 4 };

/* The template: forks a program for each scenario that comes, until the worker is gone. */
int program_main(void);

/* Who holds the connection as number fd, without the library; exits: gives it up by ending. */
int holder_main(int fd, bool exits);

/* ---- A place to play (referee_place.c) ------------------------------------------------------- */

/* Addresses that nobody else on this machine uses, so that a trace of the whole machine can't be
 * mistaken: every namespace has all of 127.0.0.0/8 to itself. */
struct place {
    struct in_addr v4;
    struct in6_addr v6;
};

/* Enters a network namespace of this process's own, and finds such addresses. -1 with errno. */
int place_enter(struct place *place);

/* ---- The wire (referee_wire.c) --------------------------------------------------------------- */

/* A socket for one end of a scenario's connection: the program's, or the peer's. */
int wire_socket(const struct scenario *s, bool ours);

/* The address of PLACE as that end would write it. */
struct sockaddr_in6 wire_address(const struct scenario *s, bool ours, const struct place *place,
                                 int port);
int wire_listen(const struct scenario *s, bool ours, const struct sockaddr_in6 *address);
int wire_connect(int fd, const struct sockaddr_in6 *address);

/* Once, before either of: */
void stream_prepare(void);

/* Writes SIZE bytes of the stream from AT on, as far as they fit; how many, or -1. At most 1 MB. */
int stream_send(int fd, uint32_t at, uint32_t size, int flags);

/* One recv() of at most SIZE bytes; *garbled where they are not the stream's from AT on. */
int stream_recv(int fd, uint32_t at, uint32_t size, int flags, bool *garbled);

void sample_take(int fd, struct sample *sample);

/* ---- One run (referee_play.c) ---------------------------------------------------------------- */

enum run_mode { RUN_BARE, RUN_LOG, RUN_DRAIN, RUN_LINGER, RUN_MODES };

/* What was seen when a reference was given up. */
struct witness {
    bool traced;      /* reason is the kernel's own */
    int resets;       /* sent at the close, from us to the peer; from a listener to its clients */
    char reason[64];  /* of the first; where not traced, what the counters tell */
    char before[64];  /* of a reset sent before the close, if any */
    char late[64];    /* of one that answers what came after it */
    char after[64];   /* of one that was sent when its last holder let go */
    bool fin;         /* the peer has our FIN now, and had not before */
    bool fin_known;   /* whether the peer can tell */
    bool moved;       /* data arrived while the close happened: nothing can be said */
    long events_from; /* where in the log this close's events are */
    long events_to;
};

/* What a connection was like just before. */
struct scene {
    struct sample ours;
    struct sample peer;
    struct queue queue;
    bool peer_open;
    bool our_fin;  /* we have half-closed */
    bool fin_lost; /* and the peer can't hear it */
    bool peer_fin; /* has arrived */
    bool read_shut;
    bool linger2;
    int linger; /* LINGER_OFF, or a time */
    uint32_t written;
    uint32_t unacked; /* bytes, as known from the peer */
    bool unacked_known;
    bool more_waits; /* the peer has more to send than the window allows */
};

struct run {
    enum run_mode mode;
    struct scenario scenario;
    char trouble[256]; /* why there is nothing to judge, if so */
    char ours[64];     /* addresses, as traces and logs write them */
    char peers[64];
    int pid;
    int fd;
    int holder_fd;
    int holder_pid;
    bool held;     /* there really was a holder */
    uint32_t text; /* what the stream still wrote, within the close */
    int status;    /* of the program, where it ended by itself */
    int alive;     /* listening: clients that can be reset */
    struct scene scene;
    struct scene holder_scene;
    struct witness witness;        /* of the program's giving up */
    struct witness holder_witness; /* of the holder's, after it */
    bool holder_gave_up;
    int holder_got; /* what the holder could still read; -1: wasn't asked */
    int holder_expected;
    bool garbled;
    uint32_t late;      /* bytes that the peer sent to a connection that lingered */
    uint32_t peer_sent; /* in all */
    bool peer_reset;    /* under linger that was its end */
    bool peer_shut; /* its FIN was sent, if not received, before the program had ended or gone on */
    bool
        owed_nothing; /* it had all output, and sent more, and no end of its own, until the lot's was told */
    bool left;      /* the program has ended as its scenario says (leaves) */
    bool waited;    /* a program that ended went on waiting, though the peer had all output */
    bool peer_gone; /* it reset before the program ended, while somebody held it */
    int end_error;  /* what the peer's reading ended with, where it was read to the end */
    bool end_known;
    uint32_t end_bytes;
    uint32_t story;  /* hash of what every read and write of the program returned */
    char log[65536]; /* what the library wrote */
    long log_size;
};

/* ---- Where it is played (referee_stage.c) ---------------------------------------------------- */

struct stage; /* a template and the way to it */

/* Starts what scenarios are played on. NULL with a message where it can't. */
struct stage *stage_open(enum run_mode mode, bool resets_only, enum setting setting,
                         const struct place *place);
void stage_close(struct stage *stage);

/* Plays SCENARIO in RUN. */
void run_scenario(struct stage *stage, const struct scenario *scenario, struct run *run);

/* ---- What the log says (referee_said.c) ------------------------------------------------------ */

/* What the log said of one close, or of the end of a lingering one. */
struct said {
    bool found;
    int pid, fd;
    char via[16], local[64], peer[64], state[16], cause[24], action[16], outcome[16], note[24],
        ended_by[16];
    long unread, unacked, unsent, pending, discarded;
    bool urgent;
    bool confirmed;
    uint64_t cookie;
    uint64_t mono; /* when it was; a close may be told after one that came later */
};

/* The next close event in LOG from *at on; or close-end, or linger-end event. */
bool said_next(const char *log, long *at, long end, struct said *said);
bool said_next_late(const char *log, long *at, long end, struct said *said);
bool said_next_end(const char *log, long *at, long end, struct said *said);

/* ---- Lingering (referee_linger.c) ------------------------------------------------------------ */

/* How much of what the program wrote is not acknowledged, as its own end says. */
uint32_t scene_output(const struct scene *scene);

/* Whether a connection's last close is one to linger on: its peer may still send, no reset is
 * certain, and what the program opened has output that is not acknowledged. */
enum lingers { LINGERS_NOT, LINGERS_PERHAPS, LINGERS_SURELY };
enum lingers scene_lingers(const struct run *run, const struct scene *scene, bool opened);

/* Whether the program asked for a reset. */
bool scene_is_intended(const struct scene *scene);

/* Where the library may say that it can't tell who holds the connection: it sees a descriptor leave
 * and never comes to know who has it; or it can't tell whether the other process is dead. */
bool may_be_unknown(const struct scenario *s);

/* Without /proc a process doesn't know its pid namespace, so it can't know that a relative is dead. */
bool may_seem_alive(const struct scenario *s);

/* The program has threads: then only the lot finds out whether one is in a call on the connection. */
bool has_threads(const struct scenario *s);

/* What those do can't be seen by the library, or not wholly. */
bool is_blind(const struct scenario *s);

/* A thread of the program is in a call on it. */
bool is_in_call(const struct scenario *s);

/* ---- Judging (referee_judge.c) --------------------------------------------------------------- */

struct complaints {
    char text[4096];
    size_t len;
    int count;
    bool strict;   /* what the library is known not to do counts as well */
    bool gap;      /* it is that, and was not judged */
    bool unproven; /* the library said that it can't tell, where it may */
    bool raced;    /* what came during the close decided, and that was not judged */
};

/* What a run with the library shows to be untrue; and in what it differs from one without. */
void judge_run(const struct run *run, struct complaints *c);
void judge_same(const struct run *bare, const struct run *log, struct complaints *c);

/* What was seen, in words, for --verbose. */
void run_words(const struct run *run, char *words, size_t size);

/* ---- The race (referee_race.c) --------------------------------------------------------------- */

/* Plays COUNT closes while the peer sends; prints how often the log and the kernel disagree. */
int race(int count, const struct place *place);

#endif
