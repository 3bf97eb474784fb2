/* SPDX-License-Identifier: MIT
 *
 * listener.c - socket, bind, listen, and an accept loop that survives shortages.
 */
#include "core/loop/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/localhost.h"
#include "core/telemetry/log.h"

/* --- accepting --- */

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_calm(struct wheel_timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, calm);
    LOG(LOG_INFO, "listener", "accepting all connections again",
        log_cstr("listener", listener->name), log_u64("shed", listener->short_count));
    listener->is_short = false;
    listener->short_count = 0;
}

/* note_shortage logs one line for a shortage, even if some connections find room in between.
 *
 * why: a literal. */
static void note_shortage(struct listener *listener, const char *why)
{
    if (!listener->is_short) {
        listener->is_short = true;
        LOG(LOG_WARN, "listener", "cannot accept, shedding connections",
            log_cstr("listener", listener->name), log_cstr("reason", why),
            log_u64("open", listener->stats.open));
    }
    if (listener->is_open) {
        loop_set_timer(listener->set->loop, &listener->calm, LISTENER_CALM_MS);
    }
}

/* shed counts a connection that is turned away. counter: for the reason. */
static void shed(struct listener *listener, uint64_t *counter, const char *why)
{
    ++*counter;
    listener->short_count++;
    note_shortage(listener, why);
}

/* shed_one accepts the next connection on the reserve descriptor and closes it: its peer learns at
 * once that there is no room. */
static bool shed_one(struct listener *listener)
{
    if (listener->reserve_fd < 0) {
        return false;
    }
    (void)close(listener->reserve_fd);
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        shed(listener, &listener->shed_fds, "descriptors");
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
        return false; /* the queue is empty */
    case EMFILE:
    case ENFILE:
        if (shed_one(listener)) {
            return true;
        }
        note_shortage(listener, "descriptors");
        rest(listener); /* another thread took the reserve */
        return false;
    default: /* ENOBUFS, ENOMEM, and network errors that accept(2) passes on */
        shed(listener, &listener->shed_memory, uv_err_name(-error));
        rest(listener);
        return false;
    }
}

/* has_descriptors tells whether enough descriptors are left with this connection. */
static bool has_descriptors(const struct listener *listener, int fd)
{
    const struct listener_limits *limits = &listener->limits;
    struct rlimit limit;
    if (limits->kept_fds == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return true;
    }
    const rlim_t quarter = limit.rlim_cur / 4;
    const rlim_t end = limit.rlim_cur - (limits->kept_fds < quarter ? limits->kept_fds : quarter);
    const rlim_t left = end > limits->own_fds ? end - limits->own_fds : 0;
    return (rlim_t)fd < end &&
           (limits->share_count == 0 || listener->stats.open < left / limits->share_count);
}

static void take(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    const struct listener_limits *limits = &listener->limits;
    if (limits->max_count > 0 && listener->stats.open >= limits->max_count) {
        shed(listener, &listener->shed_limit, "limit");
        (void)close(fd);
        return;
    }
    if (!has_descriptors(listener, fd)) {
        shed(listener, &listener->shed_fds, "descriptors");
        (void)close(fd);
        return;
    }
    struct conn *conn;
    const int rc = conn_open(listener->set, fd, peer, &listener->stats, &conn);
    if (rc < 0) {
        shed(listener, &listener->shed_memory, uv_err_name(rc));
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

/* --- opening and closing --- */

static int parse_host(const char *host, uint16_t port, struct sockaddr_storage *ret_addr,
                      socklen_t *ret_len)
{
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&addr;
    const char *literal = localhost_literal(host);
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
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    (void)getsockname(listener->fd, (struct sockaddr *)(void *)&bound, &len);
    const struct address address = address_of(&bound);
    listener->port = address.port;
    address_format(&address, listener->address);
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
    wheel_timer_init(&listener->calm, on_calm);
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
    wheel_unset(&listener->calm);
    if (!listener->is_resting) {
        /* a connection that the kernel has accepted would be reset: take them all, up to a full
         * backlog */
        accept_batch(listener, SOMAXCONN);
        wheel_unset(&listener->rest);
    }
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
}
