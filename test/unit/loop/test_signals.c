/* SPDX-License-Identifier: MIT
 *
 * test_signals.c - the first signal asks, the second ends the process, SIGHUP reloads; what
 *                  was ignored stays so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop/signals.h"

static struct loop *loop;
static struct signals signals;
static unsigned stops;
static unsigned reloads;
static int stop_signo;

static void on_stop(void *arg, int signo)
{
    assert_ptr_equal(arg, &signals);
    stops++;
    stop_signo = signo;
}

static void on_reload(void *arg)
{
    assert_ptr_equal(arg, &signals);
    reloads++;
}

static void turn(void)
{
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* Who runs the tests may have them ignored: nohup, or a job in the background. */
static void start_with(void (*hangup)(int), void (*interrupt)(int))
{
    stops = 0;
    reloads = 0;
    (void)signal(SIGHUP, hangup);
    (void)signal(SIGINT, interrupt);
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(signals_start(&signals, &(struct signals_options){.loop = loop,
                                                                       .on_stop = on_stop,
                                                                       .on_reload = on_reload,
                                                                       .arg = &signals}),
                     0);
}

static void test_hangup_reloads_and_terminate_stops_once(void **state)
{
    (void)state;
    start_with(SIG_DFL, SIG_DFL);
    (void)raise(SIGHUP);
    turn();
    assert_int_equal(reloads, 1);
    assert_int_equal(stops, 0);
    (void)raise(SIGTERM);
    assert_int_equal(stops, 0); /* not in the handler */
    turn();
    turn();
    assert_int_equal(stops, 1);
    assert_int_equal(stop_signo, SIGTERM);
    (void)raise(SIGHUP);
    turn();
    assert_int_equal(reloads, 2);
    assert_int_equal(stops, 1);
    signals_stop(&signals);
    loop_destroy(loop);
}

static void test_what_is_ignored_stays_ignored(void **state)
{
    (void)state;
    start_with(SIG_IGN, SIG_IGN);
    (void)raise(SIGHUP);
    (void)raise(SIGINT);
    (void)raise(SIGINT);
    turn();
    assert_int_equal(reloads, 0);
    assert_int_equal(stops, 0);
    (void)raise(SIGTERM);
    turn();
    assert_int_equal(stops, 1);
    signals_stop(&signals);
    loop_destroy(loop);
}

/* A child without a turn of its loop: the second signal must not wait for one. */
static void run_child(int first, int second)
{
    (void)signal(SIGHUP, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    if (loop_create(&loop) != 0 ||
        signals_start(&signals, &(struct signals_options){.loop = loop,
                                                          .on_stop = on_stop,
                                                          .on_reload = on_reload}) != 0) {
        _exit(1);
    }
    (void)raise(first);
    (void)raise(SIGHUP); /* no second signal */
    (void)raise(second);
    _exit(2);
}

static int child_status(int first, int second)
{
    const pid_t pid = fork();
    if (pid == 0) {
        run_child(first, second);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_the_second_signal_ends_the_process(void **state)
{
    (void)state;
    const int interrupted = child_status(SIGTERM, SIGINT);
    assert_true(WIFEXITED(interrupted));
    assert_int_equal(WEXITSTATUS(interrupted), 130);
    const int terminated = child_status(SIGTERM, SIGTERM);
    assert_int_equal(WEXITSTATUS(terminated), 143);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hangup_reloads_and_terminate_stops_once),
        cmocka_unit_test(test_what_is_ignored_stays_ignored),
        cmocka_unit_test(test_the_second_signal_ends_the_process),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
