/* What the demos share: arguments, loopback sockets, and the one line a client ends with. */
#ifndef DEMO_NET_H
#define DEMO_NET_H

#include <stddef.h>
#include <sys/types.h>

/* A server's exit status when its port is taken: demo/run then takes a free one. */
#define EXIT_PORT_TAKEN 3

/* The request response_server reads, and slow_client sends: these bytes and no more. */
#define REQUEST "GET\n"
#define REQUEST_SIZE (sizeof(REQUEST) - 1)

/* Each program defines its own; printed by -h and after every complaint about an argument. */
extern const char usage[];

/* "program: unable to WHAT: reason of errno", exit 1. */
_Noreturn void fail(const char *what);

/* For getopt's -h and for anything it or the caller refuses; exit 0 or 2. */
_Noreturn void show_usage(int option);
void refuse_operands(int argc, char **argv);

/* Each exits 2, naming the bad value and what is allowed, rather than return one out of range. */
int parse_number(const char *what, const char *text, int min, int max);
int parse_duration_ms(const char *what, const char *text);

/* Listens on 127.0.0.1 and says so on stdout; port 0 takes any free one. */
int listen_on(int port);
int accept_one(int listener);

/* receive_buffer: SO_RCVBUF in bytes, 0 leaves it to the kernel. */
int connect_to(int port, int receive_buffer);
void send_all(int fd, const void *bytes, size_t size);

/* What a client's last read returned, in the words of the original experiment. */
void print_read(ssize_t result);

#endif
