/* SPDX-License-Identifier: MIT
 *
 * listing.c - the table of fields, and JSON in and out by it.
 */
#include "handlers/listing.h"

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/utf8.h"

#define SHOWN_NAME_BYTES 64 /* of a name that we do not know, in an error */

static const char *const kinds[] = {"apartment", "house", "land", "commercial", NULL};
static const char *const purposes[] = {"sale", "rent", NULL};
static const char *const statuses[] = {"draft", "published", "archived", NULL};
static const char *const currencies[] = {"BRL", NULL};
static const char *const states[] = {"AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA",
                                     "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN",
                                     "RO", "RR", "RS", "SC", "SE", "SP", "TO", NULL};

static const struct listing_field_info infos[LISTING_FIELD_COUNT] = {
    [LISTING_TITLE] = {.name = "title", .min = 1, .max = 200, .is_required = true},
    [LISTING_DESCRIPTION] = {.name = "description", .max = 5000, .fallback = ""},
    [LISTING_KIND] = {.name = "kind",
                      .type = LISTING_CHOICE,
                      .choices = kinds,
                      .wrong_choice = "must be apartment, house, land or commercial",
                      .is_required = true},
    [LISTING_PURPOSE] = {.name = "purpose",
                         .type = LISTING_CHOICE,
                         .choices = purposes,
                         .wrong_choice = "must be sale or rent",
                         .is_required = true},
    /* a hundred billion reais: beyond any property, and far from overflow */
    [LISTING_PRICE_CENTS] = {.name = "price_cents",
                             .type = LISTING_NUMBER,
                             .max = INT64_C(10000000000000),
                             .is_required = true},
    [LISTING_CURRENCY] = {.name = "currency",
                          .type = LISTING_CHOICE,
                          .choices = currencies,
                          .wrong_choice = "must be BRL",
                          .fallback = "BRL"},
    [LISTING_STREET] = {.name = "street", .max = 200, .fallback = ""},
    [LISTING_NEIGHBORHOOD] = {.name = "neighborhood", .max = 100, .fallback = ""},
    [LISTING_CITY] = {.name = "city", .min = 1, .max = 100, .is_required = true},
    [LISTING_STATE] = {.name = "state",
                       .type = LISTING_CHOICE,
                       .choices = states,
                       .wrong_choice = "must be a state such as SP",
                       .is_required = true},
    [LISTING_POSTAL_CODE] = {.name = "postal_code", .max = 9, .fallback = ""},
    [LISTING_BEDROOMS] = {.name = "bedrooms", .type = LISTING_NUMBER, .max = 100},
    [LISTING_BATHROOMS] = {.name = "bathrooms", .type = LISTING_NUMBER, .max = 100},
    [LISTING_AREA_M2] = {.name = "area_m2", .type = LISTING_NUMBER, .max = 100000000},
    [LISTING_STATUS] = {.name = "status",
                        .type = LISTING_CHOICE,
                        .choices = statuses,
                        .wrong_choice = "must be draft, published or archived",
                        .fallback = "draft"},
};

const struct listing_field_info *listing_field_info(enum listing_field field)
{
    return &infos[field];
}

bool listing_find_field(struct str name, enum listing_field *ret_field)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        if (str_equal(name, str_from(infos[f].name))) {
            *ret_field = (enum listing_field)f;
            return true;
        }
    }
    return false;
}

/* --- checking ------------------------------------------------------------------------------------ */

/* is_postal_code: a CEP, "13083-970" or "13083970". */
static bool is_postal_code(struct str s)
{
    if (s.len != 8 && !(s.len == 9 && s.ptr[5] == '-')) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        const bool is_dash = s.len == 9 && i == 5;
        if (!is_dash && (s.ptr[i] < '0' || s.ptr[i] > '9')) {
            return false;
        }
    }
    return true;
}

/* has_control tells whether a text holds a control character; the lines of a description are none. */
static bool has_control(enum listing_field field, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        const bool is_layout = c == '\n' || c == '\r' || c == '\t';
        if (c == 0x7F || (c < ' ' && !(is_layout && field == LISTING_DESCRIPTION))) {
            return true;
        }
    }
    return false;
}

static const char *check_text(enum listing_field field, struct str text)
{
    const struct listing_field_info *info = &infos[field];
    size_t count;
    if (!utf8_count(text, &count)) {
        return "must be UTF-8";
    }
    if (count < (size_t)info->min) {
        return "must not be empty";
    }
    if (count > (size_t)info->max) {
        return "is too long";
    }
    if (has_control(field, text)) {
        return "must not hold control characters";
    }
    if (field == LISTING_POSTAL_CODE && text.len > 0 && !is_postal_code(text)) {
        return "must be a CEP such as 13083-970";
    }
    return NULL;
}

static const char *check_choice(const struct listing_field_info *info, struct str text)
{
    for (const char *const *choice = info->choices; *choice != NULL; choice++) {
        if (str_equal(text, str_from(*choice))) {
            return NULL;
        }
    }
    return info->wrong_choice;
}

const char *listing_check(enum listing_field field, const struct listing_value *value)
{
    const struct listing_field_info *info = &infos[field];
    switch (info->type) {
    case LISTING_CHOICE:
        return check_choice(info, value->text);
    case LISTING_NUMBER:
        if (value->number < info->min) {
            return "is too small";
        }
        return value->number > info->max ? "is too big" : NULL;
    default:
        return check_text(field, value->text);
    }
}

/* --- from JSON ----------------------------------------------------------------------------------- */

static const char out_of_memory[] = "out of memory"; /* told apart by its address */

static void add_error(struct listing_errors *errors, struct str field, const char *message)
{
    if (errors->count < LISTING_ERRORS_MAX) {
        errors->list[errors->count++] = (struct listing_error){field, message};
    }
}

/* add_unknown names a field that we do not have; a peer chose the name, so not all of it. */
static bool add_unknown(struct arena *arena, struct str name, struct listing_errors *errors)
{
    struct str shown = name;
    if (errors->count == LISTING_ERRORS_MAX) {
        return true;
    }
    if (shown.len > SHOWN_NAME_BYTES) {
        shown.len = SHOWN_NAME_BYTES;
        while (((unsigned char)shown.ptr[shown.len] & 0xC0) == 0x80) { /* inside a character */
            shown.len--;
        }
    }
    if (!arena_copy(arena, shown, &shown)) {
        return false;
    }
    add_error(errors, shown, "is not a field that can be set");
    return true;
}

static void set_fallback(enum listing_field field, struct listing_value *value)
{
    *value = (struct listing_value){.text = str_from(infos[field].fallback)};
}

/* convert takes over a JSON value that is not null; its text stays where it is.
 *
 * Returns: NULL; what is wrong, a literal.
 */
static const char *convert(enum listing_field field, const json_t *json,
                           struct listing_value *ret_value)
{
    struct listing_value value = {.text = STR("")};
    if (infos[field].type == LISTING_NUMBER) {
        if (!json_is_integer(json)) {
            return "must be an integer";
        }
        value.number = json_integer_value(json);
    } else {
        if (!json_is_string(json)) {
            return "must be a string";
        }
        value.text = (struct str){json_string_value(json), json_string_length(json)};
    }
    const char *wrong = listing_check(field, &value);
    if (wrong == NULL) {
        *ret_value = value;
    }
    return wrong;
}

/* read_value takes over one JSON value. A text is copied when it is known to be short enough.
 *
 * Returns: NULL; what is wrong, a literal; out_of_memory.
 */
static const char *read_value(struct arena *arena, enum listing_field field, const json_t *json,
                              struct listing_value *ret_value)
{
    if (json_is_null(json)) {
        if (infos[field].is_required) {
            return "must not be null";
        }
        set_fallback(field, ret_value);
        return NULL;
    }
    struct listing_value value;
    const char *wrong = convert(field, json, &value);
    if (wrong != NULL) {
        return wrong;
    }
    if (!arena_copy(arena, value.text, &value.text)) {
        return out_of_memory;
    }
    *ret_value = value;
    return NULL;
}

static bool read_members(struct arena *arena, json_t *object, struct listing *listing,
                         bool *is_present, struct listing_errors *errors)
{
    const char *key;
    json_t *json;
    json_object_foreach(object, key, json)
    {
        enum listing_field field;
        if (!listing_find_field(str_from(key), &field)) {
            if (!add_unknown(arena, str_from(key), errors)) {
                return false;
            }
            continue;
        }
        is_present[field] = true;
        const char *wrong = read_value(arena, field, json, &listing->fields[field]);
        if (wrong == out_of_memory) {
            return false;
        }
        if (wrong != NULL) {
            add_error(errors, str_from(infos[field].name), wrong);
        }
    }
    return true;
}

static void complete(struct listing *listing, const bool *is_present, struct listing_errors *errors)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        if (is_present[f]) {
            continue;
        }
        if (infos[f].is_required) {
            add_error(errors, str_from(infos[f].name), "is required");
        } else {
            set_fallback((enum listing_field)f, &listing->fields[f]);
        }
    }
}

/* parse reads the text as an object; NULL with an error, or none when memory is missing. */
static json_t *parse(struct arena *arena, struct str text, struct listing_errors *errors)
{
    json_error_t why;
    struct str message = STR("the body must be a JSON object");
    json_t *json =
        json_loadb(text.len == 0 ? "" : text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(json)) {
        return json;
    }
    errors->is_malformed = true;
    if (json != NULL) {
        json_decref(json);
        add_error(errors, STR(""), message.ptr);
    } else if (json_error_code(&why) != json_error_out_of_memory &&
               arena_copy(arena, str_from(why.text), &message)) {
        add_error(errors, STR(""), message.ptr);
    }
    return NULL;
}

bool listing_from_json(struct arena *arena, struct str json, enum listing_mode mode,
                       struct listing *listing, struct listing_errors *errors)
{
    bool is_present[LISTING_FIELD_COUNT] = {false};
    *errors = (struct listing_errors){.count = 0};
    json_t *object = parse(arena, json, errors);
    if (object == NULL) {
        return false;
    }
    const bool is_read = read_members(arena, object, listing, is_present, errors);
    json_decref(object);
    if (!is_read) {
        errors->count = 0;
        return false;
    }
    if (mode == LISTING_WHOLE) {
        complete(listing, is_present, errors);
    }
    return errors->count == 0;
}

/* --- to JSON ------------------------------------------------------------------------------------- */

static void append_time(struct buf *out, const char *name, uint64_t time_us)
{
    char text[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(time_us * NS_PER_US, text);
    buf_append_cstr(out, name);
    buf_append_cstr(out, text);
    buf_append_char(out, '"');
}

void listing_to_json(const struct listing *listing, struct buf *out)
{
    buf_append_cstr(out, "{\"id\":");
    buf_append_json(out, listing->id);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        buf_append_cstr(out, ",\"");
        buf_append_cstr(out, infos[f].name);
        buf_append_cstr(out, "\":");
        if (infos[f].type == LISTING_NUMBER) {
            buf_append_u64(out, (uint64_t)listing->fields[f].number); /* never negative: min is 0 */
        } else {
            buf_append_json(out, listing->fields[f].text);
        }
    }
    buf_append_cstr(out, ",\"version\":");
    buf_append_u64(out, listing->version);
    append_time(out, ",\"created_at\":\"", listing->created_us);
    append_time(out, ",\"updated_at\":\"", listing->updated_us);
    buf_append_char(out, '}');
}
