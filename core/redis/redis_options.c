/* SPDX-License-Identifier: MIT
 *
 * redis_options.c - fills in the defaults.
 */
#include "core/redis/redis_options.h"

#define COMMAND_TIMEOUT_MS 1000
#define CONNECT_TIMEOUT_MS 2000
#define STALL_TIMEOUT_MS   3000
#define PENDING_MAX        16384
#define QUEUE_BYTES_MAX    (16u << 20)
#define REPLY_BYTES_MAX    (16u << 20)

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value == 0 ? fallback : value;
}

struct redis_options redis_options_fill(const struct redis_options *options)
{
    struct redis_options o = *options;
    o.command_timeout_ms = or_default(o.command_timeout_ms, COMMAND_TIMEOUT_MS);
    o.connect_timeout_ms = or_default(o.connect_timeout_ms, CONNECT_TIMEOUT_MS);
    o.stall_timeout_ms = or_default(o.stall_timeout_ms, STALL_TIMEOUT_MS);
    o.max_pending = or_default(o.max_pending, PENDING_MAX);
    o.max_queue_bytes = or_default(o.max_queue_bytes, QUEUE_BYTES_MAX);
    o.max_reply_bytes = or_default(o.max_reply_bytes, REPLY_BYTES_MAX);
    return o;
}
