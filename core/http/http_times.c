/* SPDX-License-Identifier: MIT
 *
 * http_times.c - adds up the states of a trail, and formats the sums as a field.
 */
#include "core/http/http_times.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/http/server.h"

#define HEADER_BYTES 128

static uint64_t *sum_of(struct http_times *times, const char *state)
{
    const struct {
        const char *state;
        uint64_t *sum;
    } sums[] = {
        {"running", &times->running_ns},       {"mysql", &times->mysql_ns},
        {"mysql pool", &times->mysql_pool_ns}, {"redis", &times->redis_ns},
        {"upstream", &times->upstream_ns},     {"write", &times->write_ns},
        {"[loop]", &times->loop_ns},
    };
    for (size_t i = 0; i < ARRAY_COUNT(sums); i++) {
        if (strcmp(state, sums[i].state) == 0) {
            return sums[i].sum;
        }
    }
    return &times->other_ns;
}

struct http_times http_times_get(const struct http_request *req, uint64_t now_ns)
{
    struct http_times times = {0};
    struct task_trail trail;
    uint64_t since_ns = req->task.start_ns;
    if (req->task.slot == TASK_NO_SLOT || !task_slots_copy_trail(req->task.slot, &trail)) {
        return times;
    }
    const char *state = task_trail_first(&trail);
    for (uint32_t i = 0; i < trail.change_count; i++) {
        if (!task_is_note(&trail.changes[i])) {
            *sum_of(&times, state) += clock_elapsed_ns(since_ns, trail.changes[i].when_ns);
            since_ns = trail.changes[i].when_ns;
            state = trail.changes[i].state;
        }
    }
    *(trail.lost_count > 0 ? &times.other_ns : sum_of(&times, state)) +=
        clock_elapsed_ns(since_ns, now_ns);
    return times;
}

static void put(struct buf *out, const char *name, uint64_t ns)
{
    const uint64_t us = ns / NS_PER_US;
    const char decimals[] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                             (char)('0' + us % 10)};
    buf_append_cstr(out, name);
    buf_append_cstr(out, ";dur=");
    buf_append_u64(out, us / 1000);
    buf_append(out, decimals, sizeof(decimals));
}

/* format writes the field's value into HEADER_BYTES. Returns: its length, without a NUL. */
static size_t format(const struct http_request *req, uint64_t now_ns, char *out)
{
    const struct http_times times = http_times_get(req, now_ns);
    /* capacity and maximum are equal, so the buffer never grows: it stays in `out` */
    struct buf text = {.data = out, .cap = HEADER_BYTES, .max_bytes = HEADER_BYTES};
    put(&text, "cpu", task_cpu_ns(&req->task));
    put(&text, ", mysql", times.mysql_ns);
    put(&text, ", redis", times.redis_ns);
    put(&text, ", queue", times.mysql_pool_ns + times.loop_ns);
    INVARIANT(!text.is_failed); /* 64 bits of ns are 14 digits of ms: 116 bytes at most */
    return text.len;
}

const struct http_response *http_times_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_response *timed)
{
    if (response->is_bare) {
        return response;
    }
    const size_t count = response->header_count;
    struct http_header *headers = arena_alloc(&req->arena, (count + 1) * sizeof(*headers));
    char *value = arena_alloc(&req->arena, HEADER_BYTES);
    if (headers == NULL || value == NULL) {
        return response;
    }
    if (count > 0) {
        memcpy(headers, response->headers, count * sizeof(*headers));
    }
    headers[count].name = STR("Server-Timing");
    headers[count].value = (struct str){value, format(req, clock_now_ns(), value)};
    *timed = *response;
    timed->headers = headers;
    timed->header_count = count + 1;
    return timed;
}
