/*
 * inject: runs scenes of a program (tests/hostile/faults.c) with the library in front of it, and makes one
 * of the library's system calls fail, by the place in its code that the call comes from.
 *
 * How. Each call site of the library is a system call instruction of its own (shim/sys.h inlines
 * them), and a seccomp filter may look at the instruction pointer. So a filter is put around the
 * program that hands the calls of that one site to us (SECCOMP_RET_USER_NOTIF); we count each and
 * answer with the error. Nothing else of the program is touched, libc's calls neither.
 *
 * The filter is there before the program starts: it is installed here, in the child that then
 * becomes the program, and survives the exec. So the constructor's calls are reached too, and the
 * library, which stands down when a program installs a filter, sees nothing of it. Its address must
 * be known beforehand: address space randomization is off for the program, and the address is
 * compared with /proc/PID/maps.
 *
 * Each scene has a peer, a process of ours without filter and library, which makes connections,
 * sends and reads as the scene tells it. All scenes of one run play at the same time.
 */
#ifndef SAFECLOSE_TESTS_INJECT_H
#define SAFECLOSE_TESTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a scene's stderr is: the library writes to each in another way. */
enum stderr_kind {
    STDERR_PIPE,
    STDERR_SOCKET,
    STDERR_CONNECTION, /* an inetd service's: what is written there its client reads */
    STDERR_FILE,
    STDERR_TERMINAL,
    STDERR_BROKEN
};

#define SCENE_SETTINGS 8

struct scene {
    const char *name;   /* as the program knows it */
    const char *script; /* what the program plays under this name */
    enum stderr_kind stderr_kind;
    const char *settings[SCENE_SETTINGS]; /* NAME=VALUE */
    bool shows_filter; /* the library is not kept from seeing it: then it avoids rare calls */
};

extern const struct scene scenes[];
extern const int scene_count;

#define MOST_SITES 512
#define MOST_SCENES 32

/* What a run is to do. Offsets are those of the instruction behind the call, from the library's
 * beginning, which is what a filter sees. */
struct plan {
    const char *library; /* NULL: the program runs bare */
    const char *mode;
    const char *program;
    uint64_t base;              /* where the library will be */
    uint64_t size;              /* of it */
    bool record;                /* every call is counted, and none fails */
    uint64_t known[MOST_SITES]; /* but these */
    int known_count;
    uint64_t site; /* the one that fails */
    int error;     /* with this */
    long times;    /* so often; 0: always */
    uint64_t also; /* another that fails, which leads to the first; 0: none */
    int also_error;
    uint64_t hidden; /* a call that is told 0: whether there is a filter; 0: none */
    double timeout;  /* seconds */
};

struct site_count {
    uint64_t offset;
    int nr;
    long count;
};

/* One scene that is being played. */
struct run {
    const struct scene *scene;
    pid_t pid;
    pid_t peer;
    int pidfd;      /* the scene's */
    int peerfd;     /* the peer's */
    int listener;   /* the filter's; -1: none */
    int transcript; /* a file without a name */
    int err;        /* our end of its stderr */
    long err_bytes; /* that came there */
    bool checked;   /* the library is where it should be */
    bool ended;     /* the scene; its peer may still be reading */
    bool over;
    bool hung;
    int status;
    int sites;
    struct site_count counts[MOST_SITES];
};

/* ---- inject_filter.c ------------------------------------------------------------------------- */

/* Makes this process's calls ours to answer; to be called in the child, which talks through SHARED
 * memory with the parent. Nothing but raw calls may follow. */
struct handover {
    _Atomic int listener; /* the child's number, plus one; or -errno */
    _Atomic int taken;
};

void filter_install(const struct plan *plan, const struct scene *scene, struct handover *handover);

/* In the parent: the listener, or -1. */
int filter_take(pid_t child, int pidfd, struct handover *handover);

/* Answers one call. False if the scene is to be given up. */
bool filter_answer(const struct plan *plan, struct run *run);

/* ---- inject_peer.c --------------------------------------------------------------------------- */

/* The numbers that a scene finds open. */
enum { CONTROL = 100, TRANSCRIPT };

/* What a scene asks of its peer, in one packet; the answer is one too. */
enum peer_op {
    PEER_CONNECT, /* slot: to port argument of the loopback */
    PEER_PORT,    /* the answer is the port that the peer listens on */
    PEER_ACCEPT,  /* slot: the next that came in there */
    PEER_SEND,    /* slot: argument bytes */
    PEER_URGENT,  /* slot: one urgent byte */
    PEER_FINISH,  /* slot: shutdown(SHUT_WR) */
    PEER_END,     /* slot: reads to the end, and closes; argument milliseconds at most */
    PEER_LOOK,    /* slot: whether the end has come by now */
    PEER_HOLD,    /* slot: becomes the descriptor that comes with the request */
    PEER_HAND,    /* slot: is sent with the answer, and closed here */
    PEER_READ,    /* slot: reads what is there, without waiting: how many bytes */
};

struct request {
    int op;
    int slot;
    int argument;
};

struct answer {
    long value;   /* or -errno */
    char text[8]; /* how the connection ended: "eof", "reset", "open" */
};

/* Until nobody is left at the other end of CONTROL; then what became of the connections that the
 * scene left to its exit goes to the transcript too. */
_Noreturn void peer_run(int control, int transcript);

#endif
