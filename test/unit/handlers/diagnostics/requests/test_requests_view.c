/* SPDX-License-Identifier: MIT
 *
 * test_requests_view.c - which requests a look shows, in which order, and what they did with their
 * time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "handlers/diagnostics/requests/requests_view.h"

#define START_NS (1000 * NS_PER_S)

static struct requests_store store;
static uint32_t labels[2];

static int set_up(void **state)
{
    (void)state;
    struct http_records *records = http_records_create();
    assert_non_null(records);
    requests_store_init(&store, records);
    labels[0] = label_intern(STR("/b"), "GET");
    labels[1] = label_intern(STR("/a"), "GET");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    requests_store_deinit(&store);
    http_records_destroy(store.records);
    return 0;
}

/* keep adds a record to the store, as if it had been taken; it lasted duration_ns. */
static struct http_record *keep(size_t route, size_t class, uint64_t duration_ns)
{
    struct requests_family **family = &store.families[labels[route]];
    struct http_record *record = calloc(1, sizeof(*record));
    if (*family == NULL) {
        *family = calloc(1, sizeof(**family));
    }
    assert_true(*family != NULL && record != NULL);
    record->trail.facts = (struct task_facts){
        .label = labels[route], .start_ns = START_NS, .state = "running", .handler = "handler"};
    record->end_ns = START_NS + duration_ns;
    (*family)->kept[class][(*family)->next[class]++] = record;
    return record;
}

static struct requests_view *look(const struct requests_filter *filter)
{
    struct requests_view *view = requests_view_create(&store, filter, "", 0);
    assert_non_null(view);
    return view;
}

static const struct requests_filter all;

static void add_change(struct http_record *record, uint64_t at_ns, const char *state,
                       const char *what)
{
    record->trail.changes[record->trail.change_count++] =
        (struct task_change){.when_ns = START_NS + at_ns, .state = state, .what = what};
}

static void add_note(struct http_record *record, uint64_t at_ns, const char *note, uint64_t number)
{
    record->trail.changes[record->trail.change_count++] =
        (struct task_change){.when_ns = START_NS + at_ns, .state = note, .number = number};
}

static void assert_part(const struct requests_item *item, size_t i, uint64_t from, uint64_t to,
                        const char *state, const char *what)
{
    const struct requests_part *part = &item->parts[i];
    assert_true(i < item->part_count);
    assert_int_equal(part->start_ns, START_NS + from);
    assert_int_equal(part->end_ns, START_NS + to);
    assert_string_equal(part->state, state);
    assert_int_equal(part->what == NULL, what == NULL);
    if (what != NULL) {
        assert_string_equal(part->what, what);
    }
}

/* A note is no stretch of time, of whatever kind it is. */
static void test_parts_and_notes(void **state)
{
    (void)state;
    struct http_record *record = keep(0, 3, 1000);
    add_change(record, 100, "mysql", "x.get");
    add_note(record, 150, task_note_miss, 1);
    add_note(record, 160, task_note_batch, 9 << 16 | 4);
    add_note(record, 165, task_note_batch, TASK_BATCH_SHARED);
    add_note(record, 170, task_note_error, 1205);
    add_note(record, 180, task_note_status, 404);
    add_note(record, 190, task_note_error, (uint64_t)-UV_ETIMEDOUT);
    add_change(record, 300, "[loop]", NULL);
    add_change(record, 300, task_state_running, NULL); /* there was no wait */
    struct requests_view *view = look(&all);
    const struct requests_item *item = &view->items[0];
    char notes[REQUESTS_NOTES_BYTES];
    assert_int_equal(item->part_count, 3);
    assert_part(item, 0, 0, 100, "running", NULL);
    assert_part(item, 1, 100, 300, "mysql", "x.get");
    assert_part(item, 2, 300, 1000, "running", NULL);
    assert_ptr_equal(requests_item_notes(item, notes), notes);
    assert_string_equal(notes, "cache miss 1, batch 9 of 4 reads, shared read, error 1205,"
                               " status 404, error ETIMEDOUT");
    assert_string_equal(requests_item_what(item), ""); /* it waits for nothing any more */
    requests_view_destroy(view);
}

static void test_a_trail_that_was_full(void **state)
{
    (void)state;
    struct http_record *record = keep(0, 3, 1000);
    add_change(record, 100, "redis", "GET");
    record->trail.lost_count = 1;
    struct requests_view *view = look(&all);
    assert_int_equal(view->items[0].part_count, 2);
    assert_part(&view->items[0], 1, 100, 1000, "unknown", NULL);
    requests_view_destroy(view);
}

static void test_the_lists_in_their_orders(void **state)
{
    (void)state;
    (void)keep(0, 0, 10);
    (void)keep(1, 5, 300);
    (void)keep(0, 4, 200);
    (void)keep(0, REQUESTS_FAILED, 70); /* the last that ended comes first */
    (void)keep(1, REQUESTS_FAILED, 90);
    (void)keep(1, REQUESTS_FAILED, 80);
    keep(0, REQUESTS_EXPENSIVE, 1)->cpu_ns = 5;
    keep(0, REQUESTS_EXPENSIVE, 2)->cpu_ns = 7;
    struct requests_view *view = look(&all);
    static const size_t counts[REQUESTS_LIST_COUNT] = {0, 3, 3, 2};
    static const uint64_t durations[] = {300, 200, 10, 90, 80, 70, 2, 1};
    assert_memory_equal(view->counts, counts, sizeof(counts));
    assert_memory_equal(view->matching, counts, sizeof(counts));
    for (size_t i = 0; i < ARRAY_COUNT(durations); i++) {
        assert_int_equal(view->items[i].record.end_ns, START_NS + durations[i]);
    }
    /* the table of routes, by name */
    assert_int_equal(view->route_count, 2);
    assert_string_equal(label_name(view->routes[0].label), "/a");
    assert_string_equal(label_name(view->routes[1].label), "/b");
    assert_int_equal(view->routes[0].kept[REQUESTS_FAILED], 2);
    assert_int_equal(view->routes[1].kept[0], 1);
    requests_view_destroy(view);
}

static void test_no_more_than_are_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * REQUESTS_KEPT; i++) {
        (void)keep(i % 2, i / 2 % 4, i);
    }
    struct requests_view *view = look(&all);
    assert_int_equal(view->matching[REQUESTS_LIST_SLOWEST], 4 * REQUESTS_KEPT);
    assert_int_equal(view->counts[REQUESTS_LIST_SLOWEST], REQUESTS_SHOWN_MAX);
    assert_int_equal(view->items[0].record.end_ns, START_NS + 4 * REQUESTS_KEPT - 1);
    requests_view_destroy(view);
    view = look(&(struct requests_filter){.route = "/a"}); /* who filters is shown more */
    assert_int_equal(view->counts[REQUESTS_LIST_SLOWEST], 2 * REQUESTS_KEPT);
    requests_view_destroy(view);
}

static size_t found(const struct requests_filter *filter)
{
    struct requests_view *view = look(filter);
    const size_t count = view->counts[REQUESTS_LIST_SLOWEST];
    requests_view_destroy(view);
    return count;
}

static void test_filters(void **state)
{
    (void)state;
    struct http_record *record = keep(0, 1, 1000);
    add_change(record, 10, "mysql", NULL);
    add_change(record, 20, task_state_running, NULL);
    record->trail.span.span_id = 1;
    memset(record->trail.span.trace_id, 0xab, sizeof(record->trail.span.trace_id));
    (void)keep(1, 1, 2000);
    assert_int_equal(found(&all), 2);
    assert_int_equal(found(&(struct requests_filter){.route = "/b"}), 1);
    assert_int_equal(found(&(struct requests_filter){.route = "/"}), 0);
    assert_int_equal(found(&(struct requests_filter){.state = "mysql"}), 1);
    assert_int_equal(found(&(struct requests_filter){.state = "running"}), 2);
    assert_int_equal(found(&(struct requests_filter){.older_ns = 1001}), 1);
    assert_int_equal(found(&(struct requests_filter){.older_ns = 1000}), 2);
    assert_int_equal(
        found(&(struct requests_filter){.trace_id = "abababababababababababababababab"}), 1);
    assert_int_equal(found(&(struct requests_filter){
                         .route = "/a", .trace_id = "abababababababababababababababab"}),
                     0);
}

static void test_durations_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        {0, "0 us"},
        {1, "0.001 us"},
        {1234, "1.23 us"},
        {123456, "123 us"},
        {1000000, "1 ms"},
        {12345678, "12.3 ms"},
        {99900000, "99.9 ms"},
        {123456789, "123 ms"},
        {1500000000, "1.5 s"},
        {UINT64_C(123456) * NS_PER_MS, "123 s"},
        {UINT64_C(100000) * NS_PER_S, "100000 s"},
    };
    char text[24];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        requests_duration(rows[i].ns, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts_and_notes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_trail_that_was_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_lists_in_their_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_than_are_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_durations_for_people, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
