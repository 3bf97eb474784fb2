/* SPDX-License-Identifier: MIT
 *
 * config_options.h - the one table of variables: loading, printing, help and suggestions walk it.
 */
#ifndef TOQ_CONFIG_CONFIG_OPTIONS_H
#define TOQ_CONFIG_CONFIG_OPTIONS_H

#include "config/config.h"

#define CONFIG_OPTION_COUNT 74

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
};

struct config_option {
    const char *name;
    const char *help; /* what it does, without what it may be */
    enum config_kind kind;
    bool is_env_only;       /* decides which env file is read, so no env file may set it */
    size_t offset;          /* of its field in struct config */
    const char *value;      /* the default, as text; NULL: unset */
    const char *value_prod; /* the default in production; NULL: the same */
    uint64_t min;
    uint64_t max;
    const char *unit;           /* of a number */
    const char *zero;           /* what 0 does to a number; NULL: nothing of its own */
    const char *const *choices; /* NULL-terminated */
};

/* What a name stands for. */
struct config_name {
    const struct config_option *option;
    bool is_file; /* NAME_FILE: the value is the path of a file that holds it */
};

extern const struct config_option config_options[CONFIG_OPTION_COUNT];

/* config_options_find looks up a name, or a secret's name with _FILE behind it.
 *
 * Returns: true with *ret_name set; false when there is none.
 */
MUST_USE bool config_options_find(struct str name, struct config_name *ret_name);

/* config_options_nearest finds the name that a misspelt one most likely means: at most three
 * letters wrong and a third of them, in any case.
 *
 * Returns: true with *ret_name set; false when none is near.
 */
MUST_USE bool config_options_nearest(struct str name, struct config_name *ret_name);

/* config_option_is_secret tells whether an option's value is never shown and NAME_FILE may hold
 * it. */
bool config_option_is_secret(const struct config_option *option);

/* config_options_default is the text of an option's default; NULL when it has none. */
const char *config_options_default(const struct config_option *option, enum config_env env);

#endif
