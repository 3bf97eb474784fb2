/* SPDX-License-Identifier: MIT
 *
 * grpc_route.c - a unary method as a route of HTTP: its message comes from path, query and body,
 * and the answer goes as JSON.
 *
 * Flow:    router -> grpc_route_begin -> interceptors -> path, query, body -> handler ->
 *          grpc_respond or grpc_end -> pack, send_status -> http_respond
 * Failure: what is no message of the method's is 400, naming the field; a status other than OK is
 *          problem details. A request that the server cancels gets its status likewise.
 * Source:  google/api/http.proto; RFC 9457.
 */
#include "core/grpc/grpc_internal.h"
#include "core/grpc/grpc_json.h"
#include "core/http/parameter.h"
#include "core/http/problem.h"

static bool has_body(const struct grpc_entry *entry)
{
    return entry->http_method == METHOD_POST || entry->http_method == METHOD_PUT ||
           entry->http_method == METHOD_PATCH;
}

unsigned grpc_route_flags(const struct grpc_entry *entry)
{
    return ROUTE_NO_DEADLINE /* calls have deadlines of their own */
           | (has_body(entry) ? ROUTE_BODY : 0u);
}

void grpc_route_prepare(struct grpc_entry *entry)
{
    struct str rest = str_from(entry->http_path);
    struct str segment;
    size_t count = 0;
    REQUIRE(entry->kind == GRPC_UNARY && entry->http_method != METHOD_OTHER);
    while (str_next_field(&rest, '/', &segment)) {
        if (segment.len == 0 || segment.ptr[0] != ':') {
            continue;
        }
        const struct str name = {segment.ptr + 1, segment.len - 1};
        const ProtobufCFieldDescriptor *field = grpc_json_find(entry->input, name);
        REQUIRE(field != NULL && grpc_json_is_scalar(field) && count < HTTP_PARAMS_MAX);
        entry->path_fields[count++] = field;
    }
}

/* --- out --- */

static int pack(struct grpc_call *call, const ProtobufCMessage *message, struct str *ret_bytes)
{
    struct buf *packed = &call->grpc->packed;
    REQUIRE(message->descriptor == call->entry->output);
    grpc_restart(packed);
    grpc_json_write(packed, message);
    if (packed->is_failed) {
        return UV_ENOMEM;
    }
    *ret_bytes = buf_str(packed);
    return packed->len > grpc_max_sent(call) ? UV_EMSGSIZE : 0;
}

/* make_problem makes a status's problem details, in the request's arena.
 *
 * Returns: an empty view when memory is missing. */
static struct str make_problem(struct http_request *req, const struct grpc_status *status,
                               int http_status)
{
    struct buf json;
    struct str detail;
    struct str body;
    const bool has_detail =
        status->message.len > 0 && arena_copy(&req->arena, status->message, &detail);
    const struct problem problem = {
        .status = http_status,
        .detail = has_detail ? detail.ptr : NULL,
        .code = grpc_code_name(status->code),
    };
    buf_init(&json, PROBLEM_MAX_BYTES);
    problem_append(&json, req, &problem);
    const bool is_made = !json.is_failed && arena_copy(&req->arena, buf_str(&json), &body);
    buf_deinit(&json);
    return is_made ? body : STR("");
}

/* describe makes the answer that tells a status.
 *
 * own: room for GRPC_OWN_FIELDS fields. */
static void describe(struct grpc_call *call, const struct grpc_status *status,
                     struct http_header *own, struct http_response *ret_response)
{
    struct grpc_fields fields = grpc_with_room(&call->headers, own);
    const int http_status = status->http != 0 ? status->http : grpc_code_http(status->code);
    if (http_status == 401) {
        fields.list[fields.count++] = http_bearer_challenge;
    } else if (http_status == 429 || http_status == 503) {
        fields.list[fields.count++] = http_retry_after_1_s;
    }
    const struct str body = make_problem(call->req, status, http_status);
    *ret_response = (struct http_response){
        .status = http_status,
        .content_type = body.len == 0 ? NULL : "application/problem+json",
        .body = body,
        .headers = fields.list,
        .header_count = fields.count,
    };
}

static void send_status(struct grpc_call *call, const struct grpc_status *status, struct str body,
                        bool is_leaving)
{
    struct http_header own[GRPC_OWN_FIELDS];
    struct http_response response = {
        .status = 200,
        .content_type = "application/json",
        .body = body.len == 0 ? STR("{}") : body,
        .headers = call->headers.list,
        .header_count = call->headers.count,
    };
    INVARIANT(!is_leaving); /* the server answers a request that it cancels: word_cancel */
    grpc_note_status(call->req, status->code);
    if (status->code != GRPC_OK && !http_is_cancelled(call->req)) {
        describe(call, status, own, &response);
    }
    http_respond(call->req, &response);
}

static const struct grpc_wire json_wire = {.pack = pack, .send_status = send_status};

/* word_cancel words the answer when the deadline passes, or the server stops. */
static void word_cancel(struct http_request *req, int status, struct http_response *response)
{
    struct grpc_call *call = req->user;
    struct http_header *own = arena_alloc(&req->arena, GRPC_OWN_FIELDS * sizeof(own[0]));
    call->cancel_status = grpc_status_of(status);
    grpc_note_status(req, call->cancel_status.code);
    if (own != NULL) {
        describe(call, &call->cancel_status, own, response);
    }
}

/* --- in --- */

/* take_query takes fields from the query, which may have none where a body has them all. */
static bool take_query(const struct grpc_call *call, struct grpc_json *in)
{
    struct str rest = call->req->parameters;
    struct str name;
    struct str value;
    while (http_query_next(&rest, &name, &value)) {
        if (has_body(call->entry)) {
            return grpc_json_refuse(in, name, "must be given in the body");
        }
        if (!grpc_json_set(in, name, value)) {
            return false;
        }
    }
    return true;
}

/* read_message makes the message of a call. */
static bool read_message(const struct grpc_call *call, struct grpc_json *in, struct arena *arena)
{
    const struct http_request *req = call->req;
    const struct grpc_entry *entry = call->entry;
    if (!grpc_json_start(in, arena, entry->input)) {
        return false;
    }
    for (size_t i = 0; i < HTTP_PARAMS_MAX && entry->path_fields[i] != NULL; i++) {
        if (!grpc_json_set(in, str_from(entry->path_fields[i]->name), req->params[i])) {
            return false;
        }
    }
    return take_query(call, in) && (req->body.len == 0 || grpc_json_read(in, req->body));
}

/* check looks for what a route of HTTP refuses before it is a call.
 *
 * Returns: the status of HTTP with *ret_detail set, a literal; 0. */
static int check(const struct grpc_call *call, uint64_t *ret_timeout_ns, const char **ret_detail)
{
    const struct http_request *req = call->req;
    const struct str timeout = http_header_get(req, STR("grpc-timeout"));
    const struct str encoding = http_header_get(req, STR("content-encoding"));
    if (timeout.ptr != NULL && !grpc_parse_timeout(timeout, ret_timeout_ns)) {
        *ret_detail = "malformed grpc-timeout";
        return 400;
    }
    if (!has_body(call->entry)) {
        return 0;
    }
    if (req->body.len > call->grpc->limits.receive_bytes) {
        *ret_detail = "the body is longer than the limit of a message";
        return 413;
    }
    if (encoding.ptr != NULL && !str_equal_nocase(encoding, STR("identity"))) {
        *ret_detail = "the body must not be encoded";
        return 415;
    }
    if (req->body.len > 0 &&
        !parameter_is_type(http_header_get(req, STR("content-type")), STR("application/json"))) {
        *ret_detail = "the body must be application/json";
        return 415;
    }
    return 0;
}

static const struct grpc_status too_big = {
    GRPC_RESOURCE_EXHAUSTED, STR("the message takes more memory than the limit"), NULL, 413};

/* run gives a call with its message to the handler, or ends it. */
static void run(struct grpc_call *call)
{
    struct grpc_json in;
    const size_t len = call->req->body.len;
    const bool is_read = read_message(call, &in, grpc_message_arena(call, len));
    call->is_message_huge = call->messages.used_bytes > GRPC_PURGE_BYTES;
    if (is_read) {
        grpc_count_received(call, len);
        call->request = in.message;
        grpc_call_run(call);
    } else if (in.is_full) {
        grpc_end(call, in.arena->is_exceeded ? too_big : grpc_status_of(UV_ENOMEM));
    } else {
        grpc_end(call, (struct grpc_status){GRPC_INVALID_ARGUMENT, str_from(in.wrong), NULL});
    }
}

void grpc_route_begin(struct http_request *req, void *arg)
{
    struct grpc_entry *entry = arg;
    struct grpc_call *call = grpc_call_create(req, entry, &json_wire);
    if (call == NULL) {
        http_respond_error(req, 503, "out of memory");
        return;
    }
    uint64_t timeout_ns = UINT64_MAX;
    const char *detail = NULL;
    const int refused = check(call, &timeout_ns, &detail);
    if (refused != 0) {
        req->rpc_status = NULL; /* it is no call */
        problem_respond(req, &(struct problem){.status = refused, .detail = detail});
        return;
    }
    task_describe(&req->task, "http", req->route->label, (const void *)(uintptr_t)entry->handler);
    req->word_cancel = word_cancel;
    if (!grpc_call_start(call, timeout_ns)) {
        return;
    }
    if (timeout_ns == 0) {
        grpc_end(call, grpc_status_of(UV_ETIMEDOUT));
    } else {
        run(call);
    }
}
