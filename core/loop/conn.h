/* SPDX-License-Identifier: MIT
 *
 * conn.h - one accepted TCP connection: bytes in, bytes out, backpressure, timeouts, an orderly
 * end.
 *
 * Flow:    conn_open -> on_data... conn_write... -> conn_finish (flush, FIN, drain the peer) or
 *          conn_close -> on_close
 * Failure: the peer's FIN is reported once, by on_end with UV_EOF; the connection may still be
 *          written to. A broken connection closes by itself and runs on_end, unless it has run, and
 *          on_close.
 * Memory:  an idle connection holds no buffer: all reads share one buffer, writes use pooled
 *          blocks. A connection frees itself after on_close.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_LOOP_CONN_H
#define TOQ_CORE_LOOP_CONN_H

#include <netinet/in.h>

#include "core/loop/address.h"
#include "core/loop/loop.h"
#include "core/loop/outq.h"

#define CONN_READ_BYTES 65536        /* the shared read buffer */
#define CONN_HIGH_BYTES (256u << 10) /* queued output above which a connection is clogged ... */
#define CONN_LOW_BYTES  (64u << 10)  /* ... until it is down to this */
/* How long a finished connection is still read: unread bytes would make the kernel send an RST,
 * which may destroy the answer. */
#define CONN_LINGER_MS 1000
/* What each connection may queue, however little memory is left. */
#define CONN_SHARE_MIN_BYTES  CONN_LOW_BYTES
#define CONN_OUTPUT_MAX_BYTES (4u << 20) /* conn_set.output_max_bytes, unless it is set */
#define CONN_PEER_BYTES       ADDRESS_TEXT_BYTES
#define CONN_WATCH_MS         1000 /* between two looks at a connection that is not read */

struct conn;

/* A protocol's callbacks. None of them runs from inside a conn_ function. */
struct conn_events {
    void (*on_data)(struct conn *conn, const char *data,
                    size_t len); /* borrowed until it returns */
    /* No data follows: status is UV_EOF, or why the connection broke. After UV_EOF the peer may
     * still read, and the connection stays open until conn_finish or conn_close, or until it
     * breaks. */
    void (*on_end)(struct conn *conn, int status);
    /* The peer has sent its FIN, but bytes before it are unread because of conn_pause: on_end runs
     * when they have been read. NULL for a protocol that can wait. */
    void (*on_fin)(struct conn *conn);
    void (*on_drained)(struct conn *conn); /* it is clogged no more */
    void (*on_timeout)(struct conn *conn); /* the time of conn_set_timeout is up */
    void (*on_close)(struct conn *conn);   /* the last call, exactly once: the protocol frees ctx */
    /* the bytes that the protocol holds for this connection beside its output, and those that it
     * has moved so far, with conn->moved_bytes; NULL: none */
    struct conn_weight (*weigh)(const struct conn *conn);
    void (*on_eased)(struct conn *conn); /* memory suffices again; NULL: it never waits for that */
};

struct conn_weight {
    size_t held_bytes;
    uint64_t moved_bytes;
};

/* What a listener's connections count, for metrics. */
struct conn_stats {
    uint64_t accepted;
    uint64_t open;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t write_timeouts;
};

/* Connections that share buffers, and end together. */
struct conn_set {
    struct loop *loop;
    struct list conns;
    size_t count;
    uint64_t write_timeout_ms;
    struct quota *quota;     /* that connections are charged to; NULL: they are not */
    size_t output_max_bytes; /* of a connection, with what its protocol queues: conn_share */
    uint64_t parked_count;   /* times that requests waited until their peer reads */
    struct outq_pool pool;
    char *read_buffer;           /* owned; CONN_READ_BYTES */
    void (*on_empty)(void *arg); /* runs when the last one has closed; NULL: none */
    void *on_empty_arg;
};

struct conn {
    uv_tcp_t tcp;
    struct list link; /* in its set */
    struct conn_set *set;
    struct conn_stats *stats;
    const struct conn_events *events;
    void *ctx; /* the protocol's */
    struct outq out;
    size_t untaken_bytes; /* written but not acknowledged when the write timer was set */
    uint64_t moved_bytes; /* read and written */
    uint64_t seen_bytes;  /* moved_bytes at the budget's last tick ... */
    struct wheel_timer timer;
    struct wheel_timer write_timer;
    struct wheel_timer watch_timer; /* set while an open connection is not read */
    struct loop_deferred flush;
    struct address peer;
    uint64_t task_id; /* of the task that queued the last bytes ... */
    uint32_t label;   /* ... and its label: writing them is its work */
    uint8_t state;
    uint8_t greeting_bytes; /* its owner's, until the protocol is known */
    uint8_t stalled_looks;  /* ... and ticks without progress */
    bool is_writing;        /* a uv_write is under way */
    bool is_vital;          /* diagnostics: its output may use the reserve */
    bool is_feeding;        /* inside on_data: output is flushed when it returns */
    bool is_clogged;
    bool has_ended;   /* on_end ran, or will not */
    bool is_fin_told; /* on_fin ran */
};

/* conn_set_init prepares an empty set.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int conn_set_init(struct conn_set *set, struct loop *loop, uint64_t write_timeout_ms);

/* conn_set_deinit frees the buffers; no connection may be left. */
void conn_set_deinit(struct conn_set *set);

/* conn_set_close_all closes every connection at once, for a drain that ran out of time. Queued
 * bytes are sent as far as the sockets take them.
 *
 * Returns: how many connections are still to run their on_close.
 */
size_t conn_set_close_all(struct conn_set *set);

/* conn_open takes a socket, connected or connecting, and starts to read from it. conn_attach
 * follows in the same turn.
 *
 * stats:   outlives the connection.
 * Owns:    fd, even on failure: it is closed then.
 * Returns: 0 with *ret_conn set; UV_ENOMEM, or an error of uv_tcp_open: then the set may count the
 *          connection until it has closed.
 */
MUST_USE int conn_open(struct conn_set *set, int fd, const struct sockaddr_storage *peer,
                       struct conn_stats *stats, struct conn **ret_conn);

/* conn_ready_ns is when the bytes that are read now arrived, by clock_now_ns: loop_ready_ns, or an
 * earlier time from the kernel when the loop had been held. */
uint64_t conn_ready_ns(const struct conn *conn);

/* conn_attach sets the protocol that gets the events: right after conn_open, or later to hand a
 * connection over.
 *
 * events: a literal.
 * Owns:   ctx stays the caller's until on_close.
 */
void conn_attach(struct conn *conn, const struct conn_events *events, void *ctx);

/* conn_write queues a copy of `data`; it is sent when on_data returns, or at the end of the turn.
 *
 * Returns: 0, also after conn_finish, when the bytes are dropped; UV_ENOMEM.
 */
MUST_USE int conn_write(struct conn *conn, const char *data, size_t len);

/* conn_reserve makes room for up to `len` bytes, to be written in place; conn_commit queues them.
 *
 * Returns: where to write; NULL when memory is missing.
 */
MUST_USE char *conn_reserve(struct conn *conn, size_t len);

/* conn_commit queues the first `len` bytes of the last conn_reserve. */
void conn_commit(struct conn *conn, size_t len);

/* conn_set_vital marks a connection of diagnostics: it is served however little memory is left. */
void conn_set_vital(struct conn *conn);

/* conn_share is how many bytes the connection may queue at present, with those that its protocol
 * queues. */
size_t conn_share(const struct conn *conn);

/* conn_may_queue tells whether an answer of `len` bytes may be queued as a whole.
 *
 * held_bytes: what the protocol has queued for the connection beside conn's own.
 * Returns:    false when memory is short, and the connection or the answer takes too much of it.
 */
bool conn_may_queue(const struct conn *conn, size_t held_bytes, size_t len);

/* conn_may_hold tells whether to go on reading a body: not when memory is short and the body is
 * more than the connection may hold.
 *
 * bytes: of the body, come and to come.
 */
bool conn_may_hold(const struct conn *conn, uint64_t bytes);

/* conn_is_clogged tells whether more is queued than the peer takes: stop producing until
 * on_drained. */
bool conn_is_clogged(struct conn *conn);

/* conn_pause stops reading; harmless when done twice. Every CONN_WATCH_MS the kernel is asked for
 * the state of the connection, to find a peer that has left. */
void conn_pause(struct conn *conn);

/* conn_resume undoes conn_pause; harmless when done twice. */
void conn_resume(struct conn *conn);

/* conn_set_timeout sets or moves the protocol's one timer; harmless after conn_finish.
 *
 * timeout_ms: from now; 0 unsets it.
 */
void conn_set_timeout(struct conn *conn, uint64_t timeout_ms);

/* conn_set_user_timeout has the kernel break the connection when the peer acknowledges or takes
 * nothing of what was sent for this time: on_end with UV_ETIMEDOUT. Otherwise a dead peer is
 * detected by the set's write timeout alone, once more is queued than the kernel holds.
 *
 * timeout_ms: longer than INT_MAX counts as INT_MAX; 0: the system's default.
 */
void conn_set_user_timeout(struct conn *conn, uint64_t timeout_ms);

/* conn_finish writes what is queued, sends FIN, drops what the peer still sends for CONN_LINGER_MS
 * at most, and closes. No event but on_close follows. */
void conn_finish(struct conn *conn);

/* conn_close closes at once; queued bytes are lost. No event but on_close follows. */
void conn_close(struct conn *conn);

/* conn_is_open tells whether neither conn_finish nor conn_close was called. */
bool conn_is_open(const struct conn *conn);

/* conn_has_ended tells whether on_end has run: the peer sends no more. */
bool conn_has_ended(const struct conn *conn);

/* conn_format_peer writes the peer's address and port.
 *
 * out: CONN_PEER_BYTES.
 */
void conn_format_peer(const struct conn *conn, char *out);

#endif
