/* SPDX-License-Identifier: MIT
 *
 * redis_conn.h - one connection to Redis that reconnects by itself: dial, greet, replies, backoff.
 *
 * Flow:    redis_conn_open -> dial -> AUTH, SELECT, CLIENT SETNAME, PING in one write -> on_ready
 *          -> redis_conn_write, on_reply ... -> on_lost -> backoff -> dial ... -> redis_conn_close
 * Failure: any failure (refused, reset, silent, a malformed or too long reply) drops the
 *          connection:
 *          on_lost once if it was ready, then another attempt. Each outage and each recovery is
 *          logged once.
 * Memory:  a 64 KiB read buffer; max_queue_bytes limits queued commands, max_reply_bytes a reply.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_CONN_H
#define TOQ_CORE_REDIS_REDIS_CONN_H

#include "core/loop/conn.h"
#include "core/loop/dial.h"
#include "core/redis/redis_greeting.h"
#include "core/redis/redis_options.h"
#include "core/redis/redis_reader.h"

#define REDIS_ERROR_BYTES 128 /* text of the last failure and a NUL */
/* A connection is dropped after so many ticks, each with a PING, without a whole reply. */
#define REDIS_QUIET_TICKS_MAX 3

enum redis_conn_state {
    REDIS_WAITING,   /* until the next attempt */
    REDIS_RESOLVING, /* the host's name */
    REDIS_GREETING,  /* connecting, and until PING is answered */
    REDIS_READY,
    REDIS_DROPPED, /* until the socket is closed */
    REDIS_CLOSING, /* for good */
};

struct redis_conn;

/* The owner's callbacks. None of them runs from inside a redis_conn_ function. */
struct redis_conn_events {
    void (*on_ready)(struct redis_conn *rc);
    void (*on_reply)(struct redis_conn *rc,
                     const struct redis_reply *reply);  /* borrowed until it returns */
    void (*on_lost)(struct redis_conn *rc, int status); /* it was ready: no reply comes any more */
    void (*on_tick)(struct redis_conn *rc);   /* a third of stall_timeout_ms passed: send PING */
    void (*on_closed)(struct redis_conn *rc); /* the last call */
};

struct redis_conn {
    struct loop *loop;
    struct redis_options options;
    const struct redis_conn_events *events;
    const char *role; /* for the log: a literal */
    enum redis_conn_state state;
    struct dial dial;
    struct conn_set set; /* of the one connection */
    struct conn_stats stats;
    struct conn *conn; /* NULL while there is no socket */
    struct redis_reader reader;
    uv_timer_t retry;
    size_t closing_parts;  /* whose close is awaited */
    bool has_socket;       /* until set.on_empty */
    bool was_ready;        /* on_lost is due */
    bool is_outage_logged; /* since it last was ready */
    int lost_status;
    uint64_t attempts; /* failed ones since it last was stable */
    uint64_t ready_ms; /* loop_now_ms when it became ready */
    uint64_t ready_count;
    uint64_t quiet_ticks;
    enum redis_step step; /* of the greeting, whose reply is next */
    const char *refusal;  /* why the server refuses commands, a literal; NULL: it does not */
    char error[REDIS_ERROR_BYTES];
};

/* redis_conn_open starts to connect.
 *
 * role:    names the connection in the log; a literal.
 * Returns: 0; UV_ENOMEM. A server that is not there is no error.
 */
MUST_USE int redis_conn_open(struct redis_conn *rc, struct loop *loop,
                             const struct redis_options *options, const char *role,
                             const struct redis_conn_events *events);

/* redis_conn_close closes for good: on_lost if it is ready, then on_closed, both later. A look-up
 * of the host's name is cancelled, and not waited for. */
void redis_conn_close(struct redis_conn *rc);

/* redis_conn_is_ready tells whether redis_conn_write would be accepted. */
bool redis_conn_is_ready(const struct redis_conn *rc);

/* redis_conn_write queues one command; all commands of a turn are sent in one write.
 *
 * Returns: 0; UV_ENOTCONN; UV_EBUSY: too many bytes are queued; UV_E2BIG: the command alone is more
 *          than max_queue_bytes; UV_ENOMEM.
 */
MUST_USE int redis_conn_write(struct redis_conn *rc, const struct str *args, size_t count);

/* redis_conn_note_refusal sets rc->refusal by the result of a check, and logs a change.
 *
 * refusal: NULL: the server accepts commands.
 */
void redis_conn_note_refusal(struct redis_conn *rc, const struct redis_refusal *refusal);

/* redis_conn_drop closes the connection and connects again; harmless when there is none.
 *
 * status: for on_lost.
 * reason: for the log and redis_conn.error; an empty view takes libuv's text for status.
 */
void redis_conn_drop(struct redis_conn *rc, int status, struct str reason);

#endif
