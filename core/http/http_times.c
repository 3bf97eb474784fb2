/* SPDX-License-Identifier: MIT
 *
 * http_times.c - a trail, added up.
 */
#include "core/http/http_times.h"

#include <string.h>

#include "core/base/clock.h"

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
    const char *state = task_state_running;
    uint64_t since_ns = req->task.start_ns;
    if (req->task.slot == TASK_NO_SLOT || !task_slots_copy_trail(req->task.slot, &trail)) {
        return times;
    }
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
