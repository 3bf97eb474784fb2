/* SPDX-License-Identifier: MIT
 *
 * requests_json.c - writes the view as JSON.
 */
#include <inttypes.h>

#include "core/base/clock.h"
#include "handlers/diagnostics/requests/requests_view.h"

static void put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_json(out, str_from(value));
}

static void put_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void put_parts(struct buf *out, const struct requests_item *item)
{
    buf_append_cstr(out, ",\"parts\":[");
    for (size_t i = 0; i < item->part_count; i++) {
        const struct requests_part *part = &item->parts[i];
        buf_append_cstr(out, i == 0 ? "{\"state\":" : ",{\"state\":");
        buf_append_json(out, str_from(part->state));
        if (part->what != NULL) {
            put_text(out, "for", part->what);
        }
        put_u64(out, "start_us",
                clock_elapsed_ns(item->record.trail.facts.start_ns, part->start_ns) / NS_PER_US);
        put_u64(out, "duration_us", clock_elapsed_ns(part->start_ns, part->end_ns) / NS_PER_US);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
    put_u64(out, "parts_lost", item->record.trail.lost_count);
}

static void put_stack(struct buf *out, const char *stack)
{
    buf_append_cstr(out, ",\"stack\":[");
    for (const char *line = stack; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
        buf_append_cstr(out, line == stack ? "" : ",");
        buf_append_json(out, (struct str){line, len});
        line = end == NULL ? NULL : end + 1;
    }
    buf_append_char(out, ']');
}

static void put_ids(struct buf *out, const struct requests_item *item)
{
    char trace_id[TRACE_ID_LEN + 1];
    char span_id[TRACE_SPAN_ID_LEN + 1];
    if (requests_item_trace(item, trace_id)) {
        put_text(out, "trace_id", trace_id);
    }
    if (requests_item_span(item, span_id)) {
        put_text(out, "span_id", span_id);
    }
}

/* put_waker says what will wake the request; "wakers" without a "waker" are some that were named
 * before one that is gone. */
static void put_waker(struct buf *out, const struct task_wakers *wakers)
{
    put_u64(out, "wakers", wakers->count);
    if (wakers->last.kind != NULL) {
        buf_append_cstr(out, ",\"waker\":{\"kind\":");
        buf_append_json(out, str_from(wakers->last.kind));
        put_u64(out, "id", wakers->last.id);
        buf_append_char(out, '}');
    }
}

static void put_outcome(struct buf *out, const struct requests_view *view,
                        const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    if (item->is_in_flight) {
        put_text(out, "state", record->trail.facts.state);
        put_text(out, "for", requests_item_what(item));
        put_waker(out, &record->trail.facts.wakers);
        put_stack(out, item->stack);
        return;
    }
    put_text(out, "server", record->server);
    put_u64(out, "status", (uint64_t)record->status);
    if (record->rpc_status != NULL) {
        put_text(out, "rpc_status", record->rpc_status);
    }
    put_text(out, "path", record->path);
    put_u64(out, "ended_us_ago", clock_elapsed_ns(record->end_ns, view->now_ns) / NS_PER_US);
}

static void put_behind(struct buf *out, const struct requests_item *item)
{
    const struct task_costs *costs = &item->record.trail.facts.costs;
    const char *culprit = requests_item_culprit(item);
    if (culprit != NULL) {
        put_text(out, "behind", culprit);
        put_u64(out, "behind_us", costs->behind_ns / NS_PER_US);
        put_u64(out, "behind_upper_us", costs->behind_upper_ns / NS_PER_US);
    }
}

static void put_notes(struct buf *out, const struct requests_item *item)
{
    char notes[REQUESTS_NOTES_BYTES];
    if (requests_item_notes(item, notes)[0] != '\0') {
        put_text(out, "notes", notes);
    }
}

static void put_item(struct buf *out, const struct requests_view *view,
                     const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    const struct task_facts *facts = &record->trail.facts;
    const struct label label = label_get(facts->label);
    char started[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(view->wall_ns - clock_elapsed_ns(facts->start_ns, view->now_ns), started);
    buf_printf(out, "{\"id\":%" PRIu64, facts->id);
    put_text(out, label.rpc != NULL ? "rpc" : "route", label_name(facts->label));
    put_text(out, "method", record->method);
    put_text(out, "started", started);
    put_u64(out, "duration_us", clock_elapsed_ns(facts->start_ns, record->end_ns) / NS_PER_US);
    put_u64(out, "cpu_us", record->cpu_ns / NS_PER_US);
    if (record->peer[0] != '\0') {
        put_text(out, "peer", record->peer);
    }
    put_behind(out, item);
    put_notes(out, item);
    put_ids(out, item);
    put_outcome(out, view, item);
    put_parts(out, item);
    buf_append_char(out, '}');
}

static void put_routes(struct buf *out, const struct requests_view *view)
{
    for (size_t i = 0; i < view->route_count; i++) {
        const struct requests_route *route = &view->routes[i];
        const struct label label = label_get(route->label);
        buf_printf(out, "%s{\"%s\":", i == 0 ? "" : ",", label.rpc != NULL ? "rpc" : "route");
        buf_append_json(out, str_from(label_name(route->label)));
        put_text(out, "method", label.method == NULL ? "" : label.method);
        put_u64(out, "in_flight", route->in_flight);
        buf_append_cstr(out, ",\"bands\":[");
        for (size_t band = 0; band < HTTP_BANDS; band++) {
            buf_printf(out, "%s%zu", band == 0 ? "" : ",", route->kept[band]);
        }
        buf_append_char(out, ']');
        put_u64(out, "failed", route->kept[REQUESTS_FAILED]);
        buf_append_char(out, '}');
    }
}

void requests_json_write(const struct requests_view *view, struct buf *out)
{
    const struct requests_item *item = view->items;
    buf_append_char(out, '{');
    for (int list = 0; list < REQUESTS_LIST_COUNT; list++) {
        const char *name = requests_list_name((enum requests_list)list);
        buf_printf(out, "\"%s_count\":%zu,\"%s\":[", name, view->matching[list], name);
        for (size_t i = 0; i < view->counts[list]; i++) {
            buf_append_cstr(out, i == 0 ? "" : ",");
            put_item(out, view, item++);
        }
        buf_append_cstr(out, "],");
    }
    buf_append_cstr(out, "\"routes\":[");
    put_routes(out, view);
    buf_printf(out, "],\"dropped\":%" PRIu64 "}\n", view->dropped);
}
