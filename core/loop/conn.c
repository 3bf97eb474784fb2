/* SPDX-License-Identifier: MIT
 *
 * conn.c - reading, writing and ending one TCP connection.
 *
 * Flow of the output: conn_write -> outq -> flush: uv_try_write -> what the socket did not take:
 * one uv_write at a time, guarded by the write timer -> on_drained. The end: OPEN -conn_finish->
 * FLUSHING -all written-> LINGERING (FIN sent, input dropped) -> CLOSED.
 */
#include "core/loop/conn.h"

#include <arpa/inet.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/task/recorder.h"
#include "core/task/task.h"

#define IOV_MAX_COUNT 16
/* Of one write. Hundreds of connections may have megabytes to send: each has its turn, and none
 * holds the loop while the kernel copies all that it has room for. */
#define WRITE_BYTES ((size_t)64 << 10)

enum conn_state { CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_CLOSED };

static void flush(struct conn *conn);

int conn_set_init(struct conn_set *set, struct loop *loop, uint64_t write_timeout_ms)
{
    *set = (struct conn_set){
        .loop = loop,
        .write_timeout_ms = write_timeout_ms,
        .output_max_bytes = CONN_OUTPUT_MAX_BYTES,
        .read_buffer = malloc(CONN_READ_BYTES),
    };
    list_init(&set->conns);
    return set->read_buffer == NULL ? UV_ENOMEM : 0;
}

void conn_set_deinit(struct conn_set *set)
{
    REQUIRE(set->count == 0);
    outq_pool_deinit(&set->pool);
    free(set->read_buffer);
    set->read_buffer = NULL;
}

size_t conn_set_close_all(struct conn_set *set)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &set->conns)
    {
        struct conn *conn = CONTAINER_OF(pos, struct conn, link);
        /* the last answers were queued a moment ago: send what the socket takes */
        while ((conn->state == CONN_FLUSHING || conn->state == CONN_OPEN) && !conn->is_writing &&
               conn->out.len > 0) {
            flush(conn);
        }
        conn_close(conn); /* leaves the list later, in on_closed */
    }
    return set->count;
}

/* --- the end --- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct conn_set *set = conn->set;
    if (conn->events != NULL) {
        conn->events->on_close(conn);
    }
    outq_consume(&conn->out, &set->pool, conn->out.len);
    loop_undefer(&conn->flush); /* the connection is closed */
    list_unlink(&conn->link);
    conn->stats->open--;
    set->count--;
    free(conn);
    if (set->count == 0 && set->on_empty != NULL) {
        set->on_empty(set->on_empty_arg);
    }
}

void conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSED) {
        return;
    }
    conn->state = CONN_CLOSED;
    conn->has_ended = true;
    wheel_unset(&conn->timer);
    wheel_unset(&conn->write_timer);
    wheel_unset(&conn->watch_timer);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

/* end marks that no more comes, and runs on_end unless the protocol has finished already. */
static void end(struct conn *conn, int status)
{
    const bool is_news = conn->state == CONN_OPEN && !conn->has_ended;
    conn->has_ended = true;
    conn_pause(conn);
    if (is_news) {
        conn->events->on_end(conn, status);
    }
    if (status != UV_EOF || conn->state == CONN_LINGERING) {
        conn_close(conn);
    }
}

static void linger(struct conn *conn)
{
    if (conn->has_ended) {
        conn_close(conn); /* all up to the peer's FIN has been read */
        return;
    }
    conn->state = CONN_LINGERING;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn_resume(conn);
    loop_set_timer(conn->set->loop, &conn->timer, CONN_LINGER_MS);
}

void conn_finish(struct conn *conn)
{
    if (conn->state != CONN_OPEN) {
        return;
    }
    conn->state = CONN_FLUSHING;
    wheel_unset(&conn->timer);
    wheel_unset(&conn->watch_timer); /* the write timer takes over */
    if (!conn->is_feeding) {
        loop_defer(conn->set->loop, &conn->flush);
    }
}

bool conn_is_open(const struct conn *conn)
{
    return conn->state == CONN_OPEN;
}

bool conn_has_ended(const struct conn *conn)
{
    return conn->has_ended;
}

/* --- output --- */

/* count_untaken counts what the peer has not acknowledged, in libuv's queue and in the kernel's:
 * that holds megabytes, and is writable again only when a third of them are gone. */
static size_t count_untaken(struct conn *conn)
{
    uv_os_fd_t fd;
    int in_kernel = 0;
    if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &in_kernel) != 0) {
        in_kernel = 0; /* never on an open socket */
    }
    return uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp) + (size_t)in_kernel;
}

static void watch_write(struct conn *conn)
{
    conn->untaken_bytes = count_untaken(conn);
    loop_set_timer(conn->set->loop, &conn->write_timer, conn->set->write_timeout_ms);
}

static void on_write_timeout(struct wheel_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, write_timer);
    if (count_untaken(conn) < conn->untaken_bytes) {
        watch_write(conn); /* slow, not stalled */
        return;
    }
    conn->stats->write_timeouts++;
    end(conn, UV_ETIMEDOUT);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *conn = req->handle->data;
    const size_t len = (size_t)(uintptr_t)req->data;
    free(req);
    conn->is_writing = false;
    if (conn->state == CONN_CLOSED) {
        return;
    }
    wheel_unset(&conn->write_timer);
    if (status < 0) {
        end(conn, status);
        return;
    }
    conn->stats->sent_bytes += len;
    conn->moved_bytes += len;
    outq_consume(&conn->out, &conn->set->pool, len);
    if (conn->out.len > 0) {
        loop_defer(conn->set->loop, &conn->flush);
    } else {
        flush(conn);
    }
}

/* peek describes the bytes of the next write. Returns: how many; 0: there is nothing to write. */
static size_t peek(const struct conn *conn, uv_buf_t *bufs, size_t *ret_count)
{
    const size_t count = outq_peek(&conn->out, bufs, IOV_MAX_COUNT);
    size_t len = 0;
    *ret_count = 0;
    for (size_t i = 0; i < count && len < WRITE_BYTES; i++) {
        const size_t left = WRITE_BYTES - len;
        bufs[i].len = bufs[i].len < left ? bufs[i].len : left;
        len += bufs[i].len;
        *ret_count = i + 1;
    }
    return len;
}

static int write_rest(struct conn *conn)
{
    /* rarely needed, and too big to keep in each connection */
    uv_write_t *req = quota_calloc(conn->set->quota, sizeof(*req), 0, QUOTA_NORMAL);
    if (req == NULL) {
        return UV_ENOMEM;
    }
    uv_buf_t bufs[IOV_MAX_COUNT];
    size_t count;
    const size_t len = peek(conn, bufs, &count);
    req->data = (void *)(uintptr_t)len;
    const int rc = uv_write(req, (uv_stream_t *)&conn->tcp, bufs, (unsigned)count, on_written);
    if (rc < 0) {
        free(req);
        return rc;
    }
    conn->is_writing = true;
    watch_write(conn);
    return 0;
}

/* write_now writes once; the rest waits until the other connections have had their turn. */
static int write_now(struct conn *conn)
{
    uv_buf_t bufs[IOV_MAX_COUNT];
    size_t count;
    const size_t len = peek(conn, bufs, &count);
    if (len == 0) {
        return 0;
    }
    const int n = uv_try_write((uv_stream_t *)&conn->tcp, bufs, (unsigned)count);
    if (n < 0 && n != UV_EAGAIN) {
        return n;
    }
    if (n > 0) {
        conn->stats->sent_bytes += (uint64_t)n;
        conn->moved_bytes += (uint64_t)n;
        recorder_add(RECORDER_WRITE, 0, (uint64_t)n);
        outq_consume(&conn->out, &conn->set->pool, (size_t)n);
    }
    if (n < 0 || (size_t)n < len) {
        return write_rest(conn);
    }
    if (conn->out.len > 0) {
        loop_defer(conn->set->loop, &conn->flush);
    }
    return 0;
}

static int write_labelled(struct conn *conn)
{
    const uint32_t previous_label = task_write_for(conn->label, conn->task_id);
    const int rc = write_now(conn);
    (void)task_swap_label(previous_label);
    return rc;
}

/* flush writes what the socket takes; here alone a connection is found to be drained. */
static void flush(struct conn *conn)
{
    if (conn->state == CONN_CLOSED || conn->state == CONN_LINGERING || conn->is_writing) {
        return;
    }
    const int rc = conn->out.len > 0 ? write_labelled(conn) : 0; /* what came may have no answer */
    if (rc < 0) {
        end(conn, rc);
    } else if (conn->state == CONN_FLUSHING && conn->out.len == 0) {
        linger(conn);
    } else if (conn->state == CONN_OPEN && conn->is_clogged && conn->out.len <= CONN_LOW_BYTES) {
        conn->is_clogged = false;
        conn->events->on_drained(conn);
    }
}

static void run_flush(struct loop_deferred *deferred)
{
    flush(CONTAINER_OF(deferred, struct conn, flush));
}

char *conn_reserve(struct conn *conn, size_t len)
{
    return outq_reserve(&conn->out, &conn->set->pool, len);
}

/* note_output notes which task has queued bytes, and has them written. */
static inline void note_output(struct conn *conn)
{
    conn->label = task_current_label();
    conn->task_id = task_current_id();
    if (conn->state == CONN_OPEN && !conn->is_feeding && !conn->is_writing) {
        loop_defer(conn->set->loop, &conn->flush);
    }
}

void conn_commit(struct conn *conn, size_t len)
{
    outq_commit(&conn->out, len);
    note_output(conn);
}

int conn_write(struct conn *conn, const char *data, size_t len)
{
    if (conn->state != CONN_OPEN || len == 0) {
        return 0;
    }
    const int rc = outq_append(&conn->out, &conn->set->pool, data, len);
    if (rc == 0) {
        note_output(conn);
    }
    return rc;
}

void conn_set_vital(struct conn *conn)
{
    conn->is_vital = true;
    conn->out.urgency = QUOTA_FORCED;
}

size_t conn_share(const struct conn *conn)
{
    const struct quota *quota = conn->set->quota;
    if (quota_level(quota) == QUOTA_FULL && !conn->is_vital) {
        return OUTQ_BLOCK_BYTES;
    }
    return quota_share(quota, CONN_SHARE_MIN_BYTES, conn->set->output_max_bytes);
}

bool conn_may_queue(const struct conn *conn, size_t held_bytes, size_t len)
{
    const struct quota *quota = conn->set->quota;
    if (conn->is_vital || (quota_level(quota) == QUOTA_EASY && quota_has_room(quota, len))) {
        return true;
    }
    return quota_has_room(quota, len) && held_bytes + conn->out.len + len <= conn_share(conn);
}

bool conn_may_hold(const struct conn *conn, uint64_t bytes)
{
    return LIKELY(conn->is_vital || quota_level(conn->set->quota) == QUOTA_EASY) ||
           bytes <= conn_share(conn);
}

__attribute__((noinline)) static bool is_above_high(const struct conn *conn)
{
    const size_t share = conn_share(conn);
    return conn->out.len > (share < CONN_HIGH_BYTES ? share : CONN_HIGH_BYTES);
}

bool conn_is_clogged(struct conn *conn)
{
    if (UNLIKELY(conn->out.len > OUTQ_BLOCK_BYTES) && is_above_high(conn)) {
        conn->is_clogged = true;
    }
    return conn->is_clogged;
}

/* --- input --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *conn = handle->data;
    *buf = (uv_buf_t){.base = conn->set->read_buffer, .len = CONN_READ_BYTES};
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    if (nread < 0) {
        end(conn, (int)nread);
        return;
    }
    conn->stats->received_bytes += (uint64_t)nread;
    conn->moved_bytes += (uint64_t)nread;
    if (nread == 0 || conn->state != CONN_OPEN) {
        return; /* lingering: read and dropped */
    }
    conn->is_feeding = true;
    conn->events->on_data(conn, buf->base, (size_t)nread);
    conn->is_feeding = false;
    flush(conn);
}

/* set_watch: a connection that is not read is not polled, so a FIN or an RST goes unnoticed. */
static void set_watch(struct conn *conn)
{
    if (conn->state == CONN_OPEN) {
        loop_set_timer(conn->set->loop, &conn->watch_timer, CONN_WATCH_MS);
    }
}

static bool read_info(const struct conn *conn, struct tcp_info *ret_info)
{
    uv_os_fd_t fd;
    socklen_t len = sizeof(*ret_info);
    *ret_info = (struct tcp_info){0};
    return uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0 &&
           getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len) == 0;
}

/* read_state is the kernel's state of the connection; TCP_ESTABLISHED where it cannot be had. */
static int read_state(const struct conn *conn)
{
    struct tcp_info info;
    return read_info(conn, &info) ? info.tcpi_state : TCP_ESTABLISHED;
}

/* read_age_ns is how long ago the kernel got the last bytes; 0 where it does not tell. */
static __attribute__((noinline)) uint64_t read_age_ns(const struct conn *conn)
{
    struct tcp_info info;
    return read_info(conn, &info) ? info.tcpi_last_data_recv * NS_PER_MS : 0;
}

uint64_t conn_ready_ns(const struct conn *conn)
{
    struct loop *loop = conn->set->loop;
    const uint64_t ready_ns = loop_ready_ns(loop);
    return UNLIKELY(loop_was_held(loop)) ? ready_ns - read_age_ns(conn) : ready_ns;
}

static void on_watch(struct wheel_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, watch_timer);
    const int state = read_state(conn);
    if (state == TCP_CLOSE) {
        end(conn, UV_ECONNRESET);
        return;
    }
    set_watch(conn);
    if (state == TCP_CLOSE_WAIT && !conn->has_ended && !conn->is_fin_told) {
        conn->is_fin_told = true;
        if (conn->events->on_fin != NULL) {
            conn->events->on_fin(conn);
        }
    }
}

void conn_pause(struct conn *conn)
{
    (void)uv_read_stop((uv_stream_t *)&conn->tcp);
    set_watch(conn);
}

void conn_resume(struct conn *conn)
{
    if (conn->state != CONN_CLOSED && !conn->has_ended) {
        wheel_unset(&conn->watch_timer);
        /* fails only with UV_EALREADY, which is what was asked for */
        (void)uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    }
}

/* --- timeouts and the beginning --- */

static void on_timer(struct wheel_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    if (conn->state == CONN_LINGERING) {
        conn_close(conn);
    } else {
        conn->events->on_timeout(conn);
    }
}

void conn_set_timeout(struct conn *conn, uint64_t timeout_ms)
{
    if (timeout_ms == 0 || conn->state != CONN_OPEN) {
        if (conn->state == CONN_OPEN) {
            wheel_unset(&conn->timer);
        }
        return;
    }
    loop_set_timer(conn->set->loop, &conn->timer, timeout_ms);
}

void conn_set_user_timeout(struct conn *conn, uint64_t timeout_ms)
{
    const unsigned value = timeout_ms < INT_MAX ? (unsigned)timeout_ms : INT_MAX;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0) {
        /* refused for a socket that is not TCP: it goes without */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof(value));
    }
}

void conn_format_peer(const struct conn *conn, char *out)
{
    address_format(&conn->peer, out);
}

void conn_attach(struct conn *conn, const struct conn_events *events, void *ctx)
{
    conn->events = events;
    conn->ctx = ctx;
}

int conn_open(struct conn_set *set, int fd, const struct sockaddr_storage *peer,
              struct conn_stats *stats, struct conn **ret_conn)
{
    struct conn *conn = quota_calloc(set->quota, sizeof(*conn), 0, QUOTA_NORMAL);
    if (conn == NULL) {
        (void)close(fd);
        return UV_ENOMEM;
    }
    (void)uv_tcp_init(loop_uv(set->loop), &conn->tcp); /* cannot fail without flags */
    const int rc = uv_tcp_open(&conn->tcp, fd);
    if (rc < 0) {
        (void)close(fd);
    } else {
        (void)uv_tcp_nodelay(&conn->tcp, 1);
    }
    conn->tcp.data = conn;
    conn->set = set;
    conn->stats = stats;
    conn->out.urgency = QUOTA_VITAL;
    conn->flush.run = run_flush;
    list_init(&conn->flush.link);
    wheel_timer_init(&conn->timer, on_timer);
    wheel_timer_init(&conn->write_timer, on_write_timeout);
    wheel_timer_init(&conn->watch_timer, on_watch);
    conn->peer = address_of(peer);
    list_push_back(&set->conns, &conn->link);
    set->count++;
    stats->accepted++;
    stats->open++;
    if (rc < 0) {
        conn_close(conn);
        return rc;
    }
    conn_resume(conn);
    *ret_conn = conn;
    return 0;
}
