/* SPDX-License-Identifier: MIT
 *
 * dial.c - literals at once, names through the thread pool, sockets without blocking.
 */
#include "core/loop/dial.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_BYTES 6 /* "65535" and a NUL */

void dial_init(struct dial *dial, struct loop *loop, const char *host, uint16_t port,
               void (*on_resolved)(struct dial *dial, int status))
{
    *dial = (struct dial){
        .loop = loop,
        .host = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
        .port = port,
        .on_resolved = on_resolved,
    };
}

static void keep(struct dial *dial, struct addrinfo *addresses)
{
    dial->addresses = addresses;
    dial->next = addresses;
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *addresses)
{
    struct dial *dial = CONTAINER_OF(lookup, struct dial, lookup);
    dial->is_looking_up = false;
    if (status == 0) {
        keep(dial, addresses);
    }
    dial->on_resolved(dial, status);
}

int dial_resolve(struct dial *dial)
{
    dial_forget(dial);
    char port[PORT_BYTES];
    (void)snprintf(port, sizeof(port), "%u", dial->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
    };
    struct addrinfo *addresses;
    /* with AI_NUMERICHOST nobody is asked, so this does not block */
    if (getaddrinfo(dial->host, port, &hints, &addresses) == 0) {
        keep(dial, addresses);
        return 0;
    }
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    const int rc =
        uv_getaddrinfo(loop_uv(dial->loop), &dial->lookup, on_looked_up, dial->host, port, &hints);
    dial->is_looking_up = rc == 0;
    return rc == 0 ? UV_EAGAIN : rc;
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
    if (dial->addresses != NULL) {
        freeaddrinfo(dial->addresses);
    }
    keep(dial, NULL);
}

bool dial_cancel(struct dial *dial)
{
    if (dial->is_looking_up) {
        (void)uv_cancel(
            (uv_req_t *)&dial->lookup); /* refused once it runs: then it ends by itself */
    }
    return dial->is_looking_up;
}
