/* SPDX-License-Identifier: MIT
 *
 * redis_command.h - encodes a command for Redis: an array of strings, each with its length.
 *
 * hiredis would allocate each command; this writes it straight into the output queue.
 *
 * Source: https://redis.io/docs/reference/protocol-spec/ (RESP2, "Sending commands").
 */
#ifndef TOQ_CORE_REDIS_REDIS_COMMAND_H
#define TOQ_CORE_REDIS_REDIS_COMMAND_H

#include "core/base/str.h"

/* redis_command_bound is the room that redis_command_put may need.
 *
 * Returns: bytes; SIZE_MAX when they would be more than `max_bytes`.
 */
size_t redis_command_bound(const struct str *args, size_t count, size_t max_bytes);

/* redis_command_put writes one command.
 *
 * out: redis_command_bound bytes.
 * Returns: how many were written.
 */
size_t redis_command_put(char *out, const struct str *args, size_t count);

#endif
