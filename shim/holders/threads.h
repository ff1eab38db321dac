/*
 * Calls in progress. A thread that is in a call on a connection holds it (fdget in the kernel), and may
 * be about to take what a remedy would discard, or to write what a half-close would cut off. The kernel
 * tells nobody who is. But once the connection's number is gone nobody can begin such a call any more. So
 * each thread has but to be seen once, from then on, where it can't be in one; what was true of it then
 * stays true of this connection for good (the quiescent states and grace periods of RCU). Seen is a thread
 *
 *   by sight     in a call that has nothing to do with a connection: /proc/self/task/TID/wchan names the
 *                function of the kernel that it sleeps in, and an allow-list those that will do
 *   by number    asleep in a call on another number (.../syscall, where it may be read), if the connection
 *                never had a second one. After the close its own number may be another connection's, so
 *                to be asleep in a call on that proves nothing
 *   by a knock   asleep in a call on some connection (wait_woken), and not this one: whoever sleeps on this one
 *                is woken when an option of it is set, to what it was. A thread that slept before and after,
 *                and has not gone to sleep in between, was not
 *   by its clock running all the while, or waiting for a CPU, and so long on one (RUN_NS) that whatever call
 *                it was in is over; with nothing read or written meanwhile
 *   by birth     after a walk that missed nobody
 *
 * The thread that closed it is out of any such call. One that is not listed was not there, or has ended: so
 * they must all be. The kernel's walk of the list ends early where the thread that it stands on has just
 * died, so only two walks in a row that name the same threads, as many as the kernel counts, are believed to
 * miss nobody.
 *
 * One pair of walks serves all connections that wait. All of this is for a lot's thread, which has time.
 */
#ifndef SAFECLOSE_THREADS_H
#define SAFECLOSE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

struct threads {
    int tasks;       /* /proc/self/task; -1 */
    bool complete;   /* the last two walks agree */
    bool shut;       /* `syscall` may not be read */
    bool counts_all; /* there is no time to find out first who is to be counted */
    uint64_t walk;   /* the number of the last one */
    uint64_t whole;  /* and of the last that agreed with the one before */
    uint32_t before; /* threads that it has listed */
    uint32_t fresh;  /* of them, those that the walk before had not */
    uint32_t count;  /* that are known */
    struct thread *list;
    char status[4096]; /* what is read of one of them */
};

/* What is known of one connection. All zero: nothing, and its number is not gone. */
struct in_call {
    uint64_t read;
    uint64_t written;
    uint64_t gone;  /* the first walk after its number was; 0: it is not */
    uint64_t still; /* the first since when nothing was read or written; 0: unknown */
    bool shared;    /* with other processes: nothing of it is set */
    uint64_t knock; /* the first after the last knock; 0: nobody need have been woken by it */
};

enum threads_answer {
    THREADS_OUT,    /* no thread is in a call on it, and none will be */
    THREADS_UNSEEN, /* some have yet to be seen: they run, or come and go */
    THREADS_ASLEEP, /* one sleeps in a call that may be on it */
    THREADS_OVER, /* the connection is closed on both sides, or reset: whoever reads it has an end */
};

/* The process is about to change its root, and will not find /proc by its name: keeps its own directory,
 * cut off from what lies above it, which nobody in the new root may reach (open_tree(2); since Linux 5.2,
 * with CAP_SYS_ADMIN). A fork child has none then. */
void threads_keep_tasks(void);
void threads_fork_child(void); /* gives it up */
bool threads_own(int fd);

/* Opens this process's /proc/self/task; -1 where there is none to be had. */
int threads_open_tasks(void);

/* tasks: what threads_open_tasks returned. Maps memory when it is first needed. */
void threads_start(struct threads *t, int tasks);
void threads_stop(struct threads *t);

/* Remembers how far it was read and written, and knocks: for the next look. fd: our own number for it. */
void threads_watch(struct threads *t, struct in_call *c, int fd);

/* A pair of walks; 1 to 7 us for each thread. */
void threads_look(struct threads *t);

/* The number of this connection is gone: its waiting begins. */
void threads_begin(const struct threads *t, struct in_call *c);

/* After threads_look: fd is our own number for the connection, number the one that it had, or -1 where it
 * had others besides; closer closed it. No call to the kernel where sight or number tells; else some ten. */
enum threads_answer threads_ask(struct threads *t, struct in_call *c, int fd, int number,
                                int closer);

#endif
