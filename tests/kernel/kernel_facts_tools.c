/* The calls that the library's own work is made of: discarding what is unread, and writing a line
 * without ever blocking, stopping or killing the program that it lives in. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <termios.h>

/* ---- Discarding ------------------------------------------------------------------------------ */

static const char discarding[] =
    "recv(fd, NULL, INT_MAX, MSG_TRUNC|MSG_DONTWAIT) discards on TCP without copying";

static long discard(int fd)
{
    return recv(fd, NULL, INT_MAX, MSG_TRUNC | MSG_DONTWAIT);
}

#define discards(fd, bytes) fact_is(discard(fd), bytes)

#define discard_fails(fd, error)                                                                   \
    do {                                                                                           \
        fact_is(discard(fd), -1);                                                                  \
        fact_is(errno, error);                                                                     \
    } while (0)

FACT(one_call_discards_what_is_queued, "one call discards all that is queued")
{
    design_says(discarding);
    static char block[32768];
    SCOPED_PAIR pair = connected(NULL);

    peer_sends(&pair, "hello");
    must(send(pair.peer, block, sizeof block, 0) == sizeof block);
    must(net_wait_for(net_unread, pair.ours, 5 + sizeof block));
    discards(pair.ours, 5 + sizeof block);
    discard_fails(pair.ours, EAGAIN);
    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    discards(pair.ours, 0);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

FACT(discarding_goes_on_after_the_mark,
     "discarding stops at the urgent mark and goes on when repeated")
{
    design_says("urgent data makes it stop at the mark, so repeat to EAGAIN");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends_with(&pair, "abcU", MSG_OOB);
    peer_sends(&pair, "de");
    discards(pair.ours, 3);
    discards(pair.ours, 2);
    discard_fails(pair.ours, EAGAIN);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

/* The answer is the same as when there was nothing, but the byte is gone. */
FACT(a_lone_urgent_byte_is_discarded_too,
     "a lone urgent byte is discarded although the call says EAGAIN")
{
    design_says("urgent data makes it stop at the mark, so repeat to EAGAIN");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends_with(&pair, "U", MSG_OOB);
    fact(net_rmem(pair.ours) > 0);
    discard_fails(pair.ours, EAGAIN);
    fact_is(net_rmem(pair.ours), 0);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

FACT(discarding_ignores_so_rcvlowat, "discarding does not wait for SO_RCVLOWAT")
{
    design_says("SO_RCVLOWAT 1000 with 10 bytes queued: no event");
    SCOPED_PAIR pair = connected(NULL);
    int bytes = 1000;

    must(setsockopt(pair.ours, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0);
    peer_sends(&pair, "hello");
    discards(pair.ours, 5);
}

FACT(discarding_meets_the_peers_reset_last, "discarding meets the peer's reset after the data")
{
    design_says("ECONNRESET while draining means the peer gave up: treat as EOF");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends(&pair, "hello");
    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    pair.peer = -1;
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    discards(pair.ours, 5);
    discard_fails(pair.ours, ECONNRESET);
    discards(pair.ours, 0);
}

/* ---- Writing without waiting ----------------------------------------------------------------- */

static const char nowait[] =
    "pwritev2(RWF_NOWAIT) writes to a pipe without blocking; a full one gives EAGAIN";

/* A file without a name; NAME is free again, for something else. */
static int temporary_file(char name[PATH_MAX])
{
    const char *directory = getenv("TMPDIR");

    snprintf(name, PATH_MAX, "%s/safeclose-test-XXXXXX", directory ? directory : "/tmp");
    int file = mkostemp(name, O_CLOEXEC);
    if (file >= 0)
        unlink(name);
    return file;
}

/* Writes SIZE bytes at the current position, as write() does, but for the waiting. */
static long write_nowait(int fd, size_t size)
{
    static char bytes[PIPE_BUF];
    struct iovec vector = {bytes, size};

    return pwritev2(fd, &vector, 1, -1, RWF_NOWAIT);
}

/* Before Linux 6.4 it is refused on pipes and sockets, and the library opens a pipe anew (ground/nowait.c). */
static bool nowait_is_refused(void)
{
    struct utsname kernel;
    unsigned major = 0, minor = 0;

    must(uname(&kernel) == 0 && sscanf(kernel.release, "%u.%u", &major, &minor) == 2);
    return major < 6 || (major == 6 && minor < 4);
}

static void expect_refused(int fd)
{
    fact_is(write_nowait(fd, 1), -1);
    fact_is(errno, EOPNOTSUPP);
}

/* Writes until FD takes no more; leaves it blocking, as it was. */
static void fill(int fd)
{
    static const char block[1024];
    int flags = fcntl(fd, F_GETFL);

    must(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    must(errno == EAGAIN);
    must(fcntl(fd, F_SETFL, flags) == 0);
}

static void expect_written_until_full(int fd)
{
    fact_is(write_nowait(fd, 100), 100);
    fill(fd);
    fact_is(write_nowait(fd, 100), -1);
    fact_is(errno, EAGAIN);
}

FACT(nowait_on_a_pipe, "RWF_NOWAIT writes to a pipe, and a full one gives EAGAIN")
{
    design_says(nowait);
    int ends[2];

    must(pipe(ends) == 0);
    if (nowait_is_refused())
        expect_refused(ends[1]);
    else
        expect_written_until_full(ends[1]);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* A line is never cut in two: it goes in whole or not at all. */
FACT(nowait_is_all_or_nothing, "RWF_NOWAIT writes a line whole or not at all")
{
    design_says(nowait);
    int ends[2], page = getpagesize(), room = 1100;
    char *bytes = calloc(1, page);

    must(bytes && pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, page) == page);
    must(write(ends[1], bytes, page - room) == page - room);
    if (nowait_is_refused()) {
        expect_refused(ends[1]);
    } else {
        fact_is(write_nowait(ends[1], 2048), -1);
        fact_is(errno, EAGAIN);
        fact_is(net_unread(ends[0]), page - room);
        fact_is(write_nowait(ends[1], 1000), 1000);
    }
    free(bytes);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

FACT(nowait_on_a_full_socket, "RWF_NOWAIT writes to a socket, and a full one gives EAGAIN")
{
    design_says(nowait);
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    if (nowait_is_refused())
        expect_refused(ends[1]);
    else
        expect_written_until_full(ends[1]);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* It depends on how the file was opened: a pipe made by pipe() can, the same pipe opened by name
 * can't. */
static void expect_written_or_refused(int fd)
{
    must(fd >= 0);
    long written = write_nowait(fd, 8);

    fact(written == 8 || (written < 0 && errno == EOPNOTSUPP));
}

FACT(nowait_may_be_refused, "RWF_NOWAIT may be refused, but never waits")
{
    design_says("not a line yet: RWF_NOWAIT is EOPNOTSUPP on a fifo, a pipe opened by name, a "
                "terminal and most files");
    char name[PATH_MAX], path[64];
    int ends[2], terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int file = temporary_file(name);

    must(file >= 0 && mkfifo(name, 0600) == 0 && pipe(ends) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    int fifo = open(name, O_RDWR | O_CLOEXEC), again = open(path, O_WRONLY | O_CLOEXEC);
    must(unlink(name) == 0);

    expect_written_or_refused(file);
    expect_written_or_refused(terminal);
    expect_written_or_refused(again);
    expect_written_or_refused(fifo);
    fill(ends[1]);
    fill(fifo);
    fact(write_nowait(again, 8) == -1 && (errno == EAGAIN || errno == EOPNOTSUPP));
    fact(write_nowait(fifo, 8) == -1 && (errno == EAGAIN || errno == EOPNOTSUPP));
    must(close(fifo) == 0 && close(again) == 0 && close(file) == 0 && close(terminal) == 0);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* ---- A description of one's own -------------------------------------------------------------- */

FACT(a_pipe_opened_again_is_a_description_of_its_own,
     "a pipe opened again is a description of its own")
{
    design_says("not a line yet: /proc/self/fd/N of a pipe opens another description, with its own "
                "O_NONBLOCK");
    char path[64], byte;
    int ends[2];

    must(pipe(ends) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    fact(own >= 0);
    fact(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
    fill(ends[1]);
    fact_is(write(own, "x", 1), -1);
    fact_is(errno, EAGAIN);

    /* It is a writer of its own, too: the reader sees no EOF while it is open. */
    int reader_flags = fcntl(ends[0], F_GETFL);
    must(close(ends[1]) == 0 && fcntl(ends[0], F_SETFL, reader_flags | O_NONBLOCK) == 0);
    while (read(ends[0], &byte, 1) > 0)
        ;
    fact_is(errno, EAGAIN);
    must(close(own) == 0);
    fact_is(read(ends[0], &byte, 1), 0);
    must(close(ends[0]) == 0);
}

FACT(a_socket_can_not_be_opened_again, "a socket can not be opened again")
{
    design_says("not a line yet: /proc/self/fd/N of a socket gives ENXIO");
    char path[64];
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    fact_is(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
    fact_is(errno, ENXIO);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* ---- Signals that a write raises ------------------------------------------------------------- */

static const char signals[] =
    "SIGPIPE, SIGXFSZ and SIGTTOU: block, write, take what wasn't pending with sigtimedwait(0), "
    "restore";

static const struct timespec at_once;

static sigset_t block_signal(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return set;
}

FACT(sigpipe_can_be_taken, "a blocked SIGPIPE can be taken")
{
    design_says(signals);
    int ends[2];
    sigset_t set = block_signal(SIGPIPE);

    must(pipe(ends) == 0 && close(ends[0]) == 0);
    fact_is(nowait_is_refused() ? write(ends[1], "", 1) : write_nowait(ends[1], 1), -1);
    fact_is(errno, EPIPE);
    fact_is(sigtimedwait(&set, NULL, &at_once), SIGPIPE);
    fact_is(sigtimedwait(&set, NULL, &at_once), -1);
    fact_is(errno, EAGAIN);
    /* Would kill this process, had anything been left. */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    must(close(ends[1]) == 0);
}

/* What the children of the next tests end with: the first step that went otherwise. */
enum { AS_TOLD, WRITE_WENT_OTHERWISE, NO_SIGNAL, SIGNAL_LEFT, NOT_SET_UP };

static int write_beyond_the_limit(void)
{
    char name[PATH_MAX];
    int file = temporary_file(name);
    struct rlimit none = {0, RLIM_INFINITY};
    sigset_t set = block_signal(SIGXFSZ);

    if (file < 0 || setrlimit(RLIMIT_FSIZE, &none) != 0)
        return NOT_SET_UP;
    if (write(file, "x", 1) != -1 || errno != EFBIG)
        return WRITE_WENT_OTHERWISE;
    if (sigtimedwait(&set, NULL, &at_once) != SIGXFSZ)
        return NO_SIGNAL;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return AS_TOLD;
}

FACT(sigxfsz_can_be_taken, "a blocked SIGXFSZ can be taken")
{
    design_says(signals);
    pid_t child = fork(); /* the limit is lowered for good */

    must(child >= 0);
    if (child == 0)
        _exit(write_beyond_the_limit());
    int status = wait_child(child);
    fact(WIFEXITED(status));
    fact_is(WEXITSTATUS(status), AS_TOLD);
}

/* Makes a terminal that stops background writers the controlling one of a new session. */
static int open_stopping_terminal(void)
{
    struct termios settings;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int terminal = -1;

    if (setsid() > 0 && master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
        terminal = open(ptsname(master), O_RDWR | O_CLOEXEC);
    if (terminal < 0 || tcgetattr(terminal, &settings) != 0)
        return -1;
    settings.c_lflag |= TOSTOP;
    return tcsetattr(terminal, TCSANOW, &settings) == 0 ? terminal : -1;
}

/* How a background process that writes to TERMINAL fares: a wait status. */
static int write_in_background(int terminal, bool blocked)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        if (blocked)
            block_signal(SIGTTOU);
        _exit(write(terminal, "x", 1) == 1 ? AS_TOLD : WRITE_WENT_OTHERWISE);
    }
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGKILL);
    if (WIFSTOPPED(status))
        waitpid(child, NULL, 0);
    return status;
}

static int write_in_background_of_a_session(void)
{
    int terminal = open_stopping_terminal();

    if (terminal < 0)
        return NOT_SET_UP;
    int status = write_in_background(terminal, false);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTOU)
        return NO_SIGNAL;
    status = write_in_background(terminal, true);
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_LEFT;
}

FACT(a_background_write_with_sigttou_blocked_goes_through,
     "with SIGTTOU blocked a background write goes through")
{
    design_says(signals);
    pid_t child = fork();

    must(child >= 0);
    if (child == 0)
        _exit(write_in_background_of_a_session());
    int status = wait_child(child);
    fact(WIFEXITED(status));
    fact_is(WEXITSTATUS(status), AS_TOLD);
}

facts_main()
