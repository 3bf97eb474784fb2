/* SPDX-License-Identifier: MIT
 *
 * offload.h - work of a request that would hold the loop: files, compression, sums of many terms.
 * It runs on a thread of a pool, and the request waits for it meanwhile, in the state `offload`.
 *
 * Flow:    http_offload -> work on a thread, under the request's label -> done on the request's
 *          loop
 * Failure: a full pool refuses at once. When the request is cancelled, work that still waits for a
 *          thread is dropped; work that has begun goes on. done runs in either case.
 * Memory:  the request is held until done has run, so its arena may hold `arg`.
 * Thread:  the request's loop.
 */
#ifndef TOQ_CORE_HTTP_OFFLOAD_H
#define TOQ_CORE_HTTP_OFFLOAD_H

#include "core/http/http.h"
#include "core/loop/pool.h"

/* An http_work_fn does the work. It touches nothing but arg: neither the request nor the loop. */
typedef void (*http_work_fn)(void *arg);

/* An http_worked_fn goes on with the request, and ends it now or later.
 *
 * status: 0; UV_ECANCELED: the request was cancelled, so its answer is dropped, or the pool was
 *         destroyed. Either way the work may or may not have run. */
typedef void (*http_worked_fn)(struct http_request *req, void *arg, int status);

/* http_offload runs `work` on a thread of the pool for a request that has not been answered, then
 * `done`; done runs exactly once, later.
 *
 * Returns: 0; UV_EBUSY: the pool is full, or no thread can be started; UV_ENOMEM; UV_ECANCELED: the
 *          pool is being destroyed. On an error neither runs; http_fail answers each with 503.
 */
MUST_USE int http_offload(struct http_request *req, struct pool *pool, http_work_fn work,
                          http_worked_fn done, void *arg);

#endif
