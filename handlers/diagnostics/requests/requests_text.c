/* SPDX-License-Identifier: MIT
 *
 * requests_text.c - writes the view as text for a terminal.
 */
#include <inttypes.h>

#include "core/base/clock.h"
#include "handlers/diagnostics/requests/requests_view.h"

static void put_time(struct buf *out, uint64_t ns)
{
    char text[24];
    requests_duration(ns, text);
    buf_append_cstr(out, text);
}

/* put_plain appends what a peer chose: a control character would speak to the terminal. */
static void put_plain(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        buf_append_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
    }
}

static void put_parts(struct buf *out, const struct requests_item *item)
{
    for (size_t i = 0; i < item->part_count; i++) {
        const struct requests_part *part = &item->parts[i];
        buf_append_cstr(out, "    +");
        put_time(out, clock_elapsed_ns(item->record.trail.facts.start_ns, part->start_ns));
        buf_append_cstr(out, "  ");
        put_time(out, clock_elapsed_ns(part->start_ns, part->end_ns));
        buf_printf(out, "  %s", part->state);
        if (part->what != NULL) {
            buf_printf(out, " (%s)", part->what);
        }
        buf_append_char(out, '\n');
    }
    if (item->record.trail.lost_count > 0) {
        buf_printf(out, "    and %" PRIu32 " changes more, which were not kept\n",
                   item->record.trail.lost_count);
    }
}

static void put_stack(struct buf *out, const char *stack)
{
    for (const char *line = stack; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
        buf_append_cstr(out, "      at ");
        buf_append(out, line, len);
        buf_append_char(out, '\n');
        line = end == NULL ? NULL : end + 1;
    }
}

static void put_head(struct buf *out, const struct requests_view *view,
                     const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    const char *name = label_name(record->trail.facts.label);
    char waker[REQUESTS_WAKER_BYTES];
    buf_append_cstr(out, "  ");
    put_time(out, clock_elapsed_ns(record->trail.facts.start_ns, record->end_ns));
    buf_append_cstr(out, requests_item_runs(item) ? ", CPU >= " : ", CPU ");
    put_time(out, record->cpu_ns);
    buf_printf(out, ": %s%s%s", record->method, record->method[0] == '\0' ? "" : " ",
               name[0] == '\0' ? "(no route)" : name);
    if (item->is_in_flight) {
        buf_printf(out, " [%s]", record->trail.facts.state);
    } else {
        buf_printf(out, " %d%s%s, ended ", record->status, record->rpc_status == NULL ? "" : " ",
                   record->rpc_status == NULL ? "" : record->rpc_status);
        put_time(out, clock_elapsed_ns(record->end_ns, view->now_ns));
        buf_append_cstr(out, " ago");
    }
    if (requests_item_waker(item, waker)[0] != '\0') {
        buf_printf(out, ", woken by %s", waker);
    }
    if (record->path[0] != '\0') {
        buf_append_cstr(out, ", path ");
        put_plain(out, record->path);
    }
    if (record->peer[0] != '\0') {
        buf_printf(out, ", peer %s", record->peer);
    }
}

/* put_behind says who let it wait for the loop. */
static void put_behind(struct buf *out, const struct requests_item *item)
{
    const struct task_costs *costs = &item->record.trail.facts.costs;
    const char *culprit = requests_item_culprit(item);
    if (culprit == NULL) {
        return;
    }
    buf_printf(out, "    waited for the loop behind %s: ", culprit);
    if (costs->behind_ns > 0) {
        put_time(out, costs->behind_ns);
    }
    if (costs->behind_upper_ns > 0) {
        buf_append_cstr(out, costs->behind_ns > 0 ? ", and at most " : "at most ");
        put_time(out, costs->behind_upper_ns);
        buf_append_cstr(out, " before the kernel gave it to the loop");
    }
    buf_append_char(out, '\n');
}

static void put_notes(struct buf *out, const struct requests_item *item)
{
    char notes[REQUESTS_NOTES_BYTES];
    if (requests_item_notes(item, notes)[0] != '\0') {
        buf_printf(out, "    %s\n", notes);
    }
}

static void put_item(struct buf *out, const struct requests_view *view,
                     const struct requests_item *item)
{
    char trace_id[TRACE_ID_LEN + 1];
    put_head(out, view, item);
    if (requests_item_trace(item, trace_id)) {
        buf_printf(out, ", trace %s", trace_id);
    }
    buf_append_char(out, '\n');
    put_behind(out, item);
    put_notes(out, item);
    put_parts(out, item);
    put_stack(out, item->stack);
}

void requests_text_write(const struct requests_view *view, struct buf *out)
{
    const struct requests_item *item = view->items;
    for (int list = 0; list < REQUESTS_LIST_COUNT; list++) {
        buf_printf(out, "%s%s: %zu", list == 0 ? "" : "\n",
                   requests_list_title((enum requests_list)list), view->matching[list]);
        buf_append_cstr(out, view->counts[list] < view->matching[list] ? ", the first of them:\n"
                                                                       : "\n");
        for (size_t i = 0; i < view->counts[list]; i++) {
            put_item(out, view, item++);
        }
    }
    if (view->dropped > 0) {
        buf_printf(out, "\n%" PRIu64 " records were dropped\n", view->dropped);
    }
}
