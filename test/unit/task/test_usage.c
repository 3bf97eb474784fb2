/* SPDX-License-Identifier: MIT
 *
 * test_usage.c - whose CPU time it was: of tasks that burn, sleep and answer at once in one turn;
 * what their labels get; and that all of it together is what the thread used.
 *
 * Tests: core/task/task_costs.c, core/task/usage_totals.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/loop/loop.h"
#include "core/task/task.h"
#include "core/task/usage.h"

#define BURN_NS (30 * NS_PER_MS)

struct job {
    struct loop_deferred deferred;
    struct loop *loop;
    struct task task;
    void (*work)(void);
    uint64_t used_ns; /* by the thread's own clock */
    uint64_t cpu_ns;  /* by the account */
};

static volatile uint64_t sink;

static void burn(void)
{
    const uint64_t end_ns = usage_thread_ns() + BURN_NS;
    while (usage_thread_ns() < end_ns) {
        sink = sink * 31 + 7;
    }
}

static void sleep_long(void)
{
    const struct timespec pause = {.tv_nsec = 30 * NS_PER_MS};
    (void)nanosleep(&pause, NULL);
}

static void do_little(void)
{
    sink++;
}

static void on_cancel(struct task *task, int status)
{
    (void)task;
    (void)status;
}

static void run(struct loop_deferred *deferred)
{
    struct job *job = CONTAINER_OF(deferred, struct job, deferred);
    struct task *previous = task_enter(&job->task);
    const uint64_t start_ns = usage_thread_ns();
    job->work();
    job->used_ns = usage_thread_ns() - start_ns;
    job->cpu_ns = task_cpu_ns(&job->task);
    task_leave(previous);
    task_end(&job->task);
}

static void start(struct job *job, struct loop *loop, const char *route, void (*work)(void))
{
    *job = (struct job){.loop = loop, .work = work, .deferred.run = run};
    list_init(&job->deferred.link);
    assert_int_equal(task_start(&job->task, "test", clock_now_ns(), on_cancel), 0);
    task_describe(&job->task, "test", label_intern(str_from(route), "GET"), NULL);
    loop_defer(loop, &job->deferred);
}

/* own_totals is the account of this thread, which has no name of its own. */
static struct usage_totals *own_totals(void)
{
    char name[16] = "";
    (void)pthread_getname_np(pthread_self(), name, sizeof(name));
    return usage_get_totals(name, "[loop]");
}

static uint64_t total_of(const char *route)
{
    return own_totals()->ns[USAGE_CPU][label_intern(str_from(route), "GET")];
}

static void assert_near(uint64_t value, uint64_t wanted, uint64_t tolerance)
{
    assert_in_range(value, wanted - tolerance, wanted + tolerance);
}

static void test_callbacks_of_one_turn(void **state)
{
    (void)state;
    struct loop *loop;
    struct job jobs[4];
    assert_int_equal(loop_create(&loop), 0);
    start(&jobs[0], loop, "/short", do_little);
    start(&jobs[1], loop, "/sleep", sleep_long);
    start(&jobs[2], loop, "/burn", burn);
    start(&jobs[3], loop, "/short", do_little);
    loop_run(loop);
    assert_near(jobs[2].cpu_ns, jobs[2].used_ns, jobs[2].used_ns * 3 / 100);
    assert_near(total_of("/burn"), jobs[2].used_ns, jobs[2].used_ns * 3 / 100);
    assert_in_range(jobs[1].cpu_ns, 0, jobs[1].used_ns + NS_PER_MS);
    assert_in_range(total_of("/sleep"), 1, jobs[1].used_ns + NS_PER_MS);
    assert_in_range(total_of("/short"), 1, NS_PER_MS);
    loop_destroy(loop);
}

static void test_sum_is_the_thread(void **state)
{
    (void)state;
    struct loop *loop;
    struct job jobs[2];
    uint64_t sum_ns = 0;
    assert_int_equal(loop_create(&loop), 0);
    start(&jobs[0], loop, "/burn-alone", burn);
    start(&jobs[1], loop, "/short", do_little);
    const uint64_t before_ns = usage_thread_ns();
    loop_run(loop);
    const uint64_t after_ns = usage_thread_ns();
    for (uint32_t i = 0; i < label_get_count(); i++) {
        sum_ns += own_totals()->ns[USAGE_CPU][i];
    }
    assert_in_range(sum_ns, before_ns, after_ns); /* since the thread began */
    loop_destroy(loop);
}

/* Polls that sleep for a moment take nothing from the callbacks between them. */
static void test_short_sleeps_are_no_cpu_time(void **state)
{
    (void)state;
    struct loop *loop;
    uint64_t cell = 0;
    uint64_t idle_ns = 0;
    uint64_t used_ns = 0;
    const struct timespec moment = {.tv_nsec = 1000};
    const uint32_t label = label_intern(STR("/moments"), "GET");
    assert_int_equal(loop_create(&loop), 0);
    struct usage *account = usage_create(loop_uv(loop), NULL);
    assert_non_null(account);
    usage_start(account);
    while (used_ns < BURN_NS / 3) {
        usage_end_turn(account, idle_ns);
        const uint64_t slept_from_ns = clock_now_ns();
        (void)nanosleep(&moment, NULL);
        idle_ns += clock_now_ns() - slept_from_ns;
        const uint64_t from_ns = usage_thread_ns();
        (void)usage_switch(label, &cell);
        while (usage_thread_ns() < from_ns + 15 * NS_PER_US) {
            sink = sink * 31 + 7;
        }
        (void)usage_switch(LABEL_NONE, NULL);
        used_ns += usage_thread_ns() - from_ns;
    }
    usage_stop();
    assert_in_range(total_of("/moments"), used_ns * 6 / 10, used_ns * 2);
    free(account);
    loop_destroy(loop);
}

/* A task whose answer is written after its end is told of both. */
static void test_writing_for_an_ended_task(void **state)
{
    (void)state;
    uint64_t cell = 0;
    uint64_t total_ns = 0;
    struct loop *loop;
    assert_int_equal(loop_create(&loop), 0);
    struct usage *usage = usage_create(loop_uv(loop), NULL);
    assert_non_null(usage);
    usage_start(usage);
    usage_switch(LABEL_NONE, &cell);
    struct usage_ended *ended = usage_end(7, &cell);
    ended->ret_ns = &total_ns;
    usage_switch(LABEL_NONE, NULL);
    usage_switch_to_ended(LABEL_NONE, 7);
    burn();
    usage_switch(LABEL_NONE, NULL);
    usage_end_turn(usage, 0);
    assert_near(total_ns, BURN_NS, BURN_NS * 3 / 100);
    usage_stop();
    free(usage);
    loop_destroy(loop);
}

/* More requests than are kept end in one turn. */
static void test_many_end_in_one_turn(void **state)
{
    (void)state;
    static uint64_t totals[2 * USAGE_ENDED_MAX];
    struct loop *loop;
    assert_int_equal(loop_create(&loop), 0);
    struct usage *usage = usage_create(loop_uv(loop), NULL);
    assert_non_null(usage);
    usage_start(usage);
    for (size_t i = 0; i < ARRAY_COUNT(totals); i++) {
        uint64_t cell = 0;
        totals[i] = UINT64_MAX;
        usage_switch(LABEL_NONE, &cell);
        do_little();
        usage_end(i, &cell)->ret_ns = &totals[i];
        usage_switch(LABEL_NONE, NULL);
    }
    usage_end_turn(usage, 0);
    for (size_t i = 0; i < ARRAY_COUNT(totals); i++) {
        assert_in_range(totals[i], 0, NS_PER_MS * 100);
    }
    usage_stop();
    free(usage);
    loop_destroy(loop);
}

static void test_jobs_of_other_threads(void **state)
{
    (void)state;
    struct usage_totals *totals = usage_get_totals("toq-test", "[pool]");
    assert_non_null(totals);
    assert_ptr_equal(usage_get_totals("toq-test", "[pool]"), totals);
    usage_count_job(totals, LABEL_OTHER, 5);
    usage_count_job(totals, LABEL_OTHER, 6);
    usage_count_job(NULL, LABEL_OTHER, 7);
    assert_int_equal(totals->ns[USAGE_CPU][LABEL_OTHER], 11);
}

/* A thread without a loop has no account, and nothing happens. */
static void test_no_loop(void **state)
{
    (void)state;
    uint64_t cell = 3;
    assert_null(task_self.usage);
    usage_switch(LABEL_OTHER, &cell);
    usage_switch_to_ended(LABEL_OTHER, 1);
    assert_null(usage_end(1, &cell));
    assert_int_equal(usage_read_cell(&cell), 0);
    assert_int_equal(cell, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_is_the_thread), /* first: nothing has run on this thread */
        cmocka_unit_test(test_callbacks_of_one_turn),
        cmocka_unit_test(test_short_sleeps_are_no_cpu_time),
        cmocka_unit_test(test_writing_for_an_ended_task),
        cmocka_unit_test(test_many_end_in_one_turn),
        cmocka_unit_test(test_jobs_of_other_threads),
        cmocka_unit_test(test_no_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
