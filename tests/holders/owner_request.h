/* What owner_client.c and owner_server.c say to each other. */
#ifndef SAFECLOSE_TESTS_OWNER_REQUEST_H
#define SAFECLOSE_TESTS_OWNER_REQUEST_H

#include <stdint.h>

enum { REQUEST_MOST = 3000 };

struct request {
    uint32_t size;
    uint32_t last; /* 1: the server closes when it has answered */
};

#endif
