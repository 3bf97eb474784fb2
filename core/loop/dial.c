/* SPDX-License-Identifier: MIT
 *
 * dial.c - resolves literals at once and names by lookup.c, and connects without blocking.
 */
#include "core/loop/dial.h"
#include "core/base/localhost.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_BYTES 6 /* "65535" and a NUL */

void dial_init(struct dial *dial, struct lookups *lookups, const char *host, uint16_t port,
               void (*on_resolved)(struct dial *dial, int status))
{
    *dial = (struct dial){
        .lookups = lookups,
        .host = localhost_literal(host),
        .port = port,
        .on_resolved = on_resolved,
    };
}

static void keep(struct dial *dial, struct addrinfo *addresses)
{
    dial->addresses = addresses;
    dial->next = addresses;
}

static void on_looked_up(void *arg, int status, struct addrinfo *addresses)
{
    struct dial *dial = arg;
    dial->lookup = NULL;
    keep(dial, addresses);
    dial->on_resolved(dial, status);
}

static int start_lookup(struct dial *dial)
{
    if (dial->lookups == NULL) {
        return UV_EAI_NONAME;
    }
    const int rc =
        lookup_start(dial->lookups, dial->host, dial->port, on_looked_up, dial, &dial->lookup);
    return rc == 0 ? UV_EALREADY : rc;
}

int dial_resolve(struct dial *dial)
{
    dial_forget(dial);
    char port[PORT_BYTES];
    (void)snprintf(port, sizeof(port), "%u", dial->port);
    const struct addrinfo hints = lookup_hints(AI_NUMERICHOST | AI_NUMERICSERV);
    struct addrinfo *addresses;
    /* with AI_NUMERICHOST nobody is asked, so this does not block */
    if (getaddrinfo(dial->host, port, &hints, &addresses) == 0) {
        keep(dial, addresses);
        return 0;
    }
    return start_lookup(dial);
}

int dial_connect(struct dial *dial, int *ret_fd, struct sockaddr_storage *ret_peer)
{
    const struct addrinfo *address = dial->next;
    if (address == NULL) {
        return UV_ENOENT;
    }
    dial->next = address->ai_next;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        const int rc = -errno;
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_peer = (struct sockaddr_storage){0};
    memcpy(ret_peer, address->ai_addr, address->ai_addrlen);
    return 0;
}

void dial_forget(struct dial *dial)
{
    if (dial->lookup != NULL) {
        lookup_cancel(dial->lookup);
        dial->lookup = NULL;
    }
    if (dial->addresses != NULL) {
        freeaddrinfo(dial->addresses);
    }
    keep(dial, NULL);
}
