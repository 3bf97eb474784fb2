/* SPDX-License-Identifier: MIT
 *
 * redis_options.h - the options of a connection to Redis: address, password, timeouts, limits.
 */
#ifndef TOQ_CORE_REDIS_REDIS_OPTIONS_H
#define TOQ_CORE_REDIS_REDIS_OPTIONS_H

#include "core/loop/lookup.h"

/* Texts are borrowed as long as the connection is open; 0 takes the default. */
struct redis_options {
    const char *host;        /* as dial_init has it */
    struct lookups *lookups; /* dial_init's */
    uint16_t port;
    const char *password;        /* NULL or "": none */
    const char *client_name;     /* for CLIENT LIST, without blanks; NULL: none */
    const char *probe_key;       /* that each check writes, since writes may fail; NULL: PING */
    uint64_t db;                 /* SELECT */
    uint64_t command_timeout_ms; /* 1000: of a command that names none */
    uint64_t connect_timeout_ms; /* 2000: from the first SYN to the end of the greeting */
    uint64_t stall_timeout_ms;   /* 3000: without a whole reply; then a connection is dropped */
    size_t max_pending;          /* 16384: commands that wait for a reply; rounded up to 2^n */
    size_t max_queue_bytes;      /* 16 MiB: commands that the socket has not taken yet */
    size_t max_reply_bytes;      /* 16 MiB: memory of one reply */
};

/* redis_options_fill returns `options` with the defaults in place of zeros. */
struct redis_options redis_options_fill(const struct redis_options *options);

#endif
