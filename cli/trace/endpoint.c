#include "trace/endpoint.h"
#include "shim/ground/format.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct endpoint endpoint_v4(const uint8_t address[4], uint16_t port)
{
    struct endpoint e = {.port = port};

    memcpy(e.address, mapped, sizeof(mapped));
    memcpy(e.address + sizeof(mapped), address, 4);
    return e;
}

bool endpoint_from_sockaddr(struct endpoint *e, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    *e = (struct endpoint){.port = 0};
    if (size < sizeof(in))
        return false;
    memcpy(&in, bytes, sizeof(in));
    if (in.sin_family == AF_INET) {
        *e = endpoint_v4((const uint8_t *)&in.sin_addr, ntohs(in.sin_port));
        return true;
    }
    if (in.sin_family != AF_INET6 || size < sizeof(in6))
        return false;
    memcpy(&in6, bytes, sizeof(in6));
    memcpy(e->address, &in6.sin6_addr, sizeof(e->address));
    e->port = ntohs(in6.sin6_port);
    return true;
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool endpoint_is_none(const struct endpoint *e)
{
    return endpoint_same(e, &(struct endpoint){.port = 0});
}

void endpoint_text(const struct endpoint *e, char text[ENDPOINT_TEXT])
{
    bool v4 = memcmp(e->address, mapped, sizeof(mapped)) == 0;
    struct text t = text_over(text, ENDPOINT_TEXT - 1);

    text_address(&t, v4 ? e->address + sizeof(mapped) : e->address, v4, e->port);
    text[t.len] = '\0';
}

bool endpoint_parse(struct endpoint *e, const char *text)
{
    char address[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    bool v6 = *text == '[' && colon > text && colon[-1] == ']';
    size_t len = colon ? (size_t)(colon - text) - (v6 ? 2 : 0) : sizeof(address);
    char *end;
    unsigned long port;

    *e = (struct endpoint){.port = 0};
    if (len >= sizeof(address) || colon[1] < '0' || colon[1] > '9')
        return false;
    memcpy(address, text + v6, len);
    address[len] = '\0';
    port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return false;
    e->port = (uint16_t)port;
    if (v6)
        return inet_pton(AF_INET6, address, e->address) == 1;
    memcpy(e->address, mapped, sizeof(mapped));
    return inet_pton(AF_INET, address, e->address + sizeof(mapped)) == 1;
}
