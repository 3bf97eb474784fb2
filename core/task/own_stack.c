/* SPDX-License-Identifier: MIT
 *
 * own_stack.c - follows frame pointers.
 */
#include "core/task/own_stack.h"

#include <stdio.h>

#define FRAME_BYTES_MAX 65536 /* what points further away is not a frame pointer */
#define TEXT_FRAMES_MAX 16

/* The bounds of this program's own code, from the linker; only that surely has frame pointers. */
extern const char __executable_start[];
extern const char etext[];

static bool is_own_code(const void *address)
{
    const char *code = address;
    return code >= __executable_start && code < etext;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) size_t
own_stack_follow(const void *const *frame, const void **addresses, size_t max)
{
    size_t depth = 1;
    while (depth < max && is_own_code(addresses[depth - 1])) {
        const void *const *caller = frame[0];
        const uintptr_t distance = (uintptr_t)caller - (uintptr_t)frame;
        if (caller <= frame || distance > FRAME_BYTES_MAX || distance % sizeof(*frame) != 0) {
            break;
        }
        frame = caller;
        addresses[depth] = frame[1];
        depth++;
    }
    return depth;
}

void own_stack_format(char *out)
{
    const void *addresses[TEXT_FRAMES_MAX] = {__builtin_return_address(0)};
    const size_t count = own_stack_follow(__builtin_frame_address(0), addresses, TEXT_FRAMES_MAX);
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && is_own_code(addresses[i]); i++) {
        const size_t offset = (size_t)((const char *)addresses[i] - __executable_start);
        const int n = snprintf(out + len, OWN_STACK_TEXT_BYTES - len, "%s+0x%zx", i == 0 ? "" : " ",
                               offset - 1); /* in the call */
        if (n < 0 || (size_t)n >= OWN_STACK_TEXT_BYTES - len) {
            out[len] = '\0';
            break;
        }
        len += (size_t)n;
    }
}

void own_stack_offset(const void *code, char *out)
{
    if (is_own_code(code)) {
        (void)snprintf(out, OWN_STACK_OFFSET_BYTES, "+0x%zx",
                       (size_t)((const char *)code - __executable_start));
    } else {
        (void)snprintf(out, OWN_STACK_OFFSET_BYTES, "?");
    }
}
