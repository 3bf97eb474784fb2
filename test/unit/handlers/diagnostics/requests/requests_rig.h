/* SPDX-License-Identifier: MIT
 *
 * requests_rig.h - a look at two requests, made up: one that waits for MySQL, one that has ended.
 */
#ifndef TOQ_TEST_UNIT_HANDLERS_DIAGNOSTICS_REQUESTS_RIG_H
#define TOQ_TEST_UNIT_HANDLERS_DIAGNOSTICS_REQUESTS_RIG_H

#include <stdio.h>
#include <string.h>

#include "core/task/task.h"
#include "handlers/diagnostics/requests/requests_view.h"

static struct requests_view view;
static struct requests_item items[2];
static struct requests_route routes[1];

/* rig_view fills the view; both requests began five seconds before the look, at 22:13:20. */
static inline void rig_view(void)
{
    static char stack[] = "first\nsecond\n";
    const uint32_t label = label_intern(STR("/a/:b"), "GET");
    const uint64_t start_ns = 100 * NS_PER_S;
    view = (struct requests_view){
        .now_ns = start_ns + 5 * NS_PER_S,
        .wall_ns = UINT64_C(1700000005) * NS_PER_S,
        .jaeger_ui = "",
        .items = items,
        .counts = {1, 1, 0, 0},
        .matching = {1, 3, 0, 0},
        .routes = routes,
        .route_count = 1,
        .dropped = 2,
    };
    routes[0] = (struct requests_route){.label = label, .in_flight = 1};
    routes[0].kept[5] = 3;
    items[0] = (struct requests_item){
        .record =
            {.trail = {.facts = {.id = 7, .state = "mysql", .label = label, .start_ns = start_ns}},
             .end_ns = view.now_ns,
             .cpu_ns = 1500 * NS_PER_US,
             .server = "",
             .method = "GET"},
        .is_in_flight = true,
        .part_count = 2,
        .parts = {{start_ns, start_ns + NS_PER_MS, "running", NULL},
                  {start_ns + NS_PER_MS, view.now_ns, "mysql", "a.get"}},
        .stack = stack,
    };
    items[1] = (struct requests_item){
        .record = {.trail = {.facts = {.id = 8, .label = label, .start_ns = start_ns},
                             .lost_count = 4},
                   .end_ns = start_ns + 200 * NS_PER_MS,
                   .cpu_ns = 0,
                   .server = "http",
                   .method = "GET",
                   .status = 200},
        .part_count = 1,
        .parts = {{start_ns, start_ns + 200 * NS_PER_MS, "running", NULL}},
    };
    (void)snprintf(items[1].record.path, sizeof(items[1].record.path), "/a/\"<i>\x1b");
    (void)snprintf(items[1].record.peer, sizeof(items[1].record.peer), "127.0.0.1:9");
    const uint8_t trace_id[TRACE_ID_BYTES] = {0xab, 1};
    memcpy(items[1].record.trail.span.trace_id, trace_id, sizeof(trace_id));
    const uint8_t span_id[TRACE_SPAN_ID_BYTES] = {0xcd, 2};
    memcpy(&items[1].record.trail.span.span_id, span_id, sizeof(span_id));
}

/* rig_write is what a writer makes of the view, as a string; buf_deinit frees it. */
static inline const char *rig_write(struct buf *out,
                                    void (*write)(const struct requests_view *, struct buf *))
{
    buf_init(out, 1 << 16);
    write(&view, out);
    buf_append_char(out, '\0');
    INVARIANT(!out->is_failed);
    return out->data;
}

#endif
