/* SPDX-License-Identifier: MIT
 *
 * redis_conn.c - WAITING -> RESOLVING -> GREETING -> READY -> DROPPED -> WAITING ..., CLOSING.
 *
 * conn gets the socket while it still connects: the greeting waits in its queue, and a refused
 * connection ends like a broken one. So each connection ends in one way: conn_close, then
 * set.on_empty.
 */
#include "core/redis/redis_conn.h"

#include <stdio.h>

#include "core/base/random.h"
#include "core/redis/redis_command.h"
#include "core/telemetry/log.h"

/* A recovery is noticed within 2 s, the longest wait and a greeting. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_LAST_MS  1500
#define STABLE_MS        5000 /* a connection that lasted this long was no failed attempt */

static void dial_next(struct redis_conn *rc);

/* --- writing --- */

/* write_command writes in any state that has a socket: the greeting goes out before READY. */
static int write_command(struct redis_conn *rc, const struct str *args, size_t count)
{
    const size_t max_bytes = rc->options.max_queue_bytes;
    const size_t bound = redis_command_bound(args, count, max_bytes);
    if (bound == SIZE_MAX) {
        return UV_E2BIG;
    }
    if (rc->conn->out.len > max_bytes - bound) {
        return UV_EBUSY;
    }
    char *room = conn_reserve(rc->conn, bound);
    if (room == NULL) {
        return UV_ENOMEM;
    }
    conn_commit(rc->conn, redis_command_put(room, args, count));
    return 0;
}

int redis_conn_write(struct redis_conn *rc, const struct str *args, size_t count)
{
    return rc->state == REDIS_READY ? write_command(rc, args, count) : UV_ENOTCONN;
}

bool redis_conn_is_ready(const struct redis_conn *rc)
{
    return rc->state == REDIS_READY;
}

/* --- failing and trying again --- */

static uint64_t backoff_ms(uint64_t attempts)
{
    const uint64_t doubled = BACKOFF_FIRST_MS << (attempts < 8 ? attempts : 8);
    const uint64_t limit = doubled < BACKOFF_LAST_MS ? doubled : BACKOFF_LAST_MS;
    return limit / 2 + random_below(limit / 2);
}

static void set_error(struct redis_conn *rc, int status, struct str reason)
{
    if (reason.len == 0) {
        (void)uv_strerror_r(status, rc->error, sizeof(rc->error));
    } else {
        (void)snprintf(rc->error, sizeof(rc->error), "%" STR_FMT, STR_ARG(reason));
    }
    const struct redis_refusal *refusal = redis_reply_refusal(reason);
    rc->refusal = refusal == NULL ? NULL : refusal->reason;
}

void redis_conn_note_refusal(struct redis_conn *rc, const struct redis_refusal *refusal)
{
    const char *reason = refusal == NULL ? NULL : refusal->reason;
    if (reason == rc->refusal) {
        return;
    }
    rc->refusal = reason;
    const struct log_field fields[] = {
        log_cstr("connection", rc->role), log_cstr("host", rc->options.host),
        log_u64("port", rc->options.port), log_cstr("code", reason == NULL ? "" : refusal->code),
        log_cstr("reason", reason == NULL ? "" : reason)};
    log_event(LOG_WARN, "redis", reason == NULL ? "server works again" : "server refuses", fields,
              reason == NULL ? 3 : ARRAY_COUNT(fields)); /* the last two say why */
}

/* log_outage logs one line for an outage; further attempts are debug. */
static void log_outage(struct redis_conn *rc, const char *message)
{
    LOG(rc->is_outage_logged ? LOG_DEBUG : LOG_WARN, "redis", message,
        log_cstr("connection", rc->role), log_cstr("host", rc->options.host),
        log_u64("port", rc->options.port), log_cstr("error", rc->error));
    rc->is_outage_logged = true;
}

static void on_retry(uv_timer_t *timer);

static void retry_later(struct redis_conn *rc)
{
    dial_forget(&rc->dial); /* a name is looked up again: a failover may change its address */
    rc->state = REDIS_WAITING;
    /* cannot fail: the callback is set and the handle is not closing */
    (void)uv_timer_start(&rc->retry, on_retry, backoff_ms(rc->attempts), 0);
    rc->attempts++;
}

static void fail_attempt(struct redis_conn *rc)
{
    log_outage(rc, "cannot connect");
    retry_later(rc);
}

static void start_attempt(struct redis_conn *rc)
{
    rc->state = REDIS_RESOLVING;
    const int status = dial_resolve(&rc->dial);
    if (status == 0) {
        dial_next(rc);
    } else if (status != UV_EALREADY) {
        set_error(rc, status, STR(""));
        fail_attempt(rc);
    }
}

static void on_retry(uv_timer_t *timer)
{
    start_attempt(timer->data);
}

void redis_conn_drop(struct redis_conn *rc, int status, struct str reason)
{
    if (rc->state != REDIS_GREETING && rc->state != REDIS_READY) {
        return;
    }
    rc->state = REDIS_DROPPED;
    rc->lost_status = status;
    set_error(rc, status, reason);
    conn_close(rc->conn);
}

/* --- closing --- */

/* finish_part frees everything when the last part has closed; the owner may free rc itself. */
static void finish_part(struct redis_conn *rc)
{
    if (--rc->closing_parts > 0) {
        return;
    }
    redis_reader_deinit(&rc->reader);
    conn_set_deinit(&rc->set);
    rc->events->on_closed(rc);
}

static void on_retry_closed(uv_handle_t *handle)
{
    finish_part(handle->data);
}

void redis_conn_close(struct redis_conn *rc)
{
    REQUIRE(rc->state != REDIS_CLOSING);
    rc->state = REDIS_CLOSING;
    rc->lost_status = UV_ECANCELED;
    rc->closing_parts = 1; /* the timer, which always closes later: so does on_closed run later */
    uv_close((uv_handle_t *)&rc->retry, on_retry_closed);
    if (rc->has_socket) {
        rc->closing_parts++;
        if (rc->conn != NULL) {
            conn_close(rc->conn);
        }
    }
    dial_forget(&rc->dial);
}

/* on_gone: the socket has closed, for any reason. */
static void on_gone(void *arg)
{
    struct redis_conn *rc = arg;
    const bool is_part = rc->state == REDIS_CLOSING;
    const bool was_ready = rc->was_ready;
    /* before on_lost, which may call redis_conn_close: that must not wait for this socket */
    rc->conn = NULL;
    rc->has_socket = false;
    rc->was_ready = false;
    if (was_ready) {
        if (loop_now_ms(rc->loop) - rc->ready_ms >= STABLE_MS) {
            rc->attempts = 0;
        }
        if (!is_part) {
            log_outage(rc, "connection lost");
        }
        rc->events->on_lost(rc, rc->lost_status);
    }
    if (is_part) {
        finish_part(rc);
    } else if (rc->state == REDIS_CLOSING) {
        return; /* by on_lost: its timer is closing */
    } else if (was_ready) {
        retry_later(rc);
    } else {
        dial_next(rc);
    }
}

/* --- greeting --- */

static int greet(struct redis_conn *rc)
{
    enum redis_step step = redis_greeting_next(&rc->options, (enum redis_step)0);
    rc->step = step;
    int status = 0;
    while (step < REDIS_STEP_COUNT && status == 0) {
        struct redis_greeting_command command;
        redis_greeting_make(&rc->options, step, &command);
        status = write_command(rc, command.args, command.count);
        step = redis_greeting_next(&rc->options, step + 1);
    }
    return status;
}

static void set_tick(struct redis_conn *rc)
{
    const uint64_t tick_ms = rc->options.stall_timeout_ms / REDIS_QUIET_TICKS_MAX;
    conn_set_timeout(rc->conn, tick_ms == 0 ? 1 : tick_ms);
}

static void become_ready(struct redis_conn *rc)
{
    rc->state = REDIS_READY;
    rc->was_ready = true;
    rc->ready_ms = loop_now_ms(rc->loop);
    rc->ready_count++;
    rc->error[0] = '\0';
    rc->refusal = NULL;
    set_tick(rc);
    LOG(rc->is_outage_logged ? LOG_WARN : LOG_INFO, "redis", "connected",
        log_cstr("connection", rc->role), log_cstr("host", rc->options.host),
        log_u64("port", rc->options.port));
    rc->is_outage_logged = false;
    rc->events->on_ready(rc);
}

static void take_greeting(struct redis_conn *rc, const struct redis_reply *reply)
{
    const enum redis_step step = rc->step;
    rc->step = redis_greeting_next(&rc->options, step + 1);
    const struct redis_refusal *refusal =
        reply->type == REDIS_ERROR ? redis_reply_refusal(reply->text) : NULL;
    const bool is_misplaced = refusal != NULL && refusal->is_misplaced;
    /* proxies do not know CLIENT, and the name is optional; a server that takes no writes for now
     * may still answer reads */
    const bool may_fail = step == REDIS_STEP_SETNAME || (step == REDIS_STEP_PROBE && !is_misplaced);
    if (reply->type == REDIS_ERROR && !may_fail) {
        redis_conn_drop(rc, UV_EREMOTEIO, reply->text);
    } else if (rc->step == REDIS_STEP_COUNT) {
        become_ready(rc);
    }
}

/* --- reading --- */

static int take_replies(struct redis_conn *rc)
{
    for (;;) {
        const struct redis_reply *reply;
        const int n = redis_reader_next(&rc->reader, &reply);
        if (n <= 0) {
            return n;
        }
        rc->quiet_ticks = 0; /* for a whole reply, since a partial one may never end */
        if (rc->state == REDIS_GREETING) {
            take_greeting(rc, reply);
        } else {
            rc->events->on_reply(rc, reply);
        }
        if (rc->state != REDIS_GREETING && rc->state != REDIS_READY) {
            return 0; /* dropped or closed meanwhile */
        }
    }
}

static void on_data(struct conn *conn, const char *data, size_t len)
{
    struct redis_conn *rc = conn->ctx;
    while (len > 0 && conn_is_open(conn)) {
        const size_t n = len < REDIS_READER_FEED_BYTES ? len : REDIS_READER_FEED_BYTES;
        int status = redis_reader_feed(&rc->reader, data, n);
        if (status == 0) {
            status = take_replies(rc);
        }
        if (status < 0) {
            redis_conn_drop(rc, status, STR(""));
        }
        data += n;
        len -= n;
    }
}

static void on_end(struct conn *conn, int status)
{
    redis_conn_drop(conn->ctx, status, STR(""));
}

static void on_timeout(struct conn *conn)
{
    struct redis_conn *rc = conn->ctx;
    /* ticks are counted, not time: when the loop was held, replies may wait unread */
    if (rc->state == REDIS_GREETING || ++rc->quiet_ticks >= REDIS_QUIET_TICKS_MAX) {
        redis_conn_drop(rc, UV_ETIMEDOUT, STR(""));
        return;
    }
    set_tick(rc);
    rc->events->on_tick(rc);
}

static void on_drained(struct conn *conn)
{
    (void)conn; /* no writer waits: redis_conn_write refuses instead */
}

static void on_close(struct conn *conn)
{
    (void)conn; /* on_gone follows */
}

/* --- connecting --- */

static int open_socket(struct redis_conn *rc)
{
    static const struct conn_events events = {
        .on_data = on_data,
        .on_end = on_end,
        .on_drained = on_drained,
        .on_timeout = on_timeout,
        .on_close = on_close,
    };
    int fd;
    struct sockaddr_storage peer;
    int status = dial_connect(&rc->dial, &fd, &peer);
    if (status < 0) {
        return status;
    }
    status = conn_open(&rc->set, fd, &peer, &rc->stats, &rc->conn);
    /* one that failed halfway is closing: on_gone goes on from there */
    rc->has_socket = rc->set.count > 0;
    if (status < 0) {
        return rc->has_socket ? 0 : status;
    }
    rc->state = REDIS_GREETING;
    rc->quiet_ticks = 0;
    conn_attach(rc->conn, &events, rc);
    conn_set_timeout(rc->conn, rc->options.connect_timeout_ms);
    status = redis_reader_reset(&rc->reader);
    if (status == 0) {
        status = greet(rc);
    }
    if (status < 0) {
        redis_conn_drop(rc, status, STR(""));
    }
    return 0;
}

/* dial_next tries the addresses that are left; after the last one the attempt has failed. */
static void dial_next(struct redis_conn *rc)
{
    for (;;) {
        const int status = open_socket(rc);
        if (status == 0) {
            return;
        }
        if (status == UV_ENOENT) {
            fail_attempt(rc);
            return;
        }
        set_error(rc, status, STR(""));
    }
}

static void on_resolved(struct dial *dial, int status)
{
    struct redis_conn *rc = CONTAINER_OF(dial, struct redis_conn, dial);
    if (status < 0) {
        set_error(rc, status, STR(""));
        fail_attempt(rc);
    } else {
        dial_next(rc);
    }
}

int redis_conn_open(struct redis_conn *rc, struct loop *loop, const struct redis_options *options,
                    const char *role, const struct redis_conn_events *events)
{
    *rc = (struct redis_conn){
        .loop = loop,
        .options = redis_options_fill(options),
        .events = events,
        .role = role,
    };
    const int status = conn_set_init(&rc->set, loop, rc->options.stall_timeout_ms);
    if (status < 0) {
        return status;
    }
    rc->set.on_empty = on_gone;
    rc->set.on_empty_arg = rc;
    redis_reader_init(&rc->reader, rc->options.max_reply_bytes);
    dial_init(&rc->dial, rc->options.lookups, rc->options.host, rc->options.port, on_resolved);
    (void)uv_timer_init(loop_uv(loop), &rc->retry); /* cannot fail */
    rc->retry.data = rc;
    /* in a callback of its own: the owner's callbacks must not run from inside this call */
    (void)uv_timer_start(&rc->retry, on_retry, 0, 0);
    return 0;
}
