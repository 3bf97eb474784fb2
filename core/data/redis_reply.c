/* SPDX-License-Identifier: MIT
 *
 * redis_reply.c - telling errors apart.
 */
#include "core/data/redis_reply.h"

bool redis_reply_has_code(const struct redis_reply *reply, struct str code)
{
    const struct str text = reply->text;
    return reply->type == REDIS_ERROR && text.len > code.len &&
           memcmp(text.ptr, code.ptr, code.len) == 0 && text.ptr[code.len] == ' ';
}
