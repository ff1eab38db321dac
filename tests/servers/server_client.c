/*
 * A client that a server answers early: it sends its whole request before it reads, and reads only
 * once the server has given up the connection, so that whatever a reset destroys is destroyed. The
 * server is on 127.0.0.1; what it has done is read in /proc/net/tcp, so it need not cooperate.
 *
 * Prints, a line each:
 *     sent NAME        everything has reached the server's receive queue; NAME is our address
 *     status LINE      the first line of the answer
 *     body N right     N bytes of body, all of them as all servers here send them ("wrong": not)
 *     end EOF          how reading ended; or ECONNRESET
 */
#define _GNU_SOURCE /* memmem */
#include "play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Small, so that most of an answer stays with the server until we read; a reset then loses it. */
enum { RECEIVE_BUFFER = 16384 };

/* Longer than NET_DEADLINE_MS, which is for the kernel: here a whole interpreter may have to start.
 */
enum { PATIENCE_S = 60 };

static int server_port, own_port;

enum server_end {
    GONE,   /* not there: reset, or not seen because another line vanished meanwhile */
    HELD,   /* a program's, or waiting for its accept() */
    ORPHAN, /* given up, the kernel still has something to send or to hear */
};

/* One line of /proc/net/tcp or tcp6. Until accept() and after the last close it has no inode. */
static enum server_end end_in(const char *line)
{
    unsigned local, remote, state;
    unsigned long inode;

    if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %x %*s %*s %*s %*u %*u %lu", &local,
               &remote, &state, &inode) != 4 ||
        (int)local != server_port || (int)remote != own_port)
        return GONE;
    return inode != 0 || state == TCP_ESTABLISHED || state == TCP_SYN_RECV ? HELD : ORPHAN;
}

static enum server_end find_end(const char *path)
{
    FILE *table = fopen(path, "r");
    enum server_end found = GONE;
    char line[512];

    if (!table)
        return GONE; /* no IPv6 here */
    while (found == GONE && fgets(line, sizeof(line), table))
        found = end_in(line);
    fclose(table);
    return found;
}

/* A reset connection leaves the table just before its RST is sent, so that must have come too. */
static bool is_given_up(void *arg)
{
    enum server_end end = find_end("/proc/net/tcp");

    if (end == GONE)
        end = find_end("/proc/net/tcp6");
    return end == ORPHAN || (end == GONE && net_state(*(int *)arg) != TCP_ESTABLISHED);
}

/* net_wait_until() gives up early for an interpreter on a loaded machine: repeat it. */
static void wait_until(bool (*done)(void *), void *arg, const char *what)
{
    for (int waited = 0; waited < PATIENCE_S; waited += NET_DEADLINE_MS / 1000)
        if (net_wait_until(done, arg))
            return;
    errno = ETIMEDOUT;
    unable(what);
}

static bool has_arrived(void *arg)
{
    return net_unacked(*(int *)arg) == 0;
}

static void send_request(int fd, size_t body)
{
    size_t size = body + 256, head, done = 0;
    char *request = malloc(size);

    if (!request)
        unable("get memory");
    head = (size_t)snprintf(request, size,
                            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                            "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                            body);
    memset(request + head, 'b', body);
    /* In one write: up to 64 kB cross the loopback in one segment, and arrive all or not at all. */
    while (done < head + body) {
        ssize_t n = send(fd, request + done, head + body - done, MSG_NOSIGNAL);
        if (n < 0)
            unable("send the request");
        done += (size_t)n;
    }
    free(request);
}

static int connect_to_server(void)
{
    struct sockaddr_in server = net_loopback(server_port);
    int buffer = RECEIVE_BUFFER;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0 ||
        connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
        unable("connect");
    return fd;
}

/* The answer as far as it came: all servers here send the same line again and again. */
static bool is_right(const char *body, size_t size)
{
    static const char line[] = "safeclose\n";

    for (size_t i = 0; i < size; i++)
        if (body[i] != line[i % (sizeof(line) - 1)])
            return false;
    return true;
}

static void show_answer(const char *answer, size_t size)
{
    const char *body = memmem(answer, size, "\r\n\r\n", 4);
    const char *line = memchr(answer, '\r', size);
    size_t length = 0;

    if (body) {
        body += 4;
        length = size - (size_t)(body - answer);
    }
    printf("status %.*s\n", line ? (int)(line - answer) : 0, answer);
    printf("body %zu %s\n", length, is_right(body, length) ? "right" : "wrong");
}

static void read_answer(int fd)
{
    /* More than a server can have handed to the kernel by the time it gives up the connection. */
    const size_t room = 64 << 20;
    char *answer = malloc(room);
    size_t size = 0;
    ssize_t n = 0;

    if (!answer)
        unable("get memory");
    while (size < room && (n = recv(fd, answer + size, room - size, 0)) > 0)
        size += (size_t)n;
    n = n < 0 ? errno : 0;
    show_answer(answer, size);
    printf("end %s\n", net_end_text((int)n));
    free(answer);
}

int main(int argc, char **argv)
{
    char name[64];
    int fd;

    if (argc != 3) {
        fprintf(stderr, "usage: server_client PORT BYTES\n"
                        "  BYTES  of the body of the POST request\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    server_port = atoi(argv[1]);
    fd = connect_to_server();
    if (net_name(fd, false, name) < 0)
        unable("get my name");
    own_port = atoi(strrchr(name, ':') + 1);
    send_request(fd, strtoul(argv[2], NULL, 10));
    wait_until(has_arrived, &fd, "see the request arrive");
    printf("sent %s\n", name);
    wait_until(is_given_up, &fd, "see the connection given up");
    read_answer(fd);
    close(fd);
    return 0;
}
