/* SPDX-License-Identifier: MIT
 *
 * grpc_check.c - decides whether a request is a call that can be served. The checks have grpc-go's
 * order, so that clients get the same errors from both.
 */
#include "core/grpc/grpc_internal.h"

#define REFUSE(http, code, text) ((struct grpc_refusal){(http), GRPC_STATUS(code, text)})

/* The fields that have a meaning for gRPC. */
struct seen {
    struct str content_type;
    struct str timeout;
    struct str encoding;
    struct str accept_encoding;
    bool is_metadata_bad; /* a value of a name in -bin is not base64 */
};

/* place_of is where the value of a field goes; NULL: nowhere. Lengths before letters. */
static struct str *place_of(struct seen *seen, struct str name)
{
    switch (name.len) {
    case sizeof("content-type") - 1:
        return str_equal(name, STR("content-type"))   ? &seen->content_type
               : str_equal(name, STR("grpc-timeout")) ? &seen->timeout
                                                      : NULL;
    case sizeof("grpc-encoding") - 1:
        return str_equal(name, STR("grpc-encoding")) ? &seen->encoding : NULL;
    case sizeof("grpc-accept-encoding") - 1:
        return str_equal(name, STR("grpc-accept-encoding")) ? &seen->accept_encoding : NULL;
    default:
        return NULL;
    }
}

static void look_at(struct seen *seen, const struct http_header *field)
{
    struct str *place = place_of(seen, field->name);
    if (place != NULL) {
        *place = field->value;
    } else if (grpc_is_binary_name(field->name) && !grpc_base64_is_valid(field->value)) {
        seen->is_metadata_bad = true;
    }
}

static bool is_identity(struct str encoding)
{
    return encoding.ptr == NULL || str_equal(encoding, STR("identity"));
}

/* refuse_path makes the refusal of a path that no method has. */
static struct grpc_refusal refuse_path(struct grpc_call *call)
{
    struct str service = call->req->path;
    service = (struct str){service.ptr + 1, service.len > 0 ? service.len - 1 : 0};
    const char *slash = service.len == 0 ? NULL : memrchr(service.ptr, '/', service.len);
    if (call->req->path.len == 0 || call->req->path.ptr[0] != '/' || slash == NULL) {
        return REFUSE(200, GRPC_UNIMPLEMENTED, "malformed method name");
    }
    const struct str method = {slash + 1, (size_t)(service.ptr + service.len - slash - 1)};
    service.len = (size_t)(slash - service.ptr);
    bool is_known = false;
    for (size_t i = 0; grpc_service_at(call->grpc, i) != NULL; i++) {
        is_known = is_known || str_equal(str_from(grpc_service_at(call->grpc, i)), service);
    }
    const struct str parts[] = {
        is_known ? STR("unknown method ") : STR("unknown service "), is_known ? method : service,
        is_known ? STR(" for service ") : STR(""), is_known ? service : STR("")};
    char *text = arena_alloc(&call->req->arena, call->req->path.len + 64);
    if (text == NULL) {
        return REFUSE(200, GRPC_UNIMPLEMENTED, "unknown method");
    }
    char *end = text;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        end = str_put(end, parts[i]);
    }
    return (struct grpc_refusal){200, {GRPC_UNIMPLEMENTED, {text, (size_t)(end - text)}, NULL}};
}

struct grpc_refusal grpc_check(struct grpc_call *call, uint64_t *ret_timeout_ns)
{
    const struct http_request *req = call->req;
    struct seen seen = {0};
    for (size_t i = 0; i < req->header_count; i++) {
        look_at(&seen, &req->headers[i]);
    }
    *ret_timeout_ns = UINT64_MAX;
    if (!grpc_is_content_type(seen.content_type)) {
        return REFUSE(415, GRPC_INVALID_ARGUMENT, "the content type is not application/grpc");
    }
    if (seen.timeout.ptr != NULL && !grpc_parse_timeout(seen.timeout, ret_timeout_ns)) {
        return REFUSE(400, GRPC_INTERNAL, "malformed grpc-timeout");
    }
    if (seen.is_metadata_bad) {
        return REFUSE(400, GRPC_INTERNAL, "malformed binary metadata");
    }
    if (req->method != METHOD_POST) {
        return REFUSE(405, GRPC_INTERNAL, "the method is not POST");
    }
    if (*ret_timeout_ns == 0) {
        return REFUSE(200, GRPC_DEADLINE_EXCEEDED, "the deadline passed");
    }
    call->is_gzip_taken = grpc_has_token(seen.accept_encoding, STR("gzip"));
    call->has_accept_field = seen.accept_encoding.ptr != NULL;
    if (call->entry->path == NULL) {
        return refuse_path(call);
    }
    call->is_inflating = str_equal(seen.encoding, STR("gzip"));
    if (!call->is_inflating && !is_identity(seen.encoding)) {
        call->has_accept_field = true; /* the refusal names the encodings that are supported */
        return REFUSE(200, GRPC_UNIMPLEMENTED, "the message encoding is not supported");
    }
    call->is_compressing = call->is_inflating && call->is_gzip_taken;
    return (struct grpc_refusal){0};
}
