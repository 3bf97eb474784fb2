/* SPDX-License-Identifier: MIT
 *
 * config_set.c - collects the tables, and finds names in them.
 */
#include "config/config_set.h"

#include <stdio.h>

#define NAME_MAX_BYTES  64
#define FILE_SUFFIX     "_FILE"
#define NEAREST_CHANGES 3 /* and no more than a third of what was typed */

void config_set_add(struct config_set *set, const struct config_option *options, size_t count,
                    void *values)
{
    for (size_t i = 0; i < count; i++) {
        struct config_name taken;
        REQUIRE(set->count < CONFIG_OPTIONS_MAX);
        REQUIRE(strlen(options[i].name) <= NAME_MAX_BYTES);
        REQUIRE(options[i].kind != CONFIG_NUMBER || options[i].unit != NULL);
        REQUIRE(!config_set_find(set, str_from(options[i].name), &taken));
        set->entries[set->count++] = (struct config_entry){&options[i], values};
    }
}

static struct str cut_file_suffix(struct str name)
{
    const struct str suffix = STR(FILE_SUFFIX);
    if (name.len <= suffix.len) {
        return (struct str){name.ptr, 0};
    }
    const size_t len = name.len - suffix.len;
    const bool has_suffix = memcmp(name.ptr + len, suffix.ptr, suffix.len) == 0;
    return (struct str){name.ptr, has_suffix ? len : 0};
}

bool config_set_find(const struct config_set *set, struct str name, struct config_name *ret_name)
{
    const struct str stem = cut_file_suffix(name);
    for (size_t i = 0; i < set->count; i++) {
        const struct config_option *option = set->entries[i].option;
        const struct str option_name = str_from(option->name);
        if (str_equal(name, option_name)) {
            *ret_name = (struct config_name){option, i, false};
            return true;
        }
        if (config_option_is_secret(option) && str_equal(stem, option_name)) {
            *ret_name = (struct config_name){option, i, true};
            return true;
        }
    }
    return false;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* count_changes is the Levenshtein distance: letters to insert, drop or replace. */
static size_t count_changes(struct str typed, struct str name)
{
    size_t row[NAME_MAX_BYTES +
               sizeof(FILE_SUFFIX)]; /* row[j]: distance of what is typed so far to name[0..j) */
    for (size_t j = 0; j <= name.len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < typed.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < name.len; j++) {
            const size_t replaced = diagonal + (to_upper(typed.ptr[i]) == name.ptr[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = min_of(replaced, 1 + min_of(row[j], row[j + 1]));
        }
    }
    return row[name.len];
}

bool config_set_nearest(const struct config_set *set, struct str name, struct config_name *ret_name)
{
    if (name.len > NAME_MAX_BYTES) {
        return false;
    }
    const size_t too_many = min_of(NEAREST_CHANGES, name.len / 3) + 1;
    size_t best = too_many;
    for (size_t i = 0; i < 2 * set->count; i++) {
        const struct config_name candidate = {set->entries[i / 2].option, i / 2, i % 2 == 1};
        if (candidate.is_file && !config_option_is_secret(candidate.option)) {
            continue;
        }
        char full[NAME_MAX_BYTES + sizeof(FILE_SUFFIX)];
        (void)snprintf(full, sizeof(full), "%s%s", candidate.option->name,
                       candidate.is_file ? FILE_SUFFIX : "");
        const size_t changes = count_changes(name, str_from(full));
        if (changes < best) {
            best = changes;
            *ret_name = candidate;
        }
    }
    return best < too_many;
}

bool config_option_is_secret(const struct config_option *option)
{
    return option->kind == CONFIG_SECRET || option->kind == CONFIG_SECRETS;
}

const char *config_option_default(const struct config_option *option, enum config_env env)
{
    const bool is_prod = env == CONFIG_PRODUCTION && option->value_prod != NULL;
    return is_prod ? option->value_prod : option->value;
}
