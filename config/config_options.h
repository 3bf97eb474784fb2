/* SPDX-License-Identifier: MIT
 *
 * config_options.h - options: a variable is a row of a table. The core has one table, and each
 * module its own.
 */
#ifndef TOQ_CONFIG_CONFIG_OPTIONS_H
#define TOQ_CONFIG_CONFIG_OPTIONS_H

#include "core/base/base.h"

#define CONFIG_TEXT_BYTES 256
#define CONFIG_LIST_BYTES 4096

enum config_env { CONFIG_DEVELOPMENT, CONFIG_PRODUCTION };

/* The type of the field and what its text may be. */
enum config_kind {
    CONFIG_CHOICE,  /* int or enum: the index in choices */
    CONFIG_BOOL,    /* bool: true or false */
    CONFIG_NUMBER,  /* uint64_t: min to max */
    CONFIG_HOST,    /* char[CONFIG_TEXT_BYTES], as the three below: see config_host_parse */
    CONFIG_FOLDER,  /* any path */
    CONFIG_TEXT,    /* min to max printable characters: what another server shall understand */
    CONFIG_SECRET,  /* min to max printable characters; also from a file, by NAME_FILE */
    CONFIG_SECRETS, /* char[CONFIG_LIST_BYTES]: secrets, each min to max long, commas between them;
                       also from a file, one a line */
    CONFIG_LIST,    /* as CONFIG_SECRETS, of what is none */
};

struct config_option {
    const char *name;
    const char *help; /* what it does, without what it may be */
    enum config_kind kind;
    bool is_env_only;       /* decides which env file is read, so no env file sets it */
    size_t offset;          /* of its field in the struct that the table is for */
    const char *value;      /* the default, as text; NULL: unset */
    const char *value_prod; /* the default in production; NULL: the same */
    uint64_t min;
    uint64_t max;
    const char *unit;           /* of a number, which has one: "milliseconds" */
    const char *zero;           /* what 0 does to a number, as "(0 ...)": "sets no limit"; NULL:
                                   nothing of its own */
    const char *const *choices; /* NULL-terminated */
};

#endif
