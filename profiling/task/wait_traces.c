/* SPDX-License-Identifier: MIT
 *
 * wait_traces.c - a ring, and arrays that are filled beside it.
 */
#include "profiling/task/wait_traces.h"

#include <stdlib.h>
#include <string.h>

struct wait_traces *wait_traces_create(void)
{
    struct wait_traces *traces = calloc(1, sizeof(*traces));
    if (traces != NULL) {
        list_init(&traces->windows);
    }
    return traces;
}

static void add_to_window(struct wait_window *window, const struct wait_trace *added)
{
    if (!trace_filter_takes(&window->traces, &added->ids)) {
        return;
    }
    if (window->count == WAIT_TRACES_WINDOW_MAX) {
        window->dropped += added->count;
        return;
    }
    window->items[window->count++] = *added;
}

void wait_traces_add(struct wait_traces *traces, const struct wait_trace *added)
{
    struct list *pos;
    struct list *tmp;
    if (added->ids.span_id == 0) {
        return;
    }
    traces->recent[traces->added++ % WAIT_TRACES_RECENT_MAX] = *added;
    LIST_FOR_EACH(pos, tmp, &traces->windows)
    {
        add_to_window(CONTAINER_OF(pos, struct wait_window, link), added);
    }
}

size_t wait_traces_count(const struct wait_traces *traces, const struct wait_window *window)
{
    if (window != NULL) {
        return window->count;
    }
    return traces->added < WAIT_TRACES_RECENT_MAX ? traces->added : WAIT_TRACES_RECENT_MAX;
}

void wait_traces_copy(const struct wait_traces *traces, const struct wait_window *window,
                      struct wait_trace *ret_items)
{
    memcpy(ret_items, window != NULL ? window->items : traces->recent,
           wait_traces_count(traces, window) * sizeof(*ret_items));
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b)
{
    const struct wait_trace *left = a;
    const struct wait_trace *right = b;
    const int by_site = compare_u64(left->site, right->site);
    const int by_span = compare_u64(left->ids.span_id, right->ids.span_id);
    return by_site != 0 ? by_site
           : by_span != 0
               ? by_span
               : memcmp(left->ids.trace_id, right->ids.trace_id, sizeof(left->ids.trace_id));
}

size_t wait_traces_sum(struct wait_trace *items, size_t count)
{
    size_t kept = 0;
    if (count == 0) {
        return 0; /* and there may be no array: qsort wants one */
    }
    qsort(items, count, sizeof(*items), compare);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare(&items[kept - 1], &items[i]) == 0) {
            items[kept - 1].count += items[i].count;
            items[kept - 1].ns += items[i].ns;
        } else {
            items[kept++] = items[i];
        }
    }
    return kept;
}
