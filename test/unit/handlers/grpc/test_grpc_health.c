/* SPDX-License-Identifier: MIT
 *
 * test_grpc_health.c - many who watch the health hear of a change in many calls, each of them once.
 *
 * grpc_health.c is included, without a loop and without calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/grpc/grpc_health.h"

static size_t sent_count;
static unsigned timer_count;
static struct loop_deferred *later; /* what was deferred; NULL: nothing */
static bool has_room;

static bool count_sent(void)
{
    sent_count++;
    return has_room;
}

#define grpc_send(call, message)        ((void)(call), (void)(message), count_sent())
#define loop_set_timer(loop, timer, ms) ((void)(loop), (void)(timer), (void)(ms), timer_count++)
#define loop_defer(loop, call)          ((void)(loop), (void)(later = (call)))
#include "handlers/grpc/grpc_health.c"
#undef grpc_send
#undef loop_set_timer
#undef loop_defer

#define WATCHERS (3 * TELL_MAX + 7)

static atomic_bool is_draining;
static struct health health = {.is_draining = &is_draining, .lock = PTHREAD_MUTEX_INITIALIZER};
static struct grpc_health gh;
static struct watcher watchers[WATCHERS];

static int set_up(void **state)
{
    (void)state;
    health_publish(&health);
    is_draining = false;
    has_room = true;
    sent_count = 0;
    timer_count = 0;
    later = NULL;
    gh = (struct grpc_health){.health = &health, .look_on = {.run = run_look_on}};
    list_init(&gh.watchers);
    list_init(&gh.due);
    list_init(&gh.look_on.link);
    for (size_t i = 0; i < WATCHERS; i++) {
        watchers[i] = (struct watcher){.gh = &gh, .is_known = true};
        list_push_back(&gh.watchers, &watchers[i].link);
    }
    return 0;
}

/* look lets all look, as the timer does.
 *
 * Returns: the most that were sent in one call. */
static size_t look(void)
{
    size_t most = 0;
    size_t before = sent_count;
    on_look(&gh.timer);
    for (;;) {
        most = sent_count - before > most ? sent_count - before : most;
        if (later == NULL) {
            return most;
        }
        struct loop_deferred *call = later;
        later = NULL;
        before = sent_count;
        call->run(call);
    }
}

static void test_many_hear_in_many_calls(void **state)
{
    (void)state;
    assert_int_equal(look(), TELL_MAX);
    assert_int_equal(sent_count, WATCHERS);
    assert_int_equal(timer_count, 1);
    assert_int_equal(look(), 0);
    is_draining = true;
    assert_int_equal(look(), TELL_MAX);
    assert_int_equal(sent_count, 2 * WATCHERS);
    for (size_t i = 0; i < WATCHERS; i++) {
        assert_int_equal(watchers[i].told, NOT_SERVING);
    }
}

static void test_who_does_not_read_hears_the_latest(void **state)
{
    (void)state;
    has_room = false;
    (void)look();
    is_draining = true;
    assert_int_equal(look(), 0);
    has_room = true;
    for (size_t i = 0; i < WATCHERS; i++) {
        watchers[i].is_clogged = false;
    }
    (void)look();
    assert_int_equal(sent_count, 2 * WATCHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_many_hear_in_many_calls, set_up),
        cmocka_unit_test_setup(test_who_does_not_read_hears_the_latest, set_up),
    };
    return cmocka_run_group_tests_name("grpc_health", tests, NULL, NULL);
}
