/* SPDX-License-Identifier: MIT
 *
 * span.c - a trail read as spans.
 *
 * A wait lasts from its change to the next one that is no note. What a note says belongs to the
 * wait before it (how it failed, its status) or behind it (a batch), or to the request (the cache).
 */
#include "core/export/span.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/loop/statements.h"
#include "core/task/label.h"
#include "core/task/task.h"

#define SHORT_NS 1000 /* a wait that is shorter is none, unless another server was asked */

struct builder {
    const struct span_record *record;
    const struct span_peers *peers;
    uint64_t wall_ns;
    struct span *spans;
    size_t count;
    struct span *client; /* the last wait for another server */
    uint64_t batch;      /* the note for the next one; 0: none */
    uint64_t begun_ns;   /* when a wait began that goes on under a name; 0: none */
    bool is_db;          /* `client` is a database */
};

/* --- attributes --- */

static void put(struct span *span, struct span_attr attr)
{
    if (span->attr_count < SPAN_ATTRS_MAX) {
        span->attrs[span->attr_count++] = attr;
    }
}

static void put_text(struct span *span, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        put(span, (struct span_attr){.key = key, .kind = SPAN_TEXT, .text = text});
    }
}

static void put_number(struct span *span, const char *key, int64_t number)
{
    put(span, (struct span_attr){.key = key, .kind = SPAN_NUMBER, .number = number});
}

static void put_flag(struct span *span, const char *key, bool is_on)
{
    put(span, (struct span_attr){.key = key, .kind = SPAN_FLAG, .number = is_on});
}

/* scratch is room of the span's own for a text. */
static char *scratch(struct span *span)
{
    const size_t last = ARRAY_COUNT(span->scratch) - 1;
    return span->scratch[span->scratch_count < last ? span->scratch_count++ : last];
}

static const char *keep_number(struct span *span, uint64_t number)
{
    char *out = scratch(span);
    (void)snprintf(out, SPAN_PEER_BYTES, "%" PRIu64, number);
    return out;
}

/* put_address splits "host:port" or "[host]:port". */
static void put_address(struct span *span, const char *text, const char *host_key,
                        const char *port_key)
{
    char *host = scratch(span);
    const char *colon = strrchr(text, ':');
    const bool has_brackets = text[0] == '[';
    const bool has_port = colon != NULL && (!has_brackets || colon[-1] == ']');
    size_t len = has_port ? (size_t)(colon - text) : strlen(text);
    const char *from = text + (has_brackets ? 1 : 0);
    len -= has_brackets && len >= 2 ? 2 : 0;
    len = len < SPAN_PEER_BYTES ? len : SPAN_PEER_BYTES - 1;
    memcpy(host, from, len);
    host[len] = '\0';
    put_text(span, host_key, host);
    if (has_port && port_key != NULL) {
        put_number(span, port_key, (int64_t)strtoul(colon + 1, NULL, 10));
    }
}

/* --- the server's span --- */

/* rpc_name is the method, or what conventions call one that the server does not have. */
static const char *rpc_name(const struct label *label)
{
    return strcmp(label->rpc, "other") == 0 ? "_OTHER" : label->rpc;
}

static void name_server(struct span *span, const struct span_record *record,
                        const struct label *label)
{
    if (label->rpc != NULL) {
        (void)snprintf(span->name, sizeof(span->name), "%s", rpc_name(label));
    } else {
        const bool is_other = strcmp(record->method, "_OTHER") == 0;
        (void)snprintf(span->name, sizeof(span->name), "%s%s%s", is_other ? "HTTP" : record->method,
                       label->route == NULL ? "" : " ", label->route == NULL ? "" : label->route);
    }
}

static void put_http(struct span *span, const struct span_record *record, const struct label *label)
{
    put_text(span, "http.request.method", record->method);
    put_text(span, "url.path", record->path);
    put_text(span, "url.scheme", "http"); /* a proxy in front may speak TLS; toq does not */
    put_text(span, "http.route", label->route);
    put_number(span, "http.response.status_code", record->status);
    put_text(span, "network.protocol.version", record->version);
    put_text(span, "user_agent.original", record->user_agent);
    if (record->has_failed) {
        put_text(span, "error.type", keep_number(span, (uint64_t)record->status));
    }
}

static void put_rpc(struct span *span, const struct span_record *record, const struct label *label)
{
    const char *status = record->rpc_status == NULL ? "UNKNOWN" : record->rpc_status;
    put_text(span, "rpc.system.name", "grpc");
    put_text(span, "rpc.method", rpc_name(label));
    put_text(span, "rpc.status_code", status);
    if (strcmp(status, "OK") != 0) {
        put_text(span, "error.type", status);
    }
}

static void put_ids(const struct builder *b, struct span *span)
{
    const struct task_span *ids = &b->record->trail.span;
    memcpy(span->trace_id, ids->trace_id, sizeof(span->trace_id));
    span->flags = ids->flags & 0xFF;
    span->tracestate = b->record->tracestate;
}

static void put_profile_id(struct span *span)
{
    char *out = scratch(span);
    for (size_t i = 0; i < TRACE_SPAN_ID_BYTES; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", span->span_id[i]);
    }
    put_text(span, "pyroscope.profile.id", out);
}

static void build_server(struct builder *b)
{
    const struct span_record *record = b->record;
    const struct label label = label_get(record->trail.facts.label);
    struct span *span = &b->spans[b->count++];
    *span = (struct span){.kind = SPAN_SERVER, .is_error = record->has_failed};
    put_ids(b, span);
    memcpy(span->span_id, &record->trail.span.span_id, sizeof(span->span_id));
    memcpy(span->parent_id, &record->trail.span.parent_id, sizeof(span->parent_id));
    span->has_parent = record->trail.span.parent_id != 0;
    span->start_ns = record->trail.facts.start_ns + b->wall_ns;
    span->end_ns = record->end_ns + b->wall_ns;
    name_server(span, record, &label);
    if (label.rpc != NULL) {
        put_rpc(span, record, &label);
    } else {
        put_http(span, record, &label);
    }
    put_address(span, record->host, "server.address", "server.port");
    put_address(span, record->peer, "network.peer.address", "network.peer.port");
    put_profile_id(span);
    put_number(span, "toq.cpu_ns", (int64_t)record->trail.facts.costs.cpu_ns);
    if (record->is_tail) {
        put_flag(span, "sampling.tail", true);
    }
    if (record->trail.lost_count > 0) {
        put_number(span, "toq.changes.lost", record->trail.lost_count);
    }
}

/* --- the waits --- */

static void put_mysql(struct builder *b, struct span *span, const char *what)
{
    span->kind = SPAN_CLIENT;
    put_text(span, "db.system.name", "mysql");
    put_text(span, "db.namespace", b->peers->mysql_database);
    put_text(span, "db.query.summary", what);
    put_text(span, "db.query.text", statements_text(b->peers->statements, what));
    put_text(span, "server.address", b->peers->mysql_host);
    put_number(span, "server.port", (int64_t)b->peers->mysql_port);
    if (b->batch == TASK_BATCH_SHARED) {
        put_flag(span, "toq.read.shared", true);
    } else if (b->batch != 0) {
        put_number(span, "db.operation.batch.size", (int64_t)(b->batch & 0xFFFF));
        put_number(span, "toq.batch.id", (int64_t)(b->batch >> 16));
    }
    b->batch = 0;
}

static void put_redis(struct builder *b, struct span *span, const char *what)
{
    span->kind = SPAN_CLIENT;
    put_text(span, "db.system.name", "redis");
    put_text(span, "db.operation.name", what);
    put_text(span, "db.namespace", keep_number(span, b->peers->redis_db));
    put_text(span, "server.address", b->peers->redis_host);
    put_number(span, "server.port", (int64_t)b->peers->redis_port);
}

/* put_upstream reads "GET example.com:443". */
static void put_upstream(struct span *span, const char *what)
{
    const char *space = what == NULL ? NULL : strchr(what, ' ');
    span->kind = SPAN_CLIENT;
    if (space == NULL) {
        put_text(span, "http.request.method", what);
        return;
    }
    char *method = scratch(span);
    (void)snprintf(method, SPAN_PEER_BYTES, "%.*s", (int)(space - what), what);
    (void)snprintf(span->name, sizeof(span->name), "%s", method);
    put_text(span, "http.request.method", method);
    put_address(span, space + 1, "server.address", "server.port");
}

/* build_wait makes the span of the change at `number`, which lasts until end_ns. */
static void build_wait(struct builder *b, uint32_t number, uint64_t end_ns)
{
    const struct task_change *change = &b->record->trail.changes[number];
    const bool is_mysql = strcmp(change->state, "mysql") == 0;
    const bool is_redis = strcmp(change->state, "redis") == 0;
    const bool is_upstream = strcmp(change->state, "upstream") == 0;
    const bool is_client = is_mysql || is_redis || is_upstream;
    const uint64_t start_ns = b->begun_ns != 0 ? b->begun_ns : change->when_ns;
    b->begun_ns = 0;
    if (!is_client && end_ns - start_ns < SHORT_NS) {
        return;
    }
    struct span *span = &b->spans[b->count++];
    *span = (struct span){.kind = SPAN_INTERNAL, .has_parent = true};
    put_ids(b, span);
    memcpy(span->parent_id, &b->record->trail.span.span_id, sizeof(span->parent_id));
    trace_child_id(span->parent_id, number, span->span_id);
    span->start_ns = start_ns + b->wall_ns;
    span->end_ns = end_ns + b->wall_ns;
    (void)snprintf(span->name, sizeof(span->name), "%s",
                   is_client && change->what != NULL ? change->what : change->state);
    if (is_mysql) {
        put_mysql(b, span, change->what);
    } else if (is_redis) {
        put_redis(b, span, change->what);
    } else if (is_upstream) {
        put_upstream(span, change->what);
    }
    if (is_client) {
        b->client = span;
        b->is_db = !is_upstream;
    }
}

static void read_note(struct builder *b, const struct task_change *note)
{
    struct span *server = &b->spans[0];
    if (note->state == task_note_hit || note->state == task_note_miss) {
        put_text(server, "toq.cache", note->state == task_note_hit ? "hit" : "miss");
    } else if (note->state == task_note_batch) {
        b->batch = note->number;
    } else if (note->state == task_note_status && b->client != NULL) {
        put_number(b->client, "http.response.status_code", (int64_t)note->number);
        if (note->number >= 400) {
            b->client->is_error = true;
            put_text(b->client, "error.type", keep_number(b->client, note->number));
        }
    } else if (note->state == task_note_error && b->client != NULL) {
        const char *code = task_error_word(note->number, scratch(b->client));
        b->client->is_error = true;
        put_text(b->client, "error.type", code);
        if (b->is_db && note->number >= TASK_MYSQL_ERROR_MIN) {
            put_text(b->client, "db.response.status_code", code);
        }
    }
}

/* end_of finds when the state of a change was over. */
static uint64_t end_of(const struct span_record *record, uint32_t number)
{
    const struct task_trail *trail = &record->trail;
    for (uint32_t i = number + 1; i < trail->change_count; i++) {
        if (!task_is_note(&trail->changes[i])) {
            return trail->changes[i].when_ns;
        }
    }
    /* what came behind the last change that was kept is not known */
    return trail->lost_count > 0 ? trail->changes[number].when_ns : record->end_ns;
}

/* goes_on: a read that waits to be sent with others, then under the name of its statement. */
static bool goes_on(const struct task_trail *trail, uint32_t number)
{
    uint32_t next = number + 1;
    while (next < trail->change_count && task_is_note(&trail->changes[next])) {
        next++;
    }
    return next < trail->change_count && trail->changes[number].what == NULL &&
           strcmp(trail->changes[number].state, "mysql") == 0 &&
           strncmp(trail->changes[next].state, "mysql", 5) == 0;
}

size_t span_build(const struct span_record *record, const struct span_peers *peers,
                  uint64_t wall_ns, struct span *spans)
{
    struct builder b = {.record = record, .peers = peers, .wall_ns = wall_ns, .spans = spans};
    build_server(&b);
    for (uint32_t i = 0; i < record->trail.change_count; i++) {
        const struct task_change *change = &record->trail.changes[i];
        if (task_is_note(change)) {
            read_note(&b, change);
        } else if (change->state == task_state_running) {
            b.begun_ns = 0;
        } else if (goes_on(&record->trail, i)) {
            b.begun_ns = b.begun_ns != 0 ? b.begun_ns : change->when_ns;
        } else {
            build_wait(&b, i, end_of(record, i));
        }
    }
    return b.count;
}
