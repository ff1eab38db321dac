#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct net_options no_options;

/* ---- Small things ---------------------------------------------------------------------------- */

int64_t net_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

long net_now_ms(void)
{
    return (long)(net_now_ns() / 1000000);
}

void net_pass_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written < 0 ? -1 : 0;
}

/* ---- A namespace of the test's own ----------------------------------------------------------- */

static int enter_user_and_network_namespace(void)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return -1;
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (write_text("/proc/self/uid_map", map) != 0)
        return -1;
    /* The kernel wants this before it lets an unprivileged process write its gid_map. */
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    return write_text("/proc/self/gid_map", map);
}

static int bring_loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* A busy machine is late with acknowledgements. What is sent again for that, 8 ms later, may find its receiver closed, which
 * answers with a reset that no program has caused. Where this file can't be written, that may happen. */
static void send_no_loss_probes(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_early_retrans", "we");

    if (!file)
        return;
    fputs("0", file);
    fclose(file);
}

int net_enter_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0 && (errno != EPERM || enter_user_and_network_namespace() != 0))
        return -1;
    send_no_loss_probes();
    return bring_loopback_up();
}

/* The files hold pairs of lines: "Group: name name ..." and "Group: value value ...". */
static int counter_in(const char *path, const char *group, const char *name, long *value)
{
    char names[8192], values[8192];
    bool found = false;
    FILE *file = fopen(path, "re");

    if (!file)
        return -1;
    while (!found && fgets(names, sizeof names, file) && fgets(values, sizeof values, file)) {
        char *name_at, *value_at;
        char *n = strtok_r(names, " \n", &name_at);
        char *v = strtok_r(values, " \n", &value_at);
        if (!n || strcmp(n, group) != 0)
            continue;
        while (!found && n && v) {
            found = strcmp(n, name) == 0;
            if (found)
                *value = atol(v);
            n = strtok_r(NULL, " \n", &name_at);
            v = strtok_r(NULL, " \n", &value_at);
        }
    }
    fclose(file);
    errno = ENOENT;
    return found ? 0 : -1;
}

/* thread-self, because /proc/net is the main thread's namespace, whoever asks. */
long netstat_counter(const char *name)
{
    long value;

    if (counter_in("/proc/thread-self/net/netstat", "TcpExt:", name, &value) == 0 ||
        counter_in("/proc/thread-self/net/snmp", "Tcp:", name, &value) == 0)
        return value;
    return -1;
}

struct net_resets net_resets_now(void)
{
    return (struct net_resets){
        .sent = netstat_counter("OutRsts"),
        .on_close = netstat_counter("TCPAbortOnClose"),
        .on_data = netstat_counter("TCPAbortOnData"),
        .on_linger = netstat_counter("TCPAbortOnLinger"),
    };
}

struct net_resets net_resets_since(struct net_resets before)
{
    struct net_resets now = net_resets_now();

    now.sent -= before.sent;
    now.on_close -= before.on_close;
    now.on_data -= before.on_data;
    now.on_linger -= before.on_linger;
    return now;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

struct sockaddr_in net_loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* The loopback of a family as bind() and connect() want it. */
static socklen_t loopback(enum net_family family, bool listening, int port,
                          struct sockaddr_storage *address)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof *address);
    if (family == NET_IPV4) {
        *(struct sockaddr_in *)address = net_loopback(port);
        return sizeof(struct sockaddr_in);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (family == NET_IPV6)
        v6->sin6_addr = in6addr_loopback;
    else if (!listening)
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6->sin6_addr);
    return sizeof *v6;
}

int net_port(int fd)
{
    struct sockaddr_in6 address;
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    return ntohs(address.sin6_port); /* at the same place in both families */
}

int net_name(int fd, bool peer, char name[64])
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in6 v6;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&v6;
    socklen_t size = sizeof v6;
    struct sockaddr *address = (struct sockaddr *)&v6;

    if ((peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)) != 0)
        return -1;
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        snprintf(name, 64, "%s:%d", text, ntohs(v4->sin_port));
    } else if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
        snprintf(name, 64, "%s:%d", text, ntohs(v6.sin6_port));
    } else {
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        snprintf(name, 64, "[%s]:%d", text, ntohs(v6.sin6_port));
    }
    return 0;
}

/* ---- A connected pair ------------------------------------------------------------------------ */

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A socket with the buffers of our end or of the peer's. A receive buffer must be set before the
 * connection is made, or the first window is larger than the buffer. */
static int sized_socket(enum net_family family, int protocol, bool ours,
                        const struct net_options *options)
{
    int fd = socket(family == NET_IPV4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    if (ours && options->our_send_buffer)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, options->our_send_buffer);
    if (!ours && options->peer_receive_buffer)
        set_int(fd, SOL_SOCKET, SO_RCVBUF, options->peer_receive_buffer);
    if (options->segment_size)
        set_int(fd, IPPROTO_TCP, TCP_MAXSEG, options->segment_size);
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

/* With NET_MAPPED it is our end that is an IPv6 socket, whichever side connects. */
static enum net_family family_of(bool ours, const struct net_options *options)
{
    return options->family == NET_MAPPED && !ours ? NET_IPV4 : options->family;
}

int net_listen(const struct net_options *options, int backlog)
{
    options = options ? options : &no_options;
    bool ours = !options->we_connect;
    enum net_family family = family_of(ours, options);
    struct sockaddr_storage address;
    socklen_t size = loopback(family, true, 0, &address);
    int fd = sized_socket(family, options->listener_protocol, ours, options);

    if (fd < 0)
        return -1;
    if (family != NET_IPV4)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, family == NET_IPV6);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, backlog) != 0)
        return close_keeping_errno(fd);
    return fd;
}

int net_socket(const struct net_options *options)
{
    options = options ? options : &no_options;
    return sized_socket(family_of(options->we_connect, options), options->connecting_protocol,
                        options->we_connect, options);
}

int net_connect(int fd, int listener, const struct net_options *options)
{
    options = options ? options : &no_options;
    struct sockaddr_storage address;
    socklen_t size =
        loopback(family_of(options->we_connect, options), false, net_port(listener), &address);

    return connect(fd, (struct sockaddr *)&address, size);
}

int net_accept(int listener)
{
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    int ready = poll(&waiting, 1, NET_DEADLINE_MS);

    if (ready <= 0) {
        errno = ready == 0 ? ETIMEDOUT : errno;
        return -1;
    }
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

int net_pair_open(struct net_pair *pair, const struct net_options *options)
{
    options = options ? options : &no_options;
    *pair = (struct net_pair){.ours = -1, .peer = -1, .listener = net_listen(options, 16)};
    int connecting = net_socket(options);
    int accepted = -1;

    if (pair->listener >= 0 && connecting >= 0 &&
        net_connect(connecting, pair->listener, options) == 0)
        accepted = net_accept(pair->listener);
    pair->ours = options->we_connect ? connecting : accepted;
    pair->peer = options->we_connect ? accepted : connecting;
    if (accepted < 0 || set_int(accepted, IPPROTO_TCP, TCP_NODELAY, 1) != 0 ||
        net_name(pair->ours, false, pair->our_name) != 0 ||
        net_name(pair->peer, false, pair->peer_name) != 0) {
        int error = errno;
        net_pair_close(pair);
        errno = error;
        return -1;
    }
    return 0;
}

static int close_once(int *fd)
{
    int number = *fd;

    *fd = -1;
    return number < 0 ? 0 : close(number);
}

/* With its ears open again, so that nothing goes on retransmitting after the test. */
void net_pair_close(struct net_pair *pair)
{
    net_hear(pair->ours);
    net_hear(pair->peer);
    close_once(&pair->ours);
    close_once(&pair->peer);
    close_once(&pair->listener);
}

int net_close_ours(struct net_pair *pair)
{
    return close_once(&pair->ours);
}

static bool peers_fin_is_acknowledged(void *arg)
{
    struct net_pair *pair = arg;
    int state = net_state(pair->peer);

    /* CLOSE: our FIN came first. */
    return state == TCP_FIN_WAIT2 || state == TCP_CLOSE;
}

/* The peer's half-close. That we acknowledged its FIN matters: it is not to be retransmitted, least
 * of all to a socket that has been closed, which would be answered with a reset. */
static int send_peers_fin(struct net_pair *pair)
{
    if (shutdown(pair->peer, SHUT_WR) != 0)
        return -1;
    errno = ETIMEDOUT;
    return net_wait_until(peers_fin_is_acknowledged, pair) ? 0 : -1;
}

/* Our half-close, made so that its FIN is sent but not acknowledged. */
static int send_lost_fin(struct net_pair *pair)
{
    if (net_unsent(pair->ours) == 0 && net_drop(pair->peer, NET_LOSE_FIN) != 0)
        return -1;
    return shutdown(pair->ours, SHUT_WR);
}

int net_bring_to(struct net_pair *pair, int state)
{
    int result = 0;

    switch (state) {
    case TCP_ESTABLISHED:
        break;
    case TCP_CLOSE_WAIT:
        result = shutdown(pair->peer, SHUT_WR);
        break;
    case TCP_FIN_WAIT1:
        result = send_lost_fin(pair);
        break;
    case TCP_FIN_WAIT2:
        result = shutdown(pair->ours, SHUT_WR);
        break;
    case TCP_CLOSING:
        result = send_lost_fin(pair) || send_peers_fin(pair) ? -1 : 0;
        break;
    case TCP_LAST_ACK:
        result = send_peers_fin(pair) || send_lost_fin(pair) ? -1 : 0;
        break;
    case TCP_CLOSE:
        result = send_peers_fin(pair) || shutdown(pair->ours, SHUT_WR) ? -1 : 0;
        break;
    default:
        errno = EINVAL;
        return -1;
    }
    if (result != 0)
        return -1;
    errno = ETIMEDOUT;
    return net_wait_for(net_state, pair->ours, state) ? 0 : -1;
}

long net_fill(int fd)
{
    static const char block[16384];
    long total = 0, deadline = net_now_ms() + NET_DEADLINE_MS;

    while (net_now_ms() < deadline) {
        ssize_t sent = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            total += sent;
        else if (errno != EAGAIN)
            return -1;
        /* It may be full for the moment only, while what fits the peer's window is on its way. The
         * window is full when something stays unsent, and nothing sent is unacknowledged. */
        else if (net_unsent(fd) > 0 && net_unsent(fd) == net_unacked(fd))
            return total;
        else
            sched_yield();
    }
    errno = ETIMEDOUT;
    return -1;
}

/* ---- A lossy wire ---------------------------------------------------------------------------- */

/* The filter sees a segment from its TCP header on: flags at byte 13, header length in words in the
 * upper half of byte 12. It returns how much to keep: everything, or 0 to drop the segment. */
enum { FLAG_FIN = 0x01, FLAG_RST = 0x04, KEEP = 0x40000, DROP = 0 };

int net_filter(int fd, struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {.len = length, .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int drop_by_flag(int fd, int flag, int if_set, int if_not)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, if_set),
        BPF_STMT(BPF_RET | BPF_K, if_not),
    };
    return net_filter(fd, code, sizeof code / sizeof code[0]);
}

static int drop_marked(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 12),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3c), /* length of the header in bytes */
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 3), /* no data: keep */
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NET_MARK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, DROP),
        BPF_STMT(BPF_RET | BPF_K, KEEP),
    };
    return net_filter(fd, code, sizeof code / sizeof code[0]);
}

int net_drop(int fd, enum net_loss what)
{
    switch (what) {
    case NET_LOSE_ALL:
        return drop_by_flag(fd, FLAG_RST, KEEP, DROP);
    case NET_LOSE_FIN:
        return drop_by_flag(fd, FLAG_FIN, DROP, KEEP);
    case NET_LOSE_RST:
        return drop_by_flag(fd, FLAG_RST, DROP, KEEP);
    case NET_LOSE_MARKED:
        return drop_marked(fd);
    }
    errno = EINVAL;
    return -1;
}

int net_hear(int fd)
{
    return set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

/* ---- What the kernel says of a socket, and waiting for it ------------------------------------ */

static int tcp_info(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof *info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size);
}

int net_state(int fd)
{
    struct tcp_info info;

    return tcp_info(fd, &info) == 0 ? info.tcpi_state : -1;
}

int net_backlog(int fd)
{
    struct tcp_info info;

    return tcp_info(fd, &info) == 0 ? (int)info.tcpi_unacked : -1;
}

/* The C library's struct tcp_info ends before these, whose offsets are ABI. */
enum { BYTES_ACKED_AT = 120, BYTES_RECEIVED_AT = 128 };

static long count_at(int fd, size_t offset)
{
    unsigned char info[BYTES_RECEIVED_AT + 8];
    socklen_t size = sizeof info;
    long bytes;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) != 0 || size < sizeof info)
        return -1;
    memcpy(&bytes, info + offset, sizeof bytes);
    return bytes;
}

int net_received(int fd)
{
    return (int)count_at(fd, BYTES_RECEIVED_AT);
}

long net_acknowledged(int fd)
{
    return count_at(fd, BYTES_ACKED_AT);
}

static int ask(int fd, unsigned long request)
{
    int answer;

    return ioctl(fd, request, &answer) == 0 ? answer : -1;
}

int net_unread(int fd)
{
    return ask(fd, FIONREAD);
}

int net_at_mark(int fd)
{
    return ask(fd, SIOCATMARK);
}

int net_unacked(int fd)
{
    return ask(fd, SIOCOUTQ);
}

int net_unsent(int fd)
{
    return ask(fd, SIOCOUTQNSD);
}

static int memory(int fd, int which)
{
    unsigned values[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof values;

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &size) != 0)
        return -1;
    return values[which];
}

int net_rmem(int fd)
{
    return memory(fd, SK_MEMINFO_RMEM_ALLOC);
}

int net_wmem(int fd)
{
    return memory(fd, SK_MEMINFO_WMEM_QUEUED);
}

int net_protocol(int fd)
{
    int protocol;
    socklen_t size = sizeof protocol;

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 ? protocol : -1;
}

/* On the loopback most answers are there at once; after that, don't burn what others wait for. */
bool net_wait_until(bool (*done)(void *arg), void *arg)
{
    const struct timespec pause = {.tv_nsec = 200000};
    long deadline = net_now_ms() + NET_DEADLINE_MS;

    while (!done(arg)) {
        if (net_now_ms() > deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

struct waiting {
    int (*question)(int fd);
    int fd;
    int wanted;
};

static bool is_at_least(void *arg)
{
    struct waiting *w = arg;

    return w->question(w->fd) >= w->wanted;
}

static bool is_exactly(void *arg)
{
    struct waiting *w = arg;

    return w->question(w->fd) == w->wanted;
}

bool net_wait_at_least(int (*question)(int fd), int fd, int wanted)
{
    return net_wait_until(is_at_least, &(struct waiting){question, fd, wanted});
}

bool net_wait_for(int (*question)(int fd), int fd, int wanted)
{
    return net_wait_until(is_exactly, &(struct waiting){question, fd, wanted});
}

struct thread_in {
    int tid;
    long number;
};

/* The file reads "NUMBER arguments..." for a thread that sleeps in a call, "running" otherwise. */
static bool thread_is_in(void *arg)
{
    struct thread_in *thread = arg;
    char path[64];
    long number = -1;

    snprintf(path, sizeof path, "/proc/%d/syscall", thread->tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int fields = fscanf(file, "%ld", &number);
    fclose(file);
#ifdef SYS_socketcall /* by which glibc on i386 makes what other machines have numbers for */
    if (number == SYS_socketcall)
        return true;
#endif
    return fields == 1 && number == thread->number;
}

bool net_wait_thread_in(int tid, long number)
{
    return net_wait_until(thread_is_in, &(struct thread_in){tid, number});
}

/* ---- The peer's end -------------------------------------------------------------------------- */

struct net_end net_read_to_end(int fd)
{
    static char buffer[65536];
    struct net_end end = {0};
    socklen_t size = sizeof end.pending;
    ssize_t got = 0;

    do {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (poll(&waiting, 1, NET_DEADLINE_MS) == 0) {
            end.error = ETIMEDOUT;
            return end;
        }
        got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        end.bytes += got > 0 ? got : 0;
    } while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));

    end.error = got < 0 ? errno : 0;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &end.pending, &size);
    return end;
}

const char *net_end_text(int error)
{
    return error == 0 ? "EOF" : strerrorname_np(error);
}

int net_zero_linger(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* ---- Descriptors on their way ---------------------------------------------------------------- */

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

bool net_send_descriptor(int channel, int fd, int flags)
{
    char byte = 0;
    struct iovec data = {&byte, 1};
    union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS}};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    return sendmsg(channel, &message, flags) == 1;
}

int net_receive_descriptor(int channel, int flags)
{
    char byte;
    int fd = -1;
    struct iovec data = {&byte, 1};
    union control control;
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    if (recvmsg(channel, &message, flags) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}
