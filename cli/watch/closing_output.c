#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/closing_output.h"
#include "trace/monotonic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_HERE 2000 /* a second */
#define MOST_ELSEWHERE 200
#define REPLY 1024 /* an answer has some 400 bytes */

/* As netinet/tcp.h, which can't be had beside linux/tcp.h. */
enum { TCP_FIN_WAIT1 = 4, TCP_FIN_WAIT2 = 5, TCP_TIME_WAIT = 6, TCP_CLOSING = 11 };

/* ---- Sockets ------------------------------------------------------------------------------------- */

static int diag_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* Ours; kept open. */
static int socket_here(void)
{
    static int kept = -1;

    if (kept < 0)
        kept = diag_socket();
    return kept;
}

static int open_namespace(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/ns/net", (long)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The process may be gone: then its parent's is taken, if that is the one. */
static int socket_elsewhere(const struct watched *process)
{
    static int own = -1;
    struct stat st;
    int namespace = open_namespace(process->pid), fd = -1;

    if (namespace < 0 && process->parent)
    namespace = open_namespace(process->parent);
    if (own < 0)
        own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own >= 0 && namespace >= 0 && fstat(namespace, &st) == 0 && st.st_ino == process->netns &&
        setns(namespace, CLONE_NEWNET) == 0) {
        fd = diag_socket();
        setns(own, CLONE_NEWNET);
    }
    if (namespace >= 0)
        close(namespace);
    return fd;
}

/* ---- The question -------------------------------------------------------------------------------- */

static bool ask(int fd, const struct trace_event *event)
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    bool is_v4 = memcmp(event->local.address, v4, sizeof(v4)) == 0;
    size_t skip = is_v4 ? sizeof(v4) : 0, size = sizeof(event->local.address) - skip;
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } q = {.head = {.nlmsg_len = sizeof(q),
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST},
           .body = {.sdiag_family = is_v4 ? AF_INET : AF_INET6,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                    .id = {.idiag_sport = htons(event->local.port),
                           .idiag_dport = htons(event->peer.port),
                           .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};

    memcpy(q.body.id.idiag_src, event->local.address + skip, size);
    memcpy(q.body.id.idiag_dst, event->peer.address + skip, size);
    return send(fd, &q, sizeof(q), MSG_DONTWAIT) == (ssize_t)sizeof(q);
}

/* TCP's own numbers are an attribute behind the answer; kernels differ in how many there are. */
static uint32_t unsent_in(const uint8_t *attributes, size_t size)
{
    struct nlattr a;
    struct tcp_info info = {.tcpi_notsent_bytes = 0};

    for (size_t at = 0; at + sizeof(a) <= size; at += NLA_ALIGN(a.nla_len)) {
        memcpy(&a, attributes + at, sizeof(a));
        if (a.nla_len < sizeof(a) || a.nla_len > size - at)
            break;
        if (a.nla_type == INET_DIAG_INFO) {
            size_t length = a.nla_len - sizeof(a);
            memcpy(&info, attributes + at + sizeof(a),
                   length < sizeof(info) ? length : sizeof(info));
        }
    }
    return info.tcpi_notsent_bytes;
}

/* Our FIN, which waits with the output, counts as a byte in both. */
static uint32_t without_fin(uint32_t bytes)
{
    return bytes ? bytes - 1 : 0;
}

static bool take_answer(int fd, struct closing_output *output)
{
    _Alignas(8) uint8_t reply[REPLY];
    ssize_t size = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
    const size_t fixed = NLMSG_HDRLEN + sizeof(struct inet_diag_msg);
    struct nlmsghdr head;
    struct inet_diag_msg found;

    if (size < (ssize_t)fixed)
        return false;
    memcpy(&head, reply, sizeof(head));
    memcpy(&found, reply + NLMSG_HDRLEN, sizeof(found));
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    if (found.idiag_state == TCP_FIN_WAIT1 || found.idiag_state == TCP_CLOSING) {
        output->unacked = without_fin(found.idiag_wqueue);
        output->unsent = without_fin(unsent_in(reply + fixed, (size_t)size - fixed));
        return true;
    }
    return found.idiag_state == TCP_FIN_WAIT2 || found.idiag_state == TCP_TIME_WAIT;
}

/* ---- How often ----------------------------------------------------------------------------------- */

static bool may_ask(bool here, int64_t now)
{
    static int64_t second;
    static unsigned asked[2];

    if (now / 1000000000 != second) {
        second = now / 1000000000;
        asked[0] = asked[1] = 0;
    }
    return asked[here]++ < (here ? MOST_HERE : MOST_ELSEWHERE);
}

static bool is_here(uint64_t netns)
{
    static struct stat own;

    return own.st_ino ? own.st_ino == netns
                      : stat("/proc/self/ns/net", &own) == 0 && own.st_ino == netns;
}

struct closing_output closing_output_ask(const struct trace_event *event,
                                         const struct watched *process)
{
    struct closing_output output = {.asked = monotonic_now()};
    bool here = is_here(process->netns), known;
    int fd = may_ask(here, output.asked) ? here ? socket_here() : socket_elsewhere(process) : -1;

    known = fd >= 0 && ask(fd, event) && take_answer(fd, &output);
    if (fd >= 0 && !here)
        close(fd);
    return known ? output : (struct closing_output){.asked = 0};
}
