/* SPDX-License-Identifier: MIT
 *
 * sql_exec.h - one statement on its connection, from the first packet to the last row.
 *
 * Flow:   sql_exec_start -> the socket is ready: sql_exec_resume ... -> on_ended
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_EXEC_H
#define TOQ_CORE_SQL_SQL_EXEC_H

#include "core/sql/sql_conn.h"
#include "core/sql/sql_error.h"

/* How a statement ended. */
struct sql_outcome {
    int status;
    bool is_broken;                /* the connection cannot be used any more */
    enum sql_again again;          /* whether the statement may run again */
    const struct sql_error *error; /* of the server or the library; NULL: of neither */
};

/* sql_exec_start runs `query` on an idle connection. on_ended runs once, perhaps before this
 * returns, unless sql_exec_close comes first. */
void sql_exec_start(struct sql_conn *conn, struct sql_query *query, sql_ended_fn on_ended);

/* sql_exec_resume goes on with the query of a connection.
 *
 * events: of its socket, MYSQL_WAIT_*.
 */
void sql_exec_resume(struct sql_conn *conn, int events);

/* sql_exec_is_executing tells whether the server may be executing the connection's statement. */
bool sql_exec_is_executing(const struct sql_conn *conn);

/* sql_exec_close closes a connection and frees its statements, even in the middle of an operation;
 * see sql_conn_close. */
void sql_exec_close(struct sql_conn *conn);

#endif
