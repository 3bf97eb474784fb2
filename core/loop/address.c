/* SPDX-License-Identifier: MIT
 *
 * address.c - formats an address in the one form that all logs use.
 */
#include "core/loop/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

struct address address_of(const struct sockaddr_storage *socket)
{
    struct address address = {.port = 0};
    if (socket->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)socket;
        address.ip = in6->sin6_addr;
        address.port = ntohs(in6->sin6_port);
    } else if (socket->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)socket;
        address.ip.s6_addr[10] = 0xFF;
        address.ip.s6_addr[11] = 0xFF;
        memcpy(&address.ip.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
        address.port = ntohs(in->sin_port);
    }
    return address;
}

/* format_v4 writes "1.2.3.4:80": by hand, for it is in each access line and span, and with
 * inet_ntop and snprintf it costs as much as half of a plain request. */
static void format_v4(const uint8_t *ip, uint16_t port, char *out)
{
    for (size_t i = 0; i < 4; i++) {
        out += str_format_u64(out, ip[i]);
        *out++ = i < 3 ? '.' : ':';
    }
    out += str_format_u64(out, port);
    *out = '\0';
}

void address_format(const struct address *address, char *out)
{
    if (IN6_IS_ADDR_V4MAPPED(&address->ip)) {
        format_v4(&address->ip.s6_addr[12], address->port, out);
        return;
    }
    char ip[INET6_ADDRSTRLEN];
    (void)inet_ntop(AF_INET6, &address->ip, ip, sizeof(ip));
    (void)snprintf(out, ADDRESS_TEXT_BYTES, "[%s]:%u", ip, address->port);
}
