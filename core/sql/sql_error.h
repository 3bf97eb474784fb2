/* SPDX-License-Identifier: MIT
 *
 * sql_error.h - the one table of what an error of MySQL means: for the caller, for the connection,
 * and for the statement.
 *
 * Order:   the number, then the SQLSTATE by its longest prefix, then the library's own range.
 * Thread:  any.
 */
#ifndef TOQ_CORE_SQL_SQL_ERROR_H
#define TOQ_CORE_SQL_SQL_ERROR_H

#include "core/sql/sql_value.h"

#define SQL_ERROR_TEXT_BYTES 256 /* of a text for the log, with its NUL */

/* Whether what failed may run once more by itself. */
enum sql_again {
    SQL_AGAIN_NEVER,
    SQL_AGAIN_READ, /* on another connection, if it changes nothing: nobody knows how far it came */
    SQL_AGAIN_ALL, /* also a write, from the beginning of its transaction: nothing of it was kept */
};

struct sql_meaning {
    int16_t status; /* UV_*, as sql_query_fn lists */
    bool is_fatal;  /* the connection is of no use any more */
    enum sql_again again;
};

/* sql_error_meaning looks an error up.
 *
 * code:     MySQL's number, or the client library's; 0: no error, and all of the meaning is zero.
 * sqlstate: five characters, or "" where there is none.
 */
struct sql_meaning sql_error_meaning(unsigned code, const char *sqlstate);

/* sql_error_text writes an error's message for the log: each text in quotes, which may be
 * somebody's data, becomes '?'.
 *
 * params: of the statement. Where one of them has a quote in it, nobody can tell where its text
 *         ends in the message: then all from the first quote to the last one becomes one '?'.
 * out:    SQL_ERROR_TEXT_BYTES; what does not fit is cut off.
 */
void sql_error_text(struct str message, const struct sql_value *params, size_t param_count,
                    char *out);

#endif
