/* SPDX-License-Identifier: MIT
 *
 * sql_migrate.h - brings the schemas of a database up to date, one numbered step after the other.
 * Each module has numbers of its own.
 *
 * Flow:    sql_migrate_start -> GET_LOCK -> the table schema_steps -> for each module, for each of
 *          its steps that is missing: the step, its number -> RELEASE_ALL_LOCKS -> on_done
 * Failure: the first step that fails ends it; the steps before it stay. Of two migrations at once,
 *          in any processes, one waits for the other and then finds nothing to do.
 * Memory:  the struct is the caller's until on_done runs.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_MIGRATE_H
#define TOQ_CORE_SQL_SQL_MIGRATE_H

#include "core/sql/sql_tx.h"

#define SQL_MIGRATE_ERROR_BYTES 256

/* The schema of a module. */
struct sql_schema {
    const char *const *steps; /* step 1, 2, 3 ...: one statement each, without rows */
    size_t step_count;
    /* A statement that needs the rights and resources of the module's writes, and changes nothing;
     * may be NULL. When it fails, the server's health is degraded. */
    const char *probe;
    /* Old databases have its steps in schema_migrations, which had one schema's numbers. */
    bool was_the_only_one;
};

struct sql_migrate_part {
    const char *module; /* 64 bytes at most; no two parts have one name */
    const struct sql_schema *schema;
    size_t version; /* in on_done: the last step that the database has; 0: none */
};

struct sql_migrate {
    /* the caller's: set before sql_migrate_start, everything else zero */
    struct sql_migrate_part *parts; /* in the order in which they are applied; borrowed */
    size_t part_count;
    uint64_t timeout_ms; /* of all, the wait for the lock included; 0: ten minutes */
    void (*on_done)(struct sql_migrate *migrate); /* runs exactly once, later */
    void *arg;

    int status; /* in on_done: 0, or as sql_query_fn lists; UV_EBUSY: another held the lock */
    size_t applied_count;                /* steps that this run applied */
    char error[SQL_MIGRATE_ERROR_BYTES]; /* the server's text, with the step; "": none */

    /* private */
    struct sql_tx tx;
    struct sql_query query;
    struct sql_value params[2];
    struct arena arena;
    size_t part; /* the one at work */
    uint8_t state;
};

/* sql_migrate_start begins to apply the steps that the database does not have.
 *
 * MySQL cannot roll back a change of the schema: if the server dies between a step and the note of
 * its number, the step runs again. So each step is written to do no harm the second time (CREATE
 * TABLE IF NOT EXISTS ...). A published step never changes; a new one is added instead.
 *
 * Returns: 0; else as sql_query_start, and on_done never runs.
 */
MUST_USE int sql_migrate_start(struct sql *sql, struct sql_migrate *migrate);

#endif
