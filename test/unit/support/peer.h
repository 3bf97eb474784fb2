/* SPDX-License-Identifier: MIT
 *
 * peer.h - the other end of a connection whose server runs on a loop in the same thread: it sends,
 * lets the loop turn, and collects what comes back.
 *
 * Failure: what does not come within PEER_PATIENCE_NS ends the test; nothing that passes waits so
 *          long.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_PEER_H
#define TOQ_TEST_UNIT_SUPPORT_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"

#define PEER_PATIENCE_NS  (20 * NS_PER_S)
#define PEER_IN_MAX_BYTES (16u << 20)

struct peer {
    struct loop *loop;
    int fd;
    struct buf in;  /* all that has come */
    bool has_ended; /* the other side sent FIN or RST */
    int error;      /* errno of the end; 0 for FIN */
};

/* peer_init makes a peer of a connected socket. Owns: fd. */
static inline void peer_init(struct peer *peer, struct loop *loop, int fd)
{
    *peer = (struct peer){.loop = loop, .fd = fd};
    buf_init(&peer->in, PEER_IN_MAX_BYTES);
}

/* peer_connect makes a peer that is connected to a port of 127.0.0.1.
 *
 * receive_bytes: of its socket's buffer; 0 leaves the default.
 */
static inline void peer_connect(struct peer *peer, struct loop *loop, uint16_t port,
                                int receive_bytes)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    INVARIANT(fd >= 0);
    if (receive_bytes > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    INVARIANT(connect(fd, (const struct sockaddr *)(const void *)&addr, sizeof(addr)) == 0);
    peer_init(peer, loop, fd);
}

/* peer_deinit closes the socket. */
static inline void peer_deinit(struct peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
        peer->fd = -1;
    }
    buf_deinit(&peer->in);
}

/* peer_reset closes the socket so that the other side gets an RST. */
static inline void peer_reset(struct peer *peer)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    (void)close(peer->fd);
    peer->fd = -1;
}

/* peer_receive takes what has come; it does not wait. */
static inline void peer_receive(struct peer *peer)
{
    char data[16384];
    while (!peer->has_ended && peer->fd >= 0) {
        const ssize_t n = recv(peer->fd, data, sizeof(data), MSG_DONTWAIT);
        if (n > 0) {
            buf_append(&peer->in, data, (size_t)n);
            INVARIANT(!peer->in.is_failed);
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            peer->has_ended = true;
            peer->error = n == 0 ? 0 : errno;
        }
    }
}

/* peer_wait lets the loop turn once, and waits a moment for an event if it had nothing to do. */
static inline void peer_wait(struct loop *loop)
{
    struct pollfd fd = {.fd = uv_backend_fd(loop_uv(loop)), .events = POLLIN};
    const int timeout_ms = uv_backend_timeout(loop_uv(loop));
    (void)poll(&fd, 1, timeout_ms < 0 || timeout_ms > 10 ? 10 : timeout_ms);
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* peer_turn lets the loop turn `count` times without waiting for anything. */
static inline void peer_turn(struct loop *loop, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    }
}

/* peer_send sends all of `data`, and lets the loop turn whenever the socket is full. */
static inline void peer_send(struct peer *peer, struct str data)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    while (data.len > 0) {
        const ssize_t n = send(peer->fd, data.ptr, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data = (struct str){data.ptr + n, data.len - (size_t)n};
        } else {
            INVARIANT(errno == EAGAIN && clock_now_ns() < end_ns);
            peer_wait(peer->loop);
        }
    }
}

/* peer_has tells whether `text` is in what has come. */
static inline bool peer_has(const struct peer *peer, const char *text)
{
    return peer->in.len > 0 && memmem(peer->in.data, peer->in.len, text, strlen(text)) != NULL;
}

/* peer_count tells how often `text` is in what has come. */
static inline size_t peer_count(const struct peer *peer, const char *text)
{
    size_t count = 0;
    const char *at = peer->in.data;
    size_t left = peer->in.len;
    while (left > 0) {
        const char *found = memmem(at, left, text, strlen(text));
        if (found == NULL) {
            return count;
        }
        count++;
        left -= (size_t)(found - at) + strlen(text);
        at = found + strlen(text);
    }
    return count;
}

/* peer_await turns the loop until `text` has come `count` times. */
static inline void peer_await(struct peer *peer, const char *text, size_t count)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    for (peer_receive(peer); peer_count(peer, text) < count; peer_receive(peer)) {
        INVARIANT(!peer->has_ended && clock_now_ns() < end_ns);
        peer_wait(peer->loop);
    }
}

/* peer_await_end turns the loop until the other side has closed. */
static inline void peer_await_end(struct peer *peer)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    for (peer_receive(peer); !peer->has_ended; peer_receive(peer)) {
        INVARIANT(clock_now_ns() < end_ns);
        peer_wait(peer->loop);
    }
}

/* peer_await_u64 turns the loop until *value is `expected`. */
static inline void peer_await_u64(struct loop *loop, const uint64_t *value, uint64_t expected)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    while (*value != expected) {
        INVARIANT(clock_now_ns() < end_ns);
        peer_wait(loop);
    }
}

#endif
