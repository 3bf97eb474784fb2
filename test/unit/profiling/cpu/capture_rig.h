/* SPDX-License-Identifier: MIT
 *
 * capture_rig.h - for tests: a loop that burns CPU time in each turn, and the last profile of it.
 */
#ifndef TOQ_TEST_UNIT_PROFILING_CPU_CAPTURE_RIG_H
#define TOQ_TEST_UNIT_PROFILING_CPU_CAPTURE_RIG_H

#include <string.h>
#include <uv.h>

#include "core/loop/loop.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/pool_rig.h"
#include "test/unit/support/profile_message.h"

static struct loop *loop;
static uv_idle_t idle;
static void (*burn)(void); /* in each turn; NULL: nothing */
static _Thread_local volatile uint64_t sink;

static struct {
    int calls;
    int status;
    Pprof__Profile *message; /* owned */
} done;

static inline void on_idle(uv_idle_t *handle)
{
    (void)handle;
    if (burn != NULL) {
        burn();
    }
}

static inline void rig_open(void (*body)(void))
{
    memset(&done, 0, sizeof(done));
    burn = body;
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(uv_idle_init(loop_uv(loop), &idle), 0);
    assert_int_equal(uv_idle_start(&idle, on_idle), 0);
}

/* turn turns the loop once; the idle handle keeps it from waiting. */
static inline void turn(void)
{
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static inline void wait_for_workers(void)
{
    while (pool_rig_is_waiting(loop)) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
}

/* rig_close waits for all that the loop still has to do, once the profiler is stopped. */
static inline void rig_close(void)
{
    uv_close((uv_handle_t *)&idle, NULL);
    wait_for_workers();
    turn();
    pprof__profile__free_unpacked(done.message, NULL);
    loop_destroy(loop); /* aborts when a handle lives */
}

static inline void keep_message(const char *data, size_t len)
{
    pprof__profile__free_unpacked(done.message, NULL);
    done.message = profile_message_unpack(data, len);
}

static inline void on_done(void *arg, int status, const char *data, size_t len)
{
    assert_ptr_equal(arg, &done);
    done.calls++;
    done.status = status;
    if (status == 0) {
        keep_message(data, len);
    } else {
        assert_null(data);
    }
}

static inline const char *text(int64_t number)
{
    return profile_message_text(done.message, number);
}

#endif
