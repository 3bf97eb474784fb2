/* SPDX-License-Identifier: MIT
 *
 * config.c - loads the configuration from its sources, by their precedence.
 *
 * Flow:    environment -> ENV and CONFIG_DIR -> env file -> each option from the first source that
 *          sets it, else its default -> rules between options
 * Failure: the first error ends the load. An env file is checked as a whole, with the lines that
 *          the environment overrides.
 * Secrets: no message shows a secret; therefore syntax errors do not quote their line.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "config/config_error.h"
#include "config/config_foreign.h"
#include "config/config_rules.h"
#include "config/config_value.h"
#include "config/envfile.h"

#define PATH_BYTES (CONFIG_TEXT_BYTES + 32) /* CONFIG_DIR, "/production.env" and a NUL */

/* What one source says about an option. */
struct setting {
    struct str value; /* empty: not set */
    unsigned line;    /* in the env file; 0: the file does not name it */
};

/* One source of settings; the values are views into it. */
struct layer {
    const char *path; /* for messages; NULL is the environment */
    const char *env;  /* whose file it is, as ENV has it; NULL: of the environment, or not known */
    uint32_t foreign; /* config_foreign.h's bits */
    struct setting plain[CONFIG_OPTIONS_MAX];
    struct setting by_file[CONFIG_OPTIONS_MAX]; /* NAME_FILE: the value is a path */
};

struct sources {
    struct layer environment;
    struct layer file;
    char path[PATH_BYTES];
    char text[ENVFILE_MAX_BYTES + 1]; /* one more, to notice a file that is too large */
};

const char *config_env_name(enum config_env env)
{
    return env == CONFIG_PRODUCTION ? "production" : "development";
}

static struct setting *setting_of(struct layer *layer, struct config_name name)
{
    struct setting *settings = name.is_file ? layer->by_file : layer->plain;
    return &settings[name.index];
}

static size_t index_of(const struct config_set *set, const char *literal)
{
    struct config_name name;
    const bool is_found = config_set_find(set, str_from(literal), &name);
    INVARIANT(is_found);
    return name.index;
}

void config_set_init(struct config_set *set, struct config *config)
{
    *set = (struct config_set){0};
    config_set_add(set, config_core_options, config_core_option_count, config);
    config_set_add(set, config_tracing_options, config_tracing_option_count, &config->tracing);
}

/* add_foreign notes a variable of another program; false when it is not known as one. */
static bool add_foreign(struct layer *layer, struct str name)
{
    uint32_t bit = 0;
    const bool is_known = config_foreign_find(name, &bit);
    layer->foreign |= bit;
    return is_known;
}

static void read_environment(const struct config_set *set, const char *const *variables,
                             struct layer *layer)
{
    for (size_t i = 0; variables[i] != NULL; i++) {
        struct str value = str_from(variables[i]);
        struct str name;
        struct config_name known;
        if (!str_next_field(&value, '=', &name) || value.ptr == NULL) {
            continue;
        }
        if (!config_set_find(set, name, &known)) {
            (void)add_foreign(layer, name);
            continue;
        }
        struct setting *setting = setting_of(layer, known);
        if (setting->value.len == 0) { /* the first one counts, as with getenv */
            setting->value = value;
        }
    }
}

/* read_file reads as much as fits.
 *
 * Returns: 0 with *ret_len set; an errno.
 */
static int read_file(const char *path, char *out, size_t out_bytes, size_t *ret_len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    size_t len = 0;
    ssize_t n = 1;
    while (n != 0 && len < out_bytes) {
        n = read(fd, out + len, out_bytes - len);
        if (n < 0 && errno != EINTR) {
            const int error_number = errno;
            (void)close(fd);
            return error_number;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    *ret_len = len;
    return 0;
}

static bool refuse_value(const struct layer *layer, const struct config_option *option,
                         const struct setting *setting, char *error)
{
    char allowed[CONFIG_TEXT_BYTES];
    config_value_allowed(option, allowed);
    char place[PATH_BYTES + 16] = "";
    if (layer->path != NULL) {
        (void)snprintf(place, sizeof(place), "%s:%u: ", layer->path, setting->line);
    }
    const struct str shown =
        config_option_is_secret(option) ? STR("***") : config_error_clip(setting->value);
    return config_error_set(error, "%s%s: \"%" STR_FMT "\" is not allowed: %s", place, option->name,
                            STR_ARG(shown), allowed);
}

static bool refuse_name(const struct config_set *set, const char *path, unsigned line,
                        struct str name, char *error)
{
    const struct str shown = config_error_clip(name);
    struct config_name near;
    if (!config_set_nearest(set, name, &near)) {
        return config_error_set(error, "%s:%u: %" STR_FMT " is not a variable; --help lists them",
                                path, line, STR_ARG(shown));
    }
    return config_error_set(error, "%s:%u: %" STR_FMT " is not a variable; did you mean %s%s?",
                            path, line, STR_ARG(shown), near.option->name,
                            near.is_file ? "_FILE" : "");
}

/* repeats_env tells whether an entry says of which ENV its file is: it chooses nothing then. */
static bool repeats_env(const struct layer *layer, const struct envfile_entry *entry)
{
    return layer->env != NULL && str_equal(entry->name, STR("ENV")) &&
           str_equal(entry->value, str_from(layer->env));
}

/* add_entry takes one line of the env file into the layer, when its value can be stored. */
static bool add_entry(const struct config_set *set, struct layer *layer, unsigned line,
                      const struct envfile_entry *entry, char *error)
{
    struct config_name name;
    if (!config_set_find(set, entry->name, &name)) {
        return add_foreign(layer, entry->name) ||
               refuse_name(set, layer->path, line, entry->name, error);
    }
    if (name.option->is_env_only) {
        return repeats_env(layer, entry) ||
               config_error_set(error,
                                "%s:%u: %s is not allowed in an env file: it chooses the file",
                                layer->path, line, name.option->name);
    }
    struct setting *setting = setting_of(layer, name);
    if (setting->line != 0) {
        return config_error_set(error, "%s:%u: %" STR_FMT " is set twice: first in line %u",
                                layer->path, line, STR_ARG(entry->name), setting->line);
    }
    *setting = (struct setting){entry->value, line};
    if (entry->value.len == 0 || name.is_file || config_value_check(name.option, entry->value)) {
        return true;
    }
    return refuse_value(layer, name.option, setting, error);
}

static bool parse_layer(const struct config_set *set, struct str text, struct layer *layer,
                        char *error)
{
    if (text.len > ENVFILE_MAX_BYTES) {
        return config_error_set(error, "%s: larger than %d bytes", layer->path, ENVFILE_MAX_BYTES);
    }
    struct envfile file = {.rest = text};
    for (;;) {
        struct envfile_entry entry;
        const char *problem;
        switch (envfile_next(&file, &entry, &problem)) {
        case ENVFILE_END:
            return true;
        case ENVFILE_PROBLEM:
            return config_error_set(error, "%s:%u: %s", layer->path, file.line, problem);
        case ENVFILE_ENTRY:
            if (!add_entry(set, layer, file.line, &entry, error)) {
                return false;
            }
        }
    }
}

bool config_parse_file(const struct config_set *set, const char *path, struct str text, char *error)
{
    struct layer layer = {.path = path};
    return parse_layer(set, text, &layer, error);
}

/* load_env_file fills the file's layer from $CONFIG_DIR/$ENV.env. */
static bool load_env_file(const struct config_set *set, struct sources *sources,
                          const struct config *where, char *error)
{
    (void)snprintf(sources->path, sizeof(sources->path), "%s/%s.env", where->config_dir,
                   config_env_name(where->env));
    sources->file.path = sources->path;
    sources->file.env = config_env_name(where->env);
    size_t len = 0;
    const int error_number = read_file(sources->path, sources->text, sizeof(sources->text), &len);
    if (error_number == 0) {
        return parse_layer(set, (struct str){sources->text, len}, &sources->file, error);
    }
    const size_t dir_index = index_of(set, "CONFIG_DIR");
    if (error_number == ENOENT && sources->environment.plain[dir_index].value.len == 0) {
        return true;
    }
    char reason[128];
    return config_error_set(error, "CONFIG_DIR: \"%s\" is not allowed: cannot read %s: %s",
                            where->config_dir, sources->path,
                            strerror_r(error_number, reason, sizeof(reason)));
}

static struct str cut_newline(struct str s)
{
    s.len -= s.len > 0 && s.ptr[s.len - 1] == '\n' ? 1 : 0;
    s.len -= s.len > 0 && s.ptr[s.len - 1] == '\r' ? 1 : 0;
    return s;
}

/* read_secret reads the file that NAME_FILE names; arguments and result are read_file's. */
static int read_secret(struct str path, char *out, size_t out_bytes, size_t *ret_len)
{
    char cstr[ENVFILE_LINE_MAX_BYTES + 1];
    if (path.len >= sizeof(cstr)) {
        return ENAMETOOLONG;
    }
    memcpy(cstr, path.ptr, path.len);
    cstr[path.len] = '\0';
    return read_file(cstr, out, out_bytes, ret_len);
}

/* store_from_file takes an option's value from the file that NAME_FILE names. */
static bool store_from_file(const struct config_option *option, struct str path, void *values,
                            char *error)
{
    char text[CONFIG_LIST_BYTES + 2]; /* the longest value and CRLF; more is refused as too long */
    size_t len = 0;
    const int error_number = read_secret(path, text, sizeof(text), &len);
    const struct str shown = config_error_clip(path);
    if (error_number != 0) {
        char reason[128];
        const char *why = strerror_r(error_number, reason, sizeof(reason));
        return config_error_set(error,
                                "%s_FILE: \"%" STR_FMT "\" is not allowed: cannot read it: %s",
                                option->name, STR_ARG(shown), why);
    }
    if (config_value_store(option, cut_newline((struct str){text, len}), values)) {
        return true;
    }
    char allowed[CONFIG_TEXT_BYTES];
    config_value_allowed(option, allowed);
    return config_error_set(error, "%s_FILE: what \"%" STR_FMT "\" holds is not allowed: %s",
                            option->name, STR_ARG(shown), allowed);
}

/* store_from_layer stores what the layer says, if it says something.
 *
 * Returns: true, with *ret_is_set telling whether it did; false with `error` set.
 */
static bool store_from_layer(const struct layer *layer, size_t index,
                             const struct config_entry *entry, bool *ret_is_set, char *error)
{
    const struct config_option *option = entry->option;
    const struct setting *plain = &layer->plain[index];
    const struct setting *by_file = &layer->by_file[index];
    *ret_is_set = plain->value.len > 0 || by_file->value.len > 0;
    if (plain->value.len > 0 && by_file->value.len > 0) {
        return config_error_set(error, "%s: \"***\" is not allowed: %s_FILE is set too; set one",
                                option->name, option->name);
    }
    if (by_file->value.len > 0) {
        return store_from_file(option, by_file->value, entry->values, error);
    }
    if (plain->value.len > 0 && !config_value_store(option, plain->value, entry->values)) {
        return refuse_value(layer, option, plain, error);
    }
    return true;
}

/* store_option stores one option from the first source that sets it. */
static bool store_option(const struct sources *sources, size_t index,
                         const struct config_entry *entry, enum config_env env, char *error)
{
    bool is_set = false;
    if (!store_from_layer(&sources->environment, index, entry, &is_set, error)) {
        return false;
    }
    if (!is_set && !store_from_layer(&sources->file, index, entry, &is_set, error)) {
        return false;
    }
    const char *value = config_option_default(entry->option, env);
    if (!is_set && value != NULL) {
        const bool is_stored = config_value_store(entry->option, str_from(value), entry->values);
        INVARIANT(is_stored);
    }
    return true;
}

/* store_named stores one of the core's options in a struct other than the set's. */
static bool store_named(const struct config_set *set, const struct sources *sources,
                        const char *name, struct config *config, char *error)
{
    const size_t index = index_of(set, name);
    const struct config_entry entry = {set->entries[index].option, config};
    return store_option(sources, index, &entry, config->env, error);
}

bool config_load_from(const struct config_set *set, const char *const *variables, char *error)
{
    struct sources sources;
    sources.environment = (struct layer){0};
    sources.file = (struct layer){0};
    struct config *config = set->entries[0].values; /* the core's come first */
    *config = (struct config){0};
    read_environment(set, variables, &sources.environment);
    if (!store_named(set, &sources, "ENV", config, error) ||
        !store_named(set, &sources, "CONFIG_DIR", config, error) ||
        !load_env_file(set, &sources, config, error)) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!store_option(&sources, i, &set->entries[i], config->env, error)) {
            return false;
        }
    }
    config->foreign = sources.environment.foreign | sources.file.foreign;
    return config_rules_check(config, error);
}

bool config_load(const struct config_set *set, char *error)
{
    return config_load_from(set, (const char *const *)environ, error);
}

bool config_read_log_level(const struct config_set *set, int *ret_level, char *error)
{
    struct sources sources;
    sources.environment = (struct layer){0};
    sources.file = (struct layer){0};
    read_environment(set, (const char *const *)environ, &sources.environment);
    struct config fresh = *(const struct config *)set->entries[0].values;
    if (!load_env_file(set, &sources, &fresh, error) ||
        !store_named(set, &sources, "LOG_LEVEL", &fresh, error)) {
        return false;
    }
    *ret_level = fresh.log_level;
    return true;
}
