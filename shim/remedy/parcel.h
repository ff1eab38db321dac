/*
 * Messages to a lot: a connection, passed as over any UNIX socket (SCM_RIGHTS, unix(7)).
 *
 * Whoever holds the sending end may send anything: every fork child inherits it, one that has dropped
 * its rights and been broken into as well. So nothing in a message is believed that its sender could not
 * do anyway:
 *
 *   in a message            who says it     what any value of it can do
 *   the sender's ids        the kernel      nothing: SCM_CREDENTIALS can't be forged without privileges
 *   number of descriptors   the kernel      more than one: all of them are closed
 *   the descriptor          the sender      is closed, unless it is a connected TCP socket
 *   size                    the kernel      wrong: the message is dropped
 *   via, cause              the sender      out of bounds: the message is dropped; else a wrong word in
 *                                           the log
 *   fd                      the sender      a wrong number in the log, where people look at it
 *   flags, tid, handing,    the sender      believed of our own process alone, which could as well
 *   serial, origin                          write to our memory. Of others the kernel is asked instead,
 *                                           and what has PARCEL_THREADS is left alone. PARCEL_LOGGED: a
 *                                           line more or less; PARCEL_LINGER, PARCEL_OPENED: it is kept
 *                                           for longer, or for less
 *   peer                    the sender      the same; of a connection that is over, for which the kernel
 *                                           names none any more, a process of the same rights is believed
 */
#ifndef SAFECLOSE_PARCEL_H
#define SAFECLOSE_PARCEL_H

#include "tcp/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parcel_flag {
    PARCEL_LOGGED = 1,     /* its close was written to the log, so its end will be */
    PARCEL_LINGER = 2,     /* until the peer is done; else it is drained and closed */
    PARCEL_HALF_CLOSE = 4, /* which is the lot's to do */
    PARCEL_OPTIONS = 8,    /* SO_LINGER or SO_RCVLOWAT may be set */
    PARCEL_THREADS = 16,   /* other threads of its process may be in a call on it */
    PARCEL_DUPED = 32,     /* and by other numbers than this one */
    PARCEL_EXITING = 64,   /* the process ends, and does not close it before */
    PARCEL_SHARED = 128,   /* other processes may hold it: then it is only to be given up */
    PARCEL_OPENED = 256,   /* the program opened it: it lingers only while output is under way */
};

struct parcel {
    uint8_t via;          /* enum via */
    uint8_t cause;        /* enum cause */
    uint16_t flags;       /* enum parcel_flag */
    int fd;               /* the number that the connection had in its process */
    int tid;              /* of the thread that closed it */
    struct endpoint peer; /* the connection may be over, and have none, when it arrives */
    uint64_t handing;     /* its close, which may not be over (handing.h) */
    uint64_t serial;      /* as in its fd_info */
    uint32_t origin;
};

/* A parcel as it arrived. */
struct received {
    struct parcel parcel;
    int connection; /* the one descriptor that came with it; -1 */
    int pid;        /* of the sender, in our pid namespace; 0 if it is in none of ours */
    uint32_t uid;   /* its real ids; UINT32_MAX where the kernel named none */
    uint32_t gid;
    bool whole; /* sizes and values are in their bounds */
};

enum receive {
    RECEIVE_PARCEL, /* something came, whole or not */
    RECEIVE_NONE,   /* nothing waits */
    RECEIVE_END,    /* nobody can send any more */
    RECEIVE_FAILED, /* the kernel refuses */
};

/* Makes a pair to send from [0] to [1], the senders being named by the kernel. False if the kernel
 * refuses. */
bool parcel_pair(int pair[2]);

/* Passes fd on. 0, or -errno; EAGAIN: the queue is full. Never waits. */
long parcel_send(int number, const struct parcel *parcel, int fd);

/* Wakes the receiver by a message of one byte. 0, or -errno; EAGAIN: it is awake. */
long parcel_wake(int number);

/* Takes the next one that waits. */
enum receive parcel_receive(int number, struct received *received);

/* Closes a descriptor that nobody wants, and that may be a socket whose close would wait (SO_LINGER). */
void parcel_discard(int fd);

#endif
