/* SPDX-License-Identifier: MIT
 *
 * config_value.c - checks, stores and prints values by their kind.
 */
#include "config/config_value.h"

#include <inttypes.h>

#include "config/config_host.h"

_Static_assert(sizeof(enum config_env) == sizeof(int), "a choice is stored as an int");

/* A field of any kind. */
union any_field {
    int choice;
    bool is_true;
    uint64_t number;
    char text[CONFIG_LIST_BYTES];
};

static bool store_choice(const struct config_option *option, struct str text, int *field)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (str_equal(text, str_from(option->choices[i]))) {
            *field = i;
            return true;
        }
    }
    return false;
}

static bool store_bool(struct str text, bool *field)
{
    const bool is_true = str_equal(text, STR("true"));
    if (!is_true && !str_equal(text, STR("false"))) {
        return false;
    }
    *field = is_true;
    return true;
}

static bool store_number(const struct config_option *option, struct str text, uint64_t *field)
{
    uint64_t value;
    if (!str_parse_u64(text, option->max, &value) || value < option->min) {
        return false;
    }
    *field = value;
    return true;
}

/* has_only tells whether every byte is a printable one from `first` on; UTF-8 is for paths alone.
 */
static bool has_only(struct str text, unsigned char first, unsigned char last)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if (c < first || c > last || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool is_text_allowed(const struct config_option *option, struct str text)
{
    struct in6_addr unused;
    switch (option->kind) {
    case CONFIG_HOST:
        return config_host_parse(text, &unused);
    case CONFIG_SECRET:
    case CONFIG_SECRETS:
    case CONFIG_LIST:
    case CONFIG_TEXT:
        return text.len >= option->min && text.len <= option->max && has_only(text, '!', '~');
    default:
        return text.len > 0 && has_only(text, ' ', 0xFF);
    }
}

/* trim cuts blanks and the CR of a line's end. */
static struct str trim(struct str s)
{
    s.len -= s.len > 0 && s.ptr[s.len - 1] == '\r' ? 1 : 0;
    return str_trim(s);
}

static bool store_text(const struct config_option *option, struct str text, char *field)
{
    if (text.len >= CONFIG_TEXT_BYTES || !is_text_allowed(option, text)) {
        return false;
    }
    *str_put(field, text) = '\0';
    return true;
}

/* store_list puts commas between what commas or lines separate. Empty lines are dropped; an empty
 * value between commas is none that anybody meant. */
static bool store_list(const struct config_option *option, struct str text, char *field)
{
    char list[CONFIG_LIST_BYTES];
    size_t len = 0;
    for (struct str line; str_next_field(&text, '\n', &line);) {
        if (trim(line).len == 0) {
            continue;
        }
        for (struct str item; str_next_field(&line, ',', &item);) {
            item = trim(item);
            if (!is_text_allowed(option, item) || len + item.len + 1 > sizeof(list)) {
                return false;
            }
            memcpy(list + len, item.ptr, item.len);
            list[len + item.len] = ',';
            len += item.len + 1;
        }
    }
    if (len == 0) {
        return false;
    }
    list[len - 1] = '\0';
    memcpy(field, list, len);
    return true;
}

static bool store(const struct config_option *option, struct str text, void *field)
{
    switch (option->kind) {
    case CONFIG_CHOICE:
        return store_choice(option, text, field);
    case CONFIG_BOOL:
        return store_bool(text, field);
    case CONFIG_NUMBER:
        return store_number(option, text, field);
    case CONFIG_SECRETS:
    case CONFIG_LIST:
        return store_list(option, text, field);
    default:
        return store_text(option, text, field);
    }
}

bool config_value_store(const struct config_option *option, struct str text, void *values)
{
    return store(option, text, (char *)values + option->offset);
}

bool config_value_check(const struct config_option *option, struct str text)
{
    union any_field scratch;
    return store(option, text, &scratch);
}

void config_value_print(const struct config_option *option, const void *values, FILE *out)
{
    const void *field = (const char *)values + option->offset;
    switch (option->kind) {
    case CONFIG_CHOICE:
        (void)fputs(option->choices[*(const int *)field], out);
        break;
    case CONFIG_BOOL:
        (void)fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case CONFIG_NUMBER:
        (void)fprintf(out, "%" PRIu64, *(const uint64_t *)field);
        break;
    case CONFIG_SECRET:
    case CONFIG_SECRETS:
        (void)fputs(*(const char *)field == '\0' ? "" : "***", out);
        break;
    default:
        (void)fputs(field, out);
    }
}

static void list_choices(const char *const *choices, char *out)
{
    size_t len = 0;
    for (size_t i = 0; choices[i] != NULL; i++) {
        const char *separator = choices[i + 1] == NULL ? " or " : ", ";
        const int n = snprintf(out + len, CONFIG_TEXT_BYTES - len, "%s%s", i == 0 ? "" : separator,
                               choices[i]);
        INVARIANT(n >= 0 && (size_t)n < CONFIG_TEXT_BYTES - len);
        len += (size_t)n;
    }
}

static void describe_number(const struct config_option *option, char *out)
{
    const bool has_zero = option->zero != NULL;
    (void)snprintf(out, CONFIG_TEXT_BYTES, "%s, %" PRIu64 " to %" PRIu64 "%s%s%s", option->unit,
                   option->min, option->max, has_zero ? " (0 " : "", has_zero ? option->zero : "",
                   has_zero ? ")" : "");
}

void config_value_allowed(const struct config_option *option, char *out)
{
    switch (option->kind) {
    case CONFIG_CHOICE:
        list_choices(option->choices, out);
        break;
    case CONFIG_BOOL:
        (void)snprintf(out, CONFIG_TEXT_BYTES, "true or false");
        break;
    case CONFIG_NUMBER:
        describe_number(option, out);
        break;
    case CONFIG_HOST:
        (void)snprintf(out, CONFIG_TEXT_BYTES, "an IPv4 or IPv6 address, or localhost");
        break;
    case CONFIG_FOLDER:
        (void)snprintf(out, CONFIG_TEXT_BYTES, "a folder, 1 to %d bytes", CONFIG_TEXT_BYTES - 1);
        break;
    case CONFIG_SECRET:
    case CONFIG_TEXT:
        (void)snprintf(out, CONFIG_TEXT_BYTES,
                       "%" PRIu64 " to %" PRIu64 " printable ASCII characters without blanks",
                       option->min, option->max);
        break;
    case CONFIG_SECRETS:
    case CONFIG_LIST:
        (void)snprintf(out, CONFIG_TEXT_BYTES,
                       "commas between values of %" PRIu64 " to %" PRIu64
                       " printable ASCII characters without blanks, %d bytes in all",
                       option->min, option->max, CONFIG_LIST_BYTES - 1);
    }
}
