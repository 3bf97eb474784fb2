/* SPDX-License-Identifier: MIT
 *
 * sql_query.h - the life of a query, for the layers above: transactions and checks.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_QUERY_H
#define TOQ_CORE_SQL_SQL_QUERY_H

#include "core/sql/sql_pool.h"

enum sql_query_state { QUERY_IDLE, QUERY_WAITING, QUERY_RUNNING, QUERY_DONE };

/* The callbacks of a query's transaction. */
struct sql_query_owner {
    bool (*done)(struct sql_query *query); /* it has ended. Returns: true: on_done is to run */
    void (*cancelled)(struct sql_query *query);
};

/* sql_query_check checks the caller's part of a query.
 *
 * Returns: 0; UV_EINVAL: too many parameters; UV_EMSGSIZE: more bytes than a packet holds.
 */
MUST_USE int sql_query_check(const struct sql *sql, const struct sql_query *query);

/* sql_query_prepare sets the private part of a query that is about to be submitted or run. */
void sql_query_prepare(struct sql *sql, struct sql_query *query);

/* sql_query_submit asks for a connection for a prepared query, and runs the query on it.
 *
 * Returns: as sql_pool_submit. On an error on_done never runs.
 */
MUST_USE int sql_query_submit(struct sql *sql, struct sql_query *query);

/* sql_query_run runs a prepared query on a leased connection. */
void sql_query_run(struct sql_query *query, struct sql_conn *conn);

/* sql_query_set_timer starts the query's deadline, unless the query has ended already.
 *
 * timeout_ms: from now.
 */
void sql_query_set_timer(struct sql_query *query, uint64_t timeout_ms);

/* sql_query_set_waker changes the waker of the query's task.
 *
 * kind: a literal; NULL: none. id: as in task_waker.
 */
void sql_query_set_waker(struct sql_query *query, const char *kind, uint64_t id);

/* sql_query_refuse ends a query that waits for a connection; on_done runs later.
 *
 * error: NULL for none.
 */
void sql_query_refuse(struct sql_query *query, int status, const struct sql_error *error);

/* sql_query_fail ends a query that waits or runs with `status`; its connection is dropped, and
 * on_done runs later. */
void sql_query_fail(struct sql_query *query, int status);

/* sql_query_detach takes a query off the queue or off its connection, which is dropped; on_done
 * does not run. */
void sql_query_detach(struct sql_query *query);

#endif
