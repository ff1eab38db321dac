/* What the demos share; see net.h. Everything stays on 127.0.0.1. */
#define _GNU_SOURCE /* program_invocation_short_name */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST_WAIT_MS (60 * 1000)

/* With a pipe for stdout, as in demo/run, a line must leave when it is printed, not at exit. */
__attribute__((constructor)) static void print_by_lines(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void fail(const char *what)
{
    fprintf(stderr, "%s: unable to %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(EXIT_FAILURE);
}

void show_usage(int option)
{
    if (option == 'h') {
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    }
    fputs(usage, stderr);
    exit(2);
}

static _Noreturn void refuse(const char *what, const char *text, const char *allowed)
{
    fprintf(stderr, "%s: bad %s \"%s\": allowed is %s\n", program_invocation_short_name, what, text,
            allowed);
    show_usage('?');
}

void refuse_operands(int argc, char **argv)
{
    if (optind < argc)
        refuse("argument", argv[optind], "only what follows");
}

/* Digits only: strtol alone would take " 9", "+9" and "-9" too. -1 when there are none. */
static long leading_number(const char *text, char **end)
{
    *end = (char *)text;
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    long number = strtol(text, end, 10);
    return errno ? -1 : number;
}

int parse_number(const char *what, const char *text, int min, int max)
{
    char *end;
    long number = leading_number(text, &end);

    if (*end != '\0' || number < min || number > max) {
        char allowed[64];
        snprintf(allowed, sizeof(allowed), "a number from %d to %d", min, max);
        refuse(what, text, allowed);
    }
    return (int)number;
}

int parse_duration_ms(const char *what, const char *text)
{
    char *end;
    long number = leading_number(text, &end);

    if (number > LONGEST_WAIT_MS)
        number = -1;
    else if (strcmp(end, "s") == 0)
        number *= 1000;
    else if (strcmp(end, "ms") != 0 && strcmp(text, "0") != 0)
        number = -1;
    if (number < 0 || number > LONGEST_WAIT_MS)
        refuse(what, text, "a time with its unit, up to 60s: 300ms, 5s");
    return (int)number;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("make a TCP socket");
    return fd;
}

int listen_on(int port)
{
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof(address);
    int fd = tcp_socket();

    /* The previous run's connection may still be in TIME_WAIT on this port. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0)
        fail("set SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0) {
        fprintf(stderr, "%s: unable to listen on 127.0.0.1:%d: %s%s\n",
                program_invocation_short_name, port, strerror(errno),
                errno == EADDRINUSE ? "; choose another port with -p" : "");
        exit(errno == EADDRINUSE ? EXIT_PORT_TAKEN : EXIT_FAILURE);
    }
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        fail("ask which port it is");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

int accept_one(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        fail("accept");
    close(listener);
    return fd;
}

int connect_to(int port, int receive_buffer)
{
    struct sockaddr_in address = loopback(port);
    int fd = tcp_socket();

    /* Before connect(): the window scale is agreed there. */
    if (receive_buffer > 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(int)) < 0)
        fail("set SO_RCVBUF");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        char what[64];
        snprintf(what, sizeof(what), "connect to 127.0.0.1:%d", port);
        fail(what);
    }
    return fd;
}

void send_all(int fd, const void *bytes, size_t size)
{
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

    if (sent < 0)
        fail("send");
    /* A blocking socket takes everything in one call; in one call it is also one segment. */
    if ((size_t)sent < size) {
        errno = EIO;
        fail("send everything at once");
    }
}

void print_read(ssize_t result)
{
    if (result < 0)
        printf("read error: %s\n", strerror(errno));
    else
        printf("Read %zd Bytes\n", result);
}
