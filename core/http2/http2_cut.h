/* SPDX-License-Identifier: MIT
 *
 * http2_cut.h - why connections of HTTP/2 were cut off, and how many for each reason.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP2_HTTP2_CUT_H
#define TOQ_CORE_HTTP2_HTTP2_CUT_H

#include "core/telemetry/metrics.h"

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
