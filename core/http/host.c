/* SPDX-License-Identifier: MIT
 *
 * host.c - a Host field taken apart: address, name, port.
 */
#include "core/http/host.h"

#include <arpa/inet.h>

#include "core/base/localhost.h"

static bool is_address(int family, struct str text)
{
    char cstr[INET6_ADDRSTRLEN];
    struct in6_addr address; /* room for both */
    if (text.len >= sizeof(cstr)) {
        return false;
    }
    memcpy(cstr, text.ptr, text.len);
    cstr[text.len] = '\0';
    return inet_pton(family, cstr, &address) == 1;
}

static bool is_allowed(struct str name, struct str allowed)
{
    struct str other;
    while (str_next_field(&allowed, ',', &other)) {
        if (name.len > 0 && str_equal_nocase(name, str_trim(other))) {
            return true;
        }
    }
    return false;
}

bool host_is_local(struct str host, struct str allowed)
{
    if (host.len == 0) {
        return true;
    }
    if (host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        return end != NULL &&
               is_address(AF_INET6, (struct str){host.ptr + 1, (size_t)(end - host.ptr) - 1});
    }
    struct str name = host;
    if (!str_next_field(&host, ':', &name)) {
        return false;
    }
    return is_address(AF_INET, name) || str_equal_nocase(name, STR(LOCALHOST_NAME)) ||
           is_allowed(name, allowed);
}

bool host_is_foreign(struct str site, struct str mode)
{
    if (str_equal(site, STR("same-site"))) {
        return !str_equal(mode, STR("navigate"));
    }
    return site.len > 0 && !str_equal(site, STR("same-origin")) && !str_equal(site, STR("none"));
}
