/* SPDX-License-Identifier: MIT
 *
 * http2_cut.h - why connections of HTTP/2 are cut off, and a count for each reason.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP2_HTTP2_CUT_H
#define TOQ_CORE_HTTP2_HTTP2_CUT_H

#include "core/telemetry/metrics.h"

/* Why the server ends a connection because of what its peer does. */
enum http2_cut {
    HTTP2_CUT_PROTOCOL, /* a violation of the protocol, or a first line of neither HTTP/2 nor 1 */
    HTTP2_CUT_SETTINGS_TIMEOUT, /* nothing came after the preface */
    HTTP2_CUT_HEADER_TIMEOUT,
    HTTP2_CUT_HEADER_LIST, /* far longer than one that is answered with 431 */
    HTTP2_CUT_CONTROL_FRAMES,
    HTTP2_CUT_RESETS,
    HTTP2_CUT_CONTINUATIONS,
    HTTP2_CUT_WINDOW,
    HTTP2_CUT_PINGS,     /* gRPC clients look for its name in the GOAWAY */
    HTTP2_CUT_KEEPALIVE, /* no answer to our PING */
    HTTP2_CUT_COUNT
};

struct http2_cuts {
    uint64_t *counts[HTTP2_CUT_COUNT];
};

/* http2_cuts_init registers the family.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int http2_cuts_init(struct http2_cuts *cuts, struct metrics *metrics);

/* http2_cut_name is the reason as metrics and logs have it: "protocol error". */
const char *http2_cut_name(enum http2_cut cut);

#endif
