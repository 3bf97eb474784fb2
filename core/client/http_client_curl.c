/* SPDX-License-Identifier: MIT
 *
 * http_client_curl.c - sets the options of a transfer (URL, fields, body, limits), and maps curl's
 * codes to UV_*.
 */
#include <stdio.h>

#include "core/client/http_client_internal.h"
#include "core/telemetry/baggage.h"

#define LINE_BYTES 8320 /* a field that is sent: baggage may have 8192 bytes */

int client_curl_status(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_CONNECT:
        return UV_ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return UV_EAI_NONAME;
    case CURLE_OPERATION_TIMEDOUT:
        return UV_ETIMEDOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return UV_ECONNRESET;
    case CURLE_WRITE_ERROR:
        return UV_EMSGSIZE;
    case CURLE_OUT_OF_MEMORY:
        return UV_ENOMEM;
    case CURLE_URL_MALFORMAT:
        return UV_EINVAL;
    default:
        return UV_EPROTO;
    }
}

/* on_write takes a piece of the answer. Returning another length than the piece's ends it. */
static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
    struct http_client_transfer *transfer = arg;
    struct http_client_call *call = transfer->call;
    const size_t len = size * count;
    if (call->on_data == NULL) {
        if (call->answer.len + len >
            (call->body_max_bytes == 0 ? HTTP_CLIENT_BODY_BYTES : call->body_max_bytes)) {
            return 0;
        }
        buf_append(&call->answer, data, len);
        return call->answer.is_failed ? 0 : len;
    }
    if (transfer->is_ended) {
        return 0;
    }
    long code = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
    call->status = (int)code;
    struct task *previous = task_enter(transfer->req == NULL ? NULL : &transfer->req->task);
    const bool goes_on = call->on_data(call, (struct str){data, len});
    task_leave(previous);
    if (!goes_on) {
        (void)curl_easy_pause(transfer->easy, CURLPAUSE_RECV);
    }
    return len;
}

/* --- fields --- */

static bool add_line(struct http_client_transfer *transfer, struct str name, struct str value)
{
    char line[LINE_BYTES];
    const int len =
        snprintf(line, sizeof(line), "%" STR_FMT ": %" STR_FMT, STR_ARG(name), STR_ARG(value));
    if (len < 0 || (size_t)len >= sizeof(line) || !http_is_safe((struct str){line, (size_t)len})) {
        return false;
    }
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    transfer->headers = longer != NULL ? longer : transfer->headers;
    return longer != NULL;
}

/* add_passed_on adds what the request's own peer sent to be passed on. Its tabs become blanks, and
 * where it is too long it is left out: that peer cannot make the call fail. */
static bool add_passed_on(struct http_client_transfer *transfer, struct str name, struct str value)
{
    char text[LINE_BYTES];
    if (value.len == 0 || name.len + sizeof(": ") + value.len > sizeof(text)) {
        return true;
    }
    for (size_t i = 0; i < value.len; i++) {
        text[i] = value.ptr[i] == '\t' ? ' ' : value.ptr[i];
    }
    return add_line(transfer, name, (struct str){text, value.len});
}

static bool add_trace(struct http_client_transfer *transfer)
{
    struct http_request *req = transfer->req;
    if (req == NULL || transfer->call->is_untraced) {
        return true;
    }
    const struct trace_context *trace = http_trace(req);
    struct trace_context child = *trace;
    char text[TRACE_PARENT_LEN];
    task_next_span(&req->task, trace->span_id, child.span_id);
    trace_format(&child, text);
    return add_line(transfer, STR("traceparent"), (struct str){text, sizeof(text)}) &&
           add_passed_on(transfer, STR("tracestate"), trace->tracestate) &&
           add_passed_on(transfer, STR("baggage"), http_baggage(req));
}

static bool add_fields(struct http_client_transfer *transfer)
{
    const struct http_client_call *call = transfer->call;
    struct curl_slist *none = curl_slist_append(NULL, "Expect:"); /* no waiting for 100 */
    transfer->headers = none;
    bool is_added = none != NULL && call->header_count <= HTTP_CLIENT_HEADERS_MAX;
    for (size_t i = 0; is_added && i < call->header_count; i++) {
        is_added = add_line(transfer, call->headers[i].name, call->headers[i].value);
    }
    return is_added && add_trace(transfer);
}

/* --- the handle --- */

static void set_limits(CURL *easy, const struct http_client_call *call)
{
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call->redirects_max > 0 ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->redirects_max);
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void set_body(CURL *easy, const struct http_client_call *call)
{
    const bool is_head = strcmp(call->method, "HEAD") == 0;
    (void)curl_easy_setopt(easy, CURLOPT_NOBODY, is_head ? 1L : 0L);
    if (call->body.len > 0 || strcmp(call->method, "POST") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len > 0 ? call->body.ptr : "");
    }
    if (!is_head) {
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

int client_curl_open(struct http_client_transfer *transfer)
{
    const struct http_client_call *call = transfer->call;
    CURL *easy = curl_easy_init();
    transfer->easy = easy;
    if (easy == NULL || !add_fields(transfer)) {
        return easy == NULL ? UV_ENOMEM : UV_EINVAL;
    }
    set_limits(easy, call);
    set_body(easy, call);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, transfer->client->options.user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    return curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK ? 0 : UV_ENOMEM;
}
