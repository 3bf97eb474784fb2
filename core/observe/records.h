/* SPDX-License-Identifier: MIT
 *
 * records.h - records of requests that have ended, in a ring between the loop that serves them and
 * one reader.
 *
 * A record takes a microsecond or two to write, so few requests get one: per route and second the
 * first of each band of durations, the first that failed, and those that use half as much CPU time
 * again as the last one kept. So a slow request is recorded behind any number of fast ones.
 *
 * Flow:    a request ends -> http_records_on_end -> the end of the turn, when its CPU time is known
 *          -> http_records_take
 * Failure: when the ring is full, records are dropped, and counted.
 * Memory:  HTTP_RECORDS_MAX records.
 * Thread:  as each function says.
 */
#ifndef TOQ_CORE_OBSERVE_RECORDS_H
#define TOQ_CORE_OBSERVE_RECORDS_H

#include "core/http/observer.h"
#include "core/http/router.h"
#include "core/loop/conn.h"

#define HTTP_RECORDS_MAX       128
#define HTTP_RECORD_PATH_BYTES 96

/* A request that has ended. */
struct http_record {
    struct task_trail trail; /* its label tells route and method */
    uint64_t end_ns;         /* clock_now_ns */
    uint64_t cpu_ns;         /* UINT64_MAX: not known yet */
    const char *server;      /* a literal, as the next two are */
    const char *method;
    const char *rpc_status; /* NULL: it is no call of gRPC */
    int status;
    uint8_t band;                      /* of its duration */
    bool is_failed;                    /* by the server's fault, or the client left */
    bool is_expensive;                 /* kept for its CPU time */
    char path[HTTP_RECORD_PATH_BYTES]; /* as received, without the query; cut to the room */
    char peer[CONN_PEER_BYTES];
};

struct http_records;

/* http_band_ns is the least duration of a band: 0, 10 us, 100 us ... 100 s.
 *
 * band:   below HTTP_BANDS.
 * Thread: any.
 */
uint64_t http_band_ns(size_t band);

/* http_records_create makes the ring. Returns: NULL when memory is missing. */
MUST_USE struct http_records *http_records_create(void);

/* http_records_destroy frees it; takes NULL. */
void http_records_destroy(struct http_records *records);

/* http_records_on_end is an http_end_fn that runs after http_metrics_on_end: it writes a record of
 * a request that is to be kept.
 *
 * ctx:    a struct http_records.
 * Thread: the loop that serves it, always the same.
 */
void http_records_on_end(void *ctx, struct http_request *req, struct http_end *end);

/* http_records_take takes the oldest record.
 *
 * Returns: true with *ret_record set; false: there is none, or the turn that wrote it is not over.
 * Thread:  any, one at a time.
 */
MUST_USE bool http_records_take(struct http_records *records, struct http_record *ret_record);

/* http_records_dropped is the number of records for which there was no room. Thread: any. */
uint64_t http_records_dropped(const struct http_records *records);

#endif
