/*
 * What we remember of a descriptor, by its number.
 *
 * The program can close a number in ways that nobody can see and get it back as something else, so
 * an entry is a hint: before acting on one, compare the peer's address (holders/owner.c).
 *
 * No lock: an entry is four words, written by whoever created or closes the descriptor; a program
 * that races those calls on one number has no right answer to expect from the kernel either. Pages
 * of entries are mapped when first needed, published by compare-and-swap, and never given back. A
 * fork child inherits a copy; a vfork child writes in its parent's, which boundary.h keeps it from.
 * Everything here is callable from anywhere, and calls nothing of ours.
 */
#ifndef SAFECLOSE_FDTABLE_H
#define SAFECLOSE_FDTABLE_H

#include <stdbool.h>
#include <stdint.h>

enum fd_flag {
    FD_TCP = 1 << 0,     /* a TCP socket, as its creator or SO_PROTOCOL said */
    FD_OTHER = 1 << 1,   /* a socket of another kind */
    FD_MPTCP = 1 << 2,   /* a TCP socket whose kernel answers mislead */
    FD_CREATED = 1 << 3, /* its creation was seen, in this process or before a fork that was seen */
    FD_PEER = 1 << 4,    /* accepted or connected, peer holds its address */
    FD_CONNECTED = 1 << 5,    /* opened by connect: its own port means nothing to people */
    FD_LISTENING = 1 << 6,    /* listen was called, or accept succeeded */
    FD_ASK_LINGER = 1 << 7,   /* SO_LINGER or TCP_LINGER2 was set, here or on its listener: ask */
    FD_UNTRACKED = 1 << 8,    /* given to somebody who can't be followed, or by one (holders.h) */
    FD_READ_SHUT = 1 << 9,    /* shut down for reading: later data resets in any case */
    FD_INHERITED = 1 << 10,   /* created elsewhere; was asked about when it came */
    FD_DUPED = 1 << 11,       /* dup'ed: another number of this process may stand for it */
    FD_HALF_CLOSED = 1 << 12, /* shut down for writing: a FIN is among what is not acknowledged */
    FD_LOWAT = 1 << 13,       /* SO_RCVLOWAT was set, here or on its listener */
    FD_EPOLL_STUCK = 1 << 14, /* in an epoll set that it can't be taken out of */
    FD_STREAM = 1 << 15,      /* a stream of libc's may hold what is yet to be written */
};

struct fd_info {
    uint64_t peer; /* hash of the peer's address, 0 where unseen */
    uint64_t
        serial; /* which connection it stands for, and when that was created (holders/family.h) */
    uint32_t flags;  /* enum fd_flag, of 16 bits; 0: nothing is known */
    uint32_t origin; /* the place of the process that created it; 0 if that was not seen */
    uint32_t epolls; /* the epoll sets it is in: two numbers of 16 bits, each one more; 0: none */
    uint64_t rings;  /* rings_count when no ring had it in an epoll set (holders/rings.h) */
};

/* Whether the entry tells where the connection comes from, and that nothing unusual was asked of it. */
static inline bool fdtable_is_plain(const struct fd_info *info)
{
    const uint32_t doubts = FD_MPTCP | FD_LISTENING | FD_ASK_LINGER;

    return info->flags & (FD_CREATED | FD_INHERITED) && info->flags & FD_PEER &&
           !(info->flags & doubts);
}

/* Replaces what is known of fd. False if it can't be remembered: the number is beyond the table, or there is no memory
 * for the page. */
bool fdtable_set(int fd, struct fd_info info);

/* What is known of fd; all zero if nothing is. */
struct fd_info fdtable_get(int fd);

/* Adds flags to what is known of fd. */
void fdtable_add(int fd, uint32_t flags);

/* Removes flags from what is known of fd. */
void fdtable_drop(int fd, uint32_t flags);

/* fd was put into the epoll set with this number. A third set, or a number that does not fit, makes it FD_EPOLL_STUCK.
 * Does nothing if nothing is known of fd. False if the table had it in that set already. */
bool fdtable_enter_epoll(int fd, int epoll);

/* fd was taken out of that set. rings: rings_count from before the call. */
void fdtable_leave_epoll(int fd, int epoll, uint64_t rings);

/* The next number above fd that has any of these flags; -1 if there is none. Start with -1. */
int fdtable_next(int fd, uint32_t flags);

/* The same, without those that the process at this place created (0: with all). There may be thousands of them. */
int fdtable_next_not_of(int fd, uint32_t flags, uint32_t except);

/* fd was connected to this peer; 0: its peer is unknown. */
void fdtable_connected(int fd, uint64_t peer);

/* fd is about to be closed, or to become something else: returns what was known of it, to one caller only, and forgets
 * it. */
struct fd_info fdtable_take(int fd);

#endif
