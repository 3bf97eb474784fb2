/* SPDX-License-Identifier: MIT
 *
 * listing_stored.c - one pass over the text, member by member.
 */
#include "handlers/listings/model/listing_stored.h"

#include "core/base/hex.h"
#include "core/loop/loop.h"

struct reader {
    struct arena *arena;
    struct str rest;
    int status; /* 0; the first thing that went wrong */
};

static void refuse(struct reader *reader, int status)
{
    if (reader->status == 0) {
        reader->status = status;
        reader->rest.len = 0;
    }
}

static void pass(struct reader *reader, size_t len)
{
    reader->rest = (struct str){reader->rest.ptr + len, reader->rest.len - len};
}

static bool starts_with(const struct reader *reader, struct str text)
{
    return reader->rest.len >= text.len && memcmp(reader->rest.ptr, text.ptr, text.len) == 0;
}

static void expect(struct reader *reader, struct str text)
{
    if (starts_with(reader, text)) {
        pass(reader, text.len);
    } else {
        refuse(reader, UV_EPROTO);
    }
}

/* expect_name takes `,"name":`. */
static void expect_name(struct reader *reader, const char *name)
{
    expect(reader, STR(",\""));
    expect(reader, str_from(name));
    expect(reader, STR("\":"));
}

static uint64_t read_number(struct reader *reader)
{
    uint64_t value = 0;
    size_t len = 0;
    while (len < reader->rest.len && reader->rest.ptr[len] >= '0' && reader->rest.ptr[len] <= '9') {
        len++;
    }
    if (!str_parse_u64((struct str){reader->rest.ptr, len}, INT64_MAX, &value)) {
        refuse(reader, UV_EPROTO);
        return 0;
    }
    pass(reader, len);
    return value;
}

/* --- texts --- */

/* unescape_one reads what stands behind a backslash: \" \\ \n, or \u00XX.
 *
 * Returns: how many bytes of `s` that is; 0 when it is nothing that we write.
 */
static size_t unescape_one(struct str s, char *out)
{
    if (s.len > 0 && (s.ptr[0] == '"' || s.ptr[0] == '\\' || s.ptr[0] == 'n')) {
        *out = s.ptr[0];
        if (s.ptr[0] == 'n') {
            *out = '\n';
        }
        return 1;
    }
    if (s.len < 5 || memcmp(s.ptr, "u00", 3) != 0 || hex_value(s.ptr[3]) < 0 ||
        hex_value(s.ptr[4]) < 0) {
        return 0;
    }
    *out = (char)(hex_value(s.ptr[3]) * 16 + hex_value(s.ptr[4]));
    return 5;
}

static struct str unescape(struct reader *reader, struct str raw)
{
    char *out = arena_alloc(reader->arena, raw.len);
    size_t len = 0;
    if (out == NULL) {
        refuse(reader, UV_ENOMEM);
        return STR("");
    }
    for (size_t i = 0; i < raw.len; i++, len++) {
        out[len] = raw.ptr[i];
        if (raw.ptr[i] == '\\') {
            const struct str behind = {raw.ptr + i + 1, raw.len - i - 1};
            const size_t used = unescape_one(behind, &out[len]);
            if (used == 0) {
                refuse(reader, UV_EPROTO);
                return STR("");
            }
            i += used;
        }
    }
    return (struct str){out, len};
}

static struct str read_text(struct reader *reader)
{
    bool is_escaped = false;
    size_t len = 0;
    expect(reader, STR("\""));
    while (len < reader->rest.len && reader->rest.ptr[len] != '"') {
        const bool is_escape = reader->rest.ptr[len] == '\\';
        is_escaped = is_escaped || is_escape;
        len += is_escape ? 2 : 1;
    }
    if (len >= reader->rest.len) {
        refuse(reader, UV_EPROTO);
        return STR("");
    }
    const struct str raw = {reader->rest.ptr, len};
    pass(reader, len + 1);
    return is_escaped ? unescape(reader, raw) : raw;
}

/* --- times --- */

/* days_until counts the days from 1970-01-01 to a date of the Gregorian calendar, whose year is
 * taken to begin in March, so that the day that leap years have more is its last. */
static int64_t days_until(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    const int64_t era = year / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* read_parts reads the numbers of a time; false when it has another form. */
static bool read_parts(struct str text, int64_t *parts)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ"; /* d: a digit */
    size_t part = 0;
    if (text.len != sizeof(form) - 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i]) {
            return false;
        }
        if (form[i] == 'd') {
            parts[part] = parts[part] * 10 + (c - '0');
        } else {
            part++;
        }
    }
    return true;
}

/* read_time reads what clock_format_rfc3339 writes, in quotes. */
static uint64_t read_time(struct reader *reader)
{
    int64_t parts[7] = {0}; /* year, month, day, hour, minute, second, microsecond */
    if (!read_parts(read_text(reader), parts)) {
        refuse(reader, UV_EPROTO);
        return 0;
    }
    const int64_t seconds = days_until(parts[0], parts[1], parts[2]) * 86400 + parts[3] * 3600 +
                            parts[4] * 60 + parts[5];
    return (uint64_t)(seconds * 1000000 + parts[6]);
}

/* --- listings --- */

static void read_listing(struct reader *reader, struct listing *listing)
{
    expect(reader, STR("{\"id\":"));
    listing->id = read_text(reader);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const struct listing_field_info *info = listing_field_info((enum listing_field)f);
        struct listing_value *value = &listing->fields[f];
        expect_name(reader, info->name);
        *value = (struct listing_value){.text = STR("")};
        if (info->type == LISTING_NUMBER) {
            value->number = (int64_t)read_number(reader);
        } else {
            value->text = read_text(reader);
        }
    }
    expect_name(reader, "version");
    listing->version = read_number(reader);
    expect_name(reader, "created_at");
    listing->created_us = read_time(reader);
    expect_name(reader, "updated_at");
    listing->updated_us = read_time(reader);
    expect(reader, STR("}"));
}

static int end(struct reader *reader)
{
    expect(reader, STR("\n"));
    if (reader->rest.len > 0) {
        refuse(reader, UV_EPROTO);
    }
    return reader->status;
}

int listing_stored_one(struct arena *arena, struct str json, struct listing *ret_listing)
{
    struct reader reader = {.arena = arena, .rest = json};
    struct listing listing;
    read_listing(&reader, &listing);
    const int status = end(&reader);
    if (status == 0) {
        *ret_listing = listing;
    }
    return status;
}

static void read_items(struct reader *reader, struct listings_page *page)
{
    page->list = arena_alloc(reader->arena, LISTINGS_LIMIT_MAX * sizeof(*page->list));
    if (page->list == NULL) {
        refuse(reader, UV_ENOMEM);
    }
    expect(reader, STR("{\"items\":["));
    while (reader->status == 0 && !starts_with(reader, STR("]"))) {
        if (page->count == LISTINGS_LIMIT_MAX) {
            refuse(reader, UV_EPROTO);
            return;
        }
        if (page->count > 0) {
            expect(reader, STR(","));
        }
        read_listing(reader, &page->list[page->count++]);
    }
    expect(reader, STR("]"));
}

int listing_stored_page(struct arena *arena, struct str json, struct listings_page *ret_page,
                        struct str *ret_cursor)
{
    struct reader reader = {.arena = arena, .rest = json};
    struct listings_page page = {0};
    struct str cursor = STR("");
    read_items(&reader, &page);
    expect_name(&reader, "next_cursor");
    page.has_more = !starts_with(&reader, STR("null"));
    if (page.has_more) {
        cursor = read_text(&reader);
    } else {
        expect(&reader, STR("null"));
    }
    page.has_total = starts_with(&reader, STR(",\"total\":"));
    if (page.has_total) {
        expect_name(&reader, "total");
        page.total = read_number(&reader);
    }
    expect(&reader, STR("}"));
    const int status = end(&reader);
    if (status == 0) {
        *ret_page = page;
        *ret_cursor = cursor;
    }
    return status;
}
