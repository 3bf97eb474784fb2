/* SPDX-License-Identifier: MIT
 *
 * redis_greeting.c - AUTH, SELECT, CLIENT SETNAME as configured, PING, and a write.
 */
#include "core/redis/redis_greeting.h"

static bool is_wanted(const struct redis_options *o, enum redis_step step)
{
    switch (step) {
    case REDIS_STEP_AUTH:
        return o->password != NULL && o->password[0] != '\0';
    case REDIS_STEP_SELECT:
        return o->db != 0;
    case REDIS_STEP_SETNAME:
        return o->client_name != NULL;
    case REDIS_STEP_PROBE:
        return o->probe_key != NULL;
    default:
        return true;
    }
}

enum redis_step redis_greeting_next(const struct redis_options *options, enum redis_step step)
{
    while (step < REDIS_STEP_COUNT && !is_wanted(options, step)) {
        step++;
    }
    return step;
}

static void set(struct redis_greeting_command *command, struct str first, struct str second)
{
    command->args[0] = first;
    command->args[1] = second;
    command->count = 2;
}

void redis_greeting_make(const struct redis_options *options, enum redis_step step,
                         struct redis_greeting_command *ret_command)
{
    struct redis_greeting_command *c = ret_command;
    switch (step) {
    case REDIS_STEP_AUTH:
        set(c, STR("AUTH"), str_from(options->password));
        break;
    case REDIS_STEP_SELECT:
        set(c, STR("SELECT"), (struct str){c->number, str_format_u64(c->number, options->db)});
        break;
    case REDIS_STEP_SETNAME:
        set(c, STR("CLIENT"), STR("SETNAME"));
        c->args[c->count++] = str_from(options->client_name);
        break;
    case REDIS_STEP_PROBE:
        set(c, STR("SET"), str_from(options->probe_key));
        c->args[c->count++] = STR("1");
        c->args[c->count++] = STR("EX");
        c->args[c->count++] = STR("60");
        break;
    default:
        c->args[0] = STR("PING");
        c->count = 1;
    }
}
