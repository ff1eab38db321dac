/*
 * The functions that our hooks stand in front of, as the program would have got them.
 *
 * Looked up once, by the constructor. Until then those on malloc's own start-up path (close, dup,
 * fcntl) and the other plain system calls are made directly; the rest are looked up when first
 * called, which only another library's constructor can do.
 */
#ifndef SAFECLOSE_REAL_H
#define SAFECLOSE_REAL_H

#include <link.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <termios.h>
#include <time.h>
#include <wordexp.h>

/* Finds them all. For the constructor. */
void real_resolve(void);

/* The time of this clock in ns; without a system call after real_find_clock (where the kernel lends its
 * clocks), which is for the constructor: another preloaded library's clock_gettime may be anything. errno
 * kept. */
void real_find_clock(void);
int64_t real_clock_ns(int clock);

/* Each as its manual page says, errno included. */
int real_close(int fd);
int real_dup(int fd);
int real_dup2(int fd, int target);
int real_dup3(int fd, int target, int flags);
int real_fcntl(int fd, int command, void *argument);
int real_fcntl64(int fd, int command, void *argument);
int real_ioctl(int fd, unsigned long request, void *argument);
int real_socket(int domain, int type, int protocol);
int real_socketpair(int domain, int type, int protocol, int pair[2]);
int real_accept(int fd, struct sockaddr *address, socklen_t *len);
int real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int real_connect(int fd, const struct sockaddr *address, socklen_t len);
int real_listen(int fd, int backlog);
int real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
ssize_t real_sendmsg(int fd, const struct msghdr *message, int flags);
int real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t real_recvmsg(int fd, struct msghdr *message, int flags);
int real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                  struct timespec *timeout);
int real_shutdown(int fd, int how);
int real_close_range(unsigned first, unsigned last, int flags);
void real_closefrom(int low);
int real_fclose(FILE *stream);
int real_pclose(FILE *stream);
FILE *real_freopen(const char *path, const char *mode, FILE *stream);
FILE *real_freopen64(const char *path, const char *mode, FILE *stream);
_Noreturn void real__exit(int status);
_Noreturn void real__Exit(int status);
long real_syscall(const long number_and_arguments[7]);
int real_prctl(int option, const unsigned long arguments[4]);
int real_unshare(int flags);
int real_chroot(const char *path);
int real_clone(int (*function)(void *), void *stack, int flags, void *argument,
               void *const rest[3]);
int real_daemon(int nochdir, int noclose);
pid_t real_forkpty(int *master, char *name, const struct termios *termios,
                   const struct winsize *size);
int real_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int target);
int real_wordexp(const char *words, wordexp_t *expansion, int flags);
int real_pidfd_getfd(int pidfd, int target, unsigned flags);
int real_execve(const char *path, char *const argv[], char *const envp[]);
int real_execvp(const char *file, char *const argv[]);
int real_execvpe(const char *file, char *const argv[], char *const envp[]);
int real_fexecve(int fd, char *const argv[], char *const envp[]);
int real_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
pid_t real_fork(void);
pid_t real__Fork(void);
int real_system(const char *command);
FILE *real_popen(const char *command, const char *type);
int real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
int real_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

int real_setuid(uid_t uid);
int real_setgid(gid_t gid);
int real_seteuid(uid_t effective);
int real_setegid(gid_t effective);
int real_setreuid(uid_t real, uid_t effective);
int real_setregid(gid_t real, gid_t effective);
int real_setresuid(uid_t real, uid_t effective, uid_t saved);
int real_setresgid(gid_t real, gid_t effective, gid_t saved);
int real_setgroups(size_t count, const gid_t *groups);
int real_initgroups(const char *user, gid_t group);
int real_capset(void *header, const void *data);
/* Of libselinux and libapparmor, where a program has them; else ENOSYS. All but the last ignore the second. */
int real_setcon(const char *context, unsigned long none);
int real_setcon_raw(const char *context, unsigned long none);
int real_aa_change_profile(const char *profile, unsigned long none);
int real_aa_change_hat(const char *hat, unsigned long token);
/* Those with 64 in their name are the same: on our machines struct rlimit64 is struct rlimit. */
int real_setrlimit(int resource, const void *limit);
int real_prlimit(pid_t pid, int resource, const void *limit, void *old);
int real_setns(int fd, int type);
int real_mq_notify(int queue, const struct sigevent *event);
int real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
FILE *real_fdopen(int fd, const char *mode);

/* The address of vfork, which must be jumped to and not called (hooks/fork.c). */
void *real_vfork(void);

/* What the loader knows of the object that an address is in, as libc lays it out (dlfcn.h, since
 * glibc 2.35). */
struct real_object {
    unsigned long long flags;
    void *start;
    void *end;
    struct link_map *map;
    const uint8_t *eh_frame_hdr;
    unsigned long long reserved[8];
};

/* False where the address is in none. Takes no lock; may be called from anywhere. */
bool real_find_object(uintptr_t address, struct real_object *object);

/* Whether libc has it. */
bool real_can_find_object(void);

/* True where the process has one thread, as far as libc can tell; false where it can't. */
bool real_single_threaded(void);

#endif
