#include "safeclose.h"

#include "ground/sys.h"
#include "tcp/probe.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum probe_kind probe_kind(int fd)
{
    switch (sys_getsockopt_int(fd, SOL_SOCKET, SO_PROTOCOL)) {
    case IPPROTO_TCP:
        return PROBE_TCP;
    case IPPROTO_MPTCP:
        return PROBE_MPTCP;
    case -ENOTSOCK:
    case -EBADF:
        return PROBE_NOT_SOCKET;
    default:
        return PROBE_OTHER;
    }
}

bool probe_memory(int fd, struct probe_memory *memory)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    unsigned len = sizeof(info);

    if (sys_getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ||
        len <= SK_MEMINFO_WMEM_QUEUED * sizeof(info[0]))
        return false;
    memory->received = info[SK_MEMINFO_RMEM_ALLOC];
    memory->queued = info[SK_MEMINFO_WMEM_QUEUED];
    return true;
}

bool probe_zero_linger(int fd, uint8_t state, bool *zero)
{
    struct linger linger = {0, 0};
    int fin_wait2 = 0;
    unsigned len = sizeof(linger);

    if (sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) < 0)
        return false;
    *zero = linger.l_onoff && linger.l_linger == 0;
    if (*zero || (state != 0 && state != STATE_FIN_WAIT2))
        return true;
    len = sizeof(fin_wait2);
    if (sys_getsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &fin_wait2, &len) < 0)
        return false;
    *zero = fin_wait2 < 0;
    return true;
}

static uint32_t count(int fd, unsigned long request)
{
    long n = sys_ioctl_int(fd, request);
    return n > 0 ? (uint32_t)n : 0;
}

/* Our FIN takes a sequence number, so these counts hold one more than bytes until it is
 * acknowledged. A reset that comes before leaves them as they were, and no other question to the
 * kernel shows the FIN. */
static bool fin_is_counted(uint8_t state, bool half_closed)
{
    return state == STATE_FIN_WAIT1 || state == STATE_CLOSING || state == STATE_LAST_ACK ||
           (state == STATE_CLOSE && half_closed);
}

static uint32_t without_fin(uint32_t sequence_numbers, uint8_t state, bool half_closed)
{
    return sequence_numbers - (sequence_numbers && fin_is_counted(state, half_closed));
}

uint32_t probe_unacked(int fd, uint8_t state)
{
    return without_fin(count(fd, SIOCOUTQ), state, false);
}

/*
 * What takes no memory is not there. FIONREAD stops at the urgent mark, so 0 isn't empty: at the
 * mark (SIOCATMARK) the urgent byte is still queued, read out of line or not, and resets. Without a
 * mark FIONREAD counts all that is in order, and what else takes memory is a FIN or came out of
 * order, which does not reset.
 */
void probe_unread(int fd, const struct probe_memory *known, struct probe *p)
{
    struct probe_memory memory = {.received = 1};

    if (known)
        memory = *known;
    else
        probe_memory(fd, &memory);
    p->unread = memory.received ? count(fd, FIONREAD) : 0;
    p->facts.unread = p->unread > 0;
    if (memory.received == 0 || p->unread)
        return;
    if (p->facts.state == STATE_SYN_RECV) { /* Fast Open: FIONREAD is 0 there, whatever came */
        p->facts.unread = true;
        return;
    }
    p->urgent = sys_ioctl_int(fd, SIOCATMARK) > 0;
    p->facts.unread = p->urgent;
}

/* Unread urgent data after what FIONREAD counted. */
static bool urgent_waits(int fd)
{
    struct pollfd urgent = {.fd = fd, .events = POLLPRI};
    struct timespec now = {0, 0};

    return sys6(SYS_ppoll, SYS_ARG(&urgent), 1, SYS_ARG(&now), 0, 0, 0) > 0 &&
           urgent.revents & POLLPRI;
}

void probe_details(int fd, struct probe *p)
{
    unsigned len = sizeof(p->cookie);

    p->unacked = without_fin(count(fd, SIOCOUTQ), p->facts.state, p->half_closed);
    p->unsent = without_fin(count(fd, SIOCOUTQNSD), p->facts.state, p->half_closed);
    if (p->unread && !p->urgent)
        p->urgent = urgent_waits(fd);
    if (sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &p->cookie, &len) < 0)
        p->cookie = 0;
}

static bool ask_info(int fd, struct tcp_info *info)
{
    unsigned len = sizeof(*info);

    memset(info, 0, sizeof(*info));
    return sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

uint8_t probe_state(int fd)
{
    struct tcp_info info;

    return ask_info(fd, &info) ? info.tcpi_state : 0;
}

/* The peer's FIN is counted as received, but not as unread. */
static bool fin_is_received(uint8_t state)
{
    return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK || state == STATE_CLOSING ||
           state == STATE_TIME_WAIT;
}

/* Urgent data is queued; nothing after it is counted. */
static bool is_marked(int fd)
{
    return sys_ioctl_int(fd, SIOCATMARK) > 0 || urgent_waits(fd);
}

bool probe_position(int fd, struct probe_position *position)
{
    struct tcp_info before;
    struct tcp_info after;
    uint32_t unread;
    uint32_t unacked;

    for (int i = 0; i < 8; i++) {
        if (!ask_info(fd, &before))
            return false;
        unread = count(fd, FIONREAD);
        unacked = count(fd, SIOCOUTQ);
        if (!ask_info(fd, &after))
            return false;
        if (before.tcpi_bytes_received == after.tcpi_bytes_received &&
            before.tcpi_bytes_acked == after.tcpi_bytes_acked) {
            position->read = is_marked(fd) ? ~(uint64_t)unread
                                           : after.tcpi_bytes_received - unread -
                                                 fin_is_received(after.tcpi_state);
            position->written = after.tcpi_bytes_acked + unacked;
            position->heard = after.tcpi_bytes_received + after.tcpi_bytes_acked;
            position->state = after.tcpi_state;
            return true;
        }
    }
    return false;
}

bool probe_facts(int fd, enum probe_kind kind, bool ask_linger, struct probe *p)
{
    struct tcp_info info;

    if (!ask_info(fd, &info) && kind != PROBE_MPTCP)
        return false;
    p->facts.state = info.tcpi_state;
    p->facts.mptcp = kind == PROBE_MPTCP;
    if (p->facts.state == STATE_LISTEN) {
        p->facts.pending = info.tcpi_unacked; /* sk_ack_backlog, for a listening socket */
        return true;
    }
    if (ask_linger && !probe_zero_linger(fd, p->facts.state, &p->facts.zero_linger))
        return false;
    if (p->facts.zero_linger)
        p->facts.unsent = count(fd, SIOCOUTQNSD);
    probe_unread(fd, NULL, p);
    return true;
}

unsigned probe_peek(int fd, uint8_t state, void *bytes, unsigned size)
{
    long n;

    if (state == STATE_CLOSE || sys_getsockopt_int(fd, SOL_SOCKET, SO_PEEK_OFF) >= 0)
        return 0;
    n = sys6(SYS_recvfrom, fd, SYS_ARG(bytes), size, MSG_PEEK | MSG_DONTWAIT, 0, 0);
    return n > 0 ? (unsigned)n : 0;
}

struct endpoint probe_endpoint(const void *sockaddr, unsigned len)
{
    struct endpoint e;
    sa_family_t family = AF_UNSPEC;

    memset(&e, 0, sizeof(e));
    if (len >= sizeof(family))
        memcpy(&family, sockaddr, sizeof(family));
    if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof(in));
        memcpy(e.addr, &in.sin_addr, 4);
        e.port = ntohs(in.sin_port);
        e.v4 = true;
        e.known = true;
    } else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        struct sockaddr_in6 in6;
        memset(&in6, 0, sizeof(in6));
        memcpy(&in6, sockaddr, len < sizeof(in6) ? len : sizeof(in6));
        memcpy(e.addr, &in6.sin6_addr, 16);
        e.port = ntohs(in6.sin6_port);
        e.known = true;
    }
    return e;
}

static struct endpoint ask_endpoint(int fd, long call)
{
    struct sockaddr_in6 address;
    unsigned len = sizeof(address);

    if (sys3(call, fd, SYS_ARG(&address), SYS_ARG(&len)) < 0)
        len = 0;
    return probe_endpoint(&address, len < sizeof(address) ? len : sizeof(address));
}

struct endpoint probe_peer(int fd)
{
    return ask_endpoint(fd, SYS_getpeername);
}

struct endpoint probe_local(int fd)
{
    return ask_endpoint(fd, SYS_getsockname);
}
