/* Doors through syscall(), and everything else that programs ask of the kernel by number. */
#define _GNU_SOURCE
#include "door.h"

#include <linux/close_range.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Only the architectures that have it. */
#ifndef SYS_dup2
#define SYS_dup2 SYS_dup3
#endif

static void do_close(void)
{
    CALL("close", syscall(SYS_close, door.fd));
    CALL("again", syscall(SYS_close, door.fd));
    CALL("close -1", syscall(SYS_close, -1));
    through();
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR);

    if (fd < 0)
        cannot("open /dev/null");
    return fd;
}

static void do_dup2(void)
{
    int null = open_null();

    CALL("dup2", syscall(SYS_dup2, null, door.fd, 0));
    CALL("read null", read(door.fd, &null, 1));
    through();
}

static void do_dup3(void)
{
    int null = open_null();

    CALL("dup3", syscall(SYS_dup3, null, door.fd, O_CLOEXEC));
    say("cloexec=%d", fcntl(door.fd, F_GETFD));
    through();
}

static void do_close_range(void)
{
    CALL("close_range", syscall(SYS_close_range, door.fd, ~0U, 0));
    CALL("again", close(door.fd));
    through();
}

static void do_close_range_unshare(void)
{
    CALL("close_range", syscall(SYS_close_range, door.fd, ~0U, CLOSE_RANGE_UNSHARE));
    CALL("again", close(door.fd));
    through();
}

/* Only the lower halves of the arguments are the kernel's: an int has nothing above them. */
static void do_wide(void)
{
    long above = 0x5a5a5a5a00000000L;

    CALL("close", syscall(SYS_close, above | door.fd));
    CALL("again", close(door.fd));
    through();
}

static void do_wide_range(void)
{
    long above = 0x5a5a5a5a00000000L;

    CALL("close_range", syscall(SYS_close_range, above | door.fd, above | 0xffffffffL, above));
    CALL("again", close(door.fd));
    through();
}

static void do_exit_group(void)
{
    syscall(SYS_exit_group, 31);
}

static void read_and_leave(void)
{
    static char block[65536];

    say("unread=%d", net_unread(door.fd));
    say("read=%zd", recv(door.fd, block, sizeof block, MSG_DONTWAIT));
    CALL("close", close(door.fd));
    through();
}

static void do_dup_refused(void)
{
    CALL("dup2 -1", syscall(SYS_dup2, -1, door.fd, 0));
    CALL("dup2 not open", syscall(SYS_dup2, 999, door.fd, 0));
    CALL("dup2 to -1", syscall(SYS_dup2, door.fd, -1, 0));
    CALL("dup3 same", syscall(SYS_dup3, door.fd, door.fd, 0));
    CALL("dup3 not open", syscall(SYS_dup3, 999, door.fd, 0));
    read_and_leave();
}

static void do_dup3_flags(void)
{
    int null = open_null();

    CALL("dup3 flags", syscall(SYS_dup3, null, door.fd, O_NONBLOCK));
    read_and_leave();
}

static void do_close_range_flags(void)
{
    CALL("close_range flags", syscall(SYS_close_range, door.fd, door.fd, 1 << 10));
    read_and_leave();
}

static void do_close_range_none(void)
{
    CALL("close_range backwards", syscall(SYS_close_range, door.fd + 1, door.fd, 0));
    CALL("close_range beside", syscall(SYS_close_range, door.fd + 1, ~0U, 0));
    CALL("close_range cloexec", syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
    read_and_leave();
}

/* ---- What is watched ------------------------------------------------------------------------------ */

static void do_plain_close(void)
{
    CALL("close", close(door.fd));
    through();
}

static void do_dup(void)
{
    int copy = (int)syscall(SYS_dup, door.fd);

    CALL("close", close(door.fd));
    say("unread=%d", net_unread(copy));
    CALL("close copy", close(copy));
    through();
}

static void do_fcntl_dup(void)
{
    int copy = (int)syscall(SYS_fcntl, door.fd, F_DUPFD, 50);

    say("copy=%d", copy);
    CALL("close", close(door.fd));
    say("unread=%d", net_unread(copy));
    CALL("close copy", close(copy));
    through();
}

/* Whoever takes it out of the message holds it as well. */
static void send_and_receive(bool many)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec byte = {(char[]){'x'}, 1};
    struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = &byte,
                                               .msg_iovlen = 1,
                                               .msg_control = &control,
                                               .msg_controllen = sizeof control}}};
    struct msghdr *message = &messages[0].msg_hdr;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        cannot("make a socket pair");
    memcpy(CMSG_DATA(&control.header), &door.fd, sizeof(int));
    CALL("sendmsg nowhere", syscall(SYS_sendmsg, ends[0], (void *)8, 0));
    CALL("sendmmsg nowhere", syscall(SYS_sendmmsg, ends[0], (void *)8, 1, 0));
    if (many)
        CALL("sent", syscall(SYS_sendmmsg, ends[0], messages, 1, 0));
    else
        CALL("sent", syscall(SYS_sendmsg, ends[0], message, 0));
    CALL("close", close(door.fd));
    CALL("recvmsg nowhere", syscall(SYS_recvmsg, ends[1], (void *)8, 0));
    if (many)
        CALL("received", syscall(SYS_recvmmsg, ends[1], messages, 1, 0, NULL));
    else
        CALL("received", syscall(SYS_recvmsg, ends[1], message, 0));
    memcpy(&door.fd, CMSG_DATA(&control.header), sizeof(int));
    say("unread=%d", net_unread(door.fd));
    CALL("close received", close(door.fd));
    through();
}

static void do_sendmsg(void)
{
    send_and_receive(false);
}

static void do_sendmmsg(void)
{
    send_and_receive(true);
}

/* ---- Children ------------------------------------------------------------------------------------- */

static long new_child(bool by_clone3)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.exit_signal = SIGCHLD};

    if (by_clone3)
        return syscall(SYS_clone3, &arguments, sizeof arguments);
#ifdef SYS_fork
    return syscall(SYS_fork);
#else
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

/* While the child lives, the parent's close is not the last; the child's end is. */
static void parent_closes_first(long child)
{
    if (child == 0) {
        wait_flag(&door.wire->turn, "the parent");
        _exit(41);
    }
    CALL("parent", close(door.fd));
    atomic_store(&door.wire->turn, 1);
    join((pid_t)child, "child");
    through();
}

/* The child's end is not the last; the parent's close is. */
static void child_ends_first(long child)
{
    if (child == 0)
        _exit(42);
    join((pid_t)child, "child");
    say("unread=%d", net_unread(door.fd));
    CALL("parent", close(door.fd));
    through();
}

static void do_fork_parent_first(void)
{
    parent_closes_first(new_child(false));
}

static void do_fork_child_first(void)
{
    child_ends_first(new_child(false));
}

static void do_clone_parent_first(void)
{
    parent_closes_first(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static void do_clone_child_first(void)
{
    child_ends_first(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static void do_clone3_parent_first(void)
{
    parent_closes_first(new_child(true));
}

static void do_clone3_child_first(void)
{
    child_ends_first(new_child(true));
}

/* ---- Everything else ------------------------------------------------------------------------------ */

/* Six arguments that all count. */
static void say_six_arguments(void)
{
    int file = memfd_create("six", 0);
    long page = sysconf(_SC_PAGESIZE);
    char here[16] = "", *there;
    struct iovec local = {here, 4}, remote;
    fd_set readable;
    struct timespec now = {0, 0};
    struct {
        const sigset_t *set;
        size_t size;
    } mask = {NULL, 8};
    long moved;

    if (ftruncate(file, 2 * page) != 0 || pwrite(file, "deep down", 9, page + 7) != 9)
        cannot("write a file");
    there = (char *)syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, file, page);
    say("mmap=%d %.4s", there != MAP_FAILED, there != MAP_FAILED ? there + 7 : "");
    CALL("mmap at an odd offset", syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, file, 1));
    CALL("mmap of nothing", syscall(SYS_mmap, NULL, 0, PROT_READ, MAP_PRIVATE, file, 0));
    remote = (struct iovec){there + 7, 4};
    CALL("process_vm_readv",
         syscall(SYS_process_vm_readv, getpid(), &local, 1UL, &remote, 1UL, 0UL));
    say("here=%s", here);
    FD_ZERO(&readable);
    FD_SET(file, &readable);
    CALL("pselect6", syscall(SYS_pselect6, file + 1, &readable, NULL, NULL, &now, &mask));
    CALL("pselect6 bad mask", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &now, (void *)8));
    moved = 3;
    CALL("copy_file_range", syscall(SYS_copy_file_range, file, &moved, file, NULL, 2UL, 0U));
    say("moved=%ld", moved);
    close(file);
}

static void say_pointers(void)
{
    _Atomic int word = 5;
    struct timespec soon = {0, 1000};
    char random[16] = "";
    struct stat st;

    CALL("futex changed", syscall(SYS_futex, &word, FUTEX_WAIT, 4, NULL, NULL, 0));
    CALL("futex in time", syscall(SYS_futex, &word, FUTEX_WAIT, 5, &soon, NULL, 0));
    CALL("futex wake", syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0));
    CALL("futex wake if",
         syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 4, &soon, NULL, 0x80000000U));
    CALL("futex nowhere", syscall(SYS_futex, (void *)8, FUTEX_WAIT, 4, NULL, NULL, 0));
    CALL("getrandom", syscall(SYS_getrandom, random, sizeof random, 0));
    CALL("getrandom flags", syscall(SYS_getrandom, random, sizeof random, -1));
    CALL("getrandom nowhere", syscall(SYS_getrandom, (void *)-4096L, 8L, 0));
    CALL("fstat nowhere", syscall(SYS_fstat, 0, (void *)8));
    CALL("newfstatat", syscall(SYS_newfstatat, AT_FDCWD, "/", &st, AT_SYMLINK_NOFOLLOW));
    say("directory=%d", S_ISDIR(st.st_mode));
    CALL("write nowhere", syscall(SYS_write, 60, (void *)8, 4L));
}

static void say_values(void)
{
    int file = memfd_create("values", 0);

    CALL("lseek far", syscall(SYS_lseek, file, 0x7ffffffffff0L, SEEK_SET) == 0x7ffffffffff0L);
    CALL("lseek back", syscall(SYS_lseek, file, -16L, SEEK_CUR) == 0x7fffffffffe0L);
    CALL("lseek before", syscall(SYS_lseek, file, -1L, SEEK_SET));
    close(file);
    say("pid=%d", syscall(SYS_getpid) == getpid());
    say("ppid=%d", syscall(SYS_getppid) == getppid());
    CALL("getpriority", syscall(SYS_getpriority, 0, 0));
    CALL("umask", syscall(SYS_umask, 022) >= 0);
    CALL("personality", syscall(SYS_personality, 0xffffffffUL));
    say("brk=%d", syscall(SYS_brk, 0L) > 0);
    CALL("fcntl", syscall(SYS_fcntl, 999, F_GETFD));
    CALL("prctl", syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0));
    CALL("prctl option", syscall(SYS_prctl, -1, 0, 0, 0, 0));
    CALL("kill", syscall(SYS_kill, getpid(), 0));
    CALL("kill signal", syscall(SYS_kill, getpid(), 999));
    CALL("no such number", syscall(100000));
    CALL("negative number", syscall(-1L));
    CALL("number of long", syscall(0x100000000L | 100000));
    CALL("shutdown", syscall(SYS_shutdown, -1, SHUT_RD));
    CALL("listen", syscall(SYS_listen, 999, 1));
    CALL("socket", syscall(SYS_socket, -1, -1, -1));
    CALL("accept4", syscall(SYS_accept4, 999, NULL, NULL, 0));
    CALL("accept4 flags", syscall(SYS_accept4, 999, NULL, NULL, -1));
    CALL("connect", syscall(SYS_connect, 999, NULL, 0));
    CALL("setsockopt", syscall(SYS_setsockopt, 999, SOL_SOCKET, SO_LINGER, NULL, 0));
    CALL("sendmsg", syscall(SYS_sendmsg, 999, NULL, 0));
    CALL("recvmsg", syscall(SYS_recvmsg, 999, NULL, 0));
    CALL("clone3 nowhere", syscall(SYS_clone3, (void *)8, 64L));
    CALL("clone3 NULL", syscall(SYS_clone3, NULL, 64L));
    CALL("clone3 small", syscall(SYS_clone3, (void *)&file, 4L));
    CALL("unshare", syscall(SYS_unshare, 1));
}

static void do_other_numbers(void)
{
    say_six_arguments();
    say_pointers();
    say_values();
}

static const struct act acts[] = {
    {"close", do_close, false},
    {"dup2", do_dup2, false},
    {"dup3", do_dup3, false},
    {"close_range", do_close_range, false},
    {"close_range unshare", do_close_range_unshare, false},
    {"wide close", do_wide, false},
    {"wide close_range", do_wide_range, false},
    {"exit_group", do_exit_group, false},
    {"dup refused", do_dup_refused, false},
    {"dup3 flags", do_dup3_flags, false},
    {"close_range flags", do_close_range_flags, false},
    {"close_range none", do_close_range_none, false},
    {"plain close", do_plain_close, false},
    {"dup", do_dup, false},
    {"fcntl dup", do_fcntl_dup, false},
    {"sendmsg", do_sendmsg, false},
    {"sendmmsg", do_sendmmsg, false},
    {"fork, parent first", do_fork_parent_first, false},
    {"fork, child first", do_fork_child_first, false},
    {"clone, parent first", do_clone_parent_first, false},
    {"clone, child first", do_clone_child_first, false},
    {"clone3, parent first", do_clone3_parent_first, false},
    {"clone3, child first", do_clone3_child_first, false},
    {"other numbers", do_other_numbers, true},
    {NULL, NULL, false},
};

int main(int argc, char **argv)
{
    return door_main(argc, argv, acts);
}
