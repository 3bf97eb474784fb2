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

/* What the transaction of a query is told. */
struct sql_query_owner {
    bool (*done)(struct sql_query *query); /* it has ended. Returns: true: on_done is to run */
    void (*cancelled)(struct sql_query *query);
};

/* sql_query_check looks at what the caller has set.
 *
 * Returns: 0; UV_EINVAL: too many parameters; UV_EMSGSIZE: more bytes than a packet holds.
 */
MUST_USE int sql_query_check(const struct sql *sql, const struct sql_query *query);

/* sql_query_prepare fills in the private part of a query that is about to be submitted or run. */
void sql_query_prepare(struct sql *sql, struct sql_query *query);

/* sql_query_submit asks for a connection of its own; returns as sql_query_start. */
MUST_USE int sql_query_submit(struct sql *sql, struct sql_query *query);

/* sql_query_run runs a query that was prepared on a connection that is leased. */
void sql_query_run(struct sql_query *query, struct sql_conn *conn);

/* sql_query_set_timer starts the query's deadline, unless it has ended already. */
void sql_query_set_timer(struct sql_query *query, uint64_t timeout_ms);

/* sql_query_set_waker says what wakes the query's task from now on.
 *
 * kind: a literal; NULL: nothing. id: task_waker's.
 */
void sql_query_set_waker(struct sql_query *query, const char *kind, uint64_t id);

/* sql_query_refuse ends a query that waits for a connection; error: NULL for none. */
void sql_query_refuse(struct sql_query *query, int status, const struct sql_error *error);

/* sql_query_fail ends a query that waits or runs with `status`; its connection is dropped. */
void sql_query_fail(struct sql_query *query, int status);

/* sql_query_detach takes a query out of wherever it is; a connection that runs it is dropped. */
void sql_query_detach(struct sql_query *query);

#endif
