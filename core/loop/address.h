/* SPDX-License-Identifier: MIT
 *
 * address.h - addresses of sockets in one form for both families, and as text.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_LOOP_ADDRESS_H
#define TOQ_CORE_LOOP_ADDRESS_H

#include <netinet/in.h>

#include "core/base/base.h"

#define ADDRESS_TEXT_BYTES 64 /* with a port and a NUL */

struct address {
    struct in6_addr ip; /* IPv4 mapped into IPv6 */
    uint16_t port;
};

/* address_of takes the address of a socket; all zero for families that have none. */
struct address address_of(const struct sockaddr_storage *socket);

/* address_format writes "127.0.0.1:8080" or "[::1]:8080" into ADDRESS_TEXT_BYTES. */
void address_format(const struct address *address, char *out);

#endif
