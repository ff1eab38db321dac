/*
 * What a test of TCP closes needs: a connected pair in a chosen state, and three witnesses of how
 * it ended that no library inside the tested program can forge - what the peer's read returned,
 * what the kernel counted, and the reason the kernel gave at its tracepoint.
 *
 * All of it is plain kernel and libc: nothing here knows, asks or needs the library under test. All
 * traffic is on the loopback. Nothing sleeps to synchronise: a function that waits asks the kernel
 * again and again until the answer is there, for at most NET_DEADLINE_MS.
 *
 * Unless said otherwise an int comes back as 0 or a value on success, as -1 with errno on failure.
 */
#ifndef SAFECLOSE_TESTS_NET_H
#define SAFECLOSE_TESTS_NET_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* Milliseconds. Generous, because a loaded machine is slow and not wrong; only failures last so
 * long. */
enum { NET_DEADLINE_MS = 5000 };

/* ---- A namespace of the test's own ----------------------------------------------------------- */

/* Enters a new network namespace with its loopback up, as non-root inside a new user namespace too,
 * so that the kernel's counters are those of this test alone. Call it before starting any thread.
 * Files opened earlier are not affected. Fails with EPERM where the machine forbids both. */
int net_enter_namespace(void);

/* Counter NAME of TcpExt in /proc/net/netstat ("TCPAbortOnClose") or of Tcp in /proc/net/snmp
 * ("OutRsts"), of the calling thread's network namespace. -1 with ENOENT: this kernel has none. */
long netstat_counter(const char *name);

/* How many resets this namespace has sent, and which closes the kernel says it aborted. */
struct net_resets {
    long sent;      /* OutRsts: every RST, whatever for */
    long on_close;  /* TCPAbortOnClose: unread data */
    long on_data;   /* TCPAbortOnData: zero linger (even where no RST goes out), or late data */
    long on_linger; /* TCPAbortOnLinger: TCP_LINGER2 below 0 */
};

struct net_resets net_resets_now(void);

/* What has been added since BEFORE. What a close() does itself is counted when it returns. */
struct net_resets net_resets_since(struct net_resets before);

/* From now on each reset of this namespace is noted, by raw sockets; where they aren't allowed, none is. */
void net_resets_note(void);

/* Of SENT resets since net_resets_note, how many were answers from port FROM to port TO, 0 being any: without ACK, so to a segment
 * that found no connection (RFC 9293, 3.10.7.1). On a busy machine an acknowledgement may be late, even without a loss, and
 * come to a peer that has closed: no program has caused its answer. */
long net_resets_answers(long sent, int from, int to);

/* ---- A connected pair ------------------------------------------------------------------------ */

enum net_family {
    NET_IPV4,   /* 127.0.0.1 */
    NET_IPV6,   /* ::1 */
    NET_MAPPED, /* our end an IPv6 socket holding ::ffff:127.0.0.1, the peer's an IPv4 one */
};

/* All zero means: IPv4, TCP, the accepted end is ours, the kernel's buffer sizes. */
struct net_options {
    enum net_family family;
    bool we_connect;       /* our end is the one that connects (NET_MAPPED: the mapped one still) */
    int listener_protocol; /* 0 is TCP; or IPPROTO_MPTCP */
    int connecting_protocol; /* likewise */
    int our_send_buffer;     /* bytes, as given to SO_SNDBUF */
    int peer_receive_buffer; /* bytes, as given to SO_RCVBUF, set early enough to bound the window
                              */
    int segment_size;        /* bytes, as given to TCP_MAXSEG, on both ends */
};

/* Addresses are text as the kernel's trace writes them: "127.0.0.1:9001", "[::1]:9001"; mapped ones
 * as IPv4. A descriptor that has been closed is set to -1 by whoever closes it. */
struct net_pair {
    int ours; /* the end whose close is tested */
    int peer;
    int listener; /* the one the accepted end came from, still open */
    char our_name[64];
    char peer_name[64];
};

/* A connected pair on an ephemeral port, both ends ESTABLISHED, blocking, TCP_NODELAY. */
int net_pair_open(struct net_pair *pair, const struct net_options *options);

/* Closes what is still open of the pair. */
void net_pair_close(struct net_pair *pair);

/* Closes pair->ours, which is -1 afterwards. The real close(): what it returns is returned. */
int net_close_ours(struct net_pair *pair);

/* A listening socket on an ephemeral port of FAMILY's loopback, accepting both for NET_MAPPED. */
int net_listen(const struct net_options *options, int backlog);

/* A socket of ours, not yet connected, with OPTIONS applied for the connecting end. */
int net_socket(const struct net_options *options);

/* Connects FD to where LISTENER listens. */
int net_connect(int fd, int listener, const struct net_options *options);

/* The next connection of LISTENER; fails with ETIMEDOUT at the deadline. */
int net_accept(int listener);

/* 127.0.0.1 and a port. */
struct sockaddr_in net_loopback(int port);

/* The port of FD's own end. */
int net_port(int fd);

/* The address of FD's own end, or of its peer, as in struct net_pair. */
int net_name(int fd, bool peer, char name[64]);

/* Brings our end from ESTABLISHED to STATE (TCP_CLOSE_WAIT, TCP_FIN_WAIT1, ...; TCP_CLOSE: both
 * FINs sent and acknowledged). In FIN_WAIT1, CLOSING and LAST_ACK our FIN must stay unacknowledged:
 * it waits behind unsent data if net_fill() was called before, else the peer is kept from hearing
 * it (net_drop). Send what is to be unread before. Fails with EINVAL for any other state. */
int net_bring_to(struct net_pair *pair, int state);

/* Writes to FD until it would block: the peer's window and our send buffer are full. Returns the
 * bytes written; fails with ETIMEDOUT when the peer goes on reading, or is deaf. Small buffers
 * (struct net_options) make it quick. */
long net_fill(int fd);

/* ---- A lossy wire ---------------------------------------------------------------------------- */

/* What FD's socket is kept from hearing: segments are dropped as if the network had lost them, by a
 * filter on the socket, so it needs no privilege and no other socket notices. */
enum net_loss {
    NET_LOSE_ALL,    /* all but RST */
    NET_LOSE_FIN,    /* segments with FIN */
    NET_LOSE_RST,    /* segments with RST */
    NET_LOSE_MARKED, /* segments whose data begins with NET_MARK; retransmissions too */
};

enum { NET_MARK = '!' };

int net_drop(int fd, enum net_loss what);
int net_hear(int fd); /* ends net_drop */

struct sock_filter;

/* FD hears only what the filter lets through (socket(7), SO_ATTACH_FILTER). -1 with errno. */
int net_filter(int fd, struct sock_filter *code, size_t length);

/* ---- What the kernel says of a socket, and waiting for it ------------------------------------ */

int net_state(int fd);    /* TCP_INFO's tcpi_state: TCP_ESTABLISHED, ... */
int net_backlog(int fd);  /* TCP_INFO's tcpi_unacked: for a listener its accept queue's length */
int net_received(int fd); /* TCP_INFO: bytes received in order, read or not, a FIN being one more */
long net_acknowledged(int fd); /* TCP_INFO: bytes of ours that the peer has */
int net_unread(int fd);        /* FIONREAD, bytes */
int net_at_mark(int fd);       /* SIOCATMARK, 0 or 1 */
int net_unacked(int fd);       /* SIOCOUTQ, bytes */
int net_unsent(int fd);        /* SIOCOUTQNSD, bytes */
int net_rmem(int fd);          /* SO_MEMINFO: bytes of memory charged for what was received */
int net_wmem(int fd);     /* SO_MEMINFO: bytes of memory queued for sending and retransmission */
int net_protocol(int fd); /* SO_PROTOCOL */

/* Asks QUESTION (one of those above) about FD until the answer is at least / exactly WANTED. False
 * at the deadline. */
bool net_wait_at_least(int (*question)(int fd), int fd, int wanted);
bool net_wait_for(int (*question)(int fd), int fd, int wanted);

/* CLOCK_MONOTONIC. */
long net_now_ms(void);
int64_t net_now_ns(void);

void net_pass_ms(long ms);

/* Calls DONE(ARG) until it is true; false at the deadline. */
bool net_wait_until(bool (*done)(void *arg), void *arg);

/* True once thread TID of this process sleeps inside system call NUMBER. */
bool net_wait_thread_in(int tid, long number);

/* ---- The peer's end -------------------------------------------------------------------------- */

/* How a connection ended for its reader. */
struct net_end {
    long bytes;  /* read before the end */
    int error;   /* of the last read: ECONNRESET, ...; 0 is EOF; ETIMEDOUT the deadline */
    int pending; /* SO_ERROR after that: after EOF it is EPIPE when a reset followed the FIN */
};

/* Reads FD to its end. */
struct net_end net_read_to_end(int fd);

/* "EOF", "ECONNRESET", ...: what net_end.error means, for messages. */
const char *net_end_text(int error);

/* Sets SO_LINGER {1, 0}: the program asks for a reset. */
int net_zero_linger(int fd);

/* ---- Descriptors on their way ---------------------------------------------------------------- */

/* Sends FD with one byte over a UNIX socket (SCM_RIGHTS); FLAGS as for sendmsg. False, and errno,
 * where that failed. */
bool net_send_descriptor(int channel, int fd, int flags);

/* Receives one, FLAGS as for recvmsg (MSG_CMSG_CLOEXEC). -1 if none came. */
int net_receive_descriptor(int channel, int flags);

/* ---- The kernel's own reason ----------------------------------------------------------------- */

/* These are in net_trace.c, which reads as `safeclose watch` does by tracefs (cli/trace/pipe.h).
 *
 * Starts listening to the tracepoint tcp:tcp_send_reset. NULL: it runs. Otherwise why it can't, as a
 * static text: not root, no tracefs, or a kernel older than 6.12, which names no reason. */
const char *net_trace_start(void);

/* The name of the reason ("TCP_ABORT_ON_CLOSE") of the oldest reset sent from address FROM to TO
 * that was not asked for yet, "" if there was none. NULL: not tracing. The tracepoint is
 * machine-wide, the addresses single ours out; a reset that a listener sends itself has no TO but
 * "0.0.0.0:0". */
const char *net_trace_reason(const char *from, const char *to);

/* How many resets were sent from port FROM to port TO of 127.0.0.1, and not asked for yet; -1: not tracing, or others'
 * pushed some out. The counter OutRsts has the other side's, too: a machine under load may be so slow to acknowledge a
 * FIN that it comes twice, and what acknowledges the second one finds no socket any more. */
long net_trace_resets(int from, int to);

/* Removes the instance. Also done at exit. */
void net_trace_stop(void);

#endif
