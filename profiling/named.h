/* SPDX-License-Identifier: MIT
 *
 * named.h - the named profiles (heap, goroutine, mutex ...): now, over some seconds, or since the
 * last query.
 *
 * Flow:    named_find -> named_query -> take, and take again when the seconds are over ->
 *          code_refresh -> [worker] subtract and encode -> done
 * Failure: an error ends the query with its code; a cancelled query ends silently.
 * Memory:  NAMED_QUERIES_MAX queries at a time, of at most three struct stacks each, and one more
 *          for each profile that tells what came since the last time.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_NAMED_H
#define TOQ_PROFILING_NAMED_H

#include "core/loop/pool.h"
#include "profiling/write/stacks.h"
#include "profiling/write/trace_filter.h"

/* Two scrapers that ask for the differences of everything at once, and some people. */
#define NAMED_QUERIES_MAX 24

struct source;

/* What the next answer of a profile since the last time is compared with. */
struct named_base {
    struct stacks stacks;
    bool is_busy; /* a query has the stacks */
};

/* A profile: a source and what is made of it. */
struct named {
    const struct source *source;
    /* Of a profile since the last time; NULL and zero for others. */
    const char *since_last_name;
    size_t difference_count; /* so many values are differences, the others are of the moment */
    struct named_base *base;
};

struct named_options {
    bool is_text;               /* as Go's debug=1; without seconds */
    bool is_purging;            /* ?gc=1: memory that nobody uses goes back first */
    uint64_t seconds;           /* what changes in so many; 0: everything until now */
    struct trace_filter traces; /* of a profile that named_has_traces */
};

struct named_query;

/* A named_done_fn gets a gzipped protobuf or a text.
 *
 * status: 0; what went wrong (profiler_strerror), and data is NULL; UV_ECANCELED by named_deinit.
 * Owns:   the callee frees data with free(). */
typedef void (*named_done_fn)(void *arg, int status, char *data, size_t len);

/* named_init allows queries; after code_start and when the sources have started. */
void named_init(struct loop *loop, struct pool *pool);

/* named_deinit ends all queries with UV_ECANCELED and forgets what profiles since the last time are
 * compared with; before the sources stop and code_stop. The loop must still turn for workers to
 * come home. Harmless when named_init was not called. */
void named_deinit(void);

/* named_find finds a profile by its name. Returns: NULL when there is none. */
const struct named *named_find(struct str name);

/* named_at lists the profiles, in no order. Returns: NULL past the last. */
const struct named *named_at(size_t position);

/* named_name is what the profile is called; a literal. */
const char *named_name(const struct named *named);

/* named_description says what it is for; a literal. */
const char *named_description(const struct named *named);

/* named_is_since_last tells whether each query answers with what came since the one before. Asking
 * for one changes what the next answer says. */
bool named_is_since_last(const struct named *named);

/* named_has_traces tells whether the profile can be that of one trace, and say which trace a sample
 * belongs to. */
bool named_has_traces(const struct named *named);

/* named_count is how many of what it counts there are now. */
uint64_t named_count(const struct named *named);

/* named_check tells why the profile cannot be taken, as a sentence for the client.
 *
 * Returns: NULL: it can be taken.
 */
const char *named_check(const struct named *named);

/* named_query takes a profile.
 *
 * done runs exactly once, on the loop, never from inside named_query, unless named_cancel came
 * first.
 *
 * options: without seconds for a profile since the last time.
 * Returns: 0 with *ret_query set, valid until done or named_cancel; UV_EBUSY: NAMED_QUERIES_MAX
 *          run,
 * or one of the same profile since the last time; UV_ENOMEM; what the source says.
 */
MUST_USE int named_query(const struct named *named, const struct named_options *options,
                         named_done_fn done, void *arg, struct named_query **ret_query);

/* named_cancel ends a query and discards it; done does not run. */
void named_cancel(struct named_query *query);

#endif
