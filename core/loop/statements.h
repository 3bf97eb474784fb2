/* SPDX-License-Identifier: MIT
 *
 * statements.h - the texts of statements by their names, for spans: a text has a ? for each
 * parameter, so it contains no user's data.
 *
 * Memory: STATEMENTS_MAX texts, cut to STATEMENT_TEXT_BYTES; none is freed.
 * Thread: any.
 */
#ifndef TOQ_CORE_LOOP_STATEMENTS_H
#define TOQ_CORE_LOOP_STATEMENTS_H

#include "core/base/str.h"

#define STATEMENTS_MAX       128
#define STATEMENT_TEXT_BYTES 512

/* statements_learn keeps the text of a statement at the first call with its name. A full table
 * learns nothing more.
 *
 * name: a literal.
 */
void statements_learn(const char *name, struct str text);

/* statements_text is the text of a statement; NULL when it is not known, or name is NULL. */
const char *statements_text(const char *name);

#endif
