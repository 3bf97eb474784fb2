/* SPDX-License-Identifier: MIT
 *
 * test_goroutine.c - tasks and threads in the profile and in the dump: states, ages, stacks, ids;
 * ten thousand tasks of a server that has run for hours.
 *
 * Tests: profiling/task/goroutine_tasks.c, profiling/task/goroutine_text.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/symbol.h"
#include "profiling/profiler.h"
#include "profiling/task/goroutine.h"
#include "profiling/task/goroutine_tasks.h"
#include "profiling/task/goroutine_text.h"
#include "profiling/write/source.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/pool_rig.h"

#define MANY      10000
#define MINUTE_NS (60 * NS_PER_S)
#define TRIES_MAX 100

static struct loop *loop;
static uint32_t label;
static struct task *tasks; /* MANY */

static struct {
    int calls;
    int status;
    char *text; /* owned; NUL-terminated */
} dumped;

/* --- threads to look at --- */

struct waiter {
    pthread_t thread;
    int pipe[2];
    bool has_blocked;
    uint32_t label;
    atomic_bool is_waiting;
};

static __attribute__((noinline)) void wait_for_a_byte(struct waiter *waiter)
{
    char byte;
    atomic_store(&waiter->is_waiting, true);
    while (read(waiter->pipe[0], &byte, 1) < 0) {
    }
    __asm__ volatile("");
}

static void *run_waiter(void *arg)
{
    struct waiter *waiter = arg;
    (void)pthread_setname_np(pthread_self(), waiter->has_blocked ? "deaf" : "waiter");
    (void)task_swap_label(waiter->label);
    if (waiter->has_blocked) {
        sigset_t all;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    wait_for_a_byte(waiter);
    return NULL;
}

static void start_waiter(struct waiter *waiter)
{
    assert_int_equal(pipe(waiter->pipe), 0);
    assert_int_equal(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
    while (!atomic_load(&waiter->is_waiting)) {
        (void)sched_yield();
    }
}

static void stop_waiter(struct waiter *waiter)
{
    assert_int_equal(write(waiter->pipe[1], "x", 1), 1);
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
    (void)close(waiter->pipe[0]);
    (void)close(waiter->pipe[1]);
}

/* --- tasks --- */

static __attribute__((noinline)) void ask_for_something(struct task *task, const char *state)
{
    task_await(task, (struct task_waker){.kind = state});
    task_park(task, state);
    __asm__ volatile("");
}

static __attribute__((noinline)) void handle_something(struct task *task, const char *state)
{
    ask_for_something(task, state);
    __asm__ volatile("");
}

static __attribute__((noinline)) void go_on_with_something(struct task *task, const char *state)
{
    task->kind = "resumed";
    ask_for_something(task, state);
    __asm__ volatile("");
}

static void begin_task(struct task *task)
{
    assert_int_equal(task_start(task, "test", clock_now_ns(), NULL), 0);
    task_describe(task, "test", label, (const void *)(uintptr_t)handle_something);
}

static void end_tasks(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        task_end(&tasks[i]);
    }
}

/* --- the loop --- */

static void on_dumped(void *arg, int status, char *data, size_t len)
{
    assert_ptr_equal(arg, &dumped);
    dumped.calls++;
    dumped.status = status;
    dumped.text = data == NULL ? NULL : realloc(data, len + 1);
    if (dumped.text != NULL) {
        dumped.text[len] = '\0';
    }
}

static int start_dump(struct goroutine_dump **ret_dump)
{
    const struct goroutine_dump_options options = {.loop = loop, .pool = pool_rig_get()};
    return goroutine_dump_start(&options, on_dumped, &dumped, ret_dump);
}

static void dump(void)
{
    struct goroutine_dump *one;
    free(dumped.text);
    memset(&dumped, 0, sizeof(dumped));
    assert_int_equal(start_dump(&one), 0);
    assert_int_equal(dumped.calls, 0);
    while (dumped.calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(dumped.status, 0);
}

/* dump_with dumps until some text is there, as take_profile_with. */
static void dump_with(const char *text)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        dump();
        if (!HAS_EXACT_SIGNALS || strstr(dumped.text, text) != NULL) {
            return;
        }
    }
    fail_msg("%s never came", text);
}

static int taken_status;
static int taken_calls;

static void on_taken(struct source_take *take, int status)
{
    (void)take;
    taken_status = status;
    taken_calls++;
}

static void take_profile(struct source_take *take)
{
    *take = (struct source_take){.done = on_taken};
    taken_calls = 0;
    assert_int_equal(source_goroutine.take(loop, pool_rig_get(), take), 0);
    assert_int_equal(taken_calls, 0);
    while (taken_calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(taken_status, 0);
}

static int start(void **state)
{
    (void)state;
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    profiler_stop();
    while (pool_rig_is_waiting(loop)) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    loop_destroy(loop);
    free(dumped.text);
    memset(&dumped, 0, sizeof(dumped));
    return 0;
}

/* --- reading what came out --- */

/* entry_of is the start of the entry with an id. */
static const char *entry_of(uint64_t id)
{
    char head[64];
    (void)snprintf(head, sizeof(head), "goroutine %llu [", (unsigned long long)id);
    const char *entry = strstr(dumped.text, head);
    assert_non_null(entry);
    assert_true(entry == dumped.text || entry[-1] == '\n');
    return entry;
}

/* assert_entry compares the head of an entry, and tells whether it has a frame. */
static void assert_entry(uint64_t id, const char *head, const char *frame)
{
    const char *entry = entry_of(id);
    const char *end = strstr(entry, "\n\n");
    assert_non_null(end);
    char wanted[256];
    (void)snprintf(wanted, sizeof(wanted), "goroutine %llu %s:\n", (unsigned long long)id, head);
    char copy[8192];
    const size_t len = (size_t)(end - entry) + 1;
    assert_true(len < sizeof(copy));
    memcpy(copy, entry, len);
    copy[len] = '\0';
    if (strncmp(copy, wanted, strlen(wanted)) != 0 || strstr(copy, frame) == NULL) {
        fail_msg("wanted %s and %s in\n%s", wanted, frame, copy);
    }
}

static size_t count_of(const char *text)
{
    size_t count = 0;
    for (const char *at = strstr(dumped.text, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

/* function_at is the outermost function of a frame of a sample. */
static const char *function_at(const struct stacks *stacks, const struct stacks_sample *sample,
                               size_t position)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t count = stacks_read(stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    struct symbol_result symbol;
    symbol_lookup(frames[position < count ? position : count - 1], &symbol);
    return symbol.frames[symbol.count - 1].function;
}

static const struct stacks_sample *sample_with(const struct stacks *stacks, const char *state,
                                               const char *thread)
{
    for (size_t i = 0; i < stacks->sample_count; i++) {
        const struct stacks_labels *labels = &stacks->samples[i].labels;
        if ((state != NULL && labels->state != NULL && strcmp(labels->state, state) == 0) ||
            (thread != NULL && strcmp(stacks->names[labels->thread], thread) == 0)) {
            return &stacks->samples[i];
        }
    }
    return NULL;
}

static bool has_function(const struct stacks *stacks, const struct stacks_sample *sample,
                         const char *function)
{
    for (size_t i = 0; i < STACKS_FRAMES_MAX; i++) {
        if (strcmp(function_at(stacks, sample, i), function) == 0) {
            return true;
        }
    }
    return false;
}

/* take_profile_with takes profiles until a thread is in one with its stack: on a machine that does
 * other things a thread may answer too late. */
static void take_profile_with(struct source_take *take, const char *thread, const char *function)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        take_profile(take);
        const struct stacks_sample *sample = sample_with(&take->stacks, NULL, thread);
        assert_non_null(sample);
        if (!HAS_EXACT_SIGNALS || has_function(&take->stacks, sample, function)) {
            return;
        }
        stacks_deinit(&take->stacks);
    }
    fail_msg("%s was never seen in %s", thread, function);
}

/* --- tests --- */

static void test_a_waiting_task_shows_where_up_to_its_handler(void **state)
{
    (void)state;
    begin_task(&tasks[0]);
    handle_something(&tasks[0], "mysql");
    begin_task(&tasks[1]);
    handle_something(&tasks[1], "mysql");
    struct source_take take;
    take_profile(&take);
    const struct stacks_sample *sample = sample_with(&take.stacks, "mysql", NULL);
    assert_non_null(sample);
    assert_int_equal(sample->values[0], 2);
    assert_int_equal(sample->labels.label, label);
    assert_string_equal(function_at(&take.stacks, sample, 0), "[mysql]");
    assert_string_equal(function_at(&take.stacks, sample, 1), "test_goroutine.ask_for_something");
    assert_string_equal(function_at(&take.stacks, sample, 2), "test_goroutine.handle_something");
    assert_string_equal(function_at(&take.stacks, sample, 3), "[GET /things/:id]");
    stacks_deinit(&take.stacks);
    dump(); /* it is in the head there */
    assert_entry(tasks[0].id, "[mysql] {method: GET, route: \"/things/:id\"}",
                 "}:\ntest_goroutine.ask_for_something(...)\n\t/");
    assert_int_equal(count_of("[mysql]"), 2);
    end_tasks(2);
}

static void test_a_task_that_a_callback_went_on_with_still_shows_its_handler(void **state)
{
    (void)state;
    begin_task(&tasks[0]);
    go_on_with_something(&tasks[0], "redis");
    struct source_take take;
    take_profile(&take);
    const struct stacks_sample *sample = sample_with(&take.stacks, "redis", NULL);
    assert_non_null(sample);
    assert_string_equal(function_at(&take.stacks, sample, 0), "[redis]");
    assert_string_equal(function_at(&take.stacks, sample, 1), "test_goroutine.ask_for_something");
    assert_string_equal(function_at(&take.stacks, sample, 2),
                        "test_goroutine.go_on_with_something");
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t count = stacks_read(&take.stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    assert_int_equal(frames[count - 2], (uintptr_t)handle_something);
    stacks_deinit(&take.stacks);
    dump();
    assert_entry(tasks[0].id, "[redis] {method: GET, route: \"/things/:id\"}",
                 "\ntest_goroutine.go_on_with_something(...)\n\t/");
    assert_entry(tasks[0].id, "[redis] {method: GET, route: \"/things/:id\"}",
                 "\ntest_goroutine.handle_something(...)\n\t/");
    end_tasks(1);
}

static void test_a_call_shows_its_rpc(void **state)
{
    (void)state;
    begin_task(&tasks[0]);
    task_describe(&tasks[0], "test", label_intern_rpc(STR("things.v1.Things/Get")),
                  tasks[0].handler);
    handle_something(&tasks[0], "mysql");
    dump();
    assert_entry(tasks[0].id, "[mysql] {rpc: things.v1.Things/Get}",
                 "\ntest_goroutine.handle_something(...)\n");
    struct waiter waiter = {.label = tasks[0].label};
    start_waiter(&waiter);
    dump_with(" {rpc: things.v1.Things/Get, thread: waiter}:\n");
    stop_waiter(&waiter);
    end_tasks(1);
}

static void test_a_task_that_is_not_parked_shows_its_handler_and_route(void **state)
{
    (void)state;
    begin_task(&tasks[0]);
    assert_int_equal(task_start(&tasks[1], "test", clock_now_ns(), NULL),
                     0); /* its head has not come yet */
    struct source_take take;
    take_profile(&take);
    const struct stacks_sample *sample = sample_with(&take.stacks, "receive", NULL);
    assert_non_null(sample);
    assert_string_equal(function_at(&take.stacks, sample, 0), "test_goroutine.handle_something");
    assert_string_equal(function_at(&take.stacks, sample, 1), "[GET /things/:id]");
    stacks_deinit(&take.stacks);
    dump();
    assert_entry(tasks[0].id, "[receive] {method: GET, route: \"/things/:id\"}",
                 "test_goroutine.handle_something(...)\n\t/");
    assert_entry(tasks[1].id, "[receive]",
                 "\tgoroutine running on other thread; stack unavailable\n");
    end_tasks(2);
}

static void test_threads_show_what_they_do(void **state)
{
    (void)state;
    struct waiter waiter = {.label = label};
    struct waiter deaf = {.has_blocked = true};
    start_waiter(&waiter);
    start_waiter(&deaf);
    struct source_take take;
    take_profile_with(&take, "waiter", "test_goroutine.wait_for_a_byte");
    const struct stacks_sample *sample = sample_with(&take.stacks, NULL, "waiter");
    assert_true(!HAS_EXACT_SIGNALS || sample->labels.label == label);
    sample = sample_with(&take.stacks, NULL, "deaf");
    assert_non_null(sample);
    assert_string_equal(function_at(&take.stacks, sample, 0), "[stack unavailable]");
    assert_true(source_goroutine.count() >= 3);
    stacks_deinit(&take.stacks);
    stop_waiter(&waiter);
    stop_waiter(&deaf);
}

static void test_ids_stay_and_are_no_others(void **state)
{
    (void)state;
    struct waiter waiter = {.label = label};
    start_waiter(&waiter);
    begin_task(&tasks[0]);
    handle_something(&tasks[0], "sleep");
    uint64_t ids[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        dump_with("\ntest_goroutine.wait_for_a_byte(...)\n");
        const char *thread = strstr(dumped.text, "thread: waiter}:\n");
        assert_non_null(thread);
        while (thread > dumped.text && thread[-1] != '\n') {
            thread--;
        }
        ids[i] = strtoull(thread + strlen("goroutine "), NULL, 10);
        if (HAS_EXACT_SIGNALS) {
            assert_entry(
                ids[i],
                "[syscall, locked to thread] {method: GET, route: \"/things/:id\", thread: "
                "waiter}",
                "\ntest_goroutine.wait_for_a_byte(...)\n\t/");
        }
        assert_entry(tasks[0].id, "[sleep] {method: GET, route: \"/things/:id\"}",
                     "\ntest_goroutine.handle_something(...)\n\t/");
        assert_memory_equal(entry_of(1), "goroutine 1 [", 13);
        assert_non_null(strstr(entry_of(1), ", locked to thread] {"));
    }
    assert_int_equal(ids[0], ids[1]);
    assert_int_not_equal(ids[0], tasks[0].id);
    assert_true(ids[0] > 1);
    assert_true(task_new_id() > ids[0]);
    stop_waiter(&waiter);
    end_tasks(1);
}

static void test_only_what_waits_for_a_minute_tells_it(void **state)
{
    (void)state;
    const uint64_t ages_ns[] = {59 * NS_PER_S, 61 * NS_PER_S, 3 * MINUTE_NS + NS_PER_S};
    for (size_t i = 0; i < ARRAY_COUNT(ages_ns); i++) {
        begin_task(&tasks[i]);
        handle_something(&tasks[i], "mysql pool");
        tasks[i].state_ns -= ages_ns[i];
        task_slots_publish_state(tasks[i].slot, &tasks[i]);
    }
    begin_task(&tasks[3]);
    tasks[3].state_ns -= 5 * MINUTE_NS;
    task_slots_publish_state(tasks[3].slot, &tasks[3]);
    task_slots_publish_state(tasks[3].slot, &tasks[3]);
    dump();
    assert_entry(tasks[0].id, "[mysql pool] {method: GET, route: \"/things/:id\"}", "");
    assert_entry(tasks[1].id, "[mysql pool, 1 minutes] {method: GET, route: \"/things/:id\"}", "");
    assert_entry(tasks[2].id, "[mysql pool, 3 minutes] {method: GET, route: \"/things/:id\"}", "");
    assert_entry(tasks[3].id, "[receive] {method: GET, route: \"/things/:id\"}", "");
    end_tasks(4);
}

static void test_ten_thousand_old_tasks_are_dumped(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        begin_task(&tasks[i]);
        handle_something(&tasks[i], i % 2 == 0 ? "mysql" : "redis");
        tasks[i].state_ns -= 120 * MINUTE_NS;
        task_slots_publish_state(tasks[i].slot, &tasks[i]);
    }
    dump();
    assert_int_equal(count_of(" [mysql, 120 minutes] {method: GET, route: \"/things/:id\"}:\n"),
                     MANY / 2);
    assert_int_equal(count_of(" [redis, 120 minutes] {method: GET, route: \"/things/:id\"}:\n"),
                     MANY / 2);
    assert_int_equal(count_of("\ntest_goroutine.ask_for_something(...)\n"), MANY);
    struct source_take take;
    take_profile(&take);
    assert_int_equal(sample_with(&take.stacks, "mysql", NULL)->values[0], MANY / 2);
    stacks_deinit(&take.stacks);
    end_tasks(MANY);
}

static void test_a_dump_that_would_be_too_long_ends_between_entries(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        begin_task(&tasks[i]);
        handle_something(&tasks[i], "mysql");
    }
    struct goroutine_tasks copy = {0};
    struct goroutine_threads threads = {0};
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(goroutine_tasks_copy(&copy), 0);
    assert_int_equal(goroutine_text_write(&copy, &threads, false, &text), 0);
    assert_in_range(text.len, 1 << 19, 1 << 20);
    assert_memory_equal(text.data + text.len - 2, "\n\n", 2);
    buf_deinit(&text);
    goroutine_tasks_deinit(&copy);
    end_tasks(MANY);
}

static void test_a_cancelled_dump_is_silent(void **state)
{
    (void)state;
    struct goroutine_dump *one;
    assert_int_equal(start_dump(&one), 0);
    goroutine_dump_cancel(one);
    dump(); /* the loop comes round */
    assert_int_equal(dumped.calls, 1);
}

static void test_there_is_a_limit_of_dumps_at_a_time(void **state)
{
    (void)state;
    struct goroutine_dump *one;
    for (unsigned i = 0; i < GOROUTINE_DUMPS_MAX; i++) {
        assert_int_equal(start_dump(&one), 0);
        goroutine_dump_cancel(one);
    }
    int status = start_dump(&one);
    assert_int_equal(status, UV_EBUSY); /* the cancelled ones are still at work */
    while (status == UV_EBUSY) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        status = start_dump(&one);
    }
    assert_int_equal(status, 0);
    while (dumped.calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(dumped.status, 0);
}

static void test_stopped_before_it_began_a_dump_says_so(void **state)
{
    (void)state;
    struct goroutine_dump *one;
    assert_int_equal(start_dump(&one), 0);
    profiler_stop();
    assert_int_equal(dumped.calls, 1);
    assert_int_equal(dumped.status, UV_ECANCELED);
    assert_null(dumped.text);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}),
        0); /* for the teardown */
}

int main(void)
{
    tasks = calloc(MANY, sizeof(*tasks));
    label = label_intern(STR("/things/:id"), "GET");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_waiting_task_shows_where_up_to_its_handler, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            test_a_task_that_a_callback_went_on_with_still_shows_its_handler, start, stop),
        cmocka_unit_test_setup_teardown(test_a_call_shows_its_rpc, start, stop),
        cmocka_unit_test_setup_teardown(test_a_task_that_is_not_parked_shows_its_handler_and_route,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_threads_show_what_they_do, start, stop),
        cmocka_unit_test_setup_teardown(test_ids_stay_and_are_no_others, start, stop),
        cmocka_unit_test_setup_teardown(test_only_what_waits_for_a_minute_tells_it, start, stop),
        cmocka_unit_test_setup_teardown(test_ten_thousand_old_tasks_are_dumped, start, stop),
        cmocka_unit_test_setup_teardown(test_a_dump_that_would_be_too_long_ends_between_entries,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_a_cancelled_dump_is_silent, start, stop),
        cmocka_unit_test_setup_teardown(test_there_is_a_limit_of_dumps_at_a_time, start, stop),
        cmocka_unit_test_setup_teardown(test_stopped_before_it_began_a_dump_says_so, start, stop),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(tasks);
    return failed;
}
