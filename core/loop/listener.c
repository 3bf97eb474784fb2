/* SPDX-License-Identifier: MIT
 *
 * listener.c - socket, bind, listen, and an accept loop that survives shortages.
 */
#include "core/loop/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/telemetry/log.h"

/* --- accepting -----------------------------------------------------------------------------------
 */

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void log_shortage(struct listener *listener, int error)
{
    if (!listener->is_logged) {
        listener->is_logged = true;
        LOG(LOG_WARN, "listener", "cannot accept, shedding connections",
            log_cstr("listener", listener->name), log_cstr("error", uv_err_name(-error)));
    }
}

/* shed_one tells the next peer in the queue, by closing its connection, that there is no room. */
static bool shed_one(struct listener *listener)
{
    if (listener->reserve_fd < 0) {
        return false;
    }
    (void)close(listener->reserve_fd);
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        listener->shed_fds++;
        (void)close(fd);
    }
    listener->reserve_fd = open_reserve();
    return fd >= 0;
}

static void on_rested(struct wheel_timer *timer);

static void on_readable(uv_poll_t *handle, int status, int events);

static void rest(struct listener *listener)
{
    (void)uv_poll_stop(&listener->poll);
    listener->is_resting = true;
    loop_set_timer(listener->set->loop, &listener->rest, LISTENER_REST_MS);
}

/* on_accept_error decides whether to go on accepting in this turn. */
static bool on_accept_error(struct listener *listener, int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED: /* the peer left while it was queued */
    case EPROTO:
        return true;
    case EAGAIN:
        listener->is_logged = false; /* the queue is empty: the shortage is over */
        return false;
    case EMFILE:
    case ENFILE:
        log_shortage(listener, error);
        if (shed_one(listener)) {
            return true;
        }
        rest(listener); /* someone took the reserve */
        return false;
    default: /* ENOBUFS, ENOMEM, and network errors that accept(2) passes on */
        listener->shed_memory++;
        log_shortage(listener, error);
        rest(listener);
        return false;
    }
}

static void take(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct conn_set *set = listener->set;
    if (set->count >= set->max_count) {
        listener->shed_limit++;
        (void)close(fd);
        return;
    }
    struct conn *conn;
    const int rc = conn_open(set, fd, peer, &listener->stats, &conn);
    if (rc < 0) {
        listener->shed_memory++;
        log_shortage(listener, -rc);
        return;
    }
    listener->on_accept(listener, conn);
}

static void accept_batch(struct listener *listener, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        const int fd = accept4(listener->fd, (struct sockaddr *)(void *)&peer, &len,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take(listener, fd, &peer);
        } else if (!on_accept_error(listener, errno)) {
            return;
        }
    }
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)status; /* an error condition shows up in accept4 as well */
    (void)events;
    accept_batch(handle->data, LISTENER_ACCEPTS_MAX);
}

static void on_rested(struct wheel_timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, rest);
    listener->is_resting = false;
    if (listener->reserve_fd < 0) {
        listener->reserve_fd = open_reserve();
    }
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* --- opening and closing -------------------------------------------------------------------------
 */

static int parse_host(const char *host, uint16_t port, struct sockaddr_storage *ret_addr,
                      socklen_t *ret_len)
{
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&addr;
    const char *literal = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, literal, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        *ret_len = sizeof(*in);
    } else if (inet_pton(AF_INET6, literal, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        *ret_len = sizeof(*in6);
    } else {
        return UV_EINVAL;
    }
    *ret_addr = addr;
    return 0;
}

static void set_address(struct listener *listener)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char text[INET6_ADDRSTRLEN] = "";
    (void)getsockname(listener->fd, (struct sockaddr *)(void *)&addr, &len);
    if (addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&addr;
        listener->port = ntohs(in6->sin6_port);
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
        (void)snprintf(listener->address, LISTENER_ADDR_BYTES, "[%s]:%u", text, listener->port);
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&addr;
        listener->port = ntohs(in->sin_port);
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        (void)snprintf(listener->address, LISTENER_ADDR_BYTES, "%s:%u", text, listener->port);
    }
}

static int open_socket(const char *host, uint16_t port, int backlog, int *ret_fd)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int rc = parse_host(host, port, &addr, &len);
    if (rc < 0) {
        return rc;
    }
    const int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)(const void *)&addr, len) != 0 ||
        listen(fd, backlog) != 0) {
        rc = -errno;
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int listener_open(struct listener *listener, struct conn_set *set, const char *name,
                  const char *host, uint16_t port, int backlog, listener_accept_fn on_accept,
                  void *ctx)
{
    *listener = (struct listener){
        .set = set, .name = name, .on_accept = on_accept, .ctx = ctx, .reserve_fd = -1};
    wheel_timer_init(&listener->rest, on_rested);
    int rc = open_socket(host, port, backlog, &listener->fd);
    if (rc < 0) {
        return rc;
    }
    rc = uv_poll_init(loop_uv(set->loop), &listener->poll, listener->fd);
    if (rc < 0) {
        (void)close(listener->fd);
        return rc;
    }
    listener->poll.data = listener;
    listener->reserve_fd = open_reserve();
    listener->is_open = true;
    set_address(listener);
    return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    (void)close(listener->fd);
    if (listener->reserve_fd >= 0) {
        (void)close(listener->reserve_fd);
    }
    if (listener->on_closed != NULL) {
        listener->on_closed(listener->on_closed_arg);
    }
}

void listener_close(struct listener *listener, void (*on_closed)(void *arg), void *arg)
{
    REQUIRE(listener->is_open);
    listener->is_open = false;
    listener->on_closed = on_closed;
    listener->on_closed_arg = arg;
    wheel_unset(&listener->rest);
    if (!listener->is_resting) {
        /* a connection that the kernel has accepted would be reset: take them all, up to a full
         * backlog */
        accept_batch(listener, SOMAXCONN);
        wheel_unset(&listener->rest);
    }
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
}
