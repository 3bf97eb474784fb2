/* SPDX-License-Identifier: MIT
 *
 * name.c - two texts become one.
 */
#include "handlers/kit/name.h"

bool name_join(struct arena *arena, const char *prefix, struct str rest, struct str *ret_name)
{
    const size_t len = strlen(prefix);
    char *text = rest.len > NAME_REST_MAX ? NULL : arena_alloc(arena, len + rest.len + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, prefix, len);
    if (rest.len > 0) {
        memcpy(text + len, rest.ptr, rest.len);
    }
    *ret_name = (struct str){text, len + rest.len};
    return true;
}
