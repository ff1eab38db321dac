#include "trace/local_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#define MOST 256

/* Filled at the first question. */
static struct endpoint own[MOST];
static unsigned count;

static void add(const struct sockaddr *address)
{
    size_t size = !address                         ? 0
                  : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                   : sizeof(struct sockaddr_in);

    if (size && count < MOST && endpoint_from_sockaddr(&own[count], (const uint8_t *)address, size))
        count++;
}

static void read_interfaces(void)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next)
        add(i->ifa_addr);
    freeifaddrs(list);
}

static bool is_loopback(const struct endpoint *e)
{
    static const struct endpoint v4 = {{[10] = 0xff, [11] = 0xff, [12] = 127}, 0};
    static const struct endpoint v6 = {{[15] = 1}, 0};

    return memcmp(e->address, v4.address, 13) == 0 ||
           memcmp(e->address, v6.address, sizeof(v6.address)) == 0;
}

bool local_address(const struct endpoint *e)
{
    if (!count)
        read_interfaces();
    for (unsigned i = 0; i < count; i++)
        if (memcmp(own[i].address, e->address, sizeof(e->address)) == 0)
            return true;
    return is_loopback(e);
}
