/* SPDX-License-Identifier: MIT
 *
 * listings_changes.h - reads the log of changes that MySQL keeps (listings_schema.c).
 *
 * A position is taken when a change is made and seen when it is committed, so one may appear behind
 * a higher one, within LISTINGS_CHANGES_GRACE_MS; those of one listing never do. Some never appear.
 *
 * Memory: a read is the caller's until on_done runs or its cancel returns; events lie in its arena.
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_CHANGES_H
#define TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_CHANGES_H

#include "handlers/listings/store/listings_many.h"

/* Longer than any transaction that writes listings: listings_many.h's, and a margin. */
#define LISTINGS_CHANGES_GRACE_S 12
#define LISTINGS_CHANGES_KEEP_S  604800 /* a week; older ones are trimmed */

/* The key of a city: equal where `=` says so in a list. Weights of characters alone are not, for a
 * comparison takes no notice of blanks at the end (PAD SPACE). */
#define LISTINGS_CITY_KEY(city)                                                                    \
    "TRIM(TRAILING WEIGHT_STRING(_utf8mb4' ' COLLATE utf8mb4_unicode_520_ci) FROM "                \
    "WEIGHT_STRING(" city "))"

#define LISTINGS_EVENTS_MAX LISTINGS_LOOKUP_MAX /* that a read brings */
#define LISTINGS_ROWS_MAX   500 /* that a read looks at, beside those that are known */

enum listings_event_kind { LISTINGS_EVENT_CREATED, LISTINGS_EVENT_UPDATED, LISTINGS_EVENT_DELETED };

struct listings_event {
    uint64_t position;
    uint64_t resume; /* where to go on from behind it; for who hands events on */
    enum listings_event_kind kind;
    struct str id;
    uint64_t version;
    struct str city[2]; /* now and before, as keys: equal where the collation says so */
    struct str state[2];
    const struct listing *listing; /* as it is now; NULL: gone, or not asked for */
};

struct listings_changes_read {
    /* the caller's: set before the start, everything else zero */
    struct sql *sql;
    struct arena *arena;
    struct task *task; /* may be NULL */
    uint64_t after;    /* a position */
    size_t known_rows; /* behind it, that is_wanted will turn down */
    bool wants_listings;
    bool (*is_wanted)(const struct listings_changes_read *read, const struct listings_event *event);
    /* status: 0; else as sql_query_fn. */
    void (*on_done)(struct listings_changes_read *read, int status);
    void *arg;

    /* out, when status is 0 */
    struct listings_event *list; /* by position */
    size_t count;
    uint64_t last; /* position that was looked at; `after` when none was */
    bool has_more; /* behind `last` */

    /* private */
    struct sql_query query;
    struct sql_value params[2];
    struct str ids[LISTINGS_EVENTS_MAX];
    struct listings_lookup lookup;
};

/* listings_changes_start reads what comes behind a position.
 *
 * Returns: 0: on_done runs once, later; else as sql_query_start, and on_done never runs.
 */
MUST_USE int listings_changes_start(struct listings_changes_read *read);

/* listings_changes_cancel gives a read up: on_done never runs. Harmless when it has ended. */
void listings_changes_cancel(struct listings_changes_read *read);

#endif
