/*
 * Calls in progress. A thread that is in a call on a connection holds it (fdget in the kernel). It may be about to
 * read what a remedy would discard, or to write what a half-close would cut off. The kernel does not say which threads
 * are in such a call. But once the connection's number is gone, no thread can begin one. So it is enough to see each
 * thread once after that, at a moment when it can't be in such a call; then it never will be again (this is how RCU
 * uses quiescent states and grace periods). There are five ways to see it:
 *
 *   by place     it sleeps in a call that has nothing to do with a connection: /proc/self/task/TID/wchan names the
 *                kernel function that it sleeps in, and an allow-list has the functions that will do
 *   by number    it sleeps in a call on another number (.../syscall, if that may be read), and the connection never
 *                had a second number. After the close its own number may be another connection's, so a thread that
 *                sleeps in a call on that number proves nothing
 *   by a knock   it sleeps in a call on some connection (wait_woken), but not on this one. Setting an option of this
 *                connection to the value that it has wakes every thread that sleeps on it. A thread that slept before
 *                and after that, and has not gone to sleep in between, was not woken
 *   by its clock it has run, or waited for a CPU, and its user time has grown: a tick of the timer has found it in its
 *                own code, and in no call at all. How long a thread has run proves nothing, because a call has no limit:
 *                packets of other connections are received in its time, and a slow machine makes each instruction long
 *   by birth     it was created after a walk that missed no thread
 *
 * The thread that closed the connection is in no such call. A thread that is not listed must not exist, so the list
 * must be complete. The kernel's walk of it ends early if the thread that it has reached has just died. So a list is
 * believed only if two walks in a row name the same threads, and as many as the kernel counts.
 *
 * One pair of walks serves all connections that wait. Only a lot's thread does this, as it has time.
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
    THREADS_OVER,   /* the connection is closed on both sides, or reset: a reader gets its end */
};

/* The process is about to change its root, and will not find /proc by its name: keeps its own directory,
 * cut off from what lies above it, which nobody in the new root may reach (open_tree(2); since Linux 5.2,
 * with CAP_SYS_ADMIN). A fork child has none then. */
void threads_keep_tasks(void);
void threads_fork_child(void); /* gives it up */
bool threads_own(int fd);

/* Opens this process's /proc/self/task; -1 if there is none to be had. */
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

/* After threads_look: fd is our own number for the connection, number the one that it had, or -1 if it
 * had others besides; closer closed it. No call to the kernel where sight or number tells; else some ten. */
enum threads_answer threads_ask(struct threads *t, struct in_call *c, int fd, int number,
                                int closer);

#endif
