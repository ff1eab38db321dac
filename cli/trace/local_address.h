/* Which addresses are this machine's. */
#ifndef SAFECLOSE_LOCAL_ADDRESS_H
#define SAFECLOSE_LOCAL_ADDRESS_H

#include "trace/endpoint.h"

/* Whether a packet to it stays on this machine: loopback, or an address of an interface in our own network
 * namespace as it was when first asked. */
bool local_address(const struct endpoint *e);

#endif
