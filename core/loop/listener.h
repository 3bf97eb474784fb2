/* SPDX-License-Identifier: MIT
 *
 * listener.h - one listening TCP socket: accepts in batches, and sheds connections when descriptors
 * or memory run out.
 *
 * It accepts on a polled socket instead of by uv_listen: libuv drops connections silently when
 * descriptors run out, and retries without a pause when memory does.
 *
 * Failure: a connection above the limits is closed, which tells the peer. EMFILE, ENFILE: one
 *          connection is accepted on a reserve descriptor and closed; ENOBUFS, ENOMEM: the listener
 *          rests for LISTENER_REST_MS. All are counted; a shortage is logged when it begins and
 *          when it is over.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_LOOP_LISTENER_H
#define TOQ_CORE_LOOP_LISTENER_H

#include "core/loop/conn.h"

#define LISTENER_REST_MS 100
/* A shortage is over when no connection was shed for this time. */
#define LISTENER_CALM_MS 10000
/* In a turn: a flood of new connections must not starve the old ones. */
#define LISTENER_ACCEPTS_MAX 64

struct listener;

/* What a listener's connections may take, so that no listener starves another. A descriptor's
 * number is the lowest that is free, so one above the limit tells that no more are left below. */
struct listener_limits {
    size_t max_count;   /* of its connections; 0: any number */
    size_t kept_fds;    /* of RLIMIT_NOFILE, at most a quarter of it, kept for others; 0: none */
    size_t own_fds;     /* that the process needs beside its connections */
    size_t share_count; /* listeners that share the rest in equal parts; 0: it is not divided */
};

/* A listener_accept_fn attaches a protocol to a new connection. */
typedef void (*listener_accept_fn)(struct listener *listener, struct conn *conn);

struct listener {
    uv_poll_t poll;
    struct conn_set *set;
    const char *name; /* a literal: "http", "metrics", "pprof" */
    listener_accept_fn on_accept;
    void *ctx; /* the owner's */
    struct conn_stats stats;
    uint64_t shed_fds;    /* connections closed for want of a descriptor */
    uint64_t shed_limit;  /* ... because there were limits.max_count */
    uint64_t shed_memory; /* accepts that failed for want of memory */
    int fd;
    int reserve_fd;
    bool is_open;
    bool is_resting;
    bool is_short;                 /* a connection was shed within LISTENER_CALM_MS */
    uint64_t short_count;          /* connections shed in this shortage */
    struct listener_limits limits; /* the owner sets them, after listener_open */
    struct wheel_timer rest;
    struct wheel_timer calm;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    char address[ADDRESS_TEXT_BYTES]; /* as bound: "127.0.0.1:8080" */
    uint16_t port;
};

/* listener_open binds, listens and begins to accept.
 *
 * host:    an IPv4 or IPv6 literal, or "localhost".
 * port:    0 takes a free one; listener->port tells which.
 * Returns: 0; UV_EINVAL: host is not a literal; UV_EADDRINUSE, UV_EACCES and other errors of
 *          socket(2), bind(2) and listen(2), or of libuv. On an error nothing is open.
 */
MUST_USE int listener_open(struct listener *listener, struct conn_set *set, const char *name,
                           const char *host, uint16_t port, int backlog,
                           listener_accept_fn on_accept, void *ctx);

/* listener_close accepts what the kernel has already queued, then closes the socket.
 *
 * on_closed: runs once, later; until then the struct is not freed. NULL: none.
 */
void listener_close(struct listener *listener, void (*on_closed)(void *arg), void *arg);

#endif
