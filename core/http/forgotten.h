/* SPDX-License-Identifier: MIT
 *
 * forgotten.h - tells of requests that nothing will ever end: their handler has returned, and
 * nothing is under way that will run a callback of theirs.
 *
 * That is a leaked task (task_is_leaked), and stands in the profile goroutineleak at once. When it
 * has been so for FORGOTTEN_AFTER_MS it gets one WARN and counts in
 * toq_forgotten_requests_total{route}. One that is cancelled and that nobody holds has ended.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_FORGOTTEN_H
#define TOQ_CORE_HTTP_FORGOTTEN_H

#include "core/loop/loop.h"

#define FORGOTTEN_AFTER_MS 5000

struct forgotten {
    struct loop *loop;
    struct wheel_timer timer;
};

/* forgotten_start looks once a second. */
void forgotten_start(struct forgotten *forgotten, struct loop *loop);

/* forgotten_stop ends that. */
void forgotten_stop(struct forgotten *forgotten);

/* forgotten_look looks once.
 *
 * now_ns: clock_now_ns.
 * Returns: how many requests are forgotten, those included that were so before.
 */
size_t forgotten_look(uint64_t now_ns);

#endif
