/* SPDX-License-Identifier: MIT
 *
 * grpc_send.c - sends header fields, messages and trailers.
 */
#include "core/grpc/grpc_internal.h"

#define CONTENT_TYPE "application/grpc"
#define FIELDS_CAP   8           /* of a call's first list of fields */
#define KEPT_BYTES   (64u << 10) /* memory that is kept for the next message */

/* --- metadata --- */

/* grow makes room for one more field and for those that gRPC itself adds. */
static bool grow(struct arena *arena, struct grpc_fields *fields)
{
    if (fields->count + 1 + GRPC_OWN_FIELDS <= fields->cap) {
        return true;
    }
    const size_t cap = fields->cap == 0 ? FIELDS_CAP : fields->cap * 2;
    struct http_header *list = arena_alloc(arena, cap * sizeof(list[0]));
    if (list == NULL) {
        return false;
    }
    if (fields->count > 0) {
        memcpy(list, fields->list, fields->count * sizeof(list[0]));
    }
    fields->list = list;
    fields->cap = cap;
    return true;
}

static int add_metadata(struct grpc_call *call, struct grpc_fields *fields, struct str name,
                        struct str value)
{
    struct arena *arena = &call->req->arena;
    const bool is_binary = grpc_is_binary_name(name);
    if (!grpc_is_free_name(name) || (!is_binary && !grpc_is_ascii_value(value))) {
        return UV_EINVAL;
    }
    struct str value_copy;
    const bool is_copied = is_binary ? grpc_base64_encode(arena, value, &value_copy)
                                     : arena_copy(arena, value, &value_copy);
    struct str name_copy;
    if (!is_copied || !arena_copy(arena, name, &name_copy) || !grow(arena, fields)) {
        return UV_ENOMEM;
    }
    grpc_put(fields, name_copy, value_copy);
    return 0;
}

int grpc_add_header(struct grpc_call *call, struct str name, struct str value)
{
    return call->req->life == HTTP_STREAMING ? UV_EALREADY
                                             : add_metadata(call, &call->headers, name, value);
}

int grpc_add_trailer(struct grpc_call *call, struct str name, struct str value)
{
    return add_metadata(call, &call->trailers, name, value);
}

/* content_type returns the client's content type, with its subtype. */
static const char *content_type(struct grpc_call *call)
{
    struct str type = http_header_get(call->req, STR("content-type"));
    if (type.len == sizeof(CONTENT_TYPE) - 1 || !grpc_is_content_type(type) ||
        !arena_copy(&call->req->arena, type, &type)) {
        return CONTENT_TYPE;
    }
    return type.ptr;
}

/* own_headers puts gRPC's own fields behind the metadata. */
static void own_headers(const struct grpc_call *call, struct grpc_fields *fields)
{
    if (call->is_gzip_taken && (call->is_compressing || call->was_compression_chosen)) {
        grpc_put(fields, STR("grpc-encoding"), STR("gzip"));
    }
    if (call->has_accept_field) {
        grpc_put(fields, STR("grpc-accept-encoding"), STR("identity,gzip"));
    }
}

static void on_writable(struct http_request *req)
{
    struct grpc_call *call = req->user;
    if (call->on_writable != NULL) {
        task_unpark(&req->task);
        call->on_writable(call);
    }
}

void grpc_send_headers(struct grpc_call *call)
{
    struct http_header own[GRPC_OWN_FIELDS];
    if (call->req->life != HTTP_OPEN || call->wire != &grpc_framed) {
        return;
    }
    struct grpc_fields headers = grpc_with_room(&call->headers, own);
    own_headers(call, &headers);
    const struct http_response response = {
        .status = 200,
        .content_type = content_type(call),
        .headers = headers.list,
        .header_count = headers.count,
        .is_bare = true,
    };
    http_stream_start(call->req, &response, on_writable);
}

/* --- messages --- */

size_t grpc_max_sent(const struct grpc_call *call)
{
    const size_t limit = call->grpc->limits.send_bytes;
    return limit == 0 || limit > UINT32_MAX ? UINT32_MAX : limit;
}

void grpc_restart(struct buf *b)
{
    if (b->cap > KEPT_BYTES) {
        const size_t max_bytes = b->max_bytes;
        buf_deinit(b);
        buf_init(b, max_bytes);
    }
    buf_clear(b);
}

struct appender {
    ProtobufCBuffer base;
    struct buf *buf;
};

static void append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
    buf_append(CONTAINER_OF(buffer, struct appender, base)->buf, data, len);
}

static int deflate_packed(struct grpc_call *call, struct str message, struct str *ret_bytes)
{
    static const char prefix[GRPC_PREFIX_BYTES] = {0};
    struct buf *out = &call->grpc->deflated;
    grpc_restart(out);
    buf_append(out, prefix, GRPC_PREFIX_BYTES);
    const int rc = grpc_gzip_deflate(call->grpc->gzip, message, out);
    if (rc == 0) {
        *ret_bytes = buf_str(out);
        grpc_prefix(out->data, true, out->len - GRPC_PREFIX_BYTES);
    }
    return rc;
}

void grpc_count_sent(struct grpc_call *call, size_t bytes)
{
    METRIC_ADD(call->entry->series.sent, 1);
    for (size_t i = 0; i < call->started_count; i++) {
        const struct grpc_interceptor *interceptor = &call->grpc->interceptors[i];
        if (interceptor->on_message != NULL) {
            interceptor->on_message(call, true, bytes - call->wire->prefix_bytes, interceptor->arg);
        }
    }
}

/* pack serializes a message, with its prefix, compressed where that was chosen. */
static int pack(struct grpc_call *call, const ProtobufCMessage *message, struct str *ret_bytes)
{
    struct buf *packed = &call->grpc->packed;
    const size_t len = protobuf_c_message_get_packed_size(message);
    char prefix[GRPC_PREFIX_BYTES];
    REQUIRE(message->descriptor == call->entry->output);
    grpc_restart(packed);
    if (len > grpc_max_sent(call)) {
        return UV_EMSGSIZE;
    }
    struct appender to = {.base = {.append = append}, .buf = packed};
    grpc_prefix(prefix, false, len);
    buf_append(packed, prefix, GRPC_PREFIX_BYTES);
    (void)protobuf_c_message_pack_to_buffer(message, &to.base);
    if (packed->is_failed) {
        return UV_ENOMEM;
    }
    *ret_bytes = buf_str(packed);
    if (call->is_compressing && call->is_gzip_taken) {
        const struct str plain = {packed->data + GRPC_PREFIX_BYTES, len};
        return deflate_packed(call, plain, ret_bytes);
    }
    return 0;
}

bool grpc_send(struct grpc_call *call, const struct ProtobufCMessage *message)
{
    struct str bytes;
    if (!grpc_may_call(call, "grpc_send") || call->is_send_failed) {
        return true;
    }
    REQUIRE(call->wire == &grpc_framed); /* a route of HTTP has one answer, by grpc_respond */
    if (pack(call, message, &bytes) < 0 || !http_may_send(call->req, bytes.len)) {
        call->is_send_failed = true;
        loop_defer(call->req->server->loop,
                   &call->resume); /* a handler may wait for an end of its own */
        return true;
    }
    grpc_send_headers(call);
    grpc_count_sent(call, bytes.len);
    if (http_stream_write(call->req, bytes)) {
        return true;
    }
    task_park(&call->req->task, "write");
    return false;
}

/* --- trailers --- */

/* put_status adds the fields of the status; without memory it adds the code alone. */
static void put_status(struct arena *arena, struct grpc_fields *fields,
                       const struct grpc_status *status, char *digits)
{
    struct str value;
    grpc_put(fields, STR("grpc-status"),
             (struct str){digits, str_format_u64(digits, (uint64_t)status->code)});
    if (status->message.len > 0 && grpc_encode_message(arena, status->message, &value)) {
        grpc_put(fields, STR("grpc-message"), value);
    }
    if (status->details != NULL) {
        const size_t len = protobuf_c_message_get_packed_size(status->details);
        uint8_t *bytes = arena_alloc(arena, len);
        if (bytes != NULL) {
            (void)protobuf_c_message_pack(status->details, bytes);
            if (grpc_base64_encode(arena, (struct str){(const char *)bytes, len}, &value)) {
                grpc_put(fields, STR("grpc-status-details-bin"), value);
            }
        }
    }
}

/* respond sends a whole answer at once: headers, at most one message, trailers. Without headers and
 * message it is a "trailers-only" answer. */
static void respond(struct grpc_call *call, const struct grpc_fields *trailers, struct str body)
{
    struct http_header own[GRPC_OWN_FIELDS];
    struct http_response response = {
        .status = 200,
        .content_type = content_type(call),
        .headers = trailers->list,
        .header_count = trailers->count,
        .is_bare = true,
    };
    if (body.len > 0 || call->headers.count > 0) {
        struct grpc_fields headers = grpc_with_room(&call->headers, own);
        own_headers(call, &headers);
        response.headers = headers.list;
        response.header_count = headers.count;
        response.body = body;
        response.trailers = trailers->list;
        response.trailer_count = trailers->count;
    }
    http_respond(call->req, &response);
}

/* send_status sends the trailers, with the headers unless they have been sent. */
static void send_status(struct grpc_call *call, const struct grpc_status *status, struct str body,
                        bool is_leaving)
{
    struct http_header own[GRPC_OWN_FIELDS];
    struct http_request *req = call->req;
    struct grpc_fields trailers = grpc_with_room(&call->trailers, own);
    char digits[20];
    put_status(&req->arena, &trailers, status, digits);
    grpc_note_status(req, status->code);
    if (is_leaving) {
        grpc_send_headers(call);
        http_stream_leave(req, trailers.list, trailers.count);
        return;
    }
    if (req->life != HTTP_STREAMING) {
        respond(call, &trailers, body);
        return;
    }
    const bool has_room = body.len == 0 || http_stream_write(req, body);
    (void)has_room; /* the message was taken, and nothing comes after it but the end */
    http_stream_end_with(req, trailers.list, trailers.count);
}

const struct grpc_wire grpc_framed = {
    .pack = pack, .send_status = send_status, .prefix_bytes = GRPC_PREFIX_BYTES};

void grpc_send_refusal(struct grpc_call *call, const struct grpc_refusal *refusal)
{
    struct http_header own[GRPC_OWN_FIELDS + 1];
    struct grpc_fields fields = {.list = own, .cap = ARRAY_COUNT(own)};
    char digits[20];
    put_status(&call->req->arena, &fields, &refusal->status, digits);
    if (call->has_accept_field) {
        grpc_put(&fields, STR("grpc-accept-encoding"), STR("identity,gzip"));
    }
    grpc_note_status(call->req, refusal->status.code);
    struct http_response response = {
        .status = refusal->http,
        .content_type = content_type(call),
        .headers = fields.list,
        .header_count = fields.count,
        .is_bare = true,
    };
    if (refusal->http == 415) {
        response.content_type = "text/plain; charset=utf-8";
        response.body = STR("415 Unsupported Media Type: this port speaks gRPC\n");
        response.is_bare = false;
    }
    http_respond(call->req, &response);
}

void grpc_refuse_head(struct http_request *req, int status, const char *detail)
{
    const bool is_too_much = status == 431 || status == 503;
    const struct grpc_status end = {
        .code = is_too_much ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL,
        .message = str_from(detail == NULL ? http_status_reason(status) : detail),
    };
    struct http_header own[GRPC_OWN_FIELDS];
    struct grpc_fields fields = {.list = own, .cap = ARRAY_COUNT(own)};
    char digits[20];
    put_status(&req->arena, &fields, &end, digits);
    grpc_note_status(req, end.code);
    const struct http_response response = {
        .status = status,
        .content_type = CONTENT_TYPE,
        .headers = fields.list,
        .header_count = fields.count,
        .is_bare = true,
    };
    http_respond(req, &response);
}
