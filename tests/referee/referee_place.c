/* A network namespace in which addresses are unique and acknowledgements come at once. */
#define _GNU_SOURCE
#include "referee.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* As in <linux/ipv6.h>, which can't be included beside libc's headers. */
struct address_request {
    struct in6_addr address;
    uint32_t prefix;
    int interface;
};

/* Of IPv6 there is one loopback address, so the interface gets another: fd00::5afe:0:PID. */
static int add_address(struct in6_addr *address)
{
    struct address_request request = {.prefix = 128, .interface = (int)if_nametoindex("lo")};
    uint32_t pid = htonl((uint32_t)getpid());
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ret;

    if (fd < 0)
        return -1;
    memcpy(request.address.s6_addr, "\xfd\0\0\0\0\0\0\0\0\0\x5a\xfe", 12);
    memcpy(request.address.s6_addr + 12, &pid, sizeof pid);
    ret = ioctl(fd, SIOCSIFADDR, &request);
    close(fd);
    *address = request.address;
    return ret;
}

/* The kernel adds an address, and the route to it, when it gets round to it. */
static bool is_usable(void *context)
{
    const struct in6_addr *address = context;
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool usable = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0;

    close(fd);
    return usable;
}

/* ---- Routes ---------------------------------------------------------------------------------- */

struct route_request {
    struct nlmsghdr header;
    struct rtmsg route;
    char attributes[128];
};

static struct rtattr *add_attribute(struct route_request *r, int type, const void *data,
                                    size_t size)
{
    struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

    a->rta_type = (unsigned short)type;
    a->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(a), data, size);
    r->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->header.nlmsg_len) + RTA_LENGTH(size));
    return a;
}

/* Has the kernel acknowledge at once what comes from there. */
static void add_quickack(struct route_request *r)
{
    uint32_t yes = 1;
    struct rtattr *metrics = add_attribute(r, RTA_METRICS, NULL, 0);

    add_attribute(r, RTAX_QUICKACK, &yes, sizeof yes);
    metrics->rta_len = (unsigned short)((char *)r + r->header.nlmsg_len - (char *)metrics);
}

/* Adds, replaces or removes the route to an address of this machine's own. */
static int change_route(int message, int flags, int family, const void *address, int bits)
{
    size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    int interface = (int)if_nametoindex("lo");
    struct route_request r = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = (unsigned short)message,
                   .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags)},
        .route = {.rtm_family = (unsigned char)family,
                  .rtm_dst_len = (unsigned char)bits,
                  .rtm_table = RT_TABLE_LOCAL,
                  .rtm_protocol = RTPROT_KERNEL,
                  .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
                  .rtm_type = RTN_LOCAL}};
    char answer[512];
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int ret = -1;

    if (fd < 0)
        return -1;
    add_attribute(&r, RTA_DST, address, size);
    add_attribute(&r, RTA_OIF, &interface, sizeof interface);
    if (message == RTM_NEWROUTE)
        add_quickack(&r);
    if (send(fd, &r, r.header.nlmsg_len, 0) > 0 && recv(fd, answer, sizeof answer, 0) > 0 &&
        header->nlmsg_type == NLMSG_ERROR)
        ret = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
    close(fd);
    return ret;
}

/* The one that came with the address would be preferred to ours. */
static bool remove_slow_route(void *context)
{
    return change_route(RTM_DELROUTE, 0, AF_INET6, context, 128) == 0;
}

/*
 * An acknowledgement may be held back for 40 ms, and a scenario that has to settle after every step
 * would wait for it each time. What is tested does not depend on it; where it fails all is slower.
 */
static void hurry(struct place *place)
{
    struct in_addr first = {htonl(INADDR_LOOPBACK)}, net = {htonl(INADDR_LOOPBACK - 1)};
    int replace = NLM_F_CREATE | NLM_F_REPLACE;

    change_route(RTM_NEWROUTE, replace, AF_INET, &net, 8);
    change_route(RTM_NEWROUTE, replace, AF_INET, &first, 32);
    if (!IN6_IS_ADDR_LOOPBACK(&place->v6) && net_wait_until(remove_slow_route, &place->v6))
        change_route(RTM_NEWROUTE, NLM_F_CREATE, AF_INET6, &place->v6, 128);
}

int place_enter(struct place *place)
{
    uint32_t pid = (uint32_t)getpid();

    if (net_enter_namespace() != 0)
        return -1;
    place->v4.s_addr =
        htonl(127u << 24 | (1 + (pid >> 16) % 250) << 16 | (pid >> 8 & 255) << 8 | (pid & 255));
    if ((pid & 255) == 0 || (pid & 255) == 255)
        place->v4.s_addr = htonl(127u << 24 | 254u << 16 | (pid & 0xff00) | 1);
    if (add_address(&place->v6) != 0 || !net_wait_until(is_usable, &place->v6))
        place->v6 = in6addr_loopback;
    hurry(place);
    return 0;
}
