/* SPDX-License-Identifier: MIT
 *
 * receiver.h - one receiver of spans: the body that is being sent, the one that waits, and the
 * receiver's state.
 *
 * Thread: the exporter's loop.
 */
#ifndef TOQ_CORE_EXPORT_RECEIVER_H
#define TOQ_CORE_EXPORT_RECEIVER_H

#include "core/client/http_client.h"
#include "core/export/exporter.h"
#include "core/telemetry/metrics.h"

/* Why spans are dropped; the label reason. */
enum receiver_reason {
    RECEIVER_NO_ROOM,     /* "queue": the receiver is slower than the server */
    RECEIVER_NO_MEMORY,   /* "memory": or above OTLP's 64 MiB */
    RECEIVER_UNREACHABLE, /* "unreachable": no answer, or "later", for all its time */
    RECEIVER_REFUSED,     /* "refused": an answer that means no */
    RECEIVER_REJECTED,    /* "rejected": some of a request that was taken */
    RECEIVER_NONSENSE,    /* "nonsense": an answer that says nothing */
    RECEIVER_SHUTDOWN,    /* "shutdown": the server ended first */
    RECEIVER_REASONS
};

struct receiver_families {
    struct metric_family *exported;
    struct metric_family *dropped;
    struct metric_family *requests;
};

/* A body, and how many spans it has; none: span_count is 0. */
struct payload {
    struct buf body;
    size_t span_count;
};

struct receiver_options {
    enum exporter_receiver kind;
    const struct exporter_options *exporter;
    struct http_client *client;
    const struct receiver_families *families;
    void (*on_free)(void *arg); /* there is room again */
    void *arg;
};

struct receiver {
    bool is_on;
    bool is_hurried; /* nothing is tried again */
    bool is_sending;
    bool is_failing; /* it was told of in the log */
    enum exporter_receiver kind;
    const struct exporter_options *exporter;
    const struct exporter_target *target;
    void (*on_free)(void *arg);
    void *arg;
    struct payload current; /* is sent, or tried again later */
    struct payload next;
    struct http_client_call call;
    struct http_header headers[EXPORT_HEADERS_MAX + 2];
    struct wheel_timer again;
    unsigned tries;
    uint64_t give_up_ms;
    uint64_t line_due_ms; /* until then no line is logged */
    uint64_t dropped_unlogged;
    uint64_t *exported;
    uint64_t *requests;
    uint64_t *dropped[RECEIVER_REASONS];
};

/* receiver_families_add adds the families that receivers share. Returns: 0; UV_ENOMEM. */
MUST_USE int receiver_families_add(struct receiver_families *families, struct metrics *metrics);

/* receiver_init prepares a receiver, which is off when its target has no URL.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int receiver_init(struct receiver *receiver, const struct receiver_options *options);

/* receiver_has_room tells whether receiver_give may be called. */
bool receiver_has_room(const struct receiver *receiver);

/* receiver_is_idle tells that nothing is sent or waits. */
bool receiver_is_idle(const struct receiver *receiver);

/* receiver_give hands a body over. Owns: the body's memory, from now on. */
void receiver_give(struct receiver *receiver, struct buf *body, size_t span_count);

/* receiver_drop counts spans that are not delivered. */
void receiver_drop(struct receiver *receiver, enum receiver_reason reason, uint64_t span_count);

/* receiver_hurry makes what is under way the last attempt of each body. */
void receiver_hurry(struct receiver *receiver);

/* receiver_stop drops what is left; its call ends with the client. */
void receiver_stop(struct receiver *receiver);

/* receiver_retry_after_ms reads a Retry-After: seconds, or a date.
 *
 * wall_ns: now.
 * Returns: 0 when it is missing or malformed; at most an hour.
 */
uint64_t receiver_retry_after_ms(struct str value, uint64_t wall_ns);

#endif
