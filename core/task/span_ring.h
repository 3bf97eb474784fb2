/* SPDX-License-Identifier: MIT
 *
 * span_ring.h - a ring of fixed records of requests that are to be exported as spans, between the
 * loop that serves and the loop that exports.
 *
 * Failure: when the ring is full a record is dropped and counted; neither side waits.
 * Memory:  allocated once, at start. Records are whole in themselves, but for literals and labels.
 * Thread:  one writes (reserve, commit), one reads (peek, drop); the counts: any.
 */
#ifndef TOQ_CORE_TASK_SPAN_RING_H
#define TOQ_CORE_TASK_SPAN_RING_H

#include "core/task/task_slots.h"

#define SPAN_PATH_BYTES       192
#define SPAN_PEER_BYTES       64
#define SPAN_HOST_BYTES       96
#define SPAN_USER_AGENT_BYTES 96
#define SPAN_TRACESTATE_BYTES 513 /* what W3C wants passed on at least, and a NUL */

/* A request that has ended. The texts end with a NUL, and are cut to their room. */
struct span_record {
    struct task_trail trail;
    uint64_t end_ns;
    const char *method;     /* a literal, as the two below */
    const char *version;    /* "1.1", "2" */
    const char *rpc_status; /* "OK"; NULL: it is no call of gRPC */
    int status;             /* of HTTP */
    bool is_tail;           /* not sampled, but failed, slow or holding the loop */
    bool has_failed;
    char path[SPAN_PATH_BYTES];
    char peer[SPAN_PEER_BYTES]; /* "[ip]:port" or "ip:port" */
    char host[SPAN_HOST_BYTES];
    char user_agent[SPAN_USER_AGENT_BYTES];
    char tracestate[SPAN_TRACESTATE_BYTES];
};

struct span_ring;

/* span_ring_create makes a ring for at least `records`.
 *
 * Returns: the ring; NULL when memory is missing.
 */
MUST_USE struct span_ring *span_ring_create(size_t records);

/* span_ring_destroy frees it; takes NULL. */
void span_ring_destroy(struct span_ring *ring);

/* span_ring_reserve returns a record to fill, or counts a drop.
 *
 * Returns: the record, until span_ring_commit; NULL: the ring is full.
 */
MUST_USE struct span_record *span_ring_reserve(struct span_ring *ring);

/* span_ring_commit shows the reader the record that was reserved. */
void span_ring_commit(struct span_ring *ring);

/* span_ring_count is the number of records to be read. */
size_t span_ring_count(const struct span_ring *ring);

/* span_ring_peek is the record `number` places behind the oldest; number is below the count. */
const struct span_record *span_ring_peek(const struct span_ring *ring, size_t number);

/* span_ring_drop removes the oldest `count` records. */
void span_ring_drop(struct span_ring *ring, size_t count);

/* span_ring_lost is the number of records dropped because the ring was full. */
uint64_t span_ring_lost(const struct span_ring *ring);

#endif
