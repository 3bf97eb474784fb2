/* SPDX-License-Identifier: MIT
 *
 * config_host.c - keeps addresses of both families in one 16-byte form, so that they compare alike.
 */
#include "config/config_host.h"

#include <arpa/inet.h>

#include "core/base/localhost.h"

bool config_host_parse(struct str text, struct in6_addr *ret_address)
{
    if (str_equal(text, STR(LOCALHOST_NAME))) {
        text = STR(LOCALHOST_ADDRESS);
    }
    char cstr[INET6_ADDRSTRLEN];
    if (text.len >= sizeof(cstr) || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(cstr, text.ptr, text.len);
    cstr[text.len] = '\0';

    struct in_addr v4;
    if (inet_pton(AF_INET, cstr, &v4) == 1) {
        *ret_address = (struct in6_addr){.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
        memcpy(ret_address->s6_addr + 12, &v4, sizeof(v4));
        return true;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, cstr, &v6) != 1) {
        return false;
    }
    *ret_address = v6;
    return true;
}

struct in6_addr config_host_stored(const char *host)
{
    struct in6_addr address;
    const bool is_parsed = config_host_parse(str_from(host), &address);
    INVARIANT(is_parsed);
    return address;
}

bool config_host_is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static bool takes(const struct in6_addr *listener, const struct in6_addr *other)
{
    static const unsigned char any_v4[4] = {0};
    if (IN6_IS_ADDR_UNSPECIFIED(listener)) {
        return true;
    }
    return IN6_IS_ADDR_V4MAPPED(listener) && IN6_IS_ADDR_V4MAPPED(other) &&
           memcmp(listener->s6_addr + 12, any_v4, sizeof(any_v4)) == 0;
}

bool config_host_overlaps(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof(*a)) == 0 || takes(a, b) || takes(b, a);
}
