/* SPDX-License-Identifier: MIT
 *
 * http_metrics.h - the HTTP server families, with the series of a route found without a look-up.
 */
#ifndef TOQ_CORE_HTTP_HTTP_METRICS_H
#define TOQ_CORE_HTTP_HTTP_METRICS_H

#include "core/http/router.h"

/* Why a connection of HTTP/2 was ended by a GOAWAY with an error code. */
enum http2_cut {
    HTTP2_CUT_PROTOCOL,         /* what nghttp2 found, or neither its preface nor HTTP/1 */
    HTTP2_CUT_SETTINGS_TIMEOUT, /* nothing came behind the preface */
    HTTP2_CUT_HEADER_TIMEOUT,
    HTTP2_CUT_HEADER_LIST, /* far beyond what is answered with 431 */
    HTTP2_CUT_CONTROL_FRAMES,
    HTTP2_CUT_RESETS,
    HTTP2_CUT_CONTINUATIONS,
    HTTP2_CUT_WINDOW,
    HTTP2_CUT_PINGS,     /* its name is what clients look for in the GOAWAY */
    HTTP2_CUT_KEEPALIVE, /* it did not answer ours */
    HTTP2_CUT_COUNT
};

struct http_metrics {
    struct metric_family *duration;
    struct metric_family *request_bytes;
    struct metric_family *response_bytes;
    struct metric_family *late;
    struct metric_family *forgotten;
    double *active;
    uint64_t *http2_cuts[HTTP2_CUT_COUNT];
    struct http_series *spare; /* all series, for http_metrics_deinit */
};

/* http_metrics_init registers the families.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int http_metrics_init(struct http_metrics *hm, struct metrics *metrics);

/* http_metrics_deinit forgets the series that routes point at. */
void http_metrics_deinit(struct http_metrics *hm);

/* http2_cut_name is the reason as metrics and logs have it: "protocol error". */
const char *http2_cut_name(enum http2_cut cut);

/* http_metrics_count counts one answered request.
 *
 * now_ns: clock_now_ns, when its answer was complete.
 */
void http_metrics_count(struct http_metrics *hm, const struct http_request *req, uint64_t now_ns);

/* http_metrics_count_late counts what a handler sent for a request that was cancelled and had ended. */
void http_metrics_count_late(struct http_metrics *hm, struct route *route);

/* http_metrics_count_forgotten counts a request that nothing will ever end. */
void http_metrics_count_forgotten(struct http_metrics *hm, struct route *route);

#endif
