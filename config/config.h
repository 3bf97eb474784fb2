/* SPDX-License-Identifier: MIT
 *
 * config.h - the configuration: environment over $CONFIG_DIR/$ENV.env over defaults. The core's
 * values are in one flat struct, a module's in its state.
 *
 * Flow:    config_load -> every option read, checked, stored -> the values never change again
 * Failure: one line that names the variable, the value and what is allowed; the caller exits 78.
 * Memory:  nothing is allocated; a load takes about 90 KiB of stack, for the file's text.
 * Thread:  main, before the loop runs; config_read_log_level: any.
 */
#ifndef TOQ_CONFIG_CONFIG_H
#define TOQ_CONFIG_CONFIG_H

#include <stdio.h>

#include "config/config_core.h"
#include "config/config_error.h"
#include "config/config_set.h"

/* config_set_init makes a set of the core's options alone; config_set_add adds those of modules. */
void config_set_init(struct config_set *set, struct config *config);

/* config_load fills the structs of a set from the process's environment and the env file.
 *
 * An empty value counts as unset. The env file may be missing unless CONFIG_DIR names its folder.
 *
 * set:   made by config_set_init.
 * error: CONFIG_ERROR_BYTES; on failure one line without a newline.
 * Returns: true; false with `error` set and the structs undefined.
 */
MUST_USE bool config_load(const struct config_set *set, char *error);

/* config_load_from is config_load with `variables` in place of the process's environment.
 *
 * variables: "NAME=value" each, NULL behind the last; unknown names are ignored.
 */
MUST_USE bool config_load_from(const struct config_set *set, const char *const *variables,
                               char *error);

/* config_parse_file checks the text of an env file against the options without using it; it opens
 * no file, so what a NAME_FILE variable points at is not looked at.
 *
 * path: for messages. error: as config_load.
 * Returns: true; false with `error` set.
 */
MUST_USE bool config_parse_file(const struct config_set *set, const char *path, struct str text,
                                char *error);

/* config_read_log_level reads LOG_LEVEL again as config_load would: environment, then file, then
 * default. It reads a file: not for the loop.
 *
 * Returns: true with *ret_level set; false with `error` set.
 * Thread:  any; the environment must not be changing.
 */
MUST_USE bool config_read_log_level(const struct config_set *set, int *ret_level, char *error);

/* config_print writes every option as NAME=value, one a line, secrets masked as ***. The output is
 * an env file; ENV and CONFIG_DIR, which no env file may set, are comments in it. */
void config_print(const struct config_set *set, FILE *out);

/* config_print_help lists every variable with its default, what it does and what it may be. */
void config_print_help(const struct config_set *set, FILE *out);

/* config_env_name is "development" or "production". */
const char *config_env_name(enum config_env env);

#endif
