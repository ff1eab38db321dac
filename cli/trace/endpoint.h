/* One end of a TCP connection: an address and a port. */
#ifndef SAFECLOSE_ENDPOINT_H
#define SAFECLOSE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENDPOINT_TEXT 54 /* "[" 45 characters "]:65535" and a zero byte */

/* IPv4 is written as ::ffff:a.b.c.d, so that equal ends are equal bytes. */
struct endpoint {
    uint8_t address[16];
    uint16_t port;
};

struct endpoint endpoint_v4(const uint8_t address[4], uint16_t port);

/* From a struct sockaddr_in or sockaddr_in6 of size bytes; false for any other family. */
bool endpoint_from_sockaddr(struct endpoint *e, const uint8_t *bytes, size_t size);

bool endpoint_same(const struct endpoint *a, const struct endpoint *b);

/* No address and no port. */
bool endpoint_is_none(const struct endpoint *e);

/* 127.0.0.1:80 or [::1]:80; an IPv4 address that was mapped into IPv6, as IPv4. */
void endpoint_text(const struct endpoint *e, char text[ENDPOINT_TEXT]);

/* The other way round; false if text is neither form. */
bool endpoint_parse(struct endpoint *e, const char *text);

#endif
