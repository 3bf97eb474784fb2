/* SPDX-License-Identifier: MIT
 *
 * envfile.h - the syntax of an env file: NAME=value, one a line; knows no variable.
 *
 * Syntax: blank lines and lines that start with # are skipped; "export " before the name, blanks
 *         round name and value, CRLF and one pair of double quotes round the value are taken off.
 *         A # behind a value belongs to it, and nothing is escaped: what stands there is the value.
 */
#ifndef TOQ_CONFIG_ENVFILE_H
#define TOQ_CONFIG_ENVFILE_H

#include "core/base/str.h"

#define ENVFILE_MAX_BYTES      65536
#define ENVFILE_LINE_MAX_BYTES 1024

struct envfile {
    struct str rest; /* what is not read yet; set to the text to start */
    unsigned line;   /* of the last entry or problem, from 1; set to 0 to start */
};

struct envfile_entry {
    struct str name; /* letters, digits and _; both are views into the text */
    struct str value;
};

enum envfile_result { ENVFILE_ENTRY, ENVFILE_END, ENVFILE_PROBLEM };

/* envfile_next reads up to the next entry.
 *
 * Returns: ENVFILE_ENTRY with *ret_entry set; ENVFILE_END; ENVFILE_PROBLEM with *ret_problem a
 *          literal that quotes nothing of the line, which may hold a secret.
 */
enum envfile_result envfile_next(struct envfile *file, struct envfile_entry *ret_entry,
                                 const char **ret_problem);

#endif
