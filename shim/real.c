#define SAFECLOSE_MAY_CALL_LIBC
#include "safeclose.h"

#include "real.h"
#include "sys.h"

/* On glibc the name must not bind to a version newer than the oldest glibc that we run on: 2.34
 * moved dlsym into libc under a new one. */
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.17");
#endif

/* Written by real_resolve. Where libc lacks a function its pointer stays NULL, and no program calls
 * it. */
static int (*libc_close)(int);
static int (*libc_dup)(int);
static int (*libc_dup2)(int, int);
static int (*libc_dup3)(int, int, int);
static int (*libc_fcntl)(int, int, ...);
static int (*libc_fcntl64)(int, int, ...);
static int (*libc_socket)(int, int, int);
static int (*libc_socketpair)(int, int, int, int[2]);
static int (*libc_accept)(int, struct sockaddr *, socklen_t *);
static int (*libc_accept4)(int, struct sockaddr *, socklen_t *, int);
static int (*libc_connect)(int, const struct sockaddr *, socklen_t);
static int (*libc_listen)(int, int);
static int (*libc_setsockopt)(int, int, int, const void *, socklen_t);
static ssize_t (*libc_sendmsg)(int, const struct msghdr *, int);
static int (*libc_sendmmsg)(int, struct mmsghdr *, unsigned, int);
static ssize_t (*libc_recvmsg)(int, struct msghdr *, int);
static int (*libc_recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
static int (*libc_shutdown)(int, int);
static int (*libc_close_range)(unsigned, unsigned, int);
static void (*libc_closefrom)(int);
static int (*libc_fclose)(FILE *);
static int (*libc_pclose)(FILE *);
static FILE *(*libc_freopen)(const char *, const char *, FILE *);
static FILE *(*libc_freopen64)(const char *, const char *, FILE *);
static void (*libc__exit)(int);
static void (*libc__Exit)(int);
static long (*libc_syscall)(long, ...);
static int (*libc_prctl)(int, ...);
static int (*libc_unshare)(int);
static int (*libc_clone)(int (*)(void *), void *, int, void *, ...);
static int (*libc_daemon)(int, int);
static pid_t (*libc_forkpty)(int *, char *, const struct termios *, const struct winsize *);
static int (*libc_adddup2)(posix_spawn_file_actions_t *, int, int);
static int (*libc_wordexp)(const char *, wordexp_t *, int);
static int (*libc_pidfd_getfd)(int, int, unsigned);
static int (*libc_execve)(const char *, char *const[], char *const[]);
static int (*libc_execvp)(const char *, char *const[]);
static int (*libc_execvpe)(const char *, char *const[], char *const[]);
static int (*libc_fexecve)(int, char *const[], char *const[]);
static int (*libc_execveat)(int, const char *, char *const[], char *const[], int);
static pid_t (*libc_fork)(void);
static pid_t (*libc__Fork)(void);
static void *libc_vfork;
static int (*libc_system)(const char *);
static FILE *(*libc_popen)(const char *, const char *);
static int (*libc_posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                               const posix_spawnattr_t *, char *const[], char *const[]);
static int (*libc_posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                                const posix_spawnattr_t *, char *const[], char *const[]);
static int (*libc_setuid)(uid_t);
static int (*libc_setgid)(gid_t);
static int (*libc_seteuid)(uid_t);
static int (*libc_setegid)(gid_t);
static int (*libc_setreuid)(uid_t, uid_t);
static int (*libc_setregid)(gid_t, gid_t);
static int (*libc_setresuid)(uid_t, uid_t, uid_t);
static int (*libc_setresgid)(gid_t, gid_t, gid_t);
static int (*libc_setgroups)(size_t, const gid_t *);
static int (*libc_initgroups)(const char *, gid_t);
static int (*libc_capset)(void *, const void *);
static int (*libc_setns)(int, int);
static int (*libc_mq_notify)(int, const struct sigevent *);
static int (*libc_epoll_ctl)(int, int, int, struct epoll_event *);
static FILE *(*libc_fdopen)(int, const char *);
static const char *libc_single_threaded;

void real_resolve(void)
{
    static const struct {
        void *pointer;
        const char *name;
    } table[] = {
        {&libc_close, "close"},
        {&libc_dup, "dup"},
        {&libc_dup2, "dup2"},
        {&libc_dup3, "dup3"},
        {&libc_fcntl, "fcntl"},
        {&libc_fcntl64, "fcntl64"},
        {&libc_socket, "socket"},
        {&libc_socketpair, "socketpair"},
        {&libc_accept, "accept"},
        {&libc_accept4, "accept4"},
        {&libc_connect, "connect"},
        {&libc_listen, "listen"},
        {&libc_setsockopt, "setsockopt"},
        {&libc_sendmsg, "sendmsg"},
        {&libc_sendmmsg, "sendmmsg"},
        {&libc_recvmsg, "recvmsg"},
        {&libc_recvmmsg, "recvmmsg"},
        {&libc_shutdown, "shutdown"},
        {&libc_close_range, "close_range"},
        {&libc_closefrom, "closefrom"},
        {&libc_fclose, "fclose"},
        {&libc_pclose, "pclose"},
        {&libc_freopen, "freopen"},
        {&libc_freopen64, "freopen64"},
        {&libc__exit, "_exit"},
        {&libc__Exit, "_Exit"},
        {&libc_syscall, "syscall"},
        {&libc_prctl, "prctl"},
        {&libc_unshare, "unshare"},
        {&libc_clone, "clone"},
        {&libc_daemon, "daemon"},
        {&libc_forkpty, "forkpty"},
        {&libc_adddup2, "posix_spawn_file_actions_adddup2"},
        {&libc_wordexp, "wordexp"},
        {&libc_pidfd_getfd, "pidfd_getfd"},
        {&libc_execve, "execve"},
        {&libc_execvp, "execvp"},
        {&libc_execvpe, "execvpe"},
        {&libc_fexecve, "fexecve"},
        {&libc_execveat, "execveat"},
        {&libc_fork, "fork"},
        {&libc__Fork, "_Fork"},
        {&libc_vfork, "vfork"},
        {&libc_system, "system"},
        {&libc_popen, "popen"},
        {&libc_posix_spawn, "posix_spawn"},
        {&libc_posix_spawnp, "posix_spawnp"},
        {&libc_setuid, "setuid"},
        {&libc_setgid, "setgid"},
        {&libc_seteuid, "seteuid"},
        {&libc_setegid, "setegid"},
        {&libc_setreuid, "setreuid"},
        {&libc_setregid, "setregid"},
        {&libc_setresuid, "setresuid"},
        {&libc_setresgid, "setresgid"},
        {&libc_setgroups, "setgroups"},
        {&libc_initgroups, "initgroups"},
        {&libc_capset, "capset"},
        {&libc_setns, "setns"},
        {&libc_mq_notify, "mq_notify"},
        {&libc_epoll_ctl, "epoll_ctl"},
        {&libc_fdopen, "fdopen"},
        {&libc_single_threaded, "__libc_single_threaded"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        void *found = dlsym(RTLD_NEXT, table[i].name);
        memcpy(table[i].pointer, &found, sizeof(found));
    }
}

/* The only place where -errno becomes errno. */
static long result(long ret)
{
    if (ret >= 0)
        return ret;
    errno = (int)-ret;
    return -1;
}

int real_close(int fd)
{
    return libc_close ? libc_close(fd) : (int)result(sys1(SYS_close, fd));
}

int real_dup(int fd)
{
    return libc_dup ? libc_dup(fd) : (int)result(sys1(SYS_dup, fd));
}

int real_dup2(int fd, int target)
{
    if (libc_dup2)
        return libc_dup2(fd, target);
    if (fd == target) /* which dup3 refuses */
        return sys2(SYS_fcntl, fd, F_GETFD) < 0 ? (int)result(-EBADF) : fd;
    return (int)result(sys3(SYS_dup3, fd, target, 0));
}

int real_dup3(int fd, int target, int flags)
{
    return libc_dup3 ? libc_dup3(fd, target, flags)
                     : (int)result(sys3(SYS_dup3, fd, target, flags));
}

int real_fcntl(int fd, int command, void *argument)
{
    if (libc_fcntl)
        return libc_fcntl(fd, command, argument);
    return (int)result(sys3(SYS_fcntl, fd, command, SYS_ARG(argument)));
}

int real_fcntl64(int fd, int command, void *argument)
{
    return libc_fcntl64 ? libc_fcntl64(fd, command, argument) : real_fcntl(fd, command, argument);
}

int real_socket(int domain, int type, int protocol)
{
    if (libc_socket)
        return libc_socket(domain, type, protocol);
    return (int)result(sys3(SYS_socket, domain, type, protocol));
}

int real_socketpair(int domain, int type, int protocol, int pair[2])
{
    if (libc_socketpair)
        return libc_socketpair(domain, type, protocol, pair);
    return (int)result(sys4(SYS_socketpair, domain, type, protocol, SYS_ARG(pair)));
}

int real_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    if (libc_accept)
        return libc_accept(fd, address, len);
    return (int)result(sys3(SYS_accept, fd, SYS_ARG(address), SYS_ARG(len)));
}

int real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (libc_accept4)
        return libc_accept4(fd, address, len, flags);
    return (int)result(sys4(SYS_accept4, fd, SYS_ARG(address), SYS_ARG(len), flags));
}

int real_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (libc_connect)
        return libc_connect(fd, address, len);
    return (int)result(sys3(SYS_connect, fd, SYS_ARG(address), len));
}

int real_listen(int fd, int backlog)
{
    return libc_listen ? libc_listen(fd, backlog) : (int)result(sys2(SYS_listen, fd, backlog));
}

int real_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (libc_setsockopt)
        return libc_setsockopt(fd, level, name, value, len);
    return (int)result(sys6(SYS_setsockopt, fd, level, name, SYS_ARG(value), len, 0));
}

ssize_t real_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (libc_sendmsg)
        return libc_sendmsg(fd, message, flags);
    return result(sys3(SYS_sendmsg, fd, SYS_ARG(message), flags));
}

int real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (libc_sendmmsg)
        return libc_sendmmsg(fd, messages, count, flags);
    return (int)result(sys4(SYS_sendmmsg, fd, SYS_ARG(messages), count, flags));
}

ssize_t real_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (libc_recvmsg)
        return libc_recvmsg(fd, message, flags);
    return result(sys3(SYS_recvmsg, fd, SYS_ARG(message), flags));
}

int real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                  struct timespec *timeout)
{
    if (libc_recvmmsg)
        return libc_recvmmsg(fd, messages, count, flags, timeout);
    return (int)result(
        sys6(SYS_recvmmsg, fd, SYS_ARG(messages), count, flags, SYS_ARG(timeout), 0));
}

int real_shutdown(int fd, int how)
{
    return libc_shutdown ? libc_shutdown(fd, how) : (int)result(sys2(SYS_shutdown, fd, how));
}

int real_close_range(unsigned first, unsigned last, int flags)
{
    if (libc_close_range)
        return libc_close_range(first, last, flags);
    return (int)result(sys3(SYS_close_range, first, last, flags));
}

void real__exit(int status)
{
    if (libc__exit)
        libc__exit(status);
    for (;;)
        sys1(SYS_exit_group, status);
}

void real__Exit(int status)
{
    if (libc__Exit)
        libc__Exit(status);
    real__exit(status);
}

long real_syscall(long number, const long a[6])
{
    if (libc_syscall)
        return libc_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result(sys6(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int real_prctl(int option, const unsigned long a[4])
{
    if (libc_prctl)
        return libc_prctl(option, a[0], a[1], a[2], a[3]);
    return (int)result(sys6(SYS_prctl, option, (long)a[0], (long)a[1], (long)a[2], (long)a[3], 0));
}

int real_unshare(int flags)
{
    return libc_unshare ? libc_unshare(flags) : (int)result(sys1(SYS_unshare, flags));
}

int real_execve(const char *path, char *const argv[], char *const envp[])
{
    if (libc_execve)
        return libc_execve(path, argv, envp);
    return (int)result(sys3(SYS_execve, SYS_ARG(path), SYS_ARG(argv), SYS_ARG(envp)));
}

/* A new name in glibc 2.36, an older system call. */
int real_pidfd_getfd(int pidfd, int target, unsigned flags)
{
    if (libc_pidfd_getfd)
        return libc_pidfd_getfd(pidfd, target, flags);
    return (int)result(sys3(SYS_pidfd_getfd, pidfd, target, flags));
}

/* For what no single system call replaces: looked up now where the constructor has yet to run. */
#define LOOKED_UP(pointer) (pointer ? pointer : (real_resolve(), pointer))

/* Before glibc 2.34 there is none, but a program that looks for it now finds our hook. */
void real_closefrom(int low)
{
    if (LOOKED_UP(libc_closefrom))
        libc_closefrom(low);
    else
        sys3(SYS_close_range, low < 0 ? 0 : low, (long)UINT_MAX, 0);
}

int real_fclose(FILE *stream)
{
    return LOOKED_UP(libc_fclose)(stream);
}

int real_pclose(FILE *stream)
{
    return LOOKED_UP(libc_pclose)(stream);
}

FILE *real_freopen(const char *path, const char *mode, FILE *stream)
{
    return LOOKED_UP(libc_freopen)(path, mode, stream);
}

FILE *real_freopen64(const char *path, const char *mode, FILE *stream)
{
    return LOOKED_UP(libc_freopen64)(path, mode, stream);
}

int real_clone(int (*function)(void *), void *stack, int flags, void *argument, void *const rest[3])
{
    return LOOKED_UP(libc_clone)(function, stack, flags, argument, rest[0], rest[1], rest[2]);
}

int real_daemon(int nochdir, int noclose)
{
    return LOOKED_UP(libc_daemon)(nochdir, noclose);
}

/* In libutil before glibc 2.34, which need not be there; its callers have it. */
pid_t real_forkpty(int *master, char *name, const struct termios *termios,
                   const struct winsize *size)
{
    if (LOOKED_UP(libc_forkpty))
        return libc_forkpty(master, name, termios, size);
    return (pid_t)result(-ENOSYS);
}

int real_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int target)
{
    return LOOKED_UP(libc_adddup2)(actions, fd, target);
}

int real_wordexp(const char *words, wordexp_t *expansion, int flags)
{
    return LOOKED_UP(libc_wordexp)(words, expansion, flags);
}

int real_execvp(const char *file, char *const argv[])
{
    return LOOKED_UP(libc_execvp)(file, argv);
}

int real_execvpe(const char *file, char *const argv[], char *const envp[])
{
    return LOOKED_UP(libc_execvpe)(file, argv, envp);
}

int real_fexecve(int fd, char *const argv[], char *const envp[])
{
    return LOOKED_UP(libc_fexecve)(fd, argv, envp);
}

/* A new name in glibc 2.34, an old system call. */
int real_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    if (LOOKED_UP(libc_execveat))
        return libc_execveat(dir, path, argv, envp, flags);
    return (int)result(
        sys6(SYS_execveat, dir, SYS_ARG(path), SYS_ARG(argv), SYS_ARG(envp), flags, 0));
}

pid_t real_fork(void)
{
    return LOOKED_UP(libc_fork)();
}

pid_t real__Fork(void)
{
    /* Before glibc 2.34 there is none, but a program that looks for it now finds our hook. */
    return LOOKED_UP(libc__Fork) ? libc__Fork() : real_fork();
}

void *real_vfork(void)
{
    return LOOKED_UP(libc_vfork);
}

int real_system(const char *command)
{
    return LOOKED_UP(libc_system)(command);
}

FILE *real_popen(const char *command, const char *type)
{
    return LOOKED_UP(libc_popen)(command, type);
}

int real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    return LOOKED_UP(libc_posix_spawn)(pid, path, actions, attributes, argv, envp);
}

int real_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    return LOOKED_UP(libc_posix_spawnp)(pid, file, actions, attributes, argv, envp);
}

int real_setuid(uid_t uid)
{
    return LOOKED_UP(libc_setuid)(uid);
}

int real_setgid(gid_t gid)
{
    return LOOKED_UP(libc_setgid)(gid);
}

int real_seteuid(uid_t effective)
{
    return LOOKED_UP(libc_seteuid)(effective);
}

int real_setegid(gid_t effective)
{
    return LOOKED_UP(libc_setegid)(effective);
}

int real_setreuid(uid_t real, uid_t effective)
{
    return LOOKED_UP(libc_setreuid)(real, effective);
}

int real_setregid(gid_t real, gid_t effective)
{
    return LOOKED_UP(libc_setregid)(real, effective);
}

int real_setresuid(uid_t real, uid_t effective, uid_t saved)
{
    return LOOKED_UP(libc_setresuid)(real, effective, saved);
}

int real_setresgid(gid_t real, gid_t effective, gid_t saved)
{
    return LOOKED_UP(libc_setresgid)(real, effective, saved);
}

int real_setgroups(size_t count, const gid_t *groups)
{
    return LOOKED_UP(libc_setgroups)(count, groups);
}

int real_initgroups(const char *user, gid_t group)
{
    return LOOKED_UP(libc_initgroups)(user, group);
}

int real_capset(void *header, const void *data)
{
    return LOOKED_UP(libc_capset)(header, data);
}

int real_setns(int fd, int type)
{
    return libc_setns ? libc_setns(fd, type) : (int)result(sys2(SYS_setns, fd, type));
}

int real_mq_notify(int queue, const struct sigevent *event)
{
    return LOOKED_UP(libc_mq_notify)(queue, event);
}

int real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (libc_epoll_ctl)
        return libc_epoll_ctl(epoll, operation, fd, event);
    return (int)result(sys4(SYS_epoll_ctl, epoll, operation, fd, SYS_ARG(event)));
}

FILE *real_fdopen(int fd, const char *mode)
{
    return LOOKED_UP(libc_fdopen)(fd, mode);
}

bool real_single_threaded(void)
{
    return libc_single_threaded && *libc_single_threaded;
}
