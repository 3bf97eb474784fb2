/* SPDX-License-Identifier: MIT
 *
 * test_named.c - queries of a source of the test's own, on a real loop: what the answers contain,
 * how many there may be, what ends them in each state.
 *
 * named.c is included with an allocator that fails on demand.
 *
 * Tests: profiling/profiler.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>
#include <uv.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "profiling/named.c"
#undef calloc

#include "profiling/profiler.h"
#include "test/unit/support/pool_rig.h"
#include "test/unit/support/profile_message.h"

#define FIRST  UINT64_C(0xF) /* never mapped */
#define SECOND UINT64_C(0x1F)

static struct loop *loop;

/* The source: what it would answer now, and the looks that it has not answered yet. */
static struct {
    int64_t values[2][STACKS_VALUES_MAX]; /* of FIRST and SECOND */
    struct source_take *taken[NAMED_QUERIES_MAX];
    size_t taken_count;
    int take_status;
    int begun;
    int ended;
    bool was_purging;
    bool was_raw;
} fake;

static struct {
    int calls;
    int status;
    char *data;
    size_t len;
    Pprof__Profile *message; /* unpack's */
} done;

/* --- the source --- */

static void fake_describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"alloc_objects", "count"};
    spec->types[1] = (struct profile_type){"alloc_space", "bytes"};
    spec->types[2] = (struct profile_type){"inuse_objects", "count"};
    spec->types[3] = (struct profile_type){"inuse_space", "bytes"};
    spec->type_count = 4;
    spec->period_type = (struct profile_type){"space", "bytes"};
    spec->period = 524288;
    spec->default_type = "alloc_space";
}

static int fake_take(struct loop *on, struct pool *by, struct source_take *take_)
{
    assert_ptr_equal(on, loop);
    assert_ptr_equal(by, pool_rig_get());
    if (fake.take_status != 0) {
        return fake.take_status;
    }
    fake.was_purging = take_->is_purging;
    fake.was_raw = take_->is_raw;
    fake.taken[fake.taken_count++] = take_;
    return 0;
}

static void fake_begin(struct source_take *take_)
{
    assert_true(take_->is_window);
    fake.begun++;
}

static void fake_end(struct source_take *take_)
{
    assert_true(take_->is_window);
    fake.ended++;
}

static uint64_t fake_count(void)
{
    return 42;
}

static const struct source source = {
    .name = "fake",
    .text = SOURCE_TEXT_HEAP,
    .describe = fake_describe,
    .take = fake_take,
    .begin = fake_begin,
    .end = fake_end,
    .count = fake_count,
};

static const struct named now = {.source = &source};
static struct named_base base;
static const struct named since = {
    .source = &source, .since_last_name = "delta_fake", .difference_count = 2, .base = &base};

/* Answers the oldest look. */
static void answer_take(int status)
{
    static const uint64_t frames[] = {FIRST, SECOND};
    assert_true(fake.taken_count > 0);
    struct source_take *oldest = fake.taken[0];
    fake.taken_count--;
    memmove(fake.taken, fake.taken + 1, fake.taken_count * sizeof(fake.taken[0]));
    for (size_t i = 0; status == 0 && i < ARRAY_COUNT(frames); i++) {
        stacks_add(&oldest->stacks, &frames[i], 1, &(struct stacks_labels){0}, fake.values[i]);
    }
    oldest->done(oldest, status);
}

static void set_values(size_t stack, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t values[STACKS_VALUES_MAX] = {a, b, c, d};
    memcpy(fake.values[stack], values, sizeof(values));
}

/* --- the asker --- */

static void on_done(void *arg, int status, char *data, size_t len)
{
    assert_ptr_equal(arg, &done);
    done.calls++;
    done.status = status;
    free(done.data);
    done.data = data;
    done.len = len;
    assert_true((status == 0) == (data != NULL));
}

static struct named_query *ask(const struct named *named, struct named_options options)
{
    struct named_query *query;
    done.calls = 0;
    assert_int_equal(named_query(named, &options, on_done, &done, &query), 0);
    assert_int_equal(done.calls, 0);
    return query;
}

static void turn_until_done(void)
{
    while (done.calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(done.calls, 1);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    if (fake.taken_count > 0) {
        loop_stop(loop);
    }
}

/* Timers of the loop's wheel fire in loop_run alone. */
static void run_until_taken(void)
{
    uv_timer_t ticker;
    assert_int_equal(uv_timer_init(loop_uv(loop), &ticker), 0);
    assert_int_equal(uv_timer_start(&ticker, on_tick, 10, 10), 0);
    loop_run(loop);
    uv_close((uv_handle_t *)&ticker, NULL);
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void wait_for_workers(void)
{
    while (pool_rig_is_waiting(loop)) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
}

static void unpack(void)
{
    assert_int_equal(done.status, 0);
    pprof__profile__free_unpacked(done.message, NULL);
    done.message = profile_message_unpack(done.data, done.len);
}

/* assert_values looks for the only sample of a stack; no values: there is none. */
static void assert_values(uint64_t address, const int64_t *values)
{
    const Pprof__Sample *found = NULL;
    for (size_t i = 0; i < done.message->n_sample; i++) {
        const Pprof__Sample *sample = done.message->sample[i];
        if (done.message->location[sample->location_id[0] - 1]->address == address) {
            assert_null(found);
            found = sample;
        }
    }
    assert_true((values == NULL) == (found == NULL));
    for (size_t i = 0; values != NULL && i < STACKS_VALUES_MAX; i++) {
        assert_int_equal(found->value[i], values[i]);
    }
}

#define ASSERT_VALUES(address, ...) assert_values(address, (const int64_t[]){__VA_ARGS__})

static void get(const struct named *named)
{
    (void)ask(named, (struct named_options){0});
    answer_take(0);
    turn_until_done();
    unpack();
}

static int start(void **state_)
{
    (void)state_;
    memset(&fake, 0, sizeof(fake));
    allocations_left = SIZE_MAX;
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    return 0;
}

static int stop(void **state_)
{
    (void)state_;
    profiler_stop();
    wait_for_workers();
    assert_int_equal(state.query_count, 0);
    assert_false(base.is_busy);
    stacks_deinit(&base.stacks);
    free(done.data);
    pprof__profile__free_unpacked(done.message, NULL);
    memset(&done, 0, sizeof(done));
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    loop_destroy(loop);
    return 0;
}

/* --- answers --- */

static void test_profiles_have_names(void **state_)
{
    (void)state_;
    const struct named *named;
    assert_null(named_find(STR("nope")));
    assert_null(named_find(STR("")));
    for (size_t i = 0; (named = named_at(i)) != NULL; i++) {
        assert_ptr_equal(named_find(str_from(named_name(named))), named);
        assert_true(strlen(named_description(named)) > 0);
        (void)named_count(named);
    }
    assert_string_equal(named_name(&now), "fake");
    assert_string_equal(named_name(&since), "delta_fake");
    assert_true(named_is_since_last(&since) && !named_is_since_last(&now));
    assert_int_equal(named_count(&now), 42);
    assert_null(named_check(&now));
}

static void test_everything_until_now(void **state_)
{
    (void)state_;
    set_values(0, 5, 50, 1, 10);
    (void)ask(&now, (struct named_options){.is_purging = true});
    assert_true(fake.was_purging && !fake.was_raw);
    answer_take(0);
    turn_until_done();
    unpack();
    ASSERT_VALUES(FIRST, 5, 50, 1, 10);
    assert_values(SECOND, NULL); /* all zero */
    assert_int_equal(done.message->duration_nanos, 0);
    assert_true(done.message->time_nanos > INT64_C(1600000000) * 1000000000);
    assert_int_equal(done.message->period, 524288);
    assert_string_equal(done.message->string_table[done.message->default_sample_type],
                        "alloc_space");
    assert_int_equal(fake.begun, 0);
}

static void test_text(void **state_)
{
    (void)state_;
    set_values(0, 5, 50, 1, 10);
    (void)ask(&now, (struct named_options){.is_text = true});
    assert_true(fake.was_raw && !fake.was_purging);
    answer_take(0);
    turn_until_done();
    static const char wanted[] = "heap profile: 1: 10 [5: 50] @ heap/1048576\n"
                                 "1: 10 [5: 50] @ 0x10\n#\t0xf\n\n";
    assert_int_equal(done.len, strlen(wanted));
    assert_memory_equal(done.data, wanted, done.len);
}

static void test_what_changes_in_some_seconds(void **state_)
{
    (void)state_;
    set_values(0, 5, 50, 3, 30);
    set_values(1, 7, 70, 7, 70);
    const uint64_t start_ns = clock_now_ns();
    (void)ask(&now, (struct named_options){.seconds = 1});
    assert_int_equal(fake.begun, 1);
    answer_take(0);
    set_values(0, 8, 80, 1, 10);
    run_until_taken();
    assert_true(clock_now_ns() - start_ns >= NS_PER_S);
    assert_int_equal(fake.ended, 0);
    answer_take(0);
    assert_int_equal(fake.ended, 1);
    turn_until_done();
    unpack();
    ASSERT_VALUES(FIRST, 3, 30, -2, -20); /* as Go has it: what was freed */
    assert_values(SECOND, NULL);          /* unchanged */
    assert_true(done.message->duration_nanos >= 1000000000 - 1000000);
    assert_string_equal(done.message->string_table[done.message->default_sample_type],
                        "alloc_space");
    assert_int_equal(fake.begun, 1);
    assert_int_equal(fake.ended, 1);
}

static void test_what_came_since_the_last_time(void **state_)
{
    (void)state_;
    set_values(0, 5, 50, 3, 30);
    get(&since);
    ASSERT_VALUES(FIRST, 5, 50, 3, 30); /* everything, the first time */
    set_values(0, 8, 80, 1, 10);
    set_values(1, 1, 10, 0, 0);
    get(&since);
    ASSERT_VALUES(FIRST, 3, 30, 1, 10); /* what is in use is of the moment */
    ASSERT_VALUES(SECOND, 1, 10, 0, 0);
    assert_int_equal(done.message->duration_nanos, 0);
    get(&since);
    ASSERT_VALUES(FIRST, 0, 0, 1, 10);
    assert_values(SECOND, NULL);
    set_values(0, 7, 70, 0, 0); /* no source counts down; if one did, nothing is below zero */
    get(&since);
    assert_values(FIRST, NULL);
    get(&now);
    ASSERT_VALUES(FIRST, 7, 70, 0, 0); /* others are not changed by it */
}

static void test_what_was_not_answered_counts_for_the_next_time(void **state_)
{
    (void)state_;
    set_values(0, 5, 50, 3, 30);
    get(&since);
    set_values(0, 6, 60, 3, 30);
    named_cancel(ask(&since, (struct named_options){0})); /* taking */
    answer_take(0);
    struct named_query *query =
        ask(&since, (struct named_options){0}); /* the tables are refreshed */
    answer_take(0);
    named_cancel(query);
    (void)ask(&since, (struct named_options){0});
    answer_take(UV_ENOMEM);
    assert_int_equal(done.status, UV_ENOMEM);
    fake.take_status = UV_ENOMEM;
    assert_int_equal(named_query(&since, &(struct named_options){0}, on_done, &done, &query),
                     UV_ENOMEM);
    fake.take_status = 0;
    query = ask(&since, (struct named_options){0});
    answer_take(0);
    while (query->state != QUERY_ENCODING) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    named_cancel(query);
    wait_for_workers();
    get(&since);
    ASSERT_VALUES(FIRST, 1, 10, 3, 30);
}

/* --- limits --- */

static void test_queries_have_a_limit(void **state_)
{
    (void)state_;
    struct named_query *queries[NAMED_QUERIES_MAX];
    struct named_query *refused;
    for (size_t i = 0; i < ARRAY_COUNT(queries); i++) {
        queries[i] = ask(&now, (struct named_options){0});
    }
    assert_int_equal(named_query(&now, &(struct named_options){0}, on_done, &done, &refused),
                     UV_EBUSY);
    for (size_t i = 0; i < ARRAY_COUNT(queries); i++) {
        answer_take(0);
        named_cancel(queries[i]);
    }
    get(&now);
}

static void test_one_at_a_time_since_the_last_time(void **state_)
{
    (void)state_;
    struct named_query *refused;
    (void)ask(&since, (struct named_options){0});
    assert_int_equal(named_query(&since, &(struct named_options){0}, on_done, &done, &refused),
                     UV_EBUSY);
    answer_take(0);
    turn_until_done();
    get(&since);
}

static void test_queries_run_at_once(void **state_)
{
    (void)state_;
    set_values(0, 1, 1, 1, 1);
    for (int i = 0; i < NAMED_QUERIES_MAX; i++) {
        (void)ask(&now, (struct named_options){.is_text = i % 2 == 0});
    }
    while (fake.taken_count > 0) {
        answer_take(0);
    }
    while (done.calls < NAMED_QUERIES_MAX) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(done.status, 0);
    assert_int_equal(done.calls, NAMED_QUERIES_MAX);
}

static void test_without_memory_there_is_no_query(void **state_)
{
    (void)state_;
    struct named_query *query;
    allocations_left = 0;
    assert_int_equal(named_query(&now, &(struct named_options){0}, on_done, &done, &query),
                     UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_int_equal(fake.taken_count, 0);
}

/* --- ends --- */

/* One query in each of its states. */
static void ask_in_each_state(struct named_query **ret_queries)
{
    ret_queries[0] = ask(&now, (struct named_options){.seconds = 3600});
    answer_take(0);
    assert_int_equal(ret_queries[0]->state, QUERY_WAITING);
    ret_queries[1] = ask(&since, (struct named_options){0});
    answer_take(0);
    while (ret_queries[1]->state != QUERY_ENCODING) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    ret_queries[2] = ask(&now, (struct named_options){0});
    answer_take(0);
    assert_int_equal(ret_queries[2]->state, QUERY_REFRESHING);
    ret_queries[3] = ask(&now, (struct named_options){.seconds = 1});
    assert_int_equal(ret_queries[3]->state, QUERY_TAKING);
}

static void test_a_cancelled_query_says_nothing(void **state_)
{
    (void)state_;
    struct named_query *queries[4];
    ask_in_each_state(queries);
    for (size_t i = 0; i < ARRAY_COUNT(queries); i++) {
        named_cancel(queries[i]);
    }
    answer_take(0);
    wait_for_workers();
    assert_int_equal(done.calls, 0);
    assert_int_equal(state.query_count, 0);
    assert_int_equal(fake.begun, 2);
    assert_int_equal(fake.ended, 2);
}

static void test_deinit_ends_all_queries(void **state_)
{
    (void)state_;
    struct named_query *queries[4];
    ask_in_each_state(queries);
    named_deinit();
    assert_int_equal(done.calls, 4);
    assert_int_equal(done.status, UV_ECANCELED);
    assert_int_equal(fake.ended, 2);
    answer_take(0);
    wait_for_workers();
    assert_int_equal(done.calls, 4);
    named_deinit(); /* harmless */
}

static void test_the_profiler_starts_again(void **state_)
{
    (void)state_;
    struct named_query *queries[4];
    set_values(0, 5, 50, 3, 30);
    get(&since);
    ask_in_each_state(queries);
    profiler_stop();
    assert_int_equal(done.calls, 4);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    answer_take(0);
    wait_for_workers();
    assert_int_equal(done.calls, 4);
    get(&now);
    ASSERT_VALUES(FIRST, 5, 50, 3, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_profiles_have_names, start, stop),
        cmocka_unit_test_setup_teardown(test_everything_until_now, start, stop),
        cmocka_unit_test_setup_teardown(test_text, start, stop),
        cmocka_unit_test_setup_teardown(test_what_changes_in_some_seconds, start, stop),
        cmocka_unit_test_setup_teardown(test_what_came_since_the_last_time, start, stop),
        cmocka_unit_test_setup_teardown(test_what_was_not_answered_counts_for_the_next_time, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_queries_have_a_limit, start, stop),
        cmocka_unit_test_setup_teardown(test_one_at_a_time_since_the_last_time, start, stop),
        cmocka_unit_test_setup_teardown(test_queries_run_at_once, start, stop),
        cmocka_unit_test_setup_teardown(test_without_memory_there_is_no_query, start, stop),
        cmocka_unit_test_setup_teardown(test_a_cancelled_query_says_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_deinit_ends_all_queries, start, stop),
        cmocka_unit_test_setup_teardown(test_the_profiler_starts_again, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
