/* SPDX-License-Identifier: MIT
 *
 * records.c - a ring with one writer and one reader.
 */
#include "core/observe/records.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/http/server.h"
#include "core/http/transport.h"
#include "core/task/usage.h"

#define KEEP_NS NS_PER_S /* between two records of the same kind and route */

struct http_records {
    _Atomic uint64_t head; /* written so far */
    _Atomic uint64_t tail; /* taken so far */
    _Atomic uint64_t dropped;
    struct http_record ring[HTTP_RECORDS_MAX];
};

static const uint64_t bands_ns[HTTP_BANDS] = {
    0,        10 * NS_PER_US, 100 * NS_PER_US, NS_PER_MS, 10 * NS_PER_MS, 100 * NS_PER_MS,
    NS_PER_S, 10 * NS_PER_S,  100 * NS_PER_S,
};

uint64_t http_band_ns(size_t band)
{
    return bands_ns[band];
}

struct http_records *http_records_create(void)
{
    return calloc(1, sizeof(struct http_records));
}

void http_records_destroy(struct http_records *records)
{
    free(records);
}

/* --- which ones --- */

static size_t band_of(uint64_t duration_ns)
{
    size_t band = 0;
    while (band + 1 < HTTP_BANDS && duration_ns >= bands_ns[band + 1]) {
        band++;
    }
    return band;
}

/* has_failed: a mistake of the client's is no failure; that it left (499) is one. */
static bool has_failed(const struct http_request *req)
{
    return req->is_rpc_fault || req->status >= 499;
}

static bool is_due(uint64_t *due_ns, uint64_t now_ns)
{
    if (now_ns < *due_ns) {
        return false;
    }
    *due_ns = now_ns + KEEP_NS;
    return true;
}

/* is_expensive chooses the first request of a second, and those that use half as much CPU time
 * again as the last one chosen. */
static bool is_expensive(struct route_kept *kept, uint64_t ticks, uint64_t now_ns)
{
    const bool is_more = ticks > kept->cpu_ticks + kept->cpu_ticks / 2;
    if (!is_more && now_ns < kept->cpu_due_ns) {
        return false;
    }
    kept->cpu_due_ns = now_ns + KEEP_NS;
    kept->cpu_ticks = ticks;
    return true;
}

/* --- the writer --- */

static struct http_record *next_record(struct http_records *records)
{
    const uint64_t head = atomic_load_explicit(&records->head, memory_order_relaxed);
    const uint64_t tail = atomic_load_explicit(&records->tail, memory_order_acquire);
    if (head - tail == HTTP_RECORDS_MAX) {
        const uint64_t dropped = atomic_load_explicit(&records->dropped, memory_order_relaxed);
        atomic_store_explicit(&records->dropped, dropped + 1, memory_order_relaxed);
        return NULL;
    }
    return &records->ring[head % HTTP_RECORDS_MAX];
}

static void copy_path(const struct http_request *req, char *out)
{
    struct str path = req->path.ptr == NULL ? req->target : req->path;
    path.len = path.len < HTTP_RECORD_PATH_BYTES ? path.len : HTTP_RECORD_PATH_BYTES - 1;
    *str_put(out, path) = '\0';
}

static void fill(struct http_record *record, struct http_request *req, uint64_t now_ns)
{
    (void)http_trace(req); /* every record has a trace id */
    record->end_ns = now_ns;
    record->server = req->server->listener.name;
    record->method = http_method_name(req->method);
    record->rpc_status = req->rpc_status;
    record->status = req->status;
    copy_path(req, record->path);
    if (!task_slots_copy_trail(req->task.slot, &record->trail)) {
        record->trail = (struct task_trail){.facts = task_get_facts(&req->task)};
    }
    record->trail.facts.costs = task_get_costs(&req->task);
}

/* write_record fills the next record, which cannot be taken before its CPU time is known. */
static __attribute__((noinline)) struct http_record *
write_record(struct http_records *records, struct http_request *req, const struct http_end *end)
{
    struct http_record *record = next_record(records);
    if (record != NULL) {
        fill(record, req, end->now_ns);
        __atomic_store_n(&record->cpu_ns, UINT64_MAX, __ATOMIC_RELEASE);
        end->cpu->ret_ns = &record->cpu_ns;
        atomic_fetch_add_explicit(&records->head, 1, memory_order_release);
    }
    return record;
}

void http_records_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    if (end->cpu == NULL) {
        return;
    }
    struct route_kept *kept = &req->route->kept;
    const size_t band = band_of(end->now_ns - req->task.start_ns);
    const bool is_failure = has_failed(req);
    const bool is_kept = is_due(&kept->due_ns[is_failure ? HTTP_BANDS : band], end->now_ns);
    const bool is_costly = is_expensive(kept, req->task.cpu_ticks, end->now_ns);
    if (LIKELY(!is_kept && !is_costly)) {
        return;
    }
    struct http_record *record = write_record(ctx, req, end);
    if (record != NULL) {
        record->band = (uint8_t)band;
        record->is_failed = is_failure;
        record->is_expensive = is_costly;
        req->transport->format_peer(req, record->peer);
        end->is_kept = true;
    }
}

/* --- the reader --- */

bool http_records_take(struct http_records *records, struct http_record *ret_record)
{
    const uint64_t tail = atomic_load_explicit(&records->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&records->head, memory_order_acquire)) {
        return false;
    }
    struct http_record *record = &records->ring[tail % HTTP_RECORDS_MAX];
    if (__atomic_load_n(&record->cpu_ns, __ATOMIC_ACQUIRE) == UINT64_MAX) {
        return false;
    }
    *ret_record = *record;
    atomic_store_explicit(&records->tail, tail + 1, memory_order_release);
    return true;
}

uint64_t http_records_dropped(const struct http_records *records)
{
    return atomic_load_explicit(&records->dropped, memory_order_relaxed);
}
