/* SPDX-License-Identifier: MIT
 *
 * lookup.h - looks names up on threads of a pool, since the system's resolver blocks.
 *
 * Flow:    lookup_start -> [thread] getaddrinfo -> on_done on the loop
 * Failure: the resolver may take minutes and cannot be stopped: an abandoned look-up keeps its
 *          thread. At most LOOKUPS_MAX look-ups of one name run at a time, so that a name that
 *          hangs does not take all threads.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_LOOP_LOOKUP_H
#define TOQ_CORE_LOOP_LOOKUP_H

#include <netdb.h>

#include "core/loop/pool.h"

#define LOOKUPS_MAX 2 /* of one name, those that were given up included */

struct lookup;

/* What the look-ups of a loop share; the owner frees it when no look-up is pending. */
struct lookups {
    struct loop *loop;
    struct pool *pool;
    struct list out; /* of struct lookup */
};

/* A lookup_done_fn gets the addresses, which it frees with freeaddrinfo.
 *
 * status:    0; UV_EAI_NONAME, UV_EAI_AGAIN ...; UV_ECANCELED: the pool was destroyed.
 * addresses: NULL unless status is 0. */
typedef void (*lookup_done_fn)(void *arg, int status, struct addrinfo *addresses);

/* lookups_init prepares for look-ups on a loop. pool: borrowed; a look-up may keep a thread of it
 * for minutes. */
void lookups_init(struct lookups *lookups, struct loop *loop, struct pool *pool);

/* lookup_start looks a name up, for TCP.
 *
 * on_done runs exactly once, on the loop, never from inside lookup_start, unless lookup_cancel came
 * first.
 *
 * Returns: 0 with *ret_lookup set, valid until on_done or lookup_cancel; UV_EBUSY: LOOKUPS_MAX
 *          look-ups of the name are pending; UV_ENOMEM; an error of pool_submit.
 * Owns:    host is copied.
 */
MUST_USE int lookup_start(struct lookups *lookups, const char *host, uint16_t port,
                          lookup_done_fn on_done, void *arg, struct lookup **ret_lookup);

/* lookup_cancel cancels a look-up: on_done does not run. One that has begun keeps its thread until
 * it ends. */
void lookup_cancel(struct lookup *lookup);

/* lookup_hints makes getaddrinfo's hints for TCP, for names and for literals. flags: AI_*. */
struct addrinfo lookup_hints(int flags);

#endif
