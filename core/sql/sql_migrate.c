/* SPDX-License-Identifier: MIT
 *
 * sql_migrate.c - a chain of queries on one connection, because a lock by name belongs to it.
 *
 * The transaction holds that connection and does nothing else: a change of the schema commits.
 */
#include "core/sql/sql_migrate.h"

#include <stdio.h>

#define TIMEOUT_MS  600000
#define ARENA_BYTES 65536 /* a number, or an error's text */

enum migrate_state { LOCKING, CREATING, LOOKING, ADOPTING, READING, STEPPING, NOTING, UNLOCKING };

static const char *const texts[] = {
    /* locks are server-wide, so the name contains the database's; 64 characters at most */
    [LOCKING] = "SELECT GET_LOCK(CONCAT('toq_migrate.', SHA1(DATABASE())), ?)",
    [CREATING] =
        "CREATE TABLE IF NOT EXISTS schema_steps (module VARCHAR(64) CHARACTER SET ascii COLLATE "
        "ascii_bin NOT NULL, step INT UNSIGNED NOT NULL, applied_at DATETIME(6) NOT NULL, PRIMARY "
        "KEY (module, step)) ENGINE=InnoDB",
    [LOOKING] =
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND "
        "table_name = 'schema_migrations'",
    [ADOPTING] = "INSERT IGNORE INTO schema_steps (module, step, applied_at) "
                 "SELECT ?, version, applied_at FROM schema_migrations",
    [READING] = "SELECT CAST(COALESCE(MAX(step), 0) AS SIGNED) FROM schema_steps WHERE module = ?",
    [NOTING] = "INSERT INTO schema_steps (module, step, applied_at) "
               "VALUES (?, ?, UTC_TIMESTAMP(6))",
    /* all: after a deadlock the transaction begins again, and takes the lock twice */
    [UNLOCKING] = "SELECT RELEASE_ALL_LOCKS()",
};

static void on_query_done(struct sql_query *query);

static struct sql_migrate_part *part_of(struct sql_migrate *m)
{
    return &m->parts[m->part];
}

/* set_params sets the parameters of a state's query.
 *
 * Returns: how many there are. */
static size_t set_params(struct sql_migrate *m, enum migrate_state state)
{
    switch (state) {
    case LOCKING:
        m->params[0] = sql_u64(m->tx.timeout_ms / 2000); /* half of the time, in seconds */
        return 1;
    case ADOPTING:
    case READING:
        m->params[0] = sql_text(str_from(part_of(m)->module));
        return 1;
    case NOTING:
        m->params[0] = sql_text(str_from(part_of(m)->module));
        m->params[1] = sql_u64(part_of(m)->version + 1);
        return 2;
    default:
        return 0;
    }
}

static int start_query(struct sql_migrate *m, enum migrate_state state)
{
    const char *text =
        state == STEPPING ? part_of(m)->schema->steps[part_of(m)->version] : texts[state];
    m->state = (uint8_t)state;
    arena_reset(&m->arena);
    m->query = (struct sql_query){
        .text = str_from(text),
        .params = m->params,
        .param_count = set_params(m, state),
        .arena = &m->arena,
        .on_done = on_query_done,
        .arg = m,
    };
    /* not every change of the schema can be prepared */
    return state == STEPPING ? sql_tx_command(&m->tx, &m->query) : sql_tx_query(&m->tx, &m->query);
}

static void keep_error(struct sql_migrate *m, int status, struct str message)
{
    m->status = status;
    if (m->state == STEPPING || m->state == NOTING) {
        (void)snprintf(m->error, sizeof(m->error), "%s, step %zu: %" STR_FMT, part_of(m)->module,
                       part_of(m)->version + 1, STR_ARG(message));
    } else {
        (void)snprintf(m->error, sizeof(m->error), "%" STR_FMT, STR_ARG(message));
    }
}

static void end(struct sql_migrate *m)
{
    if (m->status == 0) {
        sql_tx_commit(&m->tx);
    } else {
        sql_tx_rollback(&m->tx, m->status);
    }
}

/* go_on runs the next query. The lock is released at the end, even after a failure: the connection
 * goes back to the pool, and would hold it. */
static void go_on(struct sql_migrate *m, enum migrate_state state)
{
    const int rc = start_query(m, state);
    if (rc == 0) {
        return;
    }
    if (m->status == 0) {
        keep_error(m, rc, STR("the connection is lost"));
    }
    end(m);
}

/* begin_part reads which steps of a part the database has. */
static void begin_part(struct sql_migrate *m)
{
    if (m->part == m->part_count) {
        go_on(m, UNLOCKING);
        return;
    }
    go_on(m, part_of(m)->schema->was_the_only_one ? LOOKING : READING);
}

/* go_on_stepping begins the step after the last one that the database has. */
static void go_on_stepping(struct sql_migrate *m)
{
    if (part_of(m)->version < part_of(m)->schema->step_count) {
        go_on(m, STEPPING);
        return;
    }
    m->part++;
    begin_part(m);
}

/* number_of is the one number that a query answered, 0 for NULL. */
static int64_t number_of(const struct sql_result *result)
{
    return result->row_count == 1 && result->rows->values[0].type == SQL_I64
               ? result->rows->values[0].i64
               : 0;
}

static void on_success(struct sql_migrate *m, const struct sql_result *result)
{
    switch ((enum migrate_state)m->state) {
    case LOCKING:
        if (number_of(result) != 1) {
            keep_error(m, UV_EBUSY, STR("another process migrates this database"));
            end(m);
            return;
        }
        go_on(m, CREATING);
        return;
    case CREATING:
        m->part = 0;
        begin_part(m);
        return;
    case LOOKING:
        go_on(m, number_of(result) == 1 ? ADOPTING : READING);
        return;
    case ADOPTING:
        go_on(m, READING);
        return;
    case READING:
        part_of(m)->version = (size_t)number_of(result);
        go_on_stepping(m);
        return;
    case STEPPING:
        go_on(m, NOTING);
        return;
    case NOTING:
        part_of(m)->version++;
        m->applied_count++;
        go_on_stepping(m);
        return;
    case UNLOCKING:
        end(m);
        return;
    }
}

static void on_query_done(struct sql_query *query)
{
    struct sql_migrate *m = query->arg;
    const struct sql_result *result = &query->result;
    if (result->status == 0) {
        on_success(m, result);
        return;
    }
    if (m->state == UNLOCKING) {
        end(m); /* the steps are done, or m->status has their failure */
        return;
    }
    keep_error(m, result->status, result->error.message);
    go_on(m, UNLOCKING);
}

static void on_run(struct sql_tx *tx)
{
    struct sql_migrate *m = tx->arg;
    m->status = 0;
    m->error[0] = '\0';
    go_on(m, LOCKING);
}

static void on_tx_done(struct sql_tx *tx)
{
    struct sql_migrate *m = tx->arg;
    if (m->status == 0 && tx->status < 0) {
        keep_error(m, tx->status,
                   tx->status == UV_ETIMEDOUT ? STR("out of time") : STR("the connection is lost"));
    }
    arena_deinit(&m->arena);
    m->on_done(m);
}

int sql_migrate_start(struct sql *sql, struct sql_migrate *migrate)
{
    arena_init(&migrate->arena, ARENA_BYTES);
    migrate->tx = (struct sql_tx){
        .run = on_run,
        .on_done = on_tx_done,
        .timeout_ms = migrate->timeout_ms != 0 ? migrate->timeout_ms : TIMEOUT_MS,
        .arg = migrate,
    };
    return sql_tx_start(sql, &migrate->tx);
}
