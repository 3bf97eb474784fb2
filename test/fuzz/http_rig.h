/* SPDX-License-Identifier: MIT
 *
 * http_rig.h - for fuzzers: a connection to the server of a fixture, bytes sent in pieces, and its
 * end.
 */
#ifndef TOQ_TEST_FUZZ_HTTP_RIG_H
#define TOQ_TEST_FUZZ_HTTP_RIG_H

#include <signal.h>
#include <sys/socket.h>

#include "core/serve/greeting.h"
#include "test/unit/support/http_fixture.h"

static inline void http_rig_connect(struct http_fixture *f, struct peer *peer)
{
    const struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};
    struct conn *conn;
    int fds[2];
    (void)signal(SIGPIPE, SIG_IGN); /* as in the server: what is sent may meet a reset */
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    INVARIANT(conn_open(&f->conns, fds[0], &nobody, &f->server.listener.stats, &conn) == 0);
    greeting_attach(&f->server, conn);
    peer_init(peer, f->loop, fds[1]);
}

/* http_rig_send sends in pieces of up to piece_max bytes, always the same for the same data; 0: in
 * one piece. With is_read, what comes back is read in between. */
static inline void http_rig_send(struct peer *peer, struct str data, size_t piece_max, bool is_read)
{
    uint32_t state = 1;
    while (data.len > 0) {
        size_t len = data.len;
        if (piece_max > 0) {
            state = state * 1103515245u + 12345u; /* C's example generator: any would do */
            len = 1 + (state >> 16) % piece_max;
            len = len < data.len ? len : data.len;
        }
        /* a server that has refused reads no more */
        if (send(peer->fd, data.ptr, len, MSG_NOSIGNAL) != (ssize_t)len) {
            return;
        }
        data = (struct str){data.ptr + len, data.len - len};
        (void)uv_run(loop_uv(peer->loop), UV_RUN_NOWAIT);
        if (is_read) {
            peer_receive(peer);
        }
    }
}

/* http_rig_finish reads until the server has closed every connection, and what it sent last. */
static inline void http_rig_finish(struct http_fixture *f, struct peer *peer)
{
    while (f->conns.count > 0) {
        (void)uv_run(loop_uv(f->loop), UV_RUN_NOWAIT);
        peer_receive(peer);
    }
    peer_receive(peer);
    INVARIANT(task_count() == 0);
}

#endif
