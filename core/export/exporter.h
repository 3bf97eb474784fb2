/* SPDX-License-Identifier: MIT
 *
 * exporter.h - makes spans of the requests in the ring and sends them to receivers: OTLP over HTTP,
 * Jaeger's Thrift over HTTP, or both.
 *
 * Flow:    ring -> [every 100 ms: is a batch full, or due?] -> a thread encodes and compresses ->
 *          a receiver's queue of one -> http_client -> answer -> the next
 * Failure: 429, 502, 503, 504 and connection errors are retried with backoff and jitter, or as
 *          Retry-After says, for export_timeout_ms. Spans that were not sent by then, that a
 *          receiver refuses, or that find no room are dropped and counted, with one line a minute.
 *          No request waits for the exporter.
 * Thread:  the loop of diagnostics.
 */
#ifndef TOQ_CORE_EXPORT_EXPORTER_H
#define TOQ_CORE_EXPORT_EXPORTER_H

#include "core/export/export.h"
#include "core/loop/lookup.h"

enum exporter_receiver { EXPORTER_OTLP, EXPORTER_JAEGER, EXPORTER_RECEIVERS };

/* Where spans go. */
struct exporter_target {
    char url[EXPORT_URL_BYTES]; /* "": nowhere */
    struct export_headers headers;
    bool is_gzip;
    uint64_t timeout_ms; /* of an attempt */
};

/* It is large, and lives as long as the exporter. */
struct exporter_options {
    struct loop *loop;
    struct pool *lookups; /* threads for names */
    struct pool *pool;    /* threads that encode, and read certificates */
    struct span_ring *ring;
    struct metrics *metrics;
    const char *version;
    struct export_resource resource;
    struct span_peers peers;
    struct exporter_target targets[EXPORTER_RECEIVERS];
    const char *ca_file; /* PEM; "": the system's */
    const char *cert_file;
    const char *key_file;
    uint64_t schedule_ms;       /* how long a span waits for others at most */
    uint64_t export_timeout_ms; /* of a batch, with all attempts */
    size_t batch_spans;         /* in a request at most; one request's spans stay together */
};

struct exporter;

/* exporter_create makes an exporter and begins.
 *
 * options: borrowed.
 * Returns: 0 with *ret_exporter set; UV_ENOMEM.
 * Thread:  main, before the loop runs.
 */
MUST_USE int exporter_create(const struct exporter_options *options,
                             struct exporter **ret_exporter);

/* exporter_close sends what waits, each batch once, and ends. A later call gives it another time.
 *
 * timeout_ms: after which what is left is dropped.
 * on_closed:  runs once nothing is left, later; the exporter is gone.
 */
void exporter_close(struct exporter *exporter, uint64_t timeout_ms, void (*on_closed)(void *arg),
                    void *arg);

#endif
