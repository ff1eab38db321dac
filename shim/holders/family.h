/*
 * The processes that may hold a connection together: a program, and everything that it forks. They share
 * a memory. In it each process has a place, and a clock numbers the events of the family: a number is called a serial.
 *
 * When a process forks, its child may hold whatever the parent held at that moment. fork(2) copies descriptors and
 * memory at different moments, so one moment is not enough. The parent draws a serial before the call (begin) and one
 * after it (end); what it holds in between may be the child's, too. The child's place is taken before the child is
 * born, so no holder is ever without a place:
 *
 *   the call                     the child's place, and what it may hold
 *   fork, _Fork, clone           from before the call until its death: what its parent held at begin, or
 *                                came to hold before end
 *   a fork that no hook sees     none. Nothing that was created before can be proven any more
 *                                (family_distrust); the child says so at its first hook
 *   vfork, posix_spawn, popen    none. The child runs in our memory, or inside libc, until it executes a program or
 *                                ends. It can pass on only what it keeps over the exec, and that is out of sight
 *                                from then on (holders_lose_kept)
 *   exec                         the process keeps its place, and holds nothing any more once the kernel says that
 *                                the exec has succeeded (family_exec_begin)
 *   clone with CLONE_FILES       our work ends (doors/standdown.h)
 *
 * A process leaves its place only by its death; then the place may go to another. A process is dead if the kernel has
 * no such pid in the pid namespace that the pid is of, or if it has ended but nobody has waited for it yet: waitid(2)
 * tells its parent, a pidfd tells others, and neither does before the last of its threads has ended. If nobody can
 * tell, the process counts as alive: a pid of another namespace, or a pid that is in use again.
 *
 * What is known of a process is written as a whole, beside what was known before, and then made current. So a reader
 * finds the old record or the new one, never a part of each.
 *
 * A fork child that has dropped its rights can write to all of this. A wrong number makes a process look dead or
 * alive, or a connection look like another one. At worst a connection is left alone, or one that somebody in the family
 * shares is drained or half-closed. No loop, wait or address depends on what is read here, and no pid from here goes
 * to a call that acts. Against blind writing each record has a seal, made with a secret of the family. A record that
 * does not fit its seal, or is older than what this process has seen there, counts as a holder.
 */
#ifndef SAFECLOSE_FAMILY_H
#define SAFECLOSE_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Maps the memory, for the constructor, and in the same mapping as many bytes more, because a mapping costs a program's
 * start 9 us. Returns those; NULL if it fails, and then nothing is ever proven. */
void *family_start(size_t more);

/* The next serial; they fit 48 bits. */
uint64_t family_serial(void);

/* The place of this process; 0: it has none, and nothing about it can be proven. */
uint32_t family_self(void);

/* Before and after a fork, in the thread that forks. child: what fork returned; 0 if the caller can't know it, then
 * the child says it itself (family_fork_self). */
void family_fork_begin(void);
void family_fork_parent(int child);

/* In a fork child, at its first hook. seen: the fork went through family_fork_begin. */
void family_fork_child(bool seen);

/* Writes down this process's own pid: before its first fork, and in a child whose parent can't (daemon(3)). */
void family_fork_self(void);

/* The serial at which this process's last fork was over: no child holds what was created later. UINT64_MAX while a
 * fork is under way. */
uint64_t family_forked(void);

/* Before an exec. If it succeeds, this process holds nothing any more, but for what is out of sight. False if the
 * kernel can't be made to say so, also for an exec in a signal handler within an exec. Not in a vfork child. */
bool family_exec_begin(void);

/* After an exec that failed, if family_exec_begin returned true. */
void family_exec_failed(void);

/* Whether the process that had this place executes a program now, or may have executed one. Once the kernel has said
 * that an exec succeeded, this is true for good. */
bool family_executes(uint32_t place);

/* Something happened that can't be followed: nothing is proven any more of what was created before now. Whether what
 * has this serial was created later. */
void family_distrust(void);
bool family_trusts(uint64_t serial);

/* How many forks the family has begun. */
uint32_t family_forks(void);

/* What is known of a process of the family. */
#define RELATIVE_WORDS 5
struct relative {
    uint32_t index; /* of its place in the memory; 0: none */
    bool sound;     /* the rest fits its seal: somebody of the family wrote it */
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

/* The process at this place; its place is 0 if another process has it by now. */
struct relative family_find(uint32_t place);

/* The next process after this index that may be alive, other than this one. index: 0 for the first. The answer's index
 * is 0 after the last. */
struct relative family_next(uint32_t index);

/* Whether it is dead, or has executed another program: then it holds nothing, and never will. Up to four calls. */
bool family_is_gone(const struct relative *relative);

/* This process has one thread and is about to end: it will not use any connection again. Its children may. Whether a
 * relative has said so. */
void family_end(void);
bool family_is_ending(const struct relative *relative);

/* This process sets TCP_LINGER2; or SO_LINGER or SO_RCVLOWAT where others may accept connections that inherit it.
 * Whether anybody in the family ever did. */
void family_linger2(void);
bool family_knows_linger2(void);

/* This process gives requests to a ring of io_uring; whether another process of the family ever did. */
void family_ring(void);
bool family_rings_elsewhere(void);

#endif
