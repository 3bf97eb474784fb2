/* SPDX-License-Identifier: MIT
 *
 * json.h - a JSON reader without copies: visits the members of an object in order, and takes, skips
 * or enters their values.
 *
 * Flow:    of one object: json_init -> json_enter -> json_next for each member -> json_end
 *          of a tree: json_init -> json_read; of an object, json_next_name -> json_read for each
 *          member; of an array, json_next_item -> json_read for each element -> json_end
 * Failure: malformed JSON is reported once, by reader->wrong and reader->at.
 * Memory:  allocates nothing: a value is a view of the text.
 * Thread:  one at a time.
 * Source:  RFC 8259. Nesting is bounded, and a NUL in a string is refused.
 */
#ifndef TOQ_CORE_BASE_JSON_H
#define TOQ_CORE_BASE_JSON_H

#include "core/base/str.h"

#define JSON_DEPTH_MAX 64

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER, /* neither fraction nor exponent */
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_type type;
    int64_t integer; /* JSON_INTEGER: the nearest that there is */
    /* JSON_STRING: between its quotes, valid, with its escapes: json_unescape; a number or a word:
     * as it stands */
    struct str raw;
};

struct json_reader {
    const char *start;
    const char *at; /* where it reads; of an error, where that was found */
    const char *end;
    const char *wrong; /* what is no JSON, a literal; NULL: nothing so far */
    size_t depth;      /* of the objects and arrays that it is in */
    bool is_first;     /* nothing of the innermost one has been read */
};

/* json_init begins to read; the text is borrowed. */
void json_init(struct json_reader *reader, struct str text);

/* json_enter enters the object that the text is.
 *
 * Returns: false when the text is no object; then nothing was read.
 */
MUST_USE bool json_enter(struct json_reader *reader);

/* json_next reads the next member. A value that holds others is checked and skipped.
 *
 * Returns: true with *ret_name, as json_value.raw, and *ret_value set; false behind the last one,
 *          and when the text is no JSON: reader->wrong.
 */
MUST_USE bool json_next(struct json_reader *reader, struct str *ret_name,
                        struct json_value *ret_value);

/* json_read reads the next value. An object or an array is entered: all that it holds is read
 * before anything else, until json_next_name or json_next_item has returned false.
 *
 * Returns: true with *ret_value set; false when the text is no JSON.
 */
MUST_USE bool json_read(struct json_reader *reader, struct json_value *ret_value);

/* json_next_name reads the name of an object's next member, whose value json_read reads.
 *
 * Returns: as json_next.
 */
MUST_USE bool json_next_name(struct json_reader *reader, struct str *ret_name);

/* json_next_item looks for an array's next element, which json_read reads.
 *
 * Returns: true when there is one; false behind the last one, and when the text is no JSON.
 */
MUST_USE bool json_next_item(struct json_reader *reader);

/* json_end checks that nothing follows the text's value, once it has been read to its end.
 *
 * Returns: false when the text is no JSON.
 */
MUST_USE bool json_end(struct json_reader *reader);

/* json_has_escapes tells whether a raw string is not its own text. */
bool json_has_escapes(struct str raw);

/* json_unescape writes the text of a raw string, as far as `max` bytes hold whole characters of it.
 * It is never longer than raw.
 *
 * Returns: how many bytes were written.
 */
size_t json_unescape(struct str raw, char *out, size_t max);

#endif
