/* Doors of streams: libc closes their descriptors by itself. */
#define _GNU_SOURCE
#include "door.h"

#include <setjmp.h>
#include <sys/time.h>

static const char words[] = "words that were never flushed;";

static FILE *stream_on(int fd, const char *mode)
{
    FILE *stream = fdopen(fd, mode);

    if (!stream)
        cannot("open a stream");
    return stream;
}

/* fclose or pclose, whichever the act is of. */
static void close_stream(const char *mode, int (*closes)(FILE *), bool writes)
{
    FILE *stream = stream_on(door.fd, mode);

    if (writes)
        fputs(words, stream);
    CALL("closes", closes(stream));
    CALL("again", close(door.fd));
    through();
}

ACT(do_fclose, "fclose")
{
    close_stream("r", fclose, false);
}

ACT(do_fclose_write, "fclose write")
{
    close_stream("w", fclose, true);
}

ACT(do_fclose_both, "fclose both")
{
    close_stream("r+", fclose, true);
}

ACT(do_pclose, "pclose")
{
    close_stream("r+", pclose, false);
}

ACT(do_pclose_write, "pclose write")
{
    close_stream("w", pclose, true);
}

/* More than fits a buffer, the end of it unflushed. */
ACT(do_fclose_large, "fclose large")
{
    FILE *stream = stream_on(door.fd, "w");

    for (int i = 0; i < 1000; i++)
        fputs(words, stream);
    CALL("closes", fclose(stream));
    through();
}

/* What stdio read ahead is not unread for the kernel. */
ACT(do_fclose_read_ahead, "fclose read ahead")
{
    FILE *stream = stream_on(door.fd, "r");

    say("getc=%d", getc(stream));
    say("unread=%d", net_unread(door.fd));
    CALL("closes", fclose(stream));
    through();
}

/* The descriptor went first: fclose has nothing to close. */
ACT(do_fclose_after_close, "fclose after close")
{
    FILE *stream = stream_on(door.fd, "r+");

    CALL("close", close(door.fd));
    CALL("closes", fclose(stream));
    through();
}

ACT(do_fclose_stdout, "fclose stdout")
{
    CALL("dup2", dup2(door.fd, 1));
    CALL("close", close(door.fd));
    printf("%s", words);
    CALL("closes", fclose(stdout));
    CALL("again", close(1));
    through();
}

/* ---- freopen -------------------------------------------------------------------------------------- */

typedef FILE *reopens(const char *, const char *, FILE *);

static void reopen(reopens *call, const char *path, bool writes)
{
    FILE *stream = stream_on(door.fd, "r+");
    FILE *opened;

    if (writes)
        fputs(words, stream);
    errno = DOOR_KEPT;
    opened = call(path, "r+", stream);
    say("same=%d error=%s", opened == stream, opened ? "none" : errno_text(errno));
    if (opened) {
        say("fileno=%d", fileno(opened));
        say("getc=%d", getc(opened));
        CALL("closes", fclose(opened));
    }
    CALL("again", close(door.fd));
    through();
}

ACT(do_freopen, "freopen")
{
    reopen(freopen, "/dev/null", false);
}

ACT(do_freopen64, "freopen64")
{
    reopen(freopen64, "/dev/null", false);
}

ACT(do_freopen_write, "freopen write")
{
    reopen(freopen, "/dev/null", true);
}

ACT(do_freopen_fails, "freopen fails")
{
    reopen(freopen, "/nowhere/at/all", false);
}

ACT(do_freopen64_fails, "freopen64 fails")
{
    reopen(freopen64, "/nowhere/at/all", true);
}

ACT(do_freopen_null, "freopen NULL")
{
    reopen(freopen, NULL, false);
}

ACT(do_freopen_mode, "freopen mode")
{
    FILE *stream = stream_on(door.fd, "r+");

    errno = DOOR_KEPT;
    FILE *opened = freopen("/dev/null", "?", stream);
    say("freopen=%d %s", opened == stream, errno_text(errno));
    CALL("again", close(door.fd));
    through();
}

ACT(do_freopen_stdin, "freopen stdin")
{
    CALL("dup2", dup2(door.fd, 0));
    CALL("close", close(door.fd));
    FILE *opened = freopen("/dev/null", "r", stdin);
    say("reopened=%d", opened == stdin);
    say("fileno=%d", fileno(stdin));
    say("getc=%d", getc(stdin));
    through();
}

/* ---- A door that is left by a jump ----------------------------------------------------------------- */

static sigjmp_buf way_out;
static int pipe_number;

/* Once the number is free, pclose waits for its child. */
static void jumps(int signal_number)
{
    (void)signal_number;
    if (fcntl(pipe_number, F_GETFD) < 0)
        siglongjmp(way_out, 1);
}

/* As a program gives up waiting for a command. The next connection gets the pipe's number. */
ACT_ALONE(do_jump, "jump")
{
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    int listener = make_socket();
    FILE *stream = popen("echo $$; exec sleep 600", "r");
    int child;

    if (!stream || fscanf(stream, "%d", &child) != 1)
        cannot("run a command");
    pipe_number = fileno(stream);
    signal(SIGALRM, jumps);
    if (sigsetjmp(way_out, 1) == 0) {
        setitimer(ITIMER_REAL, &often, NULL);
        pclose(stream);
        cannot("jump");
    }
    setitimer(ITIMER_REAL, &never, NULL);
    kill(child, SIGKILL);
    start_listening(listener);
    door.fds[0] = take_connection(listener);
    await_data();
    say("same number=%d", door.fd == pipe_number);
    CALL("close", close(door.fd));
    through();
}

/* ---- Without a connection ------------------------------------------------------------------------- */

static int cookie_fd; /* what the cookie's close closes, -1 for nothing */

static ssize_t cookie_write(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    say("cookie writes %.*s", (int)size, bytes);
    return (ssize_t)size;
}

static int cookie_close(void *cookie)
{
    (void)cookie;
    say("cookie closes");
    if (cookie_fd >= 0)
        return close(cookie_fd);
    errno = EXFULL;
    return -1;
}

static FILE *open_cookie(void)
{
    cookie_io_functions_t functions = {.write = cookie_write, .close = cookie_close};
    FILE *stream = fopencookie(NULL, "w", functions);

    if (!stream)
        cannot("open a cookie");
    return stream;
}

ACT(do_cookie, "cookie")
{
    FILE *stream = open_cookie();

    cookie_fd = door.fd;
    fputs(words, stream);
    CALL("closes", fclose(stream));
    CALL("again", close(door.fd));
    through();
}

static void memory_streams(int (*closes)(FILE *))
{
    char *bytes = NULL;
    size_t size = 0;
    char room[64] = "";
    FILE *stream = open_memstream(&bytes, &size);

    fputs(words, stream);
    CALL("memstream", closes(stream));
    say("bytes=%s size=%zu", bytes, size);
    free(bytes);
    stream = fmemopen(room, sizeof room, "w");
    fputs(words, stream);
    CALL("fmemopen", closes(stream));
    say("room=%s", room);
    cookie_fd = -1;
    stream = open_cookie();
    fputs(words, stream);
    CALL("cookie", closes(stream));
}

ACT_ALONE(do_no_descriptor, "no descriptor")
{
    memory_streams(fclose);
    memory_streams(pclose);
    /* That a memory stream can't be reopened as itself is libc's to say. */
    FILE *stream = fmemopen(NULL, 64, "w+");
    FILE *opened = freopen("/dev/null", "r", stream);
    say("freopen=%d fileno=%d", opened == stream, opened ? fileno(opened) : -1);
    CALL("closes", opened ? fclose(opened) : 0);
    stream = fmemopen(NULL, 64, "w+");
    opened = freopen("/nowhere/at/all", "r", stream);
    say("freopen=%d %s", opened == stream, errno_text(errno));
}

ACT_ALONE(do_files, "files")
{
    FILE *stream = popen("exit 3", "r");

    CALL("pclose", pclose(stream));
    stream = popen("cat >/dev/null; exit 5", "w");
    fputs(words, stream);
    CALL("pclose", pclose(stream));
    stream = tmpfile();
    fputs(words, stream);
    CALL("fclose", fclose(stream));
    stream = fopen("/dev/full", "w");
    fputs(words, stream);
    CALL("fclose full", fclose(stream));
    stream = fopen("/dev/full", "w");
    fputs(words, stream);
    FILE *opened = freopen("/dev/null", "w", stream);
    say("freopen full=%d", opened == stream);
    CALL("fclose", fclose(stream));
    stream = fopen("/dev/null", "r+");
    opened = freopen(NULL, "r", stream);
    say("freopen itself=%d", opened == stream);
    CALL("fclose", fclose(stream));
}

/* The standard streams, by number and as streams, twice. */
ACT_ALONE(do_standard, "standard")
{
    FILE *const streams[] = {stdin, stdout, stderr};

    for (int i = 0; i < 3; i++) {
        CALL("fclose", fclose(streams[i]));
        CALL("close", close(i));
    }
}

/* fcloseall flushes and makes every stream unbuffered; it closes no descriptor. */
ACT(do_fcloseall, "fcloseall")
{
    FILE *stream = stream_on(door.fd, "w");

    fputs(words, stream);
    CALL("fcloseall", fcloseall());
    say("open=%d", fcntl(door.fd, F_GETFD) >= 0);
    say("unread=%d", net_unread(door.fd));
    CALL("close", close(door.fd));
    through();
}

int main(int argc, char **argv)
{
    return door_main(argc, argv);
}
