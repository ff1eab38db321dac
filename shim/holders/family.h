/*
 * The processes that may hold a connection together: a program, and everything that it forks. They share
 * a memory in which each has a place, and a clock that gives each event in the family a number of its own
 * (a serial).
 *
 * When a process forks, its child may hold whatever the parent held at that moment. fork(2) copies
 * descriptors and memory at different moments, so a moment is not enough: the parent draws a serial before
 * the call (begin) and one after it (end), and whatever overlaps the two counts as the child's. The
 * child's place is taken before it is born, so at no time is there a holder that has none:
 *
 *   the call                     the child's place, and what it may hold
 *   fork, _Fork, clone           from before the call, to its death: what its parent held at begin or
 *                                came to hold before end
 *   a fork by none of our hooks  none: no proof is any good from then on (family_distrust); the child
 *                                says so with its first hook
 *   vfork, posix_spawn, popen    none: the child runs in our memory, or in libc's hands, until it
 *                                executes or ends. It may only pass on what it keeps over the exec, which
 *                                is out of sight from then on (holders_lose_kept)
 *   exec                         keeps its place: it holds nothing any more once the kernel says that the
 *                                exec has succeeded (family_exec_begin)
 *   clone with CLONE_FILES       our work ends (doors/standdown.h)
 *
 * A place is left by death alone, and given to another process then. Dead is a process for which the
 * kernel has no such pid, in the pid namespace that the pid is of; or one that nobody has waited for yet,
 * as waitid(2) says to its parent, and a pidfd to others: both not before the last of its threads has ended.
 * Whatever can't be told of counts as alive: a pid of another namespace, a pid that is used again.
 *
 * A fork child that has dropped its rights can write to all of this. A wrong number makes a process look
 * dead or alive, or a connection another's: at worst one is left alone, or one that somebody in the family
 * shares is drained or half-closed. No loop, wait or address depends on it, and no pid from here is given to a call that
 * acts. Against whoever writes without knowing what, each place has a seal, made with a secret of the
 * family; what does not fit it, or is older than this process has seen it, counts as a holder.
 */
#ifndef SAFECLOSE_FAMILY_H
#define SAFECLOSE_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the memory. For the constructor. Without it nothing is ever proven. */
void family_start(void);

/* The next serial; they fit 48 bits. */
uint64_t family_serial(void);

/* This process's place; 0: it has none, and can't be followed. */
uint32_t family_self(void);

/* Around a fork, in the thread that forks; what fork returned, or 0 where nobody tells here who the child
 * is, or whether there is one: then it tells by family_fork_self. */
void family_fork_begin(void);
void family_fork_parent(int child);

/* In a fork child, when it first notices; seen: the fork went through family_fork_begin. */
void family_fork_child(bool seen);

/* Writes down this process's own pid: before its first fork, and in a child whose parent does not know it
 * or has ended within the very call that forked (daemon(3)). */
void family_fork_self(void);

/* The serial at which the last fork of this process was over: what was created later is in no child's
 * hands. UINT64_MAX while one is under way. */
uint64_t family_forked(void);

/* Around an exec: when it succeeds this process holds nothing any more but what was told to be out of
 * sight. Not in a vfork child. */
void family_exec_begin(void);
void family_exec_failed(void);

/* Something can't be followed: of what was created before now nothing is proven any more. */
void family_distrust(void);
bool family_trusts(uint64_t serial);

/* How often somebody forked, or began to. */
uint32_t family_forks(void);

/* A process of the family, as the question who may hold something needs it. */
#define RELATIVE_WORDS 5
struct relative {
    uint32_t index; /* of its place in the memory; 0: none */
    bool sound;     /* what follows is what somebody of the family wrote */
    union {
        uint64_t words[RELATIVE_WORDS]; /* as it lies in the memory */
        struct {
            uint32_t place;  /* 0: none, or nobody's any more */
            uint32_t parent; /* its parent's place, which may be another's by now */
            uint64_t begin;
            uint64_t end;
            uint64_t pid_ns; /* inode of the namespace that pid is of; 0 while that is not known */
            int64_t pid;     /* 0 where unknown */
        };
    };
};

/* The relative at this place; place 0 where another has it by now. */
struct relative family_find(uint32_t place);

/* The first relative that may be alive, after index 0, or the next one; index 0 where there is none. This
 * process is none of them. */
struct relative family_next(uint32_t index);

/* Whether it is dead, or has executed another program: then it holds nothing, ever again. Up to four
 * calls. */
bool family_is_gone(const struct relative *relative);

/* This process, which has one thread, is in its end: it makes no further use of any connection, but has to be
 * asked about by those who look for its children. */
void family_end(void);
bool family_is_ending(const struct relative *relative);

/* TCP_LINGER2 was set by somebody; whether anybody ever did. */
void family_linger2(void);
bool family_knows_linger2(void);

/* This process gives requests to a ring of io_uring; whether another process of the family ever did. */
void family_ring(void);
bool family_rings_elsewhere(void);

#endif
