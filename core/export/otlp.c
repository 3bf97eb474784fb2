/* SPDX-License-Identifier: MIT
 *
 * otlp.c - packs spans by protobuf-c, with its structs in an arena.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/export/export.h"
#include "core/export/otlp.pb-c.h"

#define SCHEMA_URL      "https://opentelemetry.io/schemas/1.44.0"
#define STATUS_ERROR    2
#define ARENA_MAX_BYTES (64u << 20)
#define REMOTE_KNOWN    0x100 /* of flags: it is known whether the parent is remote ... */
#define REMOTE_PARENT   0x200 /* ... and it is */

static Otlp__KeyValue *make_pair(struct arena *arena, const char *key)
{
    Otlp__KeyValue *pair = arena_alloc(arena, sizeof(*pair));
    Otlp__AnyValue *value = arena_alloc(arena, sizeof(*value));
    if (pair == NULL || value == NULL) {
        return NULL;
    }
    otlp__key_value__init(pair);
    otlp__any_value__init(value);
    pair->key = (char *)(uintptr_t)key;
    pair->value = value;
    return pair;
}

static Otlp__KeyValue *make_text(struct arena *arena, const char *key, const char *text)
{
    Otlp__KeyValue *pair = make_pair(arena, key);
    if (pair != NULL) {
        pair->value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
        pair->value->string_value = (char *)(uintptr_t)text;
    }
    return pair;
}

static Otlp__KeyValue *make_attr(struct arena *arena, const struct span_attr *attr)
{
    if (attr->kind == SPAN_TEXT) {
        return make_text(arena, attr->key, attr->text);
    }
    Otlp__KeyValue *pair = make_pair(arena, attr->key);
    if (pair != NULL && attr->kind == SPAN_NUMBER) {
        pair->value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
        pair->value->int_value = attr->number;
    } else if (pair != NULL) {
        pair->value->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
        pair->value->bool_value = attr->number != 0;
    }
    return pair;
}

static ProtobufCBinaryData bytes_of(const uint8_t *bytes, size_t size)
{
    return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)bytes};
}

static const Otlp__Status error_status = {
    .base = PROTOBUF_C_MESSAGE_INIT(&otlp__status__descriptor),
    .message = (char *)"",
    .code = STATUS_ERROR,
};

static Otlp__Span *make_span(struct arena *arena, const struct span *from)
{
    Otlp__Span *span = arena_alloc(arena, sizeof(*span));
    Otlp__KeyValue **attrs = arena_alloc(arena, (from->attr_count + 1) * sizeof(*attrs));
    if (span == NULL || attrs == NULL) {
        return NULL;
    }
    otlp__span__init(span);
    for (size_t i = 0; i < from->attr_count; i++) {
        attrs[i] = make_attr(arena, &from->attrs[i]);
        if (attrs[i] == NULL) {
            return NULL;
        }
    }
    span->trace_id = bytes_of(from->trace_id, sizeof(from->trace_id));
    span->span_id = bytes_of(from->span_id, sizeof(from->span_id));
    if (from->has_parent) {
        span->parent_span_id = bytes_of(from->parent_id, sizeof(from->parent_id));
    }
    span->trace_state = (char *)(uintptr_t)from->tracestate;
    span->name = (char *)(uintptr_t)from->name;
    span->kind = (int32_t)from->kind;
    span->start_time_unix_nano = from->start_ns;
    span->end_time_unix_nano = from->end_ns;
    span->attributes = attrs;
    span->n_attributes = from->attr_count;
    span->status = from->is_error ? (Otlp__Status *)(uintptr_t)&error_status : NULL;
    span->flags = from->flags | REMOTE_KNOWN |
                  (from->kind == SPAN_SERVER && from->has_parent ? REMOTE_PARENT : 0);
    return span;
}

static bool fill_resource(struct arena *arena, const struct export_resource *from,
                          Otlp__Resource *resource)
{
    Otlp__KeyValue **attrs = arena_alloc(arena, (from->attr_count + 1) * sizeof(*attrs));
    for (size_t i = 0; attrs != NULL && i < from->attr_count; i++) {
        attrs[i] = make_text(arena, from->attrs[i].key, from->attrs[i].text);
        if (attrs[i] == NULL) {
            return false;
        }
    }
    resource->attributes = attrs;
    resource->n_attributes = from->attr_count;
    return attrs != NULL;
}

/* An output of protobuf-c's. */
struct output {
    ProtobufCBuffer base;
    struct buf *out;
};

static void append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    const struct output *output = (const struct output *)(const void *)base;
    buf_append(output->out, data, len);
}

static void pack(Otlp__ResourceSpans *all, struct buf *out)
{
    Otlp__ExportRequest request = OTLP__EXPORT_REQUEST__INIT;
    struct output output = {.base = {.append = append}, .out = out};
    request.resource_spans = &all;
    request.n_resource_spans = 1;
    (void)otlp__export_request__pack_to_buffer(&request, &output.base);
}

void otlp_encode(const struct export_resource *resource, const struct span *spans, size_t count,
                 struct buf *out)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX_BYTES);
    Otlp__Resource own = OTLP__RESOURCE__INIT;
    Otlp__Scope scope = OTLP__SCOPE__INIT;
    Otlp__ScopeSpans scope_spans = OTLP__SCOPE_SPANS__INIT;
    Otlp__ScopeSpans *scopes = &scope_spans;
    Otlp__ResourceSpans all = OTLP__RESOURCE_SPANS__INIT;
    Otlp__Span **list = arena_alloc(&arena, (count + 1) * sizeof(*list));
    bool is_made = list != NULL && fill_resource(&arena, resource, &own);
    for (size_t i = 0; is_made && i < count; i++) {
        list[i] = make_span(&arena, &spans[i]);
        is_made = list[i] != NULL;
    }
    if (is_made) {
        scope.name = (char *)"toq";
        scope.version = (char *)(uintptr_t)resource->version;
        scope_spans.scope = &scope;
        scope_spans.spans = list;
        scope_spans.n_spans = count;
        all.resource = &own;
        all.schema_url = (char *)SCHEMA_URL;
        all.scope_spans = &scopes;
        all.n_scope_spans = 1;
        pack(&all, out);
    } else {
        out->is_failed = true;
    }
    arena_deinit(&arena);
}

/* --- answers --- */

static void copy_message(struct otlp_answer *answer, const char *text)
{
    size_t len = 0;
    for (; len < sizeof(answer->message) - 1 && text[len] != '\0'; len++) {
        const char c = text[len];
        answer->message[len] = c >= ' ' && c <= '~' ? c : '?'; /* a stranger's, for the log */
    }
    answer->message[len] = '\0';
}

struct otlp_answer otlp_read_answer(struct str body, bool is_error)
{
    struct otlp_answer answer = {0};
    const uint8_t *bytes = (const uint8_t *)body.ptr;
    if (is_error) {
        Otlp__RpcStatus *status = otlp__rpc_status__unpack(NULL, body.len, bytes);
        answer.is_read = status != NULL;
        if (status != NULL) {
            copy_message(&answer, status->message);
            otlp__rpc_status__free_unpacked(status, NULL);
        }
        return answer;
    }
    Otlp__ExportResponse *response = otlp__export_response__unpack(NULL, body.len, bytes);
    answer.is_read = response != NULL;
    if (response != NULL && response->partial_success != NULL) {
        answer.rejected_spans = response->partial_success->rejected_spans;
        copy_message(&answer, response->partial_success->error_message);
    }
    if (response != NULL) {
        otlp__export_response__free_unpacked(response, NULL);
    }
    return answer;
}
