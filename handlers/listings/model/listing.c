/* SPDX-License-Identifier: MIT
 *
 * listing.c - the table of fields, and JSON in and out by it.
 */
#include "handlers/listings/model/listing.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#define SHOWN_NAME_BYTES 64 /* of a name that we do not know, in an error */
#define NAME_MAX_BYTES                                                                             \
    128 /* of a name that is looked at: ours are shorter, and more is not shown */
#define UTF8_MAX_BYTES   4  /* of a character */
#define CHOICE_MAX_BYTES 64 /* more than any choice has */
#define MESSAGE_BYTES    160

static const char *const kinds[] = {"apartment", "house", "land", "commercial", NULL};
static const char *const purposes[] = {"sale", "rent", NULL};
static const char *const statuses[] = {"draft", "published", "archived", NULL};
static const char *const currencies[] = {"BRL", NULL};
static const char *const states[] = {"AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA",
                                     "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN",
                                     "RO", "RR", "RS", "SC", "SE", "SP", "TO", NULL};

/* What JSON has before a value, too. */
#define NAME(text) .name = (text), .json_name = STR(",\"" text "\":")

static const struct listing_field_info infos[LISTING_FIELD_COUNT] = {
    [LISTING_TITLE] = {NAME("title"), .min = 1, .max = 200, .is_required = true},
    [LISTING_DESCRIPTION] = {NAME("description"), .max = 5000, .fallback = ""},
    [LISTING_KIND] = {NAME("kind"), .type = LISTING_CHOICE, .choices = kinds,
                      .wrong_choice = "must be apartment, house, land or commercial",
                      .is_required = true},
    [LISTING_PURPOSE] = {NAME("purpose"), .type = LISTING_CHOICE, .choices = purposes,
                         .wrong_choice = "must be sale or rent", .is_required = true},
    /* a hundred billion reais: beyond any property, and far from overflow */
    [LISTING_PRICE_CENTS] = {NAME("price_cents"), .type = LISTING_NUMBER,
                             .max = INT64_C(10000000000000), .is_required = true},
    [LISTING_CURRENCY] = {NAME("currency"), .type = LISTING_CHOICE, .choices = currencies,
                          .wrong_choice = "must be BRL", .fallback = "BRL"},
    [LISTING_STREET] = {NAME("street"), .max = 200, .fallback = ""},
    [LISTING_NEIGHBORHOOD] = {NAME("neighborhood"), .max = 100, .fallback = ""},
    [LISTING_CITY] = {NAME("city"), .min = 1, .max = 100, .is_required = true},
    [LISTING_STATE] = {NAME("state"), .type = LISTING_CHOICE, .choices = states,
                       .wrong_choice = "must be a state such as SP", .is_required = true},
    [LISTING_POSTAL_CODE] = {NAME("postal_code"), .max = 9, .fallback = ""},
    [LISTING_BEDROOMS] = {NAME("bedrooms"), .type = LISTING_NUMBER, .max = 100},
    [LISTING_BATHROOMS] = {NAME("bathrooms"), .type = LISTING_NUMBER, .max = 100},
    [LISTING_AREA_M2] = {NAME("area_m2"), .type = LISTING_NUMBER, .max = 100000000},
    [LISTING_STATUS] = {NAME("status"), .type = LISTING_CHOICE, .choices = statuses,
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

/* --- checking --- */

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

/* has_control tells whether a text holds a control character; the lines of a description are
 * none. */
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

/* --- from JSON --- */

static const char out_of_memory[] = "out of memory"; /* told apart by its address */

static void add_error(struct listing_errors *errors, struct str field, const char *message)
{
    if (errors->count < LISTING_ERRORS_MAX) {
        errors->list[errors->count++] = (struct field_error){field, message};
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

/* read_text finds the text of a JSON string, where it lies or, with escapes, in the arena: as much
 * of it as tells that it is too long. */
static bool read_text(struct arena *arena, enum listing_field field, struct str raw,
                      struct str *ret_text)
{
    *ret_text = raw;
    if (!json_has_escapes(raw)) {
        return true;
    }
    const size_t most = ((size_t)infos[field].max + 1) * UTF8_MAX_BYTES + CHOICE_MAX_BYTES;
    const size_t max = raw.len < most ? raw.len : most;
    char *out = arena_alloc(arena, max);
    *ret_text = (struct str){out, out == NULL ? 0 : json_unescape(raw, out, max)};
    return out != NULL;
}

/* read_value takes over one JSON value. A text is copied when it is known to be short enough.
 *
 * Returns: NULL; what is wrong, a literal; out_of_memory.
 */
static const char *read_value(struct arena *arena, enum listing_field field,
                              const struct json_value *json, struct listing_value *ret_value)
{
    const bool is_number = infos[field].type == LISTING_NUMBER;
    if (json->type == JSON_NULL) {
        if (infos[field].is_required) {
            return "must not be null";
        }
        set_fallback(field, ret_value);
        return NULL;
    }
    if (json->type != (is_number ? JSON_INTEGER : JSON_STRING)) {
        return is_number ? "must be an integer" : "must be a string";
    }
    struct listing_value value = {.text = STR(""), .number = json->integer};
    if (!is_number && !read_text(arena, field, json->raw, &value.text)) {
        return out_of_memory;
    }
    const char *wrong = listing_check(field, &value);
    if (wrong == NULL && !arena_copy(arena, value.text, &value.text)) {
        return out_of_memory;
    }
    if (wrong == NULL) {
        *ret_value = value;
    }
    return wrong;
}

/* A document that is being read. */
struct reading {
    struct json_reader json;
    struct arena *arena;
    struct listing *listing;
    struct listing_errors *errors;
    bool is_present[LISTING_FIELD_COUNT];
    const char *doubled; /* the name of a field that is there twice */
};

/* read_member takes over one member. Returns: false when memory is missing. */
static bool read_member(struct reading *r, struct str raw_name, const struct json_value *value)
{
    char text[NAME_MAX_BYTES];
    const struct str name = {text, json_unescape(raw_name, text, sizeof(text))};
    enum listing_field field;
    if (!listing_find_field(name, &field)) {
        return add_unknown(r->arena, name, r->errors);
    }
    if (r->is_present[field]) {
        r->doubled = infos[field].name;
        return true;
    }
    r->is_present[field] = true;
    const char *wrong = read_value(r->arena, field, value, &r->listing->fields[field]);
    if (wrong != NULL && wrong != out_of_memory) {
        add_error(r->errors, str_from(infos[field].name), wrong);
    }
    return wrong != out_of_memory;
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

/* refuse says what is wrong with the document as a whole; nothing, when memory is missing. */
static bool refuse(struct reading *r, const char *what, const char *name)
{
    char text[MESSAGE_BYTES];
    struct str message;
    (void)snprintf(text, sizeof(text), "%s%s, at byte %zu", what, name,
                   (size_t)(r->json.at - r->json.start));
    *r->errors = (struct listing_errors){.is_malformed = true};
    if (arena_copy(r->arena, str_from(text), &message)) {
        add_error(r->errors, STR(""), message.ptr);
    }
    return false;
}

bool listing_from_json(struct arena *arena, struct str json, enum listing_mode mode,
                       struct listing *listing, struct listing_errors *errors)
{
    struct reading r = {.arena = arena, .listing = listing, .errors = errors};
    struct str name;
    struct json_value value;
    *errors = (struct listing_errors){.count = 0};
    json_init(&r.json, json);
    if (!json_enter(&r.json)) {
        return refuse(&r, "the body must be a JSON object", "");
    }
    while (json_next(&r.json, &name, &value)) {
        if (!read_member(&r, name, &value)) {
            errors->count = 0;
            return false;
        }
    }
    if (!json_end(&r.json)) {
        return refuse(&r, "the body is not JSON: ", r.json.wrong);
    }
    if (r.doubled != NULL) {
        return refuse(&r, "a field is there twice: ", r.doubled);
    }
    if (mode == LISTING_WHOLE) {
        complete(listing, r.is_present, errors);
    }
    return errors->count == 0;
}

/* --- to JSON --- */

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
        buf_append_str(out, infos[f].json_name);
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
