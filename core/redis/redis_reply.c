/* SPDX-License-Identifier: MIT
 *
 * redis_reply.c - classifies errors by their first word.
 */
#include "core/redis/redis_reply.h"

/* Source: Redis 7.0, server.c, createSharedObjects(). */
static const struct redis_refusal refusals[] = {
    {"BUSY", "it runs a script", false},
    {"OOM", "its memory is full", false},
    {"READONLY", "it takes no writes", true},
    {"MISCONF", "it cannot save its data", false},
    {"NOREPLICAS", "it has too few replicas", false},
    {"LOADING", "it loads its data", true},
    {"MASTERDOWN", "it has lost its primary", true},
    {"CLUSTERDOWN", "its cluster is down", false},
};

static bool has_code(struct str text, struct str code)
{
    return text.len > code.len && memcmp(text.ptr, code.ptr, code.len) == 0 &&
           text.ptr[code.len] == ' ';
}

bool redis_reply_has_code(const struct redis_reply *reply, struct str code)
{
    return reply->type == REDIS_ERROR && has_code(reply->text, code);
}

const struct redis_refusal *redis_reply_refusal(struct str text)
{
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        if (has_code(text, str_from(refusals[i].code))) {
            return &refusals[i];
        }
    }
    return NULL;
}
