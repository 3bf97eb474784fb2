/* SPDX-License-Identifier: MIT
 *
 * config_set.h - all options of a server, of the core's table and of each module's: loading,
 * printing, help and suggestions walk it.
 *
 * Thread: main fills it; then it never changes, and any may read it.
 */
#ifndef TOQ_CONFIG_CONFIG_SET_H
#define TOQ_CONFIG_CONFIG_SET_H

#include "config/config_options.h"
#include "core/base/str.h"

#define CONFIG_OPTIONS_MAX 192

struct config_entry {
    const struct config_option *option;
    void *values; /* the struct that option->offset is of; borrowed */
};

/* All zero at first. */
struct config_set {
    struct config_entry entries[CONFIG_OPTIONS_MAX];
    size_t count;
};

/* What a name stands for. */
struct config_name {
    const struct config_option *option;
    size_t index; /* of its entry */
    bool is_file; /* NAME_FILE: the value is the path of a file that holds it */
};

/* config_set_add adds a table. No two options of a set have one name.
 *
 * values: the struct that the table's offsets are of; borrowed, as the table is.
 */
void config_set_add(struct config_set *set, const struct config_option *options, size_t count,
                    void *values);

/* config_set_find looks up a name, or a secret's name with _FILE behind it.
 *
 * Returns: true with *ret_name set; false when there is none.
 */
MUST_USE bool config_set_find(const struct config_set *set, struct str name,
                              struct config_name *ret_name);

/* config_set_nearest finds the name that a misspelt one most likely means: at most three letters
 * wrong and a third of them, in any case.
 *
 * Returns: true with *ret_name set; false when none is near.
 */
MUST_USE bool config_set_nearest(const struct config_set *set, struct str name,
                                 struct config_name *ret_name);

/* config_option_is_secret tells whether an option's value is never shown and NAME_FILE may hold
 * it. */
bool config_option_is_secret(const struct config_option *option);

/* config_option_default is the text of an option's default; NULL when it has none. */
const char *config_option_default(const struct config_option *option, enum config_env env);

#endif
