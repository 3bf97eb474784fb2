/* SPDX-License-Identifier: MIT
 *
 * loop.h - a libuv loop: run it, defer to the end of a turn, call it from other threads.
 *
 * Flow:    timers -> [deferred] -> poll: reads, writes, accepts -> [deferred] -> closes ->
 *          next turn
 * Thread:  the loop's own, unless a function says otherwise.
 */
#ifndef TOQ_CORE_LOOP_LOOP_H
#define TOQ_CORE_LOOP_LOOP_H

#include <uv.h>

#include "core/base/list.h"
#include "core/loop/wheel.h"
#include "core/telemetry/metrics_export.h"

struct loop;
struct task_facts;

/* A deferred call: linked until it runs, once, at the end of a turn. */
struct loop_deferred {
    struct list link;
    void (*run)(struct loop_deferred *deferred);
};

/* A call from any thread to the loop's: linked until it runs, once. */
struct loop_post {
    struct list link;
    void (*run)(struct loop_post *post);
};

/* A loop_stall_fn runs after a turn that held the loop for long.
 *
 * turn:    its number, see loop_held_ns.
 * held_ns: from the moment that its poll returned to the next poll. */
typedef void (*loop_stall_fn)(uint64_t turn, uint64_t held_ns);

/* loop_create makes a loop.
 *
 * Returns: 0 with *ret_loop set; UV_ENOMEM, or an error of libuv.
 * Thread:  any.
 */
MUST_USE int loop_create(struct loop **ret_loop);

/* loop_destroy closes the loop's own handles and frees it; takes NULL. It runs the loop until every
 * loop_ref is taken back; calls that are still deferred then do not run, nor do posts without a
 * loop_ref.
 *
 * Every other handle must be closed or closing. Handles that are still open afterwards are printed
 * to stderr and abort: they are a leak.
 */
void loop_destroy(struct loop *loop);

/* loop_run runs the loop on the calling thread until loop_stop, or until no handle is active and no
 * deferred call waits. */
void loop_run(struct loop *loop);

/* loop_stop makes loop_run return after this turn. */
void loop_stop(struct loop *loop);

/* loop_uv is the libuv loop behind it, for the files that own handles. */
uv_loop_t *loop_uv(struct loop *loop);

/* loop_now_ms is libuv's cached time: when this turn's timers or its poll began. */
uint64_t loop_now_ms(const struct loop *loop);

/* loop_ready_ns is clock_now_ns at the first call in this turn: about when the events of this turn
 * became known. So the time that an event waits behind others in the turn counts for it. */
uint64_t loop_ready_ns(struct loop *loop);

/* loop_was_held tells whether the events of this turn may have arrived long before loop_ready_ns,
 * because a long turn has just ended. Called after loop_ready_ns. */
bool loop_was_held(const struct loop *loop);

/* loop_held_ns is how long the callbacks of this turn have held the loop so far.
 *
 * ret_turn: a number that no other turn has; may be NULL.
 * Returns:  about 0 while the loop polls, and 0 when it does not run.
 * Thread:   any.
 */
uint64_t loop_held_ns(const struct loop *loop, uint64_t *ret_turn);

/* loop_copy_running copies the facts of the task whose callback runs now.
 *
 * Returns: true with *ret_facts set; false: there is none.
 * Thread:  any.
 */
MUST_USE bool loop_copy_running(const struct loop *loop, struct task_facts *ret_facts);

/* loop_running_route is the route, or the method of gRPC, of the task whose callback runs now; ""
 * when none does.
 *
 * Thread: any.
 */
const char *loop_running_route(const struct loop *loop);

/* loop_on_stall registers the callback for each turn that held the loop for threshold_ns or longer;
 * NULL: none. */
void loop_on_stall(struct loop *loop, uint64_t threshold_ns, loop_stall_fn on_stall);

/* loop_is_own tells whether the loop runs on the calling thread.
 *
 * Thread: any.
 */
bool loop_is_own(const struct loop *loop);

/* loop_require_thread aborts when the loop runs on another thread than the caller's.
 *
 * what:   the function that was called, for the message.
 * Thread: any.
 */
void loop_require_thread(const struct loop *loop, const char *what);

/* loop_require_lasting is loop_require_thread, and aborts when `object`, which is used after this
 * callback has returned, lies on the callback's stack. Objects in the frame of loop_run's caller
 * are fine.
 *
 * what: the function that was called, for the message.
 */
void loop_require_lasting(const struct loop *loop, const void *object, const char *what);

/* loop_set_timer sets or moves a timer of the loop's wheel to `timeout_ms` from loop_now_ms. */
void loop_set_timer(struct loop *loop, struct wheel_timer *timer, uint64_t timeout_ms);

/* loop_http_date is the current date as the Date field has it, at most 100 ms old. */
struct str loop_http_date(const struct loop *loop);

/* loop_defer runs deferred->run at the end of this turn, or of a later one when this one has no
 * time left; in the order of the calls. Harmless when it is queued already. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred);

/* loop_undefer takes a deferred call back; harmless when it is not queued. */
void loop_undefer(struct loop_deferred *deferred);

/* loop_post runs post->run on the loop's thread, in the order of the calls, and never from inside
 * loop_post. A post does not keep loop_run going: one that must run needs a loop_ref.
 *
 * Owns:   the post is the loop's until it runs; it cannot be taken back.
 * Thread: any, from loop_create on. The caller makes sure that the loop exists: by a loop_ref that
 *         the post itself takes back, or by ending its threads before loop_destroy.
 */
void loop_post(struct loop *loop, struct loop_post *post);

/* loop_ref keeps loop_run and loop_destroy running for a post that is to come, until as many
 * loop_unref. */
void loop_ref(struct loop *loop);

/* loop_unref takes a loop_ref back. */
void loop_unref(struct loop *loop);

/* loop_register_metrics adds the loop's families: iterations, iteration time, lag, handles.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int loop_register_metrics(struct loop *loop, struct metrics *metrics);

#endif
