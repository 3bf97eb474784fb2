/* SPDX-License-Identifier: MIT
 *
 * fuzz_http1.c - any bytes on a connection, once in one piece and once cut up: both ways the same
 * requests are accepted, and none that could mean something else to a proxy.
 *
 * The real stack runs, from the socket to the handler. Input: one byte for how to cut, then the
 * bytes of the connection.
 */
#include "core/http2/http2.h"
#include "test/fuzz/http_rig.h"

#define INPUT_MAX_BYTES      8192
#define TRANSCRIPT_MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the handlers saw. */
static struct buf transcript;

/* --- what an accepted request must look like --- */

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7F || strchr("\"(),/:;<=>?@[\\]{}", s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* check_between: from the end of a value to the next name there are blanks and one CRLF. */
static void check_between(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) {
        from++;
    }
    INVARIANT(to - from == 2 && from[0] == '\r' && from[1] == '\n');
}

static void check_fields(const struct http_request *req)
{
    size_t hosts = 0;
    size_t lengths = 0;
    size_t codings = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header h = req->headers[i];
        INVARIANT(is_token(h.name) && is_clean(h.value));
        INVARIANT(h.name.ptr[h.name.len] == ':');
        if (i > 0 && req->headers[i - 1].value.len > 0) {
            const struct str before = req->headers[i - 1].value;
            check_between(before.ptr + before.len, h.name.ptr);
        }
        hosts += str_equal_nocase(h.name, STR("host"));
        lengths += str_equal_nocase(h.name, STR("content-length"));
        codings += str_equal_nocase(h.name, STR("transfer-encoding"));
        if (str_equal_nocase(h.name, STR("content-length"))) {
            uint64_t length;
            INVARIANT(str_parse_u64(h.value, UINT64_MAX, &length) && length == req->body.len);
        } else if (str_equal_nocase(h.name, STR("transfer-encoding"))) {
            INVARIANT(str_equal_nocase(h.value, STR("chunked")) && req->version_minor == 1);
        }
    }
    INVARIANT(hosts == 1 || (hosts == 0 && req->version_minor == 0));
    INVARIANT(lengths + codings <= 1 && (lengths + codings == 1 || req->body.len == 0));
}

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_limits *limits = &req->server->limits;
    INVARIANT(req->header_count <= limits->header_count);
    INVARIANT(req->target.len <= limits->target_bytes && req->body.len <= limits->body_bytes);
    INVARIANT(is_clean(req->target) && memchr(req->target.ptr, ' ', req->target.len) == NULL);
    check_fields(req);
    buf_printf(&transcript, "%s %" STR_FMT " %u\n", http_method_name(req->method),
               STR_ARG(req->target), req->version_minor);
    for (size_t i = 0; i < req->header_count; i++) {
        buf_append_str(&transcript, req->headers[i].name);
        buf_append_cstr(&transcript, ":");
        buf_append_str(&transcript, req->headers[i].value);
        buf_append_cstr(&transcript, "\n");
    }
    buf_append_str(&transcript, req->body);
    const struct http_response response = {.status = 200, .body = req->body};
    http_respond(req, &response);
}

/* --- one connection --- */

static struct http_fixture *fixture(void)
{
    static struct http_fixture f;
    if (f.loop != NULL) {
        return &f;
    }
    const struct http_limits limits = {
        .header_bytes = 1024,
        .header_count = 10,
        .target_bytes = 128,
        .body_bytes = 512,
        .header_timeout_ms = FIXTURE_LONG_MS,
        .idle_timeout_ms = FIXTURE_LONG_MS,
        .body_timeout_ms = FIXTURE_LONG_MS,
        .request_timeout_ms = FIXTURE_LONG_MS,
    };
    static const char *const paths[] = {"/", "/:a", "/:a/:b"};
    http_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        for (enum http_method m = METHOD_GET; m < METHOD_OPTIONS; m++) {
            if (m != METHOD_HEAD) {
                http_fixture_add(&f, m, paths[i], handle, ROUTE_BODY);
            }
        }
    }
    http_fixture_open(&f, &limits);
    buf_init(&transcript, TRANSCRIPT_MAX_BYTES);
    return &f;
}

struct outcome {
    struct buf transcript;
    bool is_refused;
};

static struct outcome converse(struct str data, size_t piece_max)
{
    struct http_fixture *f = fixture();
    struct peer peer;
    http_rig_connect(f, &peer);
    buf_clear(&transcript);
    http_rig_send(&peer, data, piece_max, true);
    (void)shutdown(peer.fd, SHUT_WR);
    http_rig_finish(f, &peer);
    INVARIANT(!transcript.is_failed);
    struct outcome outcome = {.is_refused =
                                  peer_has(&peer, "\r\nConnection: close\r\n") &&
                                  (peer_has(&peer, "HTTP/1.1 4") || peer_has(&peer, "HTTP/1.1 5"))};
    buf_init(&outcome.transcript, TRANSCRIPT_MAX_BYTES);
    buf_append_str(&outcome.transcript, buf_str(&transcript));
    peer_deinit(&peer);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    const struct str bytes = {(const char *)data + 1, size - 1};
    if (bytes.len >= HTTP2_PREFACE_BYTES &&
        memcmp(bytes.ptr, HTTP2_PREFACE, HTTP2_PREFACE_BYTES) == 0) {
        return 0; /* the rest would be HTTP/2's */
    }
    struct outcome whole = converse(bytes, 0);
    struct outcome cut = converse(bytes, (size_t)data[0] + 1);
    INVARIANT(str_equal(buf_str(&whole.transcript), buf_str(&cut.transcript)));
    INVARIANT(whole.is_refused == cut.is_refused);
    buf_deinit(&whole.transcript);
    buf_deinit(&cut.transcript);
    return 0;
}
