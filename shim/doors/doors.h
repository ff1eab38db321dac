/*
 * A door is our rule for one kind of call, by whatever name the program makes it. libc's hook and
 * syscall(2) with its number put the same X_begin before the real call and the same X_end after it, so
 * they can't come to differ. A pair lacks X_begin or X_end if it has nothing to do there. To add a hook: the head of
 * ground/real.def.
 *
 * X_end gets what the real call returned, and returns it. A call that fails changes nothing that we
 * know. The program's memory is read only after the kernel has read or written it. errno stays as
 * the real call left it. Each asks boundary_enter itself: call them at any time, in any process.
 */
#ifndef SAFECLOSE_DOORS_H
#define SAFECLOSE_DOORS_H

#include "doors/standdown.h"
#include "remedy/linger.h"
#include "report/event.h"

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define CALLER __builtin_return_address(0)

/* ---- Descriptors that are given up ----------------------------------------------------------- */

/* close. False if the number is one of ours: errno is EBADF, and there is no real call. */
bool close_begin(int fd, enum via via, const void *call_site);
long close_end(int fd, long ret);

/* close_range, closefrom. */
enum standdown range_begin(unsigned first, unsigned last, int flags, enum via via,
                           const void *call_site);
long range_end(enum standdown reason, unsigned first, unsigned last, int flags, long ret);

/* dup2, dup3: they close what target stood for. */
uint64_t dup_onto_begin(int fd, int target, int flags, enum via via, const void *call_site);
long dup_onto_end(uint64_t forked, int fd, int target, long copy);

/* dup, and fcntl. forked: what dup_begin returned before the call. */
uint64_t dup_begin(void);
long dup_end(uint64_t forked, int fd, long copy);
long dup_fcntl_end(uint64_t forked, int fd, int command, long ret);

/* fclose, pclose, freopen. Returns the errno of a flush that failed, so that the stream's unwritten output is
 * lost; else 0. *fd: the stream's descriptor, or -1. close_end follows. */
int stream_begin(FILE *stream, enum via via, const void *call_site, int *fd);

/* fopencookie: what the functions write to is out of sight. */
void stream_of_functions(void);

/* fdopen. */
void stream_opened(FILE *stream, int fd);

/* The process ends by this door: judges all its connections, waits for the lots, writes the summary. */
void exit_begin(enum via via, const void *call_site);

/* ---- Descriptors that come to be, and what is done with them --------------------------------- */

struct fd_info socket_begin(void);
long socket_end(struct fd_info info, int domain, int type, int protocol, long fd);
long socket_pair_end(const int pair[2], long ret);
long socket_listen_end(int fd, long ret);
long socket_connect_end(int fd, const struct sockaddr *address, socklen_t len, long ret);
long socket_shutdown_end(int fd, int how, long ret);
uint64_t socket_epoll_begin(int epoll, int operation, int fd);
long socket_epoll_end(uint64_t begun, int epoll, int operation, int fd, long ret);
void socket_option_begin(int fd, int level, int name);

/* The real call takes this address and len. */
struct accepting {
    bool watched;
    struct fd_info info;
    struct sockaddr *address;
    socklen_t *len;
    struct sockaddr_in6 own;
    socklen_t own_len;
};
void socket_accept_begin(struct accepting *a, int listener, struct sockaddr *address,
                         socklen_t *len);
long socket_accept_end(const struct accepting *a, int listener, long fd);

/* Before an ioctl. */
void message_ioctl_begin(unsigned long request, const void *argument);

/* sendmsg and recvmsg, sendmmsg and recvmmsg, pidfd_getfd. Before a send ret says nothing. */
typedef long message_door(const struct msghdr *message, long ret);
message_door message_send_begin, message_sent, message_received;
long message_many(message_door *door, const struct mmsghdr *messages, long count);
long message_pidfd_taken(long fd);

/* io_uring, which only syscall(2) reaches. */
void ring_register_begin(unsigned operation);
struct io_uring_params;
long ring_setup_end(const struct io_uring_params *params, long ret);
void ring_enter_begin(unsigned submitted);
long ring_enter_end(unsigned submitted, long ret);

/* ---- The process ----------------------------------------------------------------------------- */

/* Before and after calls that the kernel refuses to a process with several threads (unshare, setns), or that our
 * thread would disturb (mq_notify, exec): our thread ends before. */
bool alone_begin(void);
long alone_end(bool stopped, long ret);

/* Before and after a call that changes rights. number, a, b, c: the system call it makes; number 0: no single one. */
struct linger_change rights_begin(long number, long a, long b, long c);
long rights_end(struct linger_change change, long ret);

/* setrlimit, prlimit. word: the size of one of the two of limit. */
void limit_begin(long pid, int resource, const void *limit, size_t word);
long limit_end(int resource, long ret);

/* exec, which returns only if it fails. */
struct exec {
    bool stopped;  /* alone_begin */
    bool marked;   /* family_exec_begin */
    bool undoable; /* holders_exec_begin */
};
struct exec exec_begin(void);
long exec_failed(struct exec exec, long ret);

/* What starts a program and returns: posix_spawn with these actions, system, popen, wordexp. */
void spawn_prepared(int fd);
bool spawn_begin(const posix_spawn_file_actions_t *actions);
long spawn_end(bool watched, long ret);

/* seccomp(operation, flags, filter), and prctl(option, mode, filter). standdown_end follows. */
enum standdown sandbox_filter_begin(unsigned long operation, unsigned long flags,
                                    const void *filter);
enum standdown sandbox_prctl_begin(int option, unsigned long mode, const void *filter);

/* unshare, and setns, which is one of CLONE_NEWNET. */
struct unsharing {
    enum standdown reason;
    bool stopped;
};
struct unsharing sandbox_unshare_begin(int flags);
long sandbox_unshare_end(struct unsharing u, long ret);

/* chroot. */
void sandbox_chroot_begin(void);

/* mq_notify: alone_begin comes before. */
long sandbox_notify_end(bool stopped, long ret);

#endif
