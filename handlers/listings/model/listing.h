/* SPDX-License-Identifier: MIT
 *
 * listing.h - a property listing: its fields, what each may hold, and its JSON.
 *
 * One table describes the fields; reading JSON, checking, printing, the parameters and rows of SQL
 * all follow it. listings_sql.h and listings_schema.c name the columns, in the same order.
 *
 * Memory: texts lie in the arena that was given, or wherever the caller put them.
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_MODEL_LISTING_H
#define TOQ_HANDLERS_LISTINGS_MODEL_LISTING_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/field_error.h"

#define LISTING_ID_LEN     36 /* UUIDv7 in its text form */
#define LISTING_ERRORS_MAX 16

enum listing_field {
    LISTING_TITLE,
    LISTING_DESCRIPTION,
    LISTING_KIND,
    LISTING_PURPOSE,
    LISTING_PRICE_CENTS,
    LISTING_CURRENCY,
    LISTING_STREET,
    LISTING_NEIGHBORHOOD,
    LISTING_CITY,
    LISTING_STATE,
    LISTING_POSTAL_CODE,
    LISTING_BEDROOMS,
    LISTING_BATHROOMS,
    LISTING_AREA_M2,
    LISTING_STATUS,
    LISTING_FIELD_COUNT
};

enum listing_type {
    LISTING_TEXT,   /* UTF-8; min and max count characters */
    LISTING_CHOICE, /* one of a list of words */
    LISTING_NUMBER, /* an integer between min and max, which are not negative */
};

struct listing_field_info {
    const char *name;     /* in JSON and SQL */
    struct str json_name; /* with what JSON has around it: a comma, quotes, a colon */
    enum listing_type type;
    int64_t min;
    int64_t max;
    const char *const *choices; /* LISTING_CHOICE: NULL at the end */
    const char *wrong_choice;   /* what a value that is none of them is told */
    const char *fallback;       /* of an absent text or choice; an absent number is 0 */
    bool is_required;           /* it has no fallback */
};

struct listing_value {
    struct str text; /* LISTING_TEXT and LISTING_CHOICE */
    int64_t number;  /* LISTING_NUMBER */
};

struct listing {
    struct str id;
    struct listing_value fields[LISTING_FIELD_COUNT];
    uint64_t version;    /* 1 when created, one more with each write */
    uint64_t created_us; /* since 1970, UTC */
    uint64_t updated_us;
};

struct listing_errors {
    struct field_error list[LISTING_ERRORS_MAX];
    size_t count;      /* there may have been more than fit */
    bool is_malformed; /* not JSON at all, or not an object: 400; else 422 */
};

enum listing_mode {
    LISTING_WHOLE, /* POST and PUT: an absent field takes its fallback, or is an error */
    LISTING_PATCH, /* JSON Merge Patch (RFC 7396): an absent field stays, null means the fallback */
};

/* listing_field_info describes a field. */
const struct listing_field_info *listing_field_info(enum listing_field field);

/* listing_find_field finds a field by its name.
 *
 * Returns: true with *ret_field set; false when there is none.
 */
MUST_USE bool listing_find_field(struct str name, enum listing_field *ret_field);

/* listing_from_json reads a JSON object into `listing`, strictly: an unknown field, a doubled key,
 * a wrong type or a value out of bounds is an error that names the field.
 *
 * listing: its fields are the patch's base in LISTING_PATCH; id, version and times are not touched.
 * Returns: true with the fields set and errors->count 0; false with errors filled, or with none
 *          when memory is missing. The fields are undefined then.
 */
MUST_USE bool listing_from_json(struct arena *arena, struct str json, enum listing_mode mode,
                                struct listing *listing, struct listing_errors *errors);

/* listing_check checks the value of one field, whoever it comes from.
 *
 * Returns: NULL when it may be stored; else what is wrong with it, a literal.
 */
const char *listing_check(enum listing_field field, const struct listing_value *value);

/* listing_to_json appends the listing as one JSON object. */
void listing_to_json(const struct listing *listing, struct buf *out);

#endif
