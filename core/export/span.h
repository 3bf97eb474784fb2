/* SPDX-License-Identifier: MIT
 *
 * span.h - the spans of one request, made from its record: the server's, and below it one for each
 * wait.
 *
 * Memory: texts are literals, the record's, the target's or in the span itself; a span lives as
 *         long as all of them.
 * Thread: any.
 * Source: OpenTelemetry semantic conventions 1.44: HTTP, RPC and database spans.
 */
#ifndef TOQ_CORE_EXPORT_SPAN_H
#define TOQ_CORE_EXPORT_SPAN_H

#include "core/task/span_ring.h"
#include "core/telemetry/trace.h"

#define SPAN_ATTRS_MAX    20
#define SPANS_PER_REQUEST (1 + TASK_CHANGES_MAX)
#define SPAN_NAME_BYTES   256

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 }; /* OTLP's numbers */

enum span_attr_kind { SPAN_TEXT, SPAN_NUMBER, SPAN_FLAG };

struct span_attr {
    const char *key;
    enum span_attr_kind kind;
    const char *text;
    int64_t number; /* of a flag 0 or 1 */
};

struct span {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[TRACE_SPAN_ID_BYTES];
    uint8_t parent_id[TRACE_SPAN_ID_BYTES];
    bool has_parent;
    bool is_error;
    uint32_t flags; /* W3C's */
    enum span_kind kind;
    const char *tracestate; /* "": none */
    uint64_t start_ns;      /* since 1970 */
    uint64_t end_ns;
    size_t attr_count;
    struct span_attr attrs[SPAN_ATTRS_MAX];
    char name[SPAN_NAME_BYTES];
    char scratch[4][SPAN_PEER_BYTES]; /* texts that are made for it */
    size_t scratch_count;
};

/* Where the server's clients go; literals or the configuration's. */
struct span_peers {
    const char *mysql_host;
    uint64_t mysql_port;
    const char *mysql_database;
    const struct statements *statements; /* of MySQL; NULL: their texts are not known */
    const char *redis_host;
    uint64_t redis_port;
    uint64_t redis_db;
};

/* span_build makes the spans of a request, the server's first.
 *
 * wall_ns: what is to be added to clock_now_ns for the time since 1970.
 * spans:   SPANS_PER_REQUEST.
 * Returns: how many.
 */
size_t span_build(const struct span_record *record, const struct span_peers *peers,
                  uint64_t wall_ns, struct span *spans);

#endif
