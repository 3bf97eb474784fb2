/* SPDX-License-Identifier: MIT
 *
 * statements.h - the texts of statements by their names, for spans: a text has a ? for each
 * parameter, so it contains no user's data.
 *
 * Memory: STATEMENTS_MAX texts, cut to STATEMENT_TEXT_BYTES; they last as long as the table.
 * Thread: one that learns; any that reads.
 */
#ifndef TOQ_CORE_LOOP_STATEMENTS_H
#define TOQ_CORE_LOOP_STATEMENTS_H

#include "core/base/str.h"

#define STATEMENTS_MAX       128
#define STATEMENT_TEXT_BYTES 512

struct statements;

/* statements_create makes an empty table; NULL when memory is missing. */
MUST_USE struct statements *statements_create(void);

/* statements_destroy frees it. NULL: does nothing. */
void statements_destroy(struct statements *statements);

/* statements_learn keeps the text of a statement at the first call with its name. A full table
 * learns nothing more.
 *
 * name:   a literal.
 * Thread: always the same one.
 */
void statements_learn(struct statements *statements, const char *name, struct str text);

/* statements_text is the text of a statement; NULL when it is not known, or a parameter is NULL.
 *
 * Thread: any.
 */
const char *statements_text(const struct statements *statements, const char *name);

#endif
