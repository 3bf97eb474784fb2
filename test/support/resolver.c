/* SPDX-License-Identifier: MIT
 *
 * resolver.c - a resolver that never answers, for names that end with ".hang.test": the program's
 * own getaddrinfo comes before libc's, for its libraries, too.
 *
 * Thread: any.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"

#define HANGING STR(".hang.test")

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static bool is_hanging(const char *host)
{
    const struct str name = str_from(host == NULL ? "" : host);
    return name.len > HANGING.len &&
           memcmp(name.ptr + name.len - HANGING.len, HANGING.ptr, HANGING.len) == 0;
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret_addresses)
{
    resolve_fn next;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    INVARIANT(symbol != NULL);
    memcpy(&next, &symbol, sizeof(next));
    const bool is_literal = hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0;
    while (!is_literal && is_hanging(host)) {
        (void)pause();
    }
    return next(host, service, hints, ret_addresses);
}
