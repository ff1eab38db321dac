/*
 * What a lot knows of the connections that are parked in it, by their numbers in its own descriptor
 * table. Memory is mapped for 256 of them at a time, so a lot takes little of the program's address space
 * (RLIMIT_AS) before it is needed, and none of it is copied by fork. All of it is the lot's thread's
 * alone.
 */
#ifndef SAFECLOSE_SLOTS_H
#define SAFECLOSE_SLOTS_H

#include "holders/threads.h"
#include "tcp/probe.h"

#include <stdbool.h>
#include <stdint.h>

#define SLOTS 16640 /* numbers below this one can be parked */
#define SLOTS_CHUNK 256

/* Each connection is in BY_SILENCE, in one of the last three, and a guest's in BY_GUEST. */
enum order {
    BY_SILENCE, /* nothing came from the first for longest */
    BY_GUEST,   /* the same, of those that a process of other rights has parked */
    BY_LOOK,    /* when to look at it, should nothing happen */
    BY_DOUBT,   /* a thread may be in a call on it, so it is not touched */
    BY_NAP,     /* it came since the last nap */
    ORDERS
};

struct place {
    uint16_t before;
    uint16_t after;
};

struct parked {
    int64_t since;
    int64_t moved; /* when something last came in, or was acknowledged */
    int64_t look;  /* when to look at it, should nothing happen */
    uint64_t discarded;
    uint32_t unacked; /* at the last look, our FIN included */
    int fd;           /* the number that it had, in which process, closed by which thread */
    int pid;
    int tid;
    struct endpoint peer;
    struct in_call in_call; /* what is known of threads, while it is BY_DOUBT */
    uint64_t handing;       /* as in its parcel; these too */
    uint64_t serial;
    uint32_t origin;
    uint8_t via;    /* enum via */
    uint8_t cause;  /* enum cause */
    uint8_t order;  /* which of the last three it is in */
    uint8_t spins;  /* events in a row that brought nothing */
    uint16_t flags; /* enum parcel_flag */
    bool options;   /* SO_LINGER or SO_RCVLOWAT may be set */
    bool own;       /* this process closed it */
    bool guest;     /* a process of other rights did */
    bool watched;   /* it is in the epoll set */
    struct place at[ORDERS];
};

struct slots {
    struct parked *chunks[SLOTS / SLOTS_CHUNK];
    struct place heads[ORDERS];
};

/* All empty; s is zero. */
void slots_start(struct slots *s);

/* Gives the memory back. What is parked is forgotten, and the orders are of no use any more. */
void slots_free(struct slots *s);

/* The place of a number that is not parked yet, all zero but at[]; NULL if the number is too high,
 * or there is no memory. */
struct parked *slots_new(struct slots *s, int fd);

/* The place of a number for which slots_new was called. */
struct parked *slots_at(struct slots *s, int fd);

void slots_put_last(struct slots *s, int fd, enum order order);
void slots_take_out(struct slots *s, int fd, enum order order);

/* The first of an order, or the one after fd; -1 if there is none. */
int slots_first(struct slots *s, enum order order);
int slots_after(struct slots *s, int fd, enum order order);

#endif
