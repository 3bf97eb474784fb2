/* SPDX-License-Identifier: MIT
 *
 * redis_reader.h - parses the bytes of a Redis connection into replies.
 *
 * Flow:    redis_reader_feed -> redis_reader_next until it needs more bytes -> feed ...
 * Memory:  a reply lives in an arena until the next redis_reader_next; the memory of one reply is
 *          limited, complete or not.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_READER_H
#define TOQ_CORE_REDIS_REDIS_READER_H

#include "core/base/arena.h"
#include "core/redis/redis_reply.h"

/* How much to feed at once: hiredis moves what it holds to the front after each KiB it consumed. */
#define REDIS_READER_FEED_BYTES 4096

struct redisReader; /* hiredis' */

struct redis_reader {
    struct redisReader *parser; /* owned; NULL until redis_reader_reset */
    struct arena arena;         /* the reply, complete or not */
    size_t max_reply_bytes;
    bool is_whole; /* the arena holds a reply that was handed out */
};

/* redis_reader_init prepares a reader that must be reset before it is fed. */
void redis_reader_init(struct redis_reader *reader, size_t max_reply_bytes);

/* redis_reader_deinit frees everything. */
void redis_reader_deinit(struct redis_reader *reader);

/* redis_reader_reset drops all bytes, for a new connection.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int redis_reader_reset(struct redis_reader *reader);

/* redis_reader_feed takes a copy of bytes, REDIS_READER_FEED_BYTES at most.
 *
 * Returns: 0; UV_EMSGSIZE when the reply under way is too long; UV_ENOMEM.
 */
MUST_USE int redis_reader_feed(struct redis_reader *reader, const char *data, size_t len);

/* redis_reader_next takes one reply from what was fed.
 *
 * Returns: 1 with *ret_reply set, valid until the next call; 0: more bytes are needed; UV_EPROTO:
 *          the bytes are not RESP2, or nested more than seven deep; UV_EMSGSIZE: the reply is too
 *          long, or memory is missing. After an error only reset and deinit may follow.
 */
MUST_USE int redis_reader_next(struct redis_reader *reader, const struct redis_reply **ret_reply);

#endif
