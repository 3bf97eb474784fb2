/* SPDX-License-Identifier: MIT
 *
 * test_loop_duties.c - what is given to a loop outlives the callback, and is given on the loop's
 * thread: else the process ends with a line that names the call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/loop/loop.h"

static struct loop *loop;

static void stop(struct loop_deferred *deferred)
{
    (void)deferred;
    loop_stop(loop);
}

static void on_timer(struct wheel_timer *timer)
{
    (void)timer;
}

/* --- mistakes --- */

/* AddressSanitizer puts locals elsewhere, so that it finds them itself. */
#define ON_THE_STACK __attribute__((no_sanitize("address")))

ON_THE_STACK static void set_timer_on_stack(struct loop_deferred *deferred)
{
    struct wheel_timer timer;
    (void)deferred;
    wheel_timer_init(&timer, on_timer);
    loop_set_timer(loop, &timer, 1000);
}

ON_THE_STACK static void defer_on_stack(struct loop_deferred *deferred)
{
    struct loop_deferred other = {.run = stop};
    (void)deferred;
    list_init(&other.link);
    loop_defer(loop, &other);
}

static void *set_timer(void *arg)
{
    loop_set_timer(loop, arg, 1000);
    return NULL;
}

static void set_timer_on_a_thread(struct loop_deferred *deferred)
{
    static struct wheel_timer timer;
    pthread_t thread;
    (void)deferred;
    wheel_timer_init(&timer, on_timer);
    if (pthread_create(&thread, NULL, set_timer, &timer) == 0) {
        (void)pthread_join(thread, NULL);
    }
}

/* --- tests --- */

/* assert_dies runs a mistake in a process of its own. */
static void assert_dies(void (*run)(struct loop_deferred *deferred), const char *line)
{
    int ends[2];
    char said[512] = {0};
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        static struct loop_deferred deferred;
        (void)dup2(ends[1], STDERR_FILENO);
        deferred.run = run;
        list_init(&deferred.link);
        if (loop_create(&loop) == 0) {
            loop_defer(loop, &deferred);
            loop_run(loop);
        }
        _exit(1);
    }
    (void)close(ends[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    (void)close(ends[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, line));
}

static void test_what_lies_on_the_stack_is_found(void **state)
{
    (void)state;
    assert_dies(set_timer_on_stack, "loop_set_timer: its struct outlives the callback");
    assert_dies(defer_on_stack, "loop_defer: its struct outlives the callback");
}

static void test_another_thread_is_found(void **state)
{
    (void)state;
    assert_dies(set_timer_on_a_thread, "loop_set_timer: called on the loop's own thread");
}

static void test_the_frame_of_whoever_runs_the_loop_lasts(void **state)
{
    (void)state;
    struct loop_deferred deferred = {.run = stop};
    struct wheel_timer timer;
    list_init(&deferred.link);
    wheel_timer_init(&timer, on_timer);
    assert_int_equal(loop_create(&loop), 0);
    loop_set_timer(loop, &timer, 1000);
    loop_defer(loop, &deferred);
    loop_run(loop);
    wheel_unset(&timer);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_lies_on_the_stack_is_found),
        cmocka_unit_test(test_another_thread_is_found),
        cmocka_unit_test(test_the_frame_of_whoever_runs_the_loop_lasts),
    };
    return cmocka_run_group_tests_name("loop duties", tests, NULL, NULL);
}
