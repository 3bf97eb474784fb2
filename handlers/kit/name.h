/* SPDX-License-Identifier: MIT
 *
 * name.h - the names of keys and channels in Redis, which all modules share: a prefix of the
 * module's own, and the rest.
 *
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_KIT_NAME_H
#define TOQ_HANDLERS_KIT_NAME_H

#include "core/base/arena.h"

#define NAME_REST_MAX    1024 /* bytes */
#define NAME_ARENA_BYTES 8192 /* enough for the arena of one name */

/* name_join makes one name of the two parts, in the arena.
 *
 * prefix: NUL-terminated, as "toq:visits:".
 * Returns: true with *ret_name set; false when `rest` is longer than NAME_REST_MAX, and as
 *          arena_alloc returns NULL.
 */
MUST_USE bool name_join(struct arena *arena, const char *prefix, struct str rest,
                        struct str *ret_name);

#endif
