/* SPDX-License-Identifier: MIT
 *
 * task_frames.c - assembles a task's stack from what the task has kept.
 */
#include "profiling/task/task_frames.h"

#include <string.h>

#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"

void task_frames_from(const struct task_facts *facts, struct task_frames *ret_frames)
{
    *ret_frames = (struct task_frames){
        .state = facts->await_depth > 0 ? synthetic_state(facts->state) : 0,
        .await_depth = facts->await_depth,
        .handler = facts->handler,
        .label = facts->label,
    };
    memcpy(ret_frames->await_stack, facts->await_stack,
           facts->await_depth * sizeof(facts->await_stack[0]));
}

static bool is_in_function(uint64_t address, uint64_t entry)
{
    struct symbol_result result;
    symbol_lookup(address, &result);
    return result.entry == entry;
}

size_t task_frames_list(const struct task_frames *frames, uint64_t *ret_addresses)
{
    const uint64_t handler = (uintptr_t)frames->handler;
    bool has_handler = handler == 0;
    size_t count = 0;
    if (frames->state != 0) {
        ret_addresses[count++] = frames->state;
    }
    for (size_t i = 0; i < frames->await_depth; i++) {
        const uint64_t address = (uintptr_t)frames->await_stack[i] - 1; /* in the call */
        ret_addresses[count++] = address;
        if (handler != 0 && is_in_function(address, handler)) {
            has_handler = true;
            break;
        }
    }
    if (!has_handler) {
        ret_addresses[count++] = handler;
    }
    ret_addresses[count++] = synthetic_route(frames->label);
    return count;
}
