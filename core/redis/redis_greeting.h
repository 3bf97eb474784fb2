/* SPDX-License-Identifier: MIT
 *
 * redis_greeting.h - the commands that each new connection sends before those of users.
 */
#ifndef TOQ_CORE_REDIS_REDIS_GREETING_H
#define TOQ_CORE_REDIS_REDIS_GREETING_H

#include "core/base/str.h"
#include "core/redis/redis_options.h"

#define REDIS_GREETING_ARGS_MAX 5

/* In this order. PING is behind the others because a server that loads its data or wants a password
 * lets the others pass. */
enum redis_step {
    REDIS_STEP_AUTH,
    REDIS_STEP_SELECT,
    REDIS_STEP_SETNAME, /* the only one that may be refused */
    REDIS_STEP_PING,
    REDIS_STEP_PROBE, /* may be refused by a server that takes reads */
    REDIS_STEP_COUNT,
};

struct redis_greeting_command {
    struct str args[REDIS_GREETING_ARGS_MAX];
    size_t count;
    char number[20]; /* args may point at it */
};

/* redis_greeting_make fills *ret_command with the command of a step that the options ask for. */
void redis_greeting_make(const struct redis_options *options, enum redis_step step,
                         struct redis_greeting_command *ret_command);

/* redis_greeting_next is the first step from `step` on that the options ask for, or
 * REDIS_STEP_COUNT. */
enum redis_step redis_greeting_next(const struct redis_options *options, enum redis_step step);

#endif
