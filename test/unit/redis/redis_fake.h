/* SPDX-License-Identifier: MIT
 *
 * redis_fake.h - a Redis for tests on the loop of the test: it reads commands, keeps them as text,
 * and says the very bytes that a test wants said.
 */
#ifndef TOQ_TEST_UNIT_REDIS_REDIS_FAKE_H
#define TOQ_TEST_UNIT_REDIS_REDIS_FAKE_H

#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/redis/redis_reader.h"

#define FAKE_LOG_BYTES  4096
#define FAKE_PATIENCE_S 30 /* ends hung tests only */

struct fake {
    uv_tcp_t listener;
    uv_tcp_t peer;
    struct sockaddr_in address;
    struct redis_reader reader;
    const char *greeting; /* what PING gets while it is the last of a greeting; NULL: nothing */
    bool is_greeted;
    bool has_peer;
    bool is_listening;
    int accepted;
    int reads;
    int commands;             /* since the greeting */
    char log[FAKE_LOG_BYTES]; /* every command: "GET a|PING|" */
    char in[65536];
};

/* fake_say sends bytes to the client. */
static inline void fake_say_bytes(struct fake *fake, const char *data, size_t len)
{
    assert_true(fake->has_peer);
    while (len > 0) {
        const uv_buf_t buf = {.base = (char *)(uintptr_t)data, .len = len};
        const int n = uv_try_write((uv_stream_t *)&fake->peer, &buf, 1);
        if (n < 0) {
            return; /* the client does not want to hear more */
        }
        data += n;
        len -= (size_t)n;
    }
}

static inline void fake_say(struct fake *fake, const char *text)
{
    fake_say_bytes(fake, text, strlen(text));
}

static inline void fake_accept(struct fake *fake);

static inline void fake_on_refused(uv_handle_t *handle)
{
    struct fake *fake = handle->data;
    fake->has_peer = false;
}

static inline void fake_on_peer_closed(uv_handle_t *handle)
{
    struct fake *fake = handle->data;
    fake->has_peer = false;
    if (fake->is_listening) {
        fake_accept(fake); /* who came while the last one was here */
    }
}

/* fake_hang_up closes the connection to the client. */
static inline void fake_hang_up(struct fake *fake)
{
    if (fake->has_peer && !uv_is_closing((uv_handle_t *)&fake->peer)) {
        uv_close((uv_handle_t *)&fake->peer, fake_on_peer_closed);
    }
}

static inline void fake_note(struct fake *fake, const struct redis_reply *command)
{
    assert_int_equal(command->type, REDIS_ARRAY);
    size_t len = strlen(fake->log);
    for (size_t i = 0; i < command->count; i++) {
        assert_int_equal(command->items[i].type, REDIS_TEXT);
        len += (size_t)snprintf(fake->log + len, FAKE_LOG_BYTES - len, "%s%.40s", i == 0 ? "" : " ",
                                command->items[i].text.ptr);
        assert_true(len < FAKE_LOG_BYTES - 1);
    }
    (void)snprintf(fake->log + len, FAKE_LOG_BYTES - len, "|");
}

static inline void fake_answer(struct fake *fake, const struct redis_reply *command)
{
    fake_note(fake, command);
    if (fake->is_greeted) {
        fake->commands++;
        return;
    }
    if (!str_equal(command->items[0].text, STR("PING"))) {
        fake_say(fake, "+OK\r\n");
    } else if (fake->greeting != NULL) {
        fake->is_greeted = fake->greeting[0] == '+';
        fake_say(fake, fake->greeting);
    }
}

static inline void fake_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct fake *fake = handle->data;
    *buf = (uv_buf_t){.base = fake->in, .len = sizeof(fake->in)};
}

static inline void fake_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake *fake = stream->data;
    if (n < 0) {
        fake_hang_up(fake);
        return;
    }
    fake->reads++;
    for (size_t done = 0; done < (size_t)n; done += REDIS_READER_FEED_BYTES) {
        const size_t left = (size_t)n - done;
        const size_t size = left < REDIS_READER_FEED_BYTES ? left : REDIS_READER_FEED_BYTES;
        assert_int_equal(redis_reader_feed(&fake->reader, buf->base + done, size), 0);
        const struct redis_reply *command;
        int rc = redis_reader_next(&fake->reader, &command);
        for (; rc > 0; rc = redis_reader_next(&fake->reader, &command)) {
            fake_answer(fake, command);
        }
        assert_int_equal(rc, 0);
    }
}

static inline void fake_accept(struct fake *fake)
{
    assert_int_equal(uv_tcp_init(fake->listener.loop, &fake->peer), 0);
    fake->peer.data = fake;
    fake->has_peer = true;
    if (uv_accept((uv_stream_t *)&fake->listener, (uv_stream_t *)&fake->peer) < 0) {
        uv_close((uv_handle_t *)&fake->peer, fake_on_refused);
        return;
    }
    assert_int_equal(redis_reader_reset(&fake->reader), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&fake->peer, fake_on_alloc, fake_on_read), 0);
    fake->is_greeted = false;
    fake->accepted++;
}

static inline void fake_on_connection(uv_stream_t *listener, int status)
{
    struct fake *fake = listener->data;
    assert_int_equal(status, 0);
    if (!fake->has_peer) {
        fake_accept(fake); /* one at a time */
    }
}

/* fake_listen starts to accept, at the port it had before if it had one. */
static inline void fake_listen(struct fake *fake, struct loop *loop)
{
    assert_int_equal(uv_tcp_init(loop_uv(loop), &fake->listener), 0);
    fake->listener.data = fake;
    assert_int_equal(
        uv_tcp_bind(&fake->listener, (const struct sockaddr *)(void *)&fake->address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 8, fake_on_connection), 0);
    int len = sizeof(fake->address);
    assert_int_equal(
        uv_tcp_getsockname(&fake->listener, (struct sockaddr *)(void *)&fake->address, &len), 0);
    fake->is_listening = true;
}

static inline void fake_start(struct fake *fake, struct loop *loop)
{
    memset(fake, 0, sizeof(*fake));
    fake->greeting = "+PONG\r\n";
    redis_reader_init(&fake->reader, 64u << 20);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &fake->address), 0);
    fake_listen(fake, loop);
}

static inline uint16_t fake_port(const struct fake *fake)
{
    return ntohs(fake->address.sin_port);
}

/* fake_stop goes away: the port refuses from now on. */
static inline void fake_stop(struct fake *fake)
{
    fake_hang_up(fake);
    if (fake->is_listening) {
        uv_close((uv_handle_t *)&fake->listener, NULL);
        fake->is_listening = false;
    }
}

static inline void fake_free(struct fake *fake)
{
    fake_stop(fake);
    redis_reader_deinit(&fake->reader);
}

/* turn_until turns the loop until *count reaches `at_least`. */
static inline void turn_until(struct loop *loop, const int *count, int at_least)
{
    const uint64_t end_ns = clock_now_ns() + FAKE_PATIENCE_S * NS_PER_S;
    while (*count < at_least) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

#endif
