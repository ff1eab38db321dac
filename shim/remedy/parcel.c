#include "safeclose.h"

#include "ground/sys.h"
#include "remedy/parcel.h"
#include "report/event.h"

#define QUEUE_BYTES (8 << 20) /* as much of it as the machine allows */

bool parcel_pair(int pair[2])
{
    int bytes = QUEUE_BYTES;
    int on = 1;

    if (sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, SYS_ARG(pair)) < 0)
        return false;
    sys6(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUF, SYS_ARG(&bytes), sizeof(bytes), 0);
    if (sys6(SYS_setsockopt, pair[1], SOL_SOCKET, SO_PASSCRED, SYS_ARG(&on), sizeof(on), 0) == 0)
        return true;
    sys1(SYS_close, pair[0]);
    sys1(SYS_close, pair[1]);
    return false;
}

static long send_message(int number, const struct msghdr *message)
{
    long sent = sys3(SYS_sendmsg, number, SYS_ARG(message), MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent < 0 ? sent : 0;
}

long parcel_send(int number, const struct parcel *parcel, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {(void *)parcel, sizeof(*parcel)};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *c = (struct cmsghdr *)control;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return send_message(number, &message);
}

/* One byte: what has none looks like the end of the connection. */
long parcel_wake(int number)
{
    char byte = 0;
    struct iovec bytes = {&byte, sizeof(byte)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

    return send_message(number, &message);
}

void parcel_discard(int fd)
{
    sys_linger_off(fd);
    sys1(SYS_close, fd);
}

/* Of several descriptors none is kept. */
static void take_descriptors(struct received *r, const struct cmsghdr *c)
{
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
        if (count == 1 && r->connection < 0)
            r->connection = fd;
        else
            parcel_discard(fd);
    }
}

static void take_control(struct received *r, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS) {
            take_descriptors(r, c);
        } else if (c->cmsg_type == SCM_CREDENTIALS &&
                   c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            struct ucred ids;

            memcpy(&ids, CMSG_DATA(c), sizeof(ids));
            r->pid = ids.pid;
            r->uid = ids.uid;
            r->gid = ids.gid;
        }
    }
}

static bool is_whole(const struct parcel *parcel, long size, int flags)
{
    return !(flags & (MSG_TRUNC | MSG_CTRUNC)) && size == sizeof(*parcel) &&
           parcel->via < VIA_COUNT && parcel->cause < CAUSE_COUNT;
}

/* Whatever their bytes are; a bool of another value is undefined behaviour. */
static void make_bools(struct endpoint *peer)
{
    uint8_t bytes[sizeof(*peer)];

    memcpy(bytes, peer, sizeof(bytes));
    peer->v4 = bytes[offsetof(struct endpoint, v4)] != 0;
    peer->known = bytes[offsetof(struct endpoint, known)] != 0;
}

enum receive parcel_receive(int number, struct received *r)
{
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
    struct iovec bytes = {&r->parcel, sizeof(r->parcel)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control};
    long n;

    do {
        message.msg_controllen = sizeof(control);
        n = sys3(SYS_recvmsg, number, SYS_ARG(&message), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n == -EINTR);
    if (n < 0)
        return n == -EAGAIN ? RECEIVE_NONE : RECEIVE_FAILED;
    if (n == 0 &&
        message.msg_controllen == 0) /* an empty message would have had its sender's ids */
        return RECEIVE_END;
    r->connection = -1;
    r->pid = 0;
    r->uid = UINT32_MAX;
    r->gid = UINT32_MAX;
    take_control(r, &message);
    make_bools(&r->parcel.peer);
    r->whole = is_whole(&r->parcel, n, message.msg_flags);
    return RECEIVE_PARCEL;
}
