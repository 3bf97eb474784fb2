/* SPDX-License-Identifier: MIT
 *
 * str.h - a view of bytes: pointer and length, never owned, not NUL-terminated; and the conversions
 * that the C library does unsafely or slowly.
 */
#ifndef TOQ_CORE_BASE_STR_H
#define TOQ_CORE_BASE_STR_H

#include <string.h>

#include "core/base/base.h"

struct str {
    const char *ptr;
    size_t len;
};

/* STR makes a view of a string literal. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* STR_FMT and STR_ARG print a view: printf("%" STR_FMT, STR_ARG(s)). */
#define STR_FMT    ".*s"
#define STR_ARG(s) (int)(s).len, (s).ptr

/* str_from makes a view of a NUL-terminated string; NULL gives an empty one. */
static inline struct str str_from(const char *cstr)
{
    return (struct str){cstr == NULL ? "" : cstr, cstr == NULL ? 0 : strlen(cstr)};
}

/* str_equal compares byte by byte. */
static inline bool str_equal(struct str a, struct str b)
{
    /* an empty view may hold NULL, which memcmp must not get */
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* str_put copies the bytes of a view, without a NUL.
 *
 * out: s.len bytes of room.
 * Returns: behind the last one.
 */
static inline char *str_put(char *out, struct str s)
{
    if (s.len > 0) { /* an empty view may hold NULL, which memcpy must not get */
        memcpy(out, s.ptr, s.len);
    }
    return out + s.len;
}

/* str_folds_equal is str_equal_nocase for two of one length. */
bool str_folds_equal(const char *a, const char *b, size_t len);

/* str_equal_nocase compares with ASCII letters folded; the locale plays no part. */
static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_folds_equal(a.ptr, b.ptr, a.len);
}

/* str_equal_secret compares in a time that depends on b.len alone, for tokens. */
bool str_equal_secret(struct str secret, struct str b);

/* str_trim cuts spaces and tabs off both ends. */
struct str str_trim(struct str s);

/* str_parse_u64 reads a decimal number that is the whole of `s`: digits only.
 *
 * Returns: true with *ret_value set; false on an empty view, another byte, or a value above `max`.
 */
MUST_USE bool str_parse_u64(struct str s, uint64_t max, uint64_t *ret_value);

/* str_format_u64 writes `value` in decimal, without a NUL.
 *
 * out: at least 20 bytes.
 * Returns: how many were written.
 */
size_t str_format_u64(char *out, uint64_t value);

/* str_format_i64 is str_format_u64 for a number that may be negative. out: at least 21 bytes. */
size_t str_format_i64(char *out, int64_t value);

/* str_from_u64 is a view of `value` in decimal. out: as str_format_u64's. */
static inline struct str str_from_u64(char *out, uint64_t value)
{
    return (struct str){out, str_format_u64(out, value)};
}

/* STR_U64 is the same in memory of its own, which lasts as long as the block that it stands in. */
#define STR_U64(value) str_from_u64((char[20]){0}, (value))

/* str_next_field cuts the next field off `rest`, up to `sep` or the end.
 *
 * Returns: true with *ret_field set and *rest moved past the separator; false when rest->ptr is
 * NULL, which is how the call after the last field finds it.
 */
MUST_USE bool str_next_field(struct str *rest, char sep, struct str *ret_field);

/* str_hash is FNV-1a with a final mix, for tables whose keys no peer chooses. */
uint64_t str_hash(struct str s);

#endif
