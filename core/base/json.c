/* SPDX-License-Identifier: MIT
 *
 * json.c - the grammar of RFC 8259, a function for each of its rules.
 */
#include "core/base/json.h"

#include "core/base/hex.h"
#include "core/base/utf8.h"

#define HIGH_SURROGATE  0xD800u
#define LOW_SURROGATE   0xDC00u
#define SURROGATE_COUNT 0x400u
#define HEX_DIGITS      4

static bool fail(struct json_reader *r, const char *wrong)
{
    r->wrong = r->wrong == NULL ? wrong : r->wrong;
    return false;
}

static bool is_at(const struct json_reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

static bool take(struct json_reader *r, char c)
{
    const bool is_there = is_at(r, c);
    r->at += is_there ? 1 : 0;
    return is_there;
}

static void skip_space(struct json_reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
        r->at++;
    }
}

/* --- strings --- */

/* read_hex reads four digits; UINT32_MAX when they are none. */
static uint32_t read_hex(const char *at, const char *end)
{
    uint32_t code = 0;
    if (end - at < HEX_DIGITS) {
        return UINT32_MAX;
    }
    for (int i = 0; i < HEX_DIGITS; i++) {
        const int digit = hex_value_any(at[i]);
        if (digit < 0) {
            return UINT32_MAX;
        }
        code = code * 16 + (uint32_t)digit;
    }
    return code;
}

static bool is_surrogate(uint32_t code, uint32_t first)
{
    return code >= first && code < first + SURROGATE_COUNT;
}

/* read_unicode reads what is behind "\u", and the second half of a pair.
 *
 * Returns: the character; UINT32_MAX when it is none. *ret_len: of what was read, from the first
 *          digit on. */
static uint32_t read_unicode(const char *at, const char *end, size_t *ret_len)
{
    const uint32_t code = read_hex(at, end);
    *ret_len = HEX_DIGITS;
    if (code == UINT32_MAX || is_surrogate(code, LOW_SURROGATE)) {
        return UINT32_MAX;
    }
    if (!is_surrogate(code, HIGH_SURROGATE)) {
        return code;
    }
    const char *second = at + HEX_DIGITS;
    if (end - second < 2 || second[0] != '\\' || second[1] != 'u') {
        return UINT32_MAX;
    }
    const uint32_t low = read_hex(second + 2, end);
    *ret_len = 2 * HEX_DIGITS + 2;
    if (!is_surrogate(low, LOW_SURROGATE)) {
        return UINT32_MAX;
    }
    return 0x10000 + ((code - HIGH_SURROGATE) << 10) + (low - LOW_SURROGATE);
}

/* plain_escape is what a letter behind a backslash stands for; NUL for none. */
static char plain_escape(char c)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found = c == '\0' ? NULL : strchr(from, c);
    return found == NULL ? '\0' : to[found - from];
}

static bool check_escape(struct json_reader *r)
{
    size_t len;
    const char c = r->at + 1 < r->end ? r->at[1] : '\0';
    if (c != 'u') {
        r->at += 2;
        return plain_escape(c) != '\0' || fail(r, "an escape that does not exist");
    }
    const uint32_t code = read_unicode(r->at + 2, r->end, &len);
    if (code == UINT32_MAX) {
        return fail(r, "an escape that is no character");
    }
    r->at += 2 + len;
    return code != 0 || fail(r, "a NUL in a string");
}

static bool check_character(struct json_reader *r)
{
    const size_t len = utf8_len((struct str){r->at, (size_t)(r->end - r->at)});
    if (len == 0) {
        return fail(r, "a string that is not UTF-8");
    }
    if ((unsigned char)*r->at < ' ') {
        return fail(r, "a control character in a string");
    }
    r->at += len;
    return true;
}

static bool read_string(struct json_reader *r, struct str *ret_raw)
{
    if (!take(r, '"')) {
        return fail(r, "a name in quotes is missing");
    }
    const char *start = r->at;
    while (r->at < r->end && *r->at != '"') {
        if (!(*r->at == '\\' ? check_escape(r) : check_character(r))) {
            return false;
        }
    }
    *ret_raw = (struct str){start, (size_t)(r->at - start)};
    return take(r, '"') || fail(r, "a string without an end");
}

bool json_has_escapes(struct str raw)
{
    return raw.len > 0 && memchr(raw.ptr, '\\', raw.len) != NULL;
}

/* put_utf8 encodes a character. Returns: its bytes. */
static size_t put_utf8(uint32_t code, char out[4])
{
    static const uint8_t marks[] = {0, 0x00, 0xC0, 0xE0, 0xF0}; /* of the first byte, by length */
    const size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1;) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(marks[len] | code);
    return len;
}

/* next_character takes a character off a valid raw string. Returns: its bytes, in `out`. */
static size_t next_character(struct str *raw, char out[4])
{
    size_t used = 2;
    size_t len = 1;
    if (raw->ptr[0] != '\\') {
        used = utf8_len(*raw);
        len = used;
        memcpy(out, raw->ptr, len);
    } else if (raw->ptr[1] != 'u') {
        out[0] = plain_escape(raw->ptr[1]);
    } else {
        size_t digits;
        len = put_utf8(read_unicode(raw->ptr + 2, raw->ptr + raw->len, &digits), out);
        used += digits;
    }
    *raw = (struct str){raw->ptr + used, raw->len - used};
    return len;
}

size_t json_unescape(struct str raw, char *out, size_t max)
{
    size_t written = 0;
    while (raw.len > 0) {
        char character[4];
        const size_t len = next_character(&raw, character);
        if (len > max - written) {
            break;
        }
        memcpy(out + written, character, len);
        written += len;
    }
    return written;
}

/* --- numbers and words --- */

static bool is_digit(const struct json_reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool skip_digits(struct json_reader *r)
{
    if (!is_digit(r)) {
        return fail(r, "a number without a digit");
    }
    while (is_digit(r)) {
        r->at++;
    }
    return true;
}

/* read_whole reads the digits before a fraction; what is too long for 64 bits becomes the nearest
 * number. */
static bool read_whole(struct json_reader *r, bool is_negative, int64_t *ret_value)
{
    const char *start = r->at;
    if (!skip_digits(r)) {
        return false;
    }
    if (*start == '0' && r->at > start + 1) {
        r->at = start;
        return fail(r, "a number that begins with 0");
    }
    int64_t value = 0; /* below 0, where there is one more */
    for (const char *p = start; p < r->at; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *p - '0', &value)) {
            *ret_value = is_negative ? INT64_MIN : INT64_MAX;
            return true;
        }
    }
    *ret_value = is_negative ? value : value == INT64_MIN ? INT64_MAX : -value;
    return true;
}

/* skip_fraction skips what makes a number a real one.
 *
 * Returns: false for a fraction or an exponent without a digit. */
static bool skip_fraction(struct json_reader *r)
{
    if (take(r, '.') && !skip_digits(r)) {
        return false;
    }
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+')) {
            (void)take(r, '-');
        }
        return skip_digits(r);
    }
    return true;
}

static bool read_number(struct json_reader *r, struct json_value *ret_value)
{
    const char *start = r->at;
    const bool is_negative = take(r, '-');
    if (!read_whole(r, is_negative, &ret_value->integer)) {
        return false;
    }
    const char *behind_whole = r->at;
    if (!skip_fraction(r)) {
        return false;
    }
    ret_value->type = r->at == behind_whole ? JSON_INTEGER : JSON_REAL;
    ret_value->raw = (struct str){start, (size_t)(r->at - start)};
    return true;
}

static bool read_word(struct json_reader *r, enum json_type type, struct str word,
                      struct json_value *ret_value)
{
    ret_value->type = type;
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.ptr, word.len) != 0) {
        return fail(r, "a word that is not true, false or null");
    }
    ret_value->raw = (struct str){r->at, word.len};
    r->at += word.len;
    return true;
}

/* --- values and what holds them --- */

static bool read_value(struct json_reader *r, struct json_value *ret_value, size_t depth);

static const char too_deep[] = "values are nested too deep";

static bool read_name(struct json_reader *r, struct str *ret_name)
{
    skip_space(r);
    if (!read_string(r, ret_name)) {
        return false;
    }
    skip_space(r);
    return take(r, ':') || fail(r, "a colon is missing");
}

/* goes_on takes what is between two values, or the end.
 *
 * Returns: whether another value follows. */
static bool goes_on(struct json_reader *r, char close, bool is_first)
{
    skip_space(r);
    if (take(r, close)) {
        return false;
    }
    return is_first || take(r, ',') || fail(r, "a comma is missing");
}

static bool skip_all(struct json_reader *r, enum json_type type, size_t depth)
{
    const char close = type == JSON_OBJECT ? '}' : ']';
    struct json_value value;
    struct str name;
    r->at++;
    if (depth == JSON_DEPTH_MAX) {
        return fail(r, too_deep);
    }
    for (bool is_first = true; goes_on(r, close, is_first); is_first = false) {
        if ((type == JSON_OBJECT && !read_name(r, &name)) || !read_value(r, &value, depth + 1)) {
            return false;
        }
    }
    return r->wrong == NULL;
}

/* read_scalar reads a value that holds no others; of one that does, it tells the type alone. */
static bool read_scalar(struct json_reader *r, struct json_value *ret_value)
{
    *ret_value = (struct json_value){.raw = STR("")};
    skip_space(r);
    switch (r->at < r->end ? *r->at : '\0') {
    case '"':
        ret_value->type = JSON_STRING;
        return read_string(r, &ret_value->raw);
    case '{':
        ret_value->type = JSON_OBJECT;
        return true;
    case '[':
        ret_value->type = JSON_ARRAY;
        return true;
    case 't':
        return read_word(r, JSON_BOOL, STR("true"), ret_value);
    case 'f':
        return read_word(r, JSON_BOOL, STR("false"), ret_value);
    case 'n':
        return read_word(r, JSON_NULL, STR("null"), ret_value);
    default:
        return is_at(r, '-') || is_digit(r) ? read_number(r, ret_value)
                                            : fail(r, "a value is missing");
    }
}

static bool holds_others(const struct json_value *value)
{
    return value->type == JSON_OBJECT || value->type == JSON_ARRAY;
}

static bool read_value(struct json_reader *r, struct json_value *ret_value, size_t depth)
{
    return read_scalar(r, ret_value) &&
           (!holds_others(ret_value) || skip_all(r, ret_value->type, depth));
}

void json_init(struct json_reader *reader, struct str text)
{
    const char *start = text.len == 0 ? "" : text.ptr;
    *reader = (struct json_reader){.start = start, .at = start, .end = start + text.len};
}

/* enter goes into the object or array at whose bracket the reader stands. */
static bool enter(struct json_reader *r)
{
    r->at++;
    r->is_first = true;
    return r->depth++ < JSON_DEPTH_MAX || fail(r, too_deep);
}

/* next takes what is between two members or elements, or leaves the innermost object or array.
 *
 * Returns: whether another one follows. */
static bool next(struct json_reader *r, char close)
{
    const bool is_first = r->is_first;
    r->is_first = false;
    if (r->wrong != NULL || !goes_on(r, close, is_first)) {
        r->depth--;
        return false;
    }
    return true;
}

bool json_enter(struct json_reader *reader)
{
    skip_space(reader);
    return is_at(reader, '{') && enter(reader);
}

bool json_next(struct json_reader *reader, struct str *ret_name, struct json_value *ret_value)
{
    return json_next_name(reader, ret_name) && read_value(reader, ret_value, reader->depth);
}

bool json_read(struct json_reader *reader, struct json_value *ret_value)
{
    return read_scalar(reader, ret_value) && (!holds_others(ret_value) || enter(reader));
}

bool json_next_name(struct json_reader *reader, struct str *ret_name)
{
    return next(reader, '}') && read_name(reader, ret_name);
}

bool json_next_item(struct json_reader *reader)
{
    return next(reader, ']');
}

bool json_end(struct json_reader *reader)
{
    skip_space(reader);
    return reader->wrong == NULL &&
           (reader->at == reader->end || fail(reader, "something follows the end"));
}
