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
#define CONN_HIGH_BYTES (256u << 10) /* queued output above which a connection is clogged */
#define CONN_LOW_BYTES  (64u << 10)  /* ... until it is down to this */
#define CONN_LINGER_MS                                                                             \
    1000 /* how long a finished connection reads on, so that no RST eats the answer */
#define CONN_SHARE_MIN_BYTES                                                                       \
    CONN_LOW_BYTES /* what each connection may queue, however little is left */
#define CONN_OUTPUT_MAX_BYTES (4u << 20) /* conn_set.output_max_bytes, unless it is set */
#define CONN_PEER_BYTES       ADDRESS_TEXT_BYTES
/* How often the kernel is asked for the state of a connection that is not read. */
#define CONN_WATCH_MS 1000

struct conn;

/* What a protocol wants to know. None of them is called from inside a conn_ function. */
struct conn_events {
    void (*on_data)(struct conn *conn, const char *data,
                    size_t len); /* borrowed until it returns */
    /* No data follows: status is UV_EOF, or why the connection broke. After UV_EOF the peer may
     * still read, and the connection stays open until conn_finish or conn_close, or until it
     * breaks. */
    void (*on_end)(struct conn *conn, int status);
    /* The peer has sent its FIN, but bytes before it are unread because of conn_pause: on_end will
     * tell of it when they are read. NULL for a protocol that can wait. */
    void (*on_fin)(struct conn *conn);
    void (*on_drained)(struct conn *conn); /* it was clogged and is no more */
    void (*on_timeout)(struct conn *conn); /* conn_set_timeout's time is up */
    void (*on_close)(struct conn *conn);   /* the last call, exactly once: free what is yours */
    /* what the protocol holds for this connection beside its output, and how many bytes of it have
     * moved on so far, with those of conn->moved_bytes; NULL: nothing */
    struct conn_weight (*weigh)(const struct conn *conn);
    void (*on_eased)(struct conn *conn); /* memory is there again; NULL: it did not wait for that */
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

/* Connections that end together: their buffers, and who waits for the last one. */
struct conn_set {
    struct loop *loop;
    struct list conns;
    size_t count;
    uint64_t write_timeout_ms;
    struct quota *quota;     /* what the connections of traffic are charged to; NULL: to nothing */
    size_t output_max_bytes; /* of a connection, with what its protocol queues: conn_share */
    uint64_t parked_count;   /* times that a connection's producers were parked */
    struct outq_pool pool;
    char *read_buffer;           /* owned; CONN_READ_BYTES */
    void (*on_empty)(void *arg); /* runs when the last one has closed; NULL for nobody */
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
    size_t untaken_bytes; /* of what is written, when the write timer was set */
    uint64_t moved_bytes; /* that were read or written */
    uint64_t seen_bytes;  /* moved_bytes when the budget looked last ... */
    struct wheel_timer timer;
    struct wheel_timer write_timer;
    struct wheel_timer watch_timer; /* set while an open connection is not read */
    struct loop_deferred flush;
    struct address peer;
    uint64_t task_id; /* of the task that queued the last bytes ... */
    uint32_t label;   /* ... and its label: writing them is its work */
    uint8_t state;
    uint8_t greeting_bytes; /* its owner's, before it is known what it speaks */
    uint8_t stalled_looks;  /* ... and how often the budget has found it in the same place */
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

/* conn_set_close_all closes every connection at once, for a drain that ran out of time. Of what is
 * queued goes out what the sockets take.
 *
 * Returns: how many.
 */
size_t conn_set_close_all(struct conn_set *set);

/* conn_open takes a connected socket and starts to read from it.
 *
 * Owns:    fd, also on failure (it is closed then). ctx stays the caller's, until on_close.
 * Returns: 0 with *ret_conn set; UV_ENOMEM, or what libuv says.
 */
MUST_USE int conn_open(struct conn_set *set, int fd, const struct sockaddr_storage *peer,
                       struct conn_stats *stats, struct conn **ret_conn);

/* conn_ready_ns is when what is read now had arrived: loop_ready_ns, or before it when the loop had
 * been held and did not look. */
uint64_t conn_ready_ns(const struct conn *conn);

/* conn_attach names the protocol that gets the events, before the first turn after conn_open, or
 * later to hand a connection over. */
void conn_attach(struct conn *conn, const struct conn_events *events, void *ctx);

/* conn_write queues a copy of `data`; it leaves when on_data returns, or at the end of the turn.
 *
 * Returns: 0, also when the connection is past conn_finish (the bytes are dropped); UV_ENOMEM.
 */
MUST_USE int conn_write(struct conn *conn, const char *data, size_t len);

/* conn_reserve gives room for up to `len` bytes to be written in place; conn_commit queues them.
 *
 * Returns: where to write; NULL when memory is missing.
 */
MUST_USE char *conn_reserve(struct conn *conn, size_t len);

/* conn_commit queues the first `len` bytes of the last conn_reserve. */
void conn_commit(struct conn *conn, size_t len);

/* conn_set_vital marks a connection of diagnostics: it is served however little memory is left. */
void conn_set_vital(struct conn *conn);

/* conn_share tells how much the connection may queue by now, with what its protocol queues. */
size_t conn_share(const struct conn *conn);

/* conn_may_queue tells whether an answer of `len` bytes may be queued as a whole.
 *
 * held_bytes: what the protocol has queued for the connection beside conn's own.
 * Returns: false when memory is short, and the connection or the answer takes too much of it.
 */
bool conn_may_queue(const struct conn *conn, size_t held_bytes, size_t len);

/* conn_may_hold tells whether more is to be read of a body of which so many bytes have come or are
 * to come: not when memory is short, and it is more than the connection may have. */
bool conn_may_hold(const struct conn *conn, uint64_t bytes);

/* conn_is_clogged tells that the peer does not take its bytes: stop producing until on_drained. */
bool conn_is_clogged(struct conn *conn);

/* conn_pause stops reading, conn_resume starts again; both harmless when done twice. Meanwhile a
 * look at the kernel's state of the connection, every CONN_WATCH_MS, finds a peer that has left. */
void conn_pause(struct conn *conn);

/* conn_resume undoes conn_pause. */
void conn_resume(struct conn *conn);

/* conn_set_timeout sets or moves the protocol's one timer.
 *
 * timeout_ms: from now; 0 unsets it.
 */
void conn_set_timeout(struct conn *conn, uint64_t timeout_ms);

/* conn_set_user_timeout has the kernel break the connection off when the peer acknowledges nothing,
 * or takes nothing, of what was sent for so long: on_end with UV_ETIMEDOUT. Without a word from the
 * kernel a peer that is gone would be known by conn_set's write timeout alone, once more is queued
 * than the kernel holds.
 *
 * timeout_ms: up to INT_MAX, which stands for what is longer; 0: as the system has it.
 */
void conn_set_user_timeout(struct conn *conn, uint64_t timeout_ms);

/* conn_finish writes what is queued, sends FIN, drains the peer for CONN_LINGER_MS at most, and
 * closes. No event but on_close follows. */
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
