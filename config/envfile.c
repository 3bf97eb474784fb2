/* SPDX-License-Identifier: MIT
 *
 * envfile.c - splits lines into names and values.
 */
#include "config/envfile.h"

static bool is_name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_name_byte(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static struct str cut_export(struct str line)
{
    const struct str word = STR("export ");
    if (line.len < word.len || memcmp(line.ptr, word.ptr, word.len) != 0) {
        return line;
    }
    return str_trim((struct str){line.ptr + word.len, line.len - word.len});
}

/* unquote returns NULL, or the problem with the quotes. */
static const char *unquote(struct str *value)
{
    if (value->len > 0 && value->ptr[0] == '\'') {
        return "single quotes are not taken off: use double quotes or none";
    }
    if (value->len == 0 || value->ptr[0] != '"') {
        return NULL;
    }
    if (value->len == 1 || value->ptr[value->len - 1] != '"') {
        return "the closing double quote is missing";
    }
    *value = (struct str){value->ptr + 1, value->len - 2};
    if (memchr(value->ptr, '"', value->len) != NULL) {
        return "a double quote inside a quoted value is not allowed";
    }
    return NULL;
}

/* parse_entry returns NULL, or what is wrong with the line. */
static const char *parse_entry(struct str line, struct envfile_entry *ret_entry)
{
    struct str rest = cut_export(line);
    struct envfile_entry entry;
    if (memchr(line.ptr, '=', line.len) == NULL || !str_next_field(&rest, '=', &entry.name)) {
        return "expected NAME=value";
    }
    entry.name = str_trim(entry.name);
    entry.value = str_trim(rest);
    if (!is_name(entry.name)) {
        return "expected NAME=value with letters, digits and _ in NAME";
    }
    const char *problem = unquote(&entry.value);
    if (problem == NULL) {
        *ret_entry = entry;
    }
    return problem;
}

/* check_line returns NULL, or why the line is not even looked at. */
static const char *check_line(struct str line)
{
    if (line.len > ENVFILE_LINE_MAX_BYTES) {
        return "the line is longer than 1024 bytes";
    }
    return memchr(line.ptr, '\0', line.len) == NULL ? NULL : "a NUL byte is not allowed";
}

enum envfile_result envfile_next(struct envfile *file, struct envfile_entry *ret_entry,
                                 const char **ret_problem)
{
    struct str line;
    while (str_next_field(&file->rest, '\n', &line)) {
        file->line++;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        const char *problem = check_line(line);
        line = str_trim(line);
        if (problem == NULL && (line.len == 0 || line.ptr[0] == '#')) {
            continue;
        }
        problem = problem == NULL ? parse_entry(line, ret_entry) : problem;
        if (problem != NULL) {
            *ret_problem = problem;
            return ENVFILE_PROBLEM;
        }
        return ENVFILE_ENTRY;
    }
    return ENVFILE_END;
}
