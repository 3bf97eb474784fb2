/* SPDX-License-Identifier: MIT
 *
 * budget.c - measures the memory once a second, and acts on changes of the level.
 */
#include "core/loop/budget.h"

#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <sys/mman.h>

#include "core/loop/alloc_stats.h"
#include "core/loop/memory_limit.h"
#include "core/telemetry/log.h"

#define TICK_MS     1000
#define SHORT_TICKS 5    /* at least, without new work after a failed malloc */
#define PACE_BYTES  4096 /* moved between two ticks: less is no progress */
#define STALL_TICKS 2    /* without progress, before a connection may be cut */
#define CUT_MAX     16   /* connections, at a tick */

#pragma weak mallctl

/* default_bytes is what MEMORY_MAX_BYTES=0 means: three quarters of the system's limit. */
static size_t default_bytes(void)
{
    const size_t bytes = memory_limit_find("") / 4 * 3;
    return bytes > BUDGET_MIN_BYTES ? bytes : BUDGET_MIN_BYTES;
}

/* --- address space for a malloc that fails --- */

/* keep_space: pages that cannot be touched take no memory, but count where the address space is
 * limited. */
static void keep_space(struct budget *budget)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is what mmap(2) wants beside MAP_ANONYMOUS */
    void *kept = mmap(NULL, BUDGET_RESERVE_BYTES, PROT_NONE, flags, -1, 0);
    if (kept != MAP_FAILED) {
        atomic_store(&budget->kept, kept);
    }
}

static void give_space_back(struct budget *budget)
{
    void *kept = atomic_exchange(&budget->kept, NULL);
    if (kept != NULL) {
        (void)munmap(kept, BUDGET_RESERVE_BYTES);
    }
}

static void on_short(struct quota_pool *pool)
{
    struct budget *budget = CONTAINER_OF(pool, struct budget, pool);
    (void)atomic_fetch_add_explicit(&budget->short_count, 1, memory_order_relaxed);
    atomic_store_explicit(&budget->short_ticks, SHORT_TICKS, memory_order_relaxed);
    give_space_back(budget);
}

/* --- levels --- */

static uint64_t used_bytes(const struct budget *budget)
{
    return atomic_load_explicit(&budget->pool.granted_bytes, memory_order_relaxed) +
           atomic_load_explicit(&budget->pool.foreign_bytes, memory_order_relaxed);
}

static void tell(const struct budget *budget, enum log_level level, const char *message,
                 uint64_t used)
{
    LOG(level, "memory", message, log_u64("used_bytes", used),
        log_u64("max_bytes", budget->pool.max_bytes),
        log_u64("failed_mallocs", atomic_load_explicit(&budget->short_count, memory_order_relaxed)),
        log_u64("refused_requests", budget->refused));
}

static void ease(struct conn_set *set)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &set->conns)
    {
        struct conn *conn = CONTAINER_OF(pos, struct conn, link);
        if (conn_is_open(conn) && conn->events != NULL && conn->events->on_eased != NULL) {
            conn->events->on_eased(conn);
        }
    }
}

/* find_arena makes the mallctl name of `what` in the arena that this thread allocates from.
 *
 * Returns: false: there is no jemalloc. */
static bool find_arena(const char *what, char ret_name[48])
{
    unsigned arena;
    size_t len = sizeof(arena);
    if (mallctl == NULL || mallctl("thread.arena", &arena, &len, NULL, 0) != 0) {
        return false;
    }
    (void)snprintf(ret_name, 48, "arena.%u.%s", arena, what);
    return true;
}

/* set_decay sets how long jemalloc keeps pages that this thread has freed.
 *
 * Returns: the time before. */
static ssize_t set_decay(ssize_t decay_ms)
{
    ssize_t before_ms = decay_ms;
    size_t len = sizeof(before_ms);
    char name[48];
    if (find_arena("dirty_decay_ms", name)) {
        (void)mallctl(name, &before_ms, &len, &decay_ms, sizeof(decay_ms)); /* else it stays */
    }
    return before_ms;
}

void budget_purge(void)
{
    char name[48];
    if (find_arena("purge", name)) {
        (void)mallctl(name, NULL, NULL, NULL, 0); /* else they go after dirty_decay_ms */
    }
}

/* keep_freed: while memory is short, freed pages go back at once; at ease they are kept for the
 * next allocation. */
static void keep_freed(struct budget *budget, bool is_kept)
{
    if (is_kept) {
        (void)set_decay(budget->decay_ms);
    } else {
        budget->decay_ms = set_decay(0);
    }
}

/* tell_level logs each step up, even one that ended within its turn, and each step down. */
static void tell_level(struct loop_deferred *news)
{
    struct budget *budget = CONTAINER_OF(news, struct budget, news);
    const enum quota_level before = budget->told;
    const enum quota_level now = budget->traffic.level;
    const enum quota_level peak = budget->peak > now ? budget->peak : now;
    budget->told = now;
    budget->peak = now;
    if ((now == QUOTA_EASY) != (before == QUOTA_EASY)) {
        keep_freed(budget, now == QUOTA_EASY);
    }
    if (peak > before) {
        tell(budget, LOG_WARN,
             peak == QUOTA_FULL ? "out of memory: new requests are refused"
                                : "memory is short: request bodies wait",
             budget->peak_bytes);
    }
    if (now < peak) {
        tell(budget, LOG_INFO,
             now == QUOTA_EASY ? "memory suffices again" : "new requests are accepted again",
             used_bytes(budget));
        if (now == QUOTA_EASY && budget->conns != NULL) {
            ease(budget->conns);
        }
    }
}

/* on_level counts at once, and logs at the end of the turn: the allocation that reached the level
 * may be that of a log line, or of what a new level does. */
static void on_level(struct quota *quota)
{
    struct budget *budget = CONTAINER_OF(quota, struct budget, traffic);
    budget->tight_count += quota->level == QUOTA_TIGHT && budget->told == QUOTA_EASY ? 1 : 0;
    budget->full_count += quota->level == QUOTA_FULL ? 1 : 0;
    if (quota->level > budget->peak) {
        budget->peak = quota->level;
        budget->peak_bytes = used_bytes(budget);
    }
    if (budget->loop != NULL) {
        loop_defer(budget->loop, &budget->news);
    }
}

/* --- one tick --- */

size_t budget_charged_bytes(const struct budget *budget)
{
    const size_t granted = atomic_load_explicit(&budget->pool.granted_bytes, memory_order_relaxed);
    const size_t unused = budget->traffic.granted_bytes - budget->traffic.used_bytes;
    return granted > unused ? granted - unused : 0;
}

/* weigh_foreign measures what is in use and charged to no quota, in whole pages: so the gaps
 * between objects count. */
static void weigh_foreign(struct budget *budget)
{
    struct alloc_stats stats;
    const size_t active = alloc_stats_read(&stats) ? (size_t)stats.active : 0;
    const size_t charged = budget_charged_bytes(budget);
    atomic_store_explicit(&budget->pool.foreign_bytes, active > charged ? active - charged : 0,
                          memory_order_relaxed);
}

/* Connections that do not move, those that hold most first. */
struct stalled {
    struct conn *conns[CUT_MAX];
    size_t held_bytes[CUT_MAX];
    size_t count;
};

static void add_stalled(struct stalled *stalled, struct conn *conn, size_t held_bytes)
{
    size_t at = stalled->count < CUT_MAX ? stalled->count++ : CUT_MAX - 1;
    if (stalled->conns[at] != NULL && held_bytes <= stalled->held_bytes[at]) {
        return;
    }
    for (; at > 0 && held_bytes > stalled->held_bytes[at - 1]; at--) {
        stalled->conns[at] = stalled->conns[at - 1];
        stalled->held_bytes[at] = stalled->held_bytes[at - 1];
    }
    stalled->conns[at] = conn;
    stalled->held_bytes[at] = held_bytes;
}

/* look_at notes how many bytes a connection has moved since the last tick. */
static void look_at(struct conn *conn, struct stalled *stalled)
{
    struct conn_weight weight = {.moved_bytes = conn->moved_bytes};
    if (conn->events != NULL && conn->events->weigh != NULL) {
        weight = conn->events->weigh(conn);
    }
    const bool has_moved = weight.moved_bytes - conn->seen_bytes >= PACE_BYTES;
    conn->seen_bytes = weight.moved_bytes;
    if (has_moved || conn->is_vital || !conn_is_open(conn)) {
        conn->stalled_looks = 0;
        return;
    }
    if (conn->stalled_looks < STALL_TICKS) {
        conn->stalled_looks++;
    }
    const size_t held = weight.held_bytes + conn->out.len;
    if (conn->stalled_looks == STALL_TICKS && held > 0) {
        add_stalled(stalled, conn, held);
    }
}

static void cut(struct budget *budget, struct conn *conn, size_t held_bytes)
{
    char peer[CONN_PEER_BYTES];
    conn_format_peer(conn, peer);
    LOG(LOG_WARN, "memory", "cutting off a stalled connection that holds memory",
        log_cstr("peer", peer), log_u64("held_bytes", held_bytes));
    budget->cut++;
    conn_close(conn);
}

/* cut_stalled cuts the stalled connections that hold most, until the quota has room for new
 * requests. */
static void cut_stalled(struct budget *budget)
{
    struct stalled stalled = {.count = 0};
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &budget->conns->conns)
    {
        look_at(CONTAINER_OF(pos, struct conn, link), &stalled);
    }
    size_t missing = quota_missing(&budget->traffic);
    for (size_t i = 0; i < stalled.count && missing > 0; i++) {
        cut(budget, stalled.conns[i], stalled.held_bytes[i]);
        missing -= stalled.held_bytes[i] < missing ? stalled.held_bytes[i] : missing;
    }
}

void budget_tick(struct budget *budget)
{
    weigh_foreign(budget);
    /* a malloc that fails on another thread right now starts over: what this tick undoes, the next
     * failure does again */
    const uint8_t ticks = atomic_load_explicit(&budget->short_ticks, memory_order_relaxed);
    if (ticks > 0) {
        atomic_store_explicit(&budget->short_ticks, (uint8_t)(ticks - 1), memory_order_relaxed);
    }
    if (ticks == 1) {
        keep_space(budget);
        atomic_store_explicit(&budget->pool.is_short, false, memory_order_relaxed);
    }
    quota_check(&budget->traffic);
    if (budget->traffic.level != QUOTA_EASY && budget->conns != NULL) {
        cut_stalled(budget);
    }
}

static void on_tick(struct wheel_timer *timer)
{
    struct budget *budget = CONTAINER_OF(timer, struct budget, tick);
    budget_tick(budget);
    loop_set_timer(budget->loop, &budget->tick, TICK_MS);
}

/* --- the beginning and the end --- */

void budget_init(struct budget *budget, size_t max_bytes)
{
    const size_t wanted = max_bytes == 0 ? default_bytes() : max_bytes;
    *budget = (struct budget){.told = QUOTA_EASY};
    quota_pool_init(&budget->pool, wanted > BUDGET_MIN_BYTES ? wanted : BUDGET_MIN_BYTES,
                    BUDGET_RESERVE_BYTES);
    quota_init(&budget->traffic, &budget->pool, false);
    quota_init(&budget->diagnostics, &budget->pool, true);
    budget->pool.on_short = on_short;
    budget->traffic.on_level = on_level;
    wheel_timer_init(&budget->tick, on_tick);
    budget->news.run = tell_level;
    list_init(&budget->news.link);
    keep_space(budget);
}

void budget_start(struct budget *budget, struct loop *loop, struct conn_set *conns)
{
    budget->loop = loop;
    budget->conns = conns;
    weigh_foreign(budget);
    loop_set_timer(loop, &budget->tick, TICK_MS);
}

static void on_diagnostics_tick(struct wheel_timer *timer)
{
    struct budget *budget = CONTAINER_OF(timer, struct budget, diagnostics_tick);
    quota_check(&budget->diagnostics);
    loop_set_timer(budget->diagnostics_loop, timer, TICK_MS);
}

void budget_start_diagnostics(struct budget *budget, struct loop *loop)
{
    budget->diagnostics_loop = loop;
    wheel_timer_init(&budget->diagnostics_tick, on_diagnostics_tick);
    loop_set_timer(loop, &budget->diagnostics_tick, TICK_MS);
}

void budget_stop_diagnostics(struct budget *budget)
{
    wheel_unset(&budget->diagnostics_tick);
}

void budget_stop(struct budget *budget)
{
    wheel_unset(&budget->tick);
    loop_undefer(&budget->news);
    give_space_back(budget);
    budget->loop = NULL;
    budget->conns = NULL;
}
