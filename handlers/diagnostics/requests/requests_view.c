/* SPDX-License-Identifier: MIT
 *
 * requests_view.c - chooses and sorts requests, and divides their time by state.
 */
#include "handlers/diagnostics/requests/requests_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/hex.h"
#include "core/telemetry/trace.h"

/* --- one request --- */

/* add_part ends the last part and begins another; one without any time is left out. */
static void add_part(struct requests_item *item, const struct task_change *change)
{
    struct requests_part *last = &item->parts[item->part_count - 1];
    last->end_ns = change->when_ns;
    if (last->end_ns <= last->start_ns) {
        item->part_count--;
    } else if (last->state == change->state && last->what == change->what) {
        return;
    }
    item->parts[item->part_count++] = (struct requests_part){
        .start_ns = change->when_ns, .state = change->state, .what = change->what};
}

/* find_parts makes the stretches of a trail. Of what was lost behind them nothing is known. */
static void find_parts(struct requests_item *item)
{
    const struct task_trail *trail = &item->record.trail;
    item->parts[0] =
        (struct requests_part){.start_ns = trail->facts.start_ns, .state = task_trail_first(trail)};
    item->part_count = 1;
    for (uint32_t i = 0; i < trail->change_count; i++) {
        if (!task_is_note(&trail->changes[i])) {
            add_part(item, &trail->changes[i]);
        }
    }
    struct requests_part *last = &item->parts[item->part_count - 1];
    last->end_ns = item->record.end_ns;
    if (trail->lost_count > 0) {
        last->state = "unknown";
        last->what = NULL;
    } else if (last->end_ns <= last->start_ns && item->part_count > 1) {
        item->part_count--;
    }
}

static bool write_id(const void *id, size_t len, char *out)
{
    static const uint8_t none[TRACE_ID_BYTES];
    hex_encode(id, len, out);
    out[2 * len] = '\0';
    return memcmp(id, none, len) != 0;
}

bool requests_item_trace(const struct requests_item *item, char *out)
{
    return write_id(item->record.trail.span.trace_id, TRACE_ID_BYTES, out) &&
           item->record.trail.span.span_id != 0;
}

bool requests_item_span(const struct requests_item *item, char *out)
{
    return write_id(&item->record.trail.span.span_id, TRACE_SPAN_ID_BYTES, out);
}

const char *requests_item_what(const struct requests_item *item)
{
    const struct requests_part *last = &item->parts[item->part_count - 1];
    return item->is_in_flight && last->what != NULL ? last->what : "";
}

const char *requests_item_waker(const struct requests_item *item, char *out)
{
    const struct task_facts *facts = &item->record.trail.facts;
    const struct task_wakers *wakers = &facts->wakers;
    char id[24] = "";
    char more[40] = "";
    out[0] = '\0';
    if (!item->is_in_flight || facts->is_running || facts->await_depth == 0) {
        return out;
    }
    if (task_is_leaked(facts)) {
        (void)snprintf(out, REQUESTS_WAKER_BYTES, "nothing: leaked");
        return out;
    }
    if (wakers->last.id != 0) {
        (void)snprintf(id, sizeof(id), " %" PRIu64, wakers->last.id);
    }
    if (wakers->count > 1) {
        (void)snprintf(more, sizeof(more), " and %" PRIu64 " more", wakers->count - 1);
    }
    (void)snprintf(out, REQUESTS_WAKER_BYTES, "%s%s%s",
                   wakers->last.kind == NULL ? "an earlier wait" : wakers->last.kind, id, more);
    return out;
}

bool requests_item_runs(const struct requests_item *item)
{
    return item->is_in_flight && item->record.trail.facts.is_running;
}

/* format_note writes a note; of a batch its id and the number of its reads. Returns: snprintf's. */
static int format_note(const struct task_change *note, char *out, size_t size)
{
    char word[TASK_ERROR_BYTES];
    if (note->state == task_note_error) {
        return snprintf(out, size, "error %s", task_error_word(note->number, word));
    }
    if (note->state != task_note_batch) {
        return snprintf(out, size, "%s %" PRIu64, note->state, note->number);
    }
    if (note->number == TASK_BATCH_SHARED) {
        return snprintf(out, size, "shared read");
    }
    return snprintf(out, size, "batch %" PRIu64 " of %" PRIu64 " reads", note->number >> 16,
                    note->number & 0xFFFF);
}

const char *requests_item_notes(const struct requests_item *item, char *out)
{
    const struct task_trail *trail = &item->record.trail;
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < trail->change_count && len < REQUESTS_NOTES_BYTES - 2; i++) {
        if (task_is_note(&trail->changes[i])) {
            len +=
                (size_t)snprintf(out + len, REQUESTS_NOTES_BYTES - len, "%s", len == 0 ? "" : ", ");
            len += (size_t)format_note(&trail->changes[i], out + len, REQUESTS_NOTES_BYTES - len);
        }
    }
    return out;
}

const char *requests_item_culprit(const struct requests_item *item)
{
    const struct task_costs *costs = &item->record.trail.facts.costs;
    const char *name = label_name((uint32_t)costs->behind_label);
    if (costs->behind_ns + costs->behind_upper_ns == 0) {
        return NULL;
    }
    return name[0] == '\0' ? "[loop]" : name;
}

void requests_duration(uint64_t ns, char *out)
{
    if (ns < NS_PER_MS) {
        (void)snprintf(out, 24, "%.3g us", (double)ns / 1e3);
    } else if (ns < NS_PER_S) {
        (void)snprintf(out, 24, ns < 100 * NS_PER_MS ? "%.3g ms" : "%.0f ms", (double)ns / 1e6);
    } else {
        (void)snprintf(out, 24, ns < 100 * NS_PER_S ? "%.3g s" : "%.0f s", (double)ns / 1e9);
    }
}

/* --- the filter --- */

static bool has_state(const struct requests_item *item, const char *state)
{
    if (item->is_in_flight) {
        return strcmp(item->record.trail.facts.state, state) == 0;
    }
    for (size_t i = 0; i < item->part_count; i++) {
        if (strcmp(item->parts[i].state, state) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct requests_filter *filter, const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    char trace_id[TRACE_ID_LEN + 1];
    return (filter->route[0] == '\0' ||
            strcmp(label_name(record->trail.facts.label), filter->route) == 0) &&
           (filter->trace_id[0] == '\0' ||
            (requests_item_trace(item, trace_id) && strcmp(trace_id, filter->trace_id) == 0)) &&
           clock_elapsed_ns(record->trail.facts.start_ns, record->end_ns) >= filter->older_ns &&
           (filter->state[0] == '\0' || has_state(item, filter->state));
}

/* --- lists --- */

/* A list that grows. */
struct items {
    struct requests_item *data;
    size_t count;
    size_t cap;
    bool is_failed;
};

static struct requests_item *add_item(struct items *items)
{
    if (items->count == items->cap) {
        const size_t cap = items->cap == 0 ? 64 : 2 * items->cap;
        struct requests_item *data = realloc(items->data, cap * sizeof(*data));
        if (data == NULL) {
            items->is_failed = true;
            return NULL;
        }
        items->data = data;
        items->cap = cap;
    }
    return &items->data[items->count];
}

static uint64_t duration_of(const struct requests_item *item)
{
    return clock_elapsed_ns(item->record.trail.facts.start_ns, item->record.end_ns);
}

/* down orders the larger one first. */
static int down(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int compare_durations(const void *a, const void *b)
{
    return down(duration_of(a), duration_of(b));
}

static int compare_ends(const void *a, const void *b)
{
    return down(((const struct requests_item *)a)->record.end_ns,
                ((const struct requests_item *)b)->record.end_ns);
}

static int compare_cpu(const void *a, const void *b)
{
    return down(((const struct requests_item *)a)->record.cpu_ns,
                ((const struct requests_item *)b)->record.cpu_ns);
}

static void add_in_flight(const struct requests_view *view, struct items *items)
{
    for (uint32_t i = 0, count = task_slots_count(); i < count; i++) {
        struct requests_item *item = add_item(items);
        if (item == NULL) {
            return;
        }
        *item = (struct requests_item){.is_in_flight = true, .record.end_ns = view->now_ns};
        struct http_record *record = &item->record;
        if (!task_slots_copy_trail(i, &record->trail)) {
            continue;
        }
        const struct label label = label_get(record->trail.facts.label);
        record->method = label.method != NULL ? label.method : "";
        record->cpu_ns = record->trail.facts.costs.cpu_ns;
        record->server = "";
        item->is_running = record->trail.facts.state == task_state_running;
        const struct task_peer *peer = &record->trail.facts.peer;
        if (peer->port != 0) {
            struct address address = {.port = (uint16_t)peer->port};
            memcpy(&address.ip, peer->addr, sizeof(peer->addr));
            address_format(&address, record->peer);
        }
        find_parts(item);
        items->count += record->trail.facts.id != view->own_id && is_wanted(&view->filter, item);
    }
}

static void add_record(const struct requests_view *view, const struct http_record *record,
                       struct items *items)
{
    struct requests_item *item = record == NULL ? NULL : add_item(items);
    if (item != NULL) {
        item->record = *record;
        item->is_in_flight = false;
        item->is_running = false;
        item->stack = NULL;
        find_parts(item);
        items->count += is_wanted(&view->filter, item);
    }
}

static void add_class(const struct requests_view *view, const struct requests_store *store,
                      size_t class, struct items *items)
{
    for (size_t label = 0; label < LABEL_MAX; label++) {
        const struct requests_family *family = store->families[label];
        for (size_t k = 0; family != NULL && k < REQUESTS_KEPT; k++) {
            add_record(view, family->kept[class][k], items);
        }
    }
}

/* end_list sorts what was added since `first`, and leaves of it what is shown. */
static void end_list(struct requests_view *view, enum requests_list list, struct items *items,
                     size_t first, int (*compare)(const void *a, const void *b))
{
    const size_t count = items->count - first;
    const size_t max = list == REQUESTS_LIST_IN_FLIGHT ? REQUESTS_IN_FLIGHT_MAX
                       : view->has_filter              ? REQUESTS_FOUND_MAX
                                                       : REQUESTS_SHOWN_MAX;
    if (count > 0) {
        qsort(items->data + first, count, sizeof(items->data[0]), compare);
    }
    view->matching[list] = count;
    view->counts[list] = count < max ? count : max;
    items->count = first + view->counts[list];
}

static void add_lists(struct requests_view *view, const struct requests_store *store,
                      struct items *items)
{
    add_in_flight(view, items);
    end_list(view, REQUESTS_LIST_IN_FLIGHT, items, 0, compare_durations);
    size_t first = items->count;
    for (size_t band = 0; band < HTTP_BANDS; band++) {
        add_class(view, store, band, items);
    }
    end_list(view, REQUESTS_LIST_SLOWEST, items, first, compare_durations);
    first = items->count;
    add_class(view, store, REQUESTS_FAILED, items);
    end_list(view, REQUESTS_LIST_FAILED, items, first, compare_ends);
    first = items->count;
    add_class(view, store, REQUESTS_EXPENSIVE, items);
    end_list(view, REQUESTS_LIST_COSTLY, items, first, compare_cpu);
}

/* --- routes --- */

static int compare_names(const void *a, const void *b)
{
    const struct label x = label_get(((const struct requests_route *)a)->label);
    const struct label y = label_get(((const struct requests_route *)b)->label);
    const int order = strcmp(x.rpc != NULL     ? x.rpc
                             : x.route != NULL ? x.route
                                               : "",
                             y.rpc != NULL     ? y.rpc
                             : y.route != NULL ? y.route
                                               : "");
    return order != 0 || x.method == NULL || y.method == NULL ? order : strcmp(x.method, y.method);
}

static void count_family(const struct requests_family *family, struct requests_route *route)
{
    for (size_t class = 0; family != NULL && class < REQUESTS_CLASSES; class ++) {
        for (size_t k = 0; k < REQUESTS_KEPT; k++) {
            route->kept[class] += family->kept[class][k] != NULL;
        }
    }
}

/* add_routes makes the table, of all routes whatever the filter. */
static void add_routes(struct requests_view *view, const struct requests_store *store)
{
    size_t in_flight[LABEL_MAX] = {0};
    for (uint32_t i = 0, count = task_slots_count(); i < count; i++) {
        struct task_facts facts;
        if (task_slots_copy(i, &facts) && facts.label < LABEL_MAX && facts.id != view->own_id) {
            in_flight[facts.label]++;
        }
    }
    for (uint32_t label = 0; label < LABEL_MAX; label++) {
        if (store->families[label] != NULL || in_flight[label] > 0) {
            struct requests_route *route = &view->routes[view->route_count++];
            *route = (struct requests_route){.label = label, .in_flight = in_flight[label]};
            count_family(store->families[label], route);
        }
    }
    qsort(view->routes, view->route_count, sizeof(view->routes[0]), compare_names);
}

/* --- life --- */

struct requests_view *requests_view_create(struct requests_store *store,
                                           const struct requests_filter *filter,
                                           const char *jaeger_ui, uint64_t own_id)
{
    struct items items = {0};
    struct requests_view *view = calloc(1, sizeof(*view));
    if (view == NULL) {
        return NULL;
    }
    view->routes = calloc(LABEL_MAX, sizeof(view->routes[0]));
    view->now_ns = clock_now_ns();
    view->wall_ns = clock_wall_ns();
    view->filter = *filter;
    view->has_filter = filter->route[0] != '\0' || filter->state[0] != '\0' ||
                       filter->trace_id[0] != '\0' || filter->older_ns > 0;
    view->jaeger_ui = jaeger_ui;
    view->own_id = own_id;
    view->dropped = http_records_dropped(store->records) + store->left_out;
    requests_store_drain(store);
    add_lists(view, store, &items);
    view->items = items.data;
    if (items.is_failed || view->routes == NULL) {
        requests_view_destroy(view);
        return NULL;
    }
    add_routes(view, store);
    return view;
}

void requests_view_destroy(struct requests_view *view)
{
    if (view == NULL) {
        return;
    }
    for (size_t i = 0; i < view->counts[REQUESTS_LIST_IN_FLIGHT]; i++) {
        free(view->items[i].stack);
    }
    free(view->items);
    free(view->routes);
    free(view);
}

const char *requests_list_name(enum requests_list list)
{
    static const char *const names[REQUESTS_LIST_COUNT] = {"in_flight", "slowest", "failed",
                                                           "most_expensive"};
    return names[list];
}

const char *requests_list_title(enum requests_list list)
{
    static const char *const titles[REQUESTS_LIST_COUNT] = {
        "In flight", "Slowest of late", "Failed of late", "Most expensive of late (CPU)"};
    return titles[list];
}
