/*
 * Who else holds a connection: reference counts that a whole family of processes shares.
 *
 * A connection that one process creates and one number stands for needs no count. It gets one the
 * moment a second holder comes to be: at dup, and for every TCP socket at once when the process
 * forks. The counts live in memory that fork shares (MAP_SHARED), so that a child's close is seen
 * by its parent and the other way round. A count of one proves that nobody else holds the
 * connection, whatever /proc shows and to whom.
 *
 * What makes a count too high is harmless: a holder killed, or closing in a way that nobody sees.
 * Then the members of the family are looked at in /proc, within SHARE_LOOK_NS. What would make it
 * too low must not happen: passing over a UNIX socket, an exec that keeps the number open, a fork
 * that nobody saw. Each of these marks the connection as lost (FD_LOST here, LOST in the count),
 * for which "unknown" is the answer.
 *
 * Nothing here waits or takes a lock; a process that dies at any point leaves at worst a count too
 * high.
 *
 * A fork child that has dropped its rights can write to this memory whatever it likes. Each word of it
 * may be changed by any process of the family, and this is the worst that any value can do:
 *
 *   counts[]     a connection that others hold looks like this process's own, and is drained, or lingers:
 *                that is all which one process can do to another here; or the other way round, and it is
 *                left alone. A note that names another count, or a count that changes all the time, makes
 *                the answer unknown (MOST_TRIES)
 *   members[]    another process is looked at, which changes nothing there; it is named in the log only
 *                where /proc shows the connection among its descriptors
 *   forking, moves, grabbed, untrusted, pid_ns, linger2     connections are left alone, or asked about once more
 *   hint         a search begins elsewhere; it is cut to the table and passes each count once
 *
 * Nothing in it is an address, and no loop or wait ends by it.
 */
#ifndef SAFECLOSE_SHARE_H
#define SAFECLOSE_SHARE_H

#include "fdtable.h"

#include <stdbool.h>
#include <stdint.h>

#define SHARE_LOOK_NS 1000000 /* how long looking may take */

enum share {
    SHARE_SOLE,    /* nobody else holds it */
    SHARE_HELD,    /* somebody does */
    SHARE_UNKNOWN, /* can't be told */
};

struct holder {
    int pid; /* of the process that holds it too; 0 where none was found */
    int fd;  /* its number there, or here where pid is ours; -1 where unknown */
};

/* Maps the family's memory. For the constructor. Without it every shared connection is unknown. */
void share_start(void);

/* Whether this process may share connections with another; true where that is unknown. */
bool share_has_relatives(void);

/* Before a fork: counts one holder more of every TCP socket. */
void share_fork_begin(void);

/* After it, in the parent, with what fork returned. */
void share_fork_parent(int child);

/* In a fork child, when it first notices; seen: the fork went through share_fork_begin. */
void share_fork_child(bool seen);

/* In a child whose parent has ended within the very call that forked (daemon(3)). */
void share_parent_gone(void);

/* fd has got one number more; returns the note for it, all zero where fd is not known to be TCP.
 * epoch as it was before the call that copied: a fork that came between may have copied one number
 * or both. */
struct fd_note share_copied(int fd, uint32_t epoch);

/* A number with this note is given up. Returns how many holders are left; where two give up the
 * last two at the same time, exactly one of them is told 0. */
uint32_t share_drop(const struct fd_note *note);

/* Whether more than one number may stand for its connection. Before share_drop. */
bool share_has_others(const struct fd_note *note);

/* Its connection is out of sight for good. Before share_drop. */
void share_lose_note(const struct fd_note *note);

/* Whether what share_drop returned means that it is out of sight. */
bool share_was_lost(uint32_t left);

/* A number with this note is given up while it is in an epoll set, which will not let go of it as
 * long as others hold the connection. Before share_drop. */
void share_stick(const struct fd_note *note);

/* Whether a number of the connection was. Before share_drop. */
bool share_is_stuck(const struct fd_note *note);

/* fd's connection is out of sight for good. */
void share_lose(int fd);

/* Whether a program started now keeps fd, as far as can be told. One call. */
bool share_survives_exec(int fd);

/* Every connection that a program started now, or by an exec of this process, would keep is lost:
 * what is not close-on-exec. The rest stays counted, since an exec may fail. */
void share_spawn(void);

/* Every connection of this process is out of sight for good. */
void share_lose_all(void);

/* pidfd_getfd was called here: it takes what it wants from any process, the caller's own included.
 */
void share_grabbed(void);
bool share_was_grabbed(void);

/* A process of the family can't be followed: no count of one proves anything from now on. */
void share_distrust(void);

/*
 * Who else holds fd's connection, which is given up with this note and had `left` holders left
 * (share_drop). *holder names one where SHARE_HELD. Looks at other processes only where some are
 * left, and no longer than until the monotonic time `until` (share_deadline).
 */
enum share share_look(int fd, const struct fd_note *note, uint32_t left, int64_t until,
                      struct holder *holder);

/* Whether another number of this process, as far as it is known, stands for fd's connection. */
bool share_held_here(int fd, const struct fd_note *note, struct holder *holder);

/* TCP_LINGER2 is set, by whatever number; whether anybody in the family ever did. Without the
 * family's memory the answer is always yes. */
void share_linger2(void);
bool share_knows_linger2(void);

/* SHARE_LOOK_NS from now. */
int64_t share_deadline(void);

#endif
