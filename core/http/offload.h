/* SPDX-License-Identifier: MIT
 *
 * offload.h - work of a request that would hold the loop: files, compression, sums of many terms.
 * It runs on a thread of a pool, and the request waits for it meanwhile, in the state `offload`.
 *
 * Flow:    http_offload -> work on a thread, under the request's label -> done on the request's
 *          loop
 * Failure: a full pool refuses at once. Of a request that is cancelled, work that waits for a
 *          thread is called off; work that runs goes on, and done comes behind it.
 * Memory:  the request is held until done has run; so its arena may hold `arg`.
 * Thread:  the request's loop.
 */
#ifndef TOQ_CORE_HTTP_OFFLOAD_H
#define TOQ_CORE_HTTP_OFFLOAD_H

#include "core/http/http.h"
#include "core/loop/pool.h"

/* An http_work_fn does the work. It touches nothing but arg: neither the request nor the loop. */
typedef void (*http_work_fn)(void *arg);

/* An http_worked_fn goes on with the request, and ends it in the end.
 *
 * status: 0; UV_ECANCELED: the request was cancelled, so its answer is dropped. The work has run or
 * has not. */
typedef void (*http_worked_fn)(struct http_request *req, void *arg, int status);

/* http_offload has work done for a request that has not been answered; done runs exactly once,
 * later.
 *
 * Returns: 0; UV_EAGAIN when the pool is full, UV_ENOMEM: neither runs, and 503 is the answer.
 */
MUST_USE int http_offload(struct http_request *req, struct pool *pool, http_work_fn work,
                          http_worked_fn done, void *arg);

#endif
