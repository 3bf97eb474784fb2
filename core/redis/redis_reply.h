/* SPDX-License-Identifier: MIT
 *
 * redis_reply.h - a reply of Redis, without hiredis' types.
 */
#ifndef TOQ_CORE_REDIS_REDIS_REPLY_H
#define TOQ_CORE_REDIS_REDIS_REPLY_H

#include "core/base/str.h"

enum redis_type {
    REDIS_NIL,
    REDIS_STATUS, /* "OK", "PONG" */
    REDIS_ERROR,  /* "WRONGTYPE Operation against ..." */
    REDIS_TEXT,   /* any bytes */
    REDIS_INTEGER,
    REDIS_ARRAY,
};

struct redis_reply {
    enum redis_type type;
    struct str text;           /* of a status, an error or a text; a NUL follows it */
    int64_t integer;           /* of an integer */
    struct redis_reply *items; /* of an array */
    size_t count;
};

/* redis_reply_has_code tells whether a reply is an error that starts with the word `code`, as in
 * "NOSCRIPT No matching script". */
bool redis_reply_has_code(const struct redis_reply *reply, struct str code);

/* What a refusal says of the server as a whole. */
struct redis_refusal {
    const char *code;   /* the error's first word */
    const char *reason; /* a literal that strangers may read */
    bool is_misplaced;  /* this server will refuse the next commands, too: connect anew */
};

/* redis_reply_refusal finds what an error says of the server as a whole.
 *
 * text:    of an error.
 * Returns: NULL: it is about one command, or about who we are.
 */
const struct redis_refusal *redis_reply_refusal(struct str text);

#endif
