/* SPDX-License-Identifier: MIT
 *
 * fuzz_http2.c - any frames behind a preface and SETTINGS, in pieces of any size: no request reaches a
 * handler that breaks what http.h promises, and every one of them ends with its connection.
 *
 * Input: one byte of flags and the largest piece, then frames. Bit 7: the connection is reset in the end,
 * not closed; bit 6: what the server sends is never read.
 */
#include "core/http/http2.h"
#include "test/fuzz/http_rig.h"

#define INPUT_MAX_BYTES 65536
#define FIELDS_MAX      20
#define TARGET_MAX      256
#define BODY_MAX        4096
#define WINDOW_BYTES    65535

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- handlers: what they are promised ------------------------------------------------------------- */

static void check_request(const struct http_request *req)
{
    INVARIANT(req->header_count <= FIELDS_MAX && req->target.len <= TARGET_MAX);
    INVARIANT(req->path.len > 0 && (req->path.ptr[0] == '/' || req->path.ptr[0] == '*'));
    size_t hosts = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header h = req->headers[i];
        INVARIANT(h.name.len > 0 && h.name.ptr[0] != ':' && http_is_safe(h.name));
        INVARIANT(memchr(h.value.ptr, '\0', h.value.len) == NULL &&
                  memchr(h.value.ptr, '\r', h.value.len) == NULL &&
                  memchr(h.value.ptr, '\n', h.value.len) == NULL);
        INVARIANT(!str_equal(h.name, STR("connection")) &&
                  !str_equal(h.name, STR("transfer-encoding")));
        hosts += str_equal(h.name, STR("host"));
    }
    INVARIANT(hosts == 1);
}

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    check_request(req);
    INVARIANT(req->body.len <= BODY_MAX);
    const struct str length = http_header_get(req, STR("content-length"));
    uint64_t value = 0;
    INVARIANT(length.ptr == NULL ||
              (str_parse_u64(length, UINT64_MAX, &value) && value == req->body.len));
    http_fixture_respond(req, req->body);
}

struct held {
    size_t bytes;
    bool is_end;
};

/* Every second piece is consumed at once, the others when the next one comes. */
static void on_body(struct http_request *req, struct str data, bool is_end)
{
    struct held *held = req->user;
    INVARIANT(!held->is_end);
    held->bytes += data.len;
    held->is_end = is_end;
    INVARIANT(held->bytes <= WINDOW_BYTES);
    (void)!http_stream_write(req, data);
    if (data.len % 2 == 0) {
        http_body_consume(req, held->bytes);
        held->bytes = 0;
    }
    if (is_end) {
        const struct http_header trailer = {STR("x-end"), STR("yes")};
        http_stream_end_with(req, &trailer, 1);
    }
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    http_reset(req, HTTP_RESET_CANCEL);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    check_request(req);
    struct held *held = arena_alloc(&req->arena, sizeof(*held));
    INVARIANT(held != NULL);
    *held = (struct held){0};
    req->user = held;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, NULL);
    http_on_cancel(req, on_cancel);
    http_on_body(req, on_body);
}

/* --- one connection ------------------------------------------------------------------------------- */

static struct http_fixture *fixture(void)
{
    static struct http_fixture f;
    if (f.loop != NULL) {
        return &f;
    }
    struct http_limits limits = http_fixture_limits();
    limits.header_bytes = 2048;
    limits.header_count = FIELDS_MAX;
    limits.target_bytes = TARGET_MAX;
    limits.body_bytes = BODY_MAX;
    limits.http2.max_streams = 8;
    limits.http2.stream_window_bytes = WINDOW_BYTES;
    limits.http2.connection_window_bytes = WINDOW_BYTES;
    limits.http2.control_burst = 50;
    limits.http2.reset_burst = 20;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle, 0);
    http_fixture_add(&f, METHOD_POST, "/", handle, ROUTE_BODY);
    http_fixture_add(&f, METHOD_GET, "/:a", handle, 0);
    http_fixture_add(&f, METHOD_POST, "/s", handle_stream, ROUTE_STREAM);
    http_fixture_open(&f, &limits);
    log_set_level(LOG_ERROR);
    return &f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    static const char settings[9] = {0, 0, 0, 4};
    const size_t piece_max = (size_t)1 << (data[0] % 16);
    const bool is_read = (data[0] & 0x40) == 0;
    struct http_fixture *f = fixture();
    struct peer peer;
    http_rig_connect(f, &peer);
    peer_send(&peer, STR(HTTP2_PREFACE));
    peer_send(&peer, (struct str){settings, sizeof(settings)});
    http_rig_send(&peer, (struct str){(const char *)data + 1, size - 1}, piece_max, is_read);
    if ((data[0] & 0x80) != 0) {
        peer_reset(&peer);
    } else {
        (void)shutdown(peer.fd, SHUT_WR);
    }
    http_rig_finish(f, &peer);
    INVARIANT(*f->http_metrics.active == 0);
    peer_deinit(&peer);
    return 0;
}
