/* syscall() with what no name of libc's can say, and everything else that programs ask of the
 * kernel by number. What both can say is in door_number.c. */
#define _GNU_SOURCE
#include "door.h"

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifdef SYS_newfstatat
#define FSTATAT SYS_newfstatat
#else
#define FSTATAT SYS_fstatat64
#define stat stat64
#endif

/* On i386 mmap has its arguments in memory, and mmap2 its offset in pages. */
#ifdef SYS_mmap2
enum { MMAP = SYS_mmap2, SECOND_PAGE = 1 };
#else
enum { MMAP = SYS_mmap, SECOND_PAGE = 4096 };
#endif

/* As far as lseek(2) goes. */
#define FAR (sizeof(long) == 8 ? (long)0x7ffffffffff0LL : 0x7ffffff0L)

/* Only the lower halves of the arguments are the kernel's: an int has nothing above them. */
ACT(do_wide, "wide close")
{
    long above = (long)0x5a5a5a5a00000000LL;

    CALL("close", syscall(SYS_close, above | door.fd));
    CALL("again", close(door.fd));
    through();
}

ACT(do_wide_range, "wide close_range")
{
    long above = (long)0x5a5a5a5a00000000LL;

    CALL("close_range", syscall(SYS_close_range, above | door.fd, above | 0xffffffffL, above));
    CALL("again", close(door.fd));
    through();
}

ACT(do_ring_refused, "ring refused")
{
    CALL("no entries", syscall(SYS_io_uring_setup, 0, NULL) < 0);
    CALL("close", close(door.fd));
    through();
}

/* ---- Children ------------------------------------------------------------------------------------- */

static long clone3(void)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.exit_signal = SIGCHLD};

    return syscall(SYS_clone3, &arguments, sizeof arguments);
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

ACT(do_fork_parent_first, "fork, parent first")
{
    parent_closes_first(by_fork());
}

ACT(do_fork_child_first, "fork, child first")
{
    child_ends_first(by_fork());
}

ACT(do_clone_parent_first, "clone, parent first")
{
    parent_closes_first(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

ACT(do_clone_child_first, "clone, child first")
{
    child_ends_first(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

ACT(do_clone3_parent_first, "clone3, parent first")
{
    parent_closes_first(clone3());
}

ACT(do_clone3_child_first, "clone3, child first")
{
    child_ends_first(clone3());
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
    there = (char *)syscall(MMAP, NULL, page, PROT_READ, MAP_PRIVATE, file, SECOND_PAGE);
    say("mmap=%d %.4s", there != MAP_FAILED, there != MAP_FAILED ? there + 7 : "");
    CALL("mmap of no kind", syscall(MMAP, NULL, page, PROT_READ, 0, file, SECOND_PAGE));
    CALL("mmap of nothing", syscall(MMAP, NULL, 0, PROT_READ, MAP_PRIVATE, file, 0));
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
    CALL("newfstatat", syscall(FSTATAT, AT_FDCWD, "/", &st, AT_SYMLINK_NOFOLLOW));
    say("directory=%d", S_ISDIR(st.st_mode));
    CALL("write nowhere", syscall(SYS_write, 60, (void *)8, 4L));
}

static void say_values(void)
{
    int file = memfd_create("values", 0);

    CALL("lseek far", syscall(SYS_lseek, file, FAR, SEEK_SET) == FAR);
    CALL("lseek back", syscall(SYS_lseek, file, -16L, SEEK_CUR) == FAR - 16);
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
    CALL("number of long", syscall((long)(0x100000000LL | 100000)));
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

ACT_ALONE(do_other_numbers, "other numbers")
{
    say_six_arguments();
    say_pointers();
    say_values();
}

int main(int argc, char **argv)
{
    return door_main(argc, argv);
}
