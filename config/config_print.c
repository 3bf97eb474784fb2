/* SPDX-License-Identifier: MIT
 *
 * config_print.c - prints the options: the values in force, and the help.
 */
#include "config/config.h"
#include "config/config_value.h"

void config_print(const struct config_set *set, FILE *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct config_option *option = set->entries[i].option;
        (void)fprintf(out, "%s%s=", option->is_env_only ? "# " : "", option->name);
        config_value_print(option, set->entries[i].values, out);
        (void)fputc('\n', out);
    }
}

static void print_option_help(const struct config_option *option, FILE *out)
{
    const char *value = config_option_default(option, CONFIG_DEVELOPMENT);
    (void)fprintf(out, "  %s=%s", option->name, value == NULL ? "" : value);
    if (option->value_prod != NULL) {
        (void)fprintf(out, " (production: %s)", option->value_prod);
    }
    char allowed[CONFIG_TEXT_BYTES];
    config_value_allowed(option, allowed);
    (void)fprintf(out, "\n      %s: %s\n", option->help, allowed);
    if (config_option_is_secret(option)) {
        (void)fprintf(out, "  %s_FILE=\n      a file that holds %s\n", option->name, option->name);
    }
}

void config_print_help(const struct config_set *set, FILE *out)
{
    (void)fputs("Variables, with their defaults; the environment goes over $CONFIG_DIR/$ENV.env, "
                "and that over these:\n",
                out);
    for (size_t i = 0; i < set->count; i++) {
        print_option_help(set->entries[i].option, out);
    }
    (void)fputs("Read by a library, from the environment alone: MALLOC_CONF (jemalloc).\n", out);
}
