/* SPDX-License-Identifier: MIT
 *
 * forgotten.h - reports requests that nothing will ever end: their handler has returned, and
 * nothing is pending that will run another callback of theirs.
 *
 * Such a task is leaked (task_is_leaked), and is in the profile goroutineleak at once. After
 * FORGOTTEN_AFTER_MS its request is logged, once, and counted in
 * toq_forgotten_requests_total{route}. A cancelled request that nobody holds has ended, and is not
 * forgotten.
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

/* forgotten_start runs forgotten_look once a second.
 *
 * Owns: forgotten is the caller's, until forgotten_stop.
 */
void forgotten_start(struct forgotten *forgotten, struct loop *loop);

/* forgotten_stop ends that. */
void forgotten_stop(struct forgotten *forgotten);

/* forgotten_look looks through the calling thread's tasks, which are all requests, and reports
 * those that it finds for the first time.
 *
 * now_ns:  clock_now_ns.
 * Returns: how many requests are forgotten, those reported before included.
 */
size_t forgotten_look(uint64_t now_ns);

#endif
