/* SPDX-License-Identifier: MIT
 *
 * forgotten.h - finds requests that nothing will ever end: their handler has returned, and left
 * nothing pending that holds them.
 *
 * A request is forgotten when it has been "waiting" for FORGOTTEN_AFTER_MS: without a callback,
 * without a word on what it waits for (task_park, http_wait), and held by nobody. It gets one WARN,
 * counts in toq_forgotten_requests_total{route}, and stands in the goroutine profile as
 * "forgotten". One that is cancelled and that nobody holds has ended.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_FORGOTTEN_H
#define TOQ_CORE_HTTP_FORGOTTEN_H

#include "core/loop/loop.h"

#define FORGOTTEN_AFTER_MS 60000

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
