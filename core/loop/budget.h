/* SPDX-License-Identifier: MIT
 *
 * budget.h - the memory limit of the process, and the measures taken when memory is short.
 *
 * Flow:    quotas charge what they can (quota.h); once a second the rest, which libraries and
 *          fragmentation take, is read from jemalloc. 80 %: no request body is read. 100 %: new
 *          requests are refused, and once a second the stalled connection that holds most is cut.
 * Failure: a malloc that fails below the limit counts as 100 %; the address space kept for this
 *          case is released.
 * Thread:  the work loop; the quota of diagnostics: the loop of diagnostics.
 */
#ifndef TOQ_CORE_LOOP_BUDGET_H
#define TOQ_CORE_LOOP_BUDGET_H

#include "core/base/quota.h"
#include "core/loop/conn.h"

#define BUDGET_RESERVE_BYTES (16u << 20) /* for diagnostics, and for saying 503 */
#define BUDGET_MIN_BYTES     (64u << 20)

struct budget {
    struct quota_pool pool;
    struct quota traffic;
    struct quota diagnostics;
    struct loop *loop;
    struct conn_set *conns;
    struct wheel_timer tick;
    struct loop_deferred news;    /* acts on a new level, outside of the call that has reached it */
    enum quota_level told;        /* the level when `news` last ran */
    enum quota_level peak;        /* the highest level since then ... */
    uint64_t peak_bytes;          /* ... and the bytes in use when it was reached */
    uint64_t tight_count;         /* times that QUOTA_TIGHT was reached from QUOTA_EASY */
    uint64_t full_count;          /* times that QUOTA_FULL was reached */
    _Atomic uint64_t short_count; /* mallocs that failed, on any thread */
    _Atomic uint64_t refused;     /* requests, on any loop */
    uint64_t cut;                 /* connections */
    ptrdiff_t decay_ms;           /* jemalloc's dirty_decay_ms, at ease */
    _Atomic uint8_t short_ticks;  /* ticks left without new work after a malloc has failed */
    _Atomic(void *) kept;         /* BUDGET_RESERVE_BYTES of address space; NULL: released */
    struct loop *diagnostics_loop;
    struct wheel_timer diagnostics_tick;
};

/* budget_init makes the quotas.
 *
 * max_bytes: 0 takes three quarters of the system's limit; less than BUDGET_MIN_BYTES is as much.
 */
void budget_init(struct budget *budget, size_t max_bytes);

/* budget_start runs budget_tick once a second.
 *
 * conns: the connections of traffic, which may be cut; they outlive budget_stop.
 */
void budget_start(struct budget *budget, struct loop *loop, struct conn_set *conns);

/* budget_stop ends that; the quotas stay. */
void budget_stop(struct budget *budget);

/* budget_start_diagnostics updates the level of the quota of diagnostics once a second.
 *
 * Thread: the loop of diagnostics.
 */
void budget_start_diagnostics(struct budget *budget, struct loop *loop);

/* budget_stop_diagnostics ends that.
 *
 * Thread: the loop of diagnostics.
 */
void budget_stop_diagnostics(struct budget *budget);

/* budget_tick measures the memory in use, updates the level, and cuts stalled connections while
 * memory is short. */
void budget_tick(struct budget *budget);

/* budget_charged_bytes is the number of bytes charged; those of diagnostics are rounded up to a
 * whole batch. */
size_t budget_charged_bytes(const struct budget *budget);

/* budget_purge gives back to the system the pages that this thread has freed, after work that took
 * many. It takes some milliseconds for some dozens of MiB.
 *
 * Thread: any.
 */
void budget_purge(void);

/* budget_register_metrics adds the families toq_memory_*.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int budget_register_metrics(struct budget *budget, struct metrics *metrics);

/* budget_register_allocator adds the family toq_allocator_bytes; as budget_register_metrics. The
 * allocator has locks of its own, so this is for a registry that is not the work loop's. */
MUST_USE int budget_register_allocator(struct metrics *metrics);

#endif
