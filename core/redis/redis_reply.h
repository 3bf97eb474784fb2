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

/* An error that concerns the server as a whole. */
struct redis_refusal {
    const char *code;   /* the error's first word */
    const char *reason; /* a literal without secrets */
    bool is_misplaced;  /* this server will refuse the next commands, too: connect again */
};

/* redis_reply_refusal finds the refusal of an error.
 *
 * text:    of the error.
 * Returns: the refusal; NULL: the error concerns one command, or our login.
 */
const struct redis_refusal *redis_reply_refusal(struct str text);

#endif
