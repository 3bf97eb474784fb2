/* SPDX-License-Identifier: MIT
 *
 * redis_greeting.h - the commands that each new connection sends first.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_REDIS_REDIS_GREETING_H
#define TOQ_CORE_REDIS_REDIS_GREETING_H

#include "core/base/str.h"
#include "core/redis/redis_options.h"

#define REDIS_GREETING_ARGS_MAX 5

/* In this order. PING comes after those before it because a server that loads its data or needs a
 * password accepts them. */
enum redis_step {
    REDIS_STEP_AUTH,
    REDIS_STEP_SELECT,
    REDIS_STEP_SETNAME, /* may fail */
    REDIS_STEP_PING,
    REDIS_STEP_PROBE, /* may fail on a server that still answers reads */
    REDIS_STEP_COUNT,
};

struct redis_greeting_command {
    struct str args[REDIS_GREETING_ARGS_MAX];
    size_t count;
    char number[20]; /* args may point at it */
};

/* redis_greeting_make makes the command of a step that the options need.
 *
 * Owns: its arguments point into the options and *ret_command.
 */
void redis_greeting_make(const struct redis_options *options, enum redis_step step,
                         struct redis_greeting_command *ret_command);

/* redis_greeting_next is the first step from `step` on that the options need; REDIS_STEP_COUNT:
 * there is none. */
enum redis_step redis_greeting_next(const struct redis_options *options, enum redis_step step);

#endif
