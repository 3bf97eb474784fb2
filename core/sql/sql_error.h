/* SPDX-License-Identifier: MIT
 *
 * sql_error.h - the table of MySQL's errors: what each means for the caller, for the connection,
 * and for the statement.
 *
 * Order:   the number, then the SQLSTATE by its longest prefix, then the library's own range.
 * Thread:  any.
 */
#ifndef TOQ_CORE_SQL_SQL_ERROR_H
#define TOQ_CORE_SQL_SQL_ERROR_H

#include "core/sql/sql_value.h"

#define SQL_ERROR_TEXT_BYTES 256 /* of a text for the log, with its NUL */

/* Whether a statement that failed may run again without its caller. */
enum sql_again {
    SQL_AGAIN_NEVER,
    SQL_AGAIN_READ, /* on another connection, if it changes nothing: it may have taken effect */
    SQL_AGAIN_ALL,  /* even a write, from the start of its transaction: all was rolled back */
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

/* sql_error_text writes an error's message for the log: each text in quotes, which may be a user's
 * data, becomes '?'.
 *
 * params: of the statement. If one of them contains a quote, the end of its text in the message is
 *         ambiguous: then everything from the first quote to the last one becomes one '?'.
 * out:    SQL_ERROR_TEXT_BYTES; a longer text is cut.
 */
void sql_error_text(struct str message, const struct sql_value *params, size_t param_count,
                    char *out);

#endif
