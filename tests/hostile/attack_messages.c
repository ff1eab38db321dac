/* What an attacker sends over the UNIX sockets that it was left with. See attack.h. */
#define _GNU_SOURCE
#include "attack.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { SOCKETS = 16, NUMBERS = 4096, ASIDE = 5000, MOST = 1000, DESCRIPTORS = 3 };

static int sockets[SOCKETS];
static int count;

/* What goes next; the last one is a beginning to change a little. */
static unsigned char bytes[MOST];
static size_t length;

static bool is_unix_socket(int fd)
{
    struct stat st;
    int domain = 0;
    socklen_t len = sizeof domain;

    /* By number: another user's /proc/self/fd need not be readable. */
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
           RAW6(getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len, 0) == 0 && domain == AF_UNIX;
}

/* On a number of its own: the library may put an end of the attacker's own lot on this one. */
static int set_aside(int fd)
{
    long number = RAW3(fcntl, fd, F_DUPFD_CLOEXEC, ASIDE);

    return number < 0 ? fd : (int)number;
}

int attack_find_sockets(void)
{
    for (int fd = 0; fd < NUMBERS && count < SOCKETS; fd++)
        if (is_unix_socket(fd))
            sockets[count++] = set_aside(fd);
    return count;
}

int attack_socket(void)
{
    return count ? sockets[attack_below((uint64_t)count)] : -1;
}

static size_t some_length(void)
{
    return attack_one_in(2) ? attack_below(64) * 4 : attack_below(MOST + 1);
}

static void fill_bytes(unsigned most, unsigned one_in)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = attack_one_in(one_in) ? (unsigned char)attack_below(most) : 0;
}

static void fill_words(void)
{
    const uint32_t likely[] = {0,
                               1,
                               2,
                               3,
                               (uint32_t)RAW0(getpid),
                               (uint32_t)RAW0(getppid),
                               ATTACK_ADDRESS,
                               AF_INET,
                               (uint32_t)attack_random()};

    for (size_t i = 0; i + 4 <= length; i += 4)
        memcpy(bytes + i, &likely[attack_below(sizeof likely / sizeof likely[0])], 4);
}

/* Zeros, ones, noise, small numbers, likely words, or the last one again with a change. */
static void compose(void)
{
    unsigned kind = (unsigned)attack_below(8);

    if (kind == 7) {
        if (length)
            bytes[attack_below(length)] ^= (unsigned char)(1 << attack_below(8));
        return;
    }
    length = some_length();
    switch (kind) {
    case 0:
    case 1:
        memset(bytes, 0, length);
        break;
    case 2:
        memset(bytes, 0xff, length);
        break;
    case 3:
        fill_bytes(256, 1);
        break;
    case 4:
        fill_words();
        break;
    default:
        fill_bytes(4, 8 << attack_below(3));
    }
}

static void put_control(struct cmsghdr **at, struct msghdr *message, int type, const void *data,
                        size_t size)
{
    struct cmsghdr *c = *at;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    message->msg_controllen += CMSG_SPACE(size);
    *at = (struct cmsghdr *)((char *)c + CMSG_SPACE(size));
}

/* Its own name now and then, or another's, which the kernel refuses. */
static void put_name(struct cmsghdr **at, struct msghdr *message)
{
    struct ucred own = {(pid_t)RAW0(getpid), (uid_t)RAW0(getuid), (gid_t)RAW0(getgid)};

    if (attack_one_in(4))
        own.pid = (pid_t)RAW0(getppid);
    put_control(at, message, SCM_CREDENTIALS, &own, sizeof own);
}

static bool send_one(int to, unsigned *descriptors)
{
    _Alignas(struct cmsghdr) char control[256] = {0};
    struct iovec data = {bytes, 0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control};
    struct cmsghdr *at = (struct cmsghdr *)control;
    unsigned number = (unsigned)attack_below(DESCRIPTORS + 1);
    int fds[DESCRIPTORS];
    long sent;

    compose();
    data.iov_len = length;
    for (unsigned i = 0; i < number; i++)
        fds[i] = attack_pool_take();
    if (number)
        put_control(&at, &message, SCM_RIGHTS, fds, number * sizeof fds[0]);
    if (attack_one_in(16))
        put_name(&at, &message);
    sent = RAW3(sendmsg, to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (unsigned i = 0; i < number; i++)
        attack_pool_done(fds[i]);
    *descriptors = number;
    return sent >= 0;
}

/* What is the attacker's to do to its own end. */
static void tamper(int fd)
{
    char taken[64];
    int small = 1;
    int on = (int)attack_below(2);

    switch (attack_below(3)) {
    case 0:
        RAW6(setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small, 0);
        break;
    case 1:
        RAW6(setsockopt, fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on, 0);
        break;
    default:
        RAW6(recvfrom, fd, taken, sizeof taken, MSG_DONTWAIT, 0, 0);
    }
}

/* The end is the server's too, which loses its lot by this. */
static void ruin(int fd)
{
    int small = 1;

    if (attack_one_in(2))
        RAW6(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small, 0);
    else
        RAW2(shutdown, fd, attack_below(3));
}

bool attack_send(bool rough, unsigned *descriptors)
{
    int to = attack_socket();

    if (to < 0)
        return false;
    if (attack_one_in(256))
        tamper(to);
    if (rough && attack_one_in(512))
        ruin(to);
    return send_one(to, descriptors);
}
