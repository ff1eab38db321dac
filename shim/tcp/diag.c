#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/own_fd.h"
#include "ground/sys.h"
#include "tcp/diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

#define ASKED_MOST 8 /* times, while others take the answers */
#define PUT_DOWN 32  /* answers to others, by sequence number */

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

struct reply {
    struct nlmsghdr head;
    union {
        struct inet_diag_msg found;
        struct nlmsgerr error;
    };
};

static struct own_fd kept = OWN_FD_NONE;
static _Atomic int opener; /* the process that has opened it */
static _Atomic bool refused;
static _Atomic uint32_t sequence;
static _Atomic uint64_t put_down[PUT_DOWN]; /* sequence number << 32 | state << 8 | enum diag */

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool ask(int socket, const struct diag_key *key, uint32_t number)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct question q;

    memset(&q, 0, sizeof(q));
    q.head.nlmsg_len = sizeof(q);
    q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    q.head.nlmsg_flags = NLM_F_REQUEST;
    q.head.nlmsg_seq = number;
    q.body.sdiag_family = key->local.v4 ? AF_INET : AF_INET6;
    q.body.sdiag_protocol = IPPROTO_TCP;
    q.body.id.idiag_sport = htons(key->local.port);
    q.body.id.idiag_dport = htons(key->peer.port);
    memcpy(q.body.id.idiag_src, key->local.addr, sizeof(key->local.addr));
    memcpy(q.body.id.idiag_dst, key->peer.addr, sizeof(key->peer.addr));
    q.body.id.idiag_if = key->device;
    memcpy(q.body.id.idiag_cookie, &key->cookie, sizeof(key->cookie));
    return sys6(SYS_sendto, socket, SYS_ARG(&q), sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL,
                SYS_ARG(&kernel), sizeof(kernel)) == (long)sizeof(q);
}

static struct diag_answer answer_of(const struct reply *r, size_t size)
{
    struct diag_answer a = {.what = DIAG_UNASKED};

    if (r->head.nlmsg_type == NLMSG_ERROR) {
        if (size >= sizeof(r->head) + sizeof(r->error.error) && r->error.error == -ENOENT)
            a.what = DIAG_GONE;
    } else if (r->head.nlmsg_type == SOCK_DIAG_BY_FAMILY && size >= sizeof(*r)) {
        a.what = r->found.idiag_inode ? DIAG_HELD : DIAG_ORPHAN;
        a.state = r->found.idiag_state;
    }
    return a;
}

static bool was_put_down(uint32_t number, struct diag_answer *a)
{
    uint64_t word = atomic_load(&put_down[number % PUT_DOWN]);

    if (word >> 32 != number)
        return false;
    *a = (struct diag_answer){(enum diag)(word & 0xff), (uint8_t)(word >> 8)};
    return true;
}

/* False if there is no answer; another thread may have taken it. */
static bool take_answer(int socket, uint32_t number, struct diag_answer *a)
{
    struct reply r;
    long size;

    for (int i = 0; i < PUT_DOWN; i++) {
        memset(&r, 0, sizeof(r));
        size = sys6(SYS_recvfrom, socket, SYS_ARG(&r), sizeof(r), MSG_DONTWAIT, 0, 0);
        if (size < (long)sizeof(r.head))
            break;
        *a = answer_of(&r, (size_t)size);
        if (r.head.nlmsg_seq == number)
            return true;
        atomic_store(&put_down[r.head.nlmsg_seq % PUT_DOWN],
                     (uint64_t)r.head.nlmsg_seq << 32 | (uint64_t)a->state << 8 | a->what);
    }
    return was_put_down(number, a);
}

/* -1 if this process has none; also if the program has closed it. */
static int kept_number(void)
{
    int pid = atomic_load(&process->pid);
    int number;

    if (atomic_load(&opener) != pid)
        return -1;
    number = own_fd_check(&kept);
    if (number < 0 && atomic_load(&kept.number) >= 0)
        atomic_compare_exchange_strong(&opener, &pid, 0);
    return number;
}

struct diag_answer diag_ask(int socket, const struct diag_key *key)
{
    struct diag_answer a = {.what = DIAG_UNASKED};

    for (int i = 0; i < ASKED_MOST; i++) {
        uint32_t number = atomic_fetch_add(&sequence, 1) + 1;
        int on = socket;

        if (on == DIAG_KEPT)
            on = kept_number();
        if (on < 0 || !ask(on, key, number))
            break;
        if (take_answer(on, number, &a))
            return a;
    }
    a.what = DIAG_UNASKED;
    return a;
}

struct diag_answer diag_ask_open(int socket, int fd, struct diag_key *key)
{
    struct diag_answer a = {.what = DIAG_UNASKED};
    long device;

    if (!key->cookie || !key->local.known)
        return a;
    a = diag_ask(socket, key);
    if (a.what != DIAG_GONE)
        return a;
    device = sys_getsockopt_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
    if (device <= 0)
        return a;
    key->device = (uint32_t)device;
    return diag_ask(socket, key);
}

/* ---- The socket ------------------------------------------------------------------------------ */

/* The kernel may have to load a module for the answer, which takes time: so a first question is asked at once. */
long diag_open(void)
{
    const struct diag_key nobody = {.local = {.v4 = true, .known = true, .port = 1}, .cookie = 1};
    long fd =
        sys3(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

    if (fd < 0 || diag_ask((int)fd, &nobody).what == DIAG_GONE)
        return fd;
    sys1(SYS_close, fd);
    return -EOPNOTSUPP;
}

bool diag_is_settled(void)
{
    return atomic_load_explicit(&opener, memory_order_relaxed) == atomic_load(&process->pid) ||
           atomic_load(&refused);
}

/* SELinux, for one, may log each refusal. */
void diag_prepare(void)
{
    long fd;

    if (diag_is_settled())
        return;
    fd = diag_open();
    if (fd >= 0) {
        own_fd_keep(&kept, (int)fd);
        atomic_store(&opener, atomic_load(&process->pid));
    } else if (fd != -EMFILE && fd != -ENFILE && fd != -ENOBUFS && fd != -ENOMEM) {
        atomic_store(&refused, true);
    }
}

bool diag_owns(int fd)
{
    return fd >= 0 && fd == atomic_load_explicit(&kept.number, memory_order_relaxed) &&
           own_fd_check(&kept) == fd;
}

/* The number is not given back: another thread may be about to ask there, and must not meet a connection of the
 * program. */
void diag_lose(void)
{
    int number = own_fd_check(&kept);
    long nothing;

    if (atomic_exchange(&opener, 0) != atomic_load(&process->pid) || number < 0)
        return;
    nothing = sys1(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (nothing < 0)
        return; /* it is not used, and replaced by the next */
    if (sys3(SYS_dup3, nothing, number, O_CLOEXEC) == number)
        own_fd_is(&kept, number);
    sys1(SYS_close, nothing);
}
