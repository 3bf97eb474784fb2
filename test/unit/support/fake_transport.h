/* SPDX-License-Identifier: MIT
 *
 * fake_transport.h - for tests: requests without a connection; what they are answered with is
 * counted.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_FAKE_TRANSPORT_H
#define TOQ_TEST_UNIT_SUPPORT_FAKE_TRANSPORT_H

#include <stdio.h>
#include <string.h>

#include "core/http/request.h"

/* What the transport was told. */
static struct {
    int status;
    char rpc_status[8]; /* of the trailers */
    size_t body_bytes;
    size_t write_count;
    size_t consumed_bytes;
    size_t end_count;
    size_t release_count;
    bool has_room;
} seen;

static inline void seen_nothing(void)
{
    memset(&seen, 0, sizeof(seen));
    seen.has_room = true;
}

static inline void take_fields(const struct http_header *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(list[i].name, STR("grpc-status"))) {
            (void)snprintf(seen.rpc_status, sizeof(seen.rpc_status), "%.*s", (int)list[i].value.len,
                           list[i].value.ptr);
            seen.end_count++;
        }
    }
}

static inline void transport_respond(struct http_request *r, const struct http_response *response)
{
    (void)r;
    seen.status = response->status;
    seen.body_bytes += response->body.len;
    take_fields(response->headers, response->header_count);
    take_fields(response->trailers, response->trailer_count);
}

static inline void transport_start(struct http_request *r, const struct http_response *response)
{
    (void)r;
    seen.status = response->status;
}

static inline bool transport_write(struct http_request *r, struct str data)
{
    (void)r;
    seen.body_bytes += data.len;
    seen.write_count++;
    return seen.has_room;
}

static inline void transport_end(struct http_request *r)
{
    (void)r;
}

static inline void transport_end_with(struct http_request *r, const struct http_header *trailers,
                                      size_t count)
{
    (void)r;
    take_fields(trailers, count);
}

static inline void transport_cancel(struct http_request *r, const struct http_response *response)
{
    (void)r;
    (void)response;
}

static inline void transport_format_peer(const struct http_request *r, char *text)
{
    (void)r;
    text[0] = '\0';
}

static inline void transport_release(struct http_request *r)
{
    (void)r;
    seen.release_count++;
}

static inline void transport_consume(struct http_request *r, size_t len)
{
    (void)r;
    seen.consumed_bytes += len;
}

static inline void transport_reset(struct http_request *r, enum http_reset code)
{
    (void)r;
    (void)code;
}

static const struct http_transport transport = {"1.1",
                                                transport_respond,
                                                transport_start,
                                                transport_write,
                                                transport_end,
                                                transport_cancel,
                                                transport_format_peer,
                                                transport_release,
                                                transport_consume,
                                                transport_end_with,
                                                transport_reset,
                                                NULL,
                                                NULL};

#endif
