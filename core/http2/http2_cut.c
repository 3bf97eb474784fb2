/* SPDX-License-Identifier: MIT
 *
 * http2_cut.c - the reasons' names and their counters.
 */
#include "core/http2/http2_cut.h"

#include "core/loop/loop.h"

const char *http2_cut_name(enum http2_cut cut)
{
    static const char *const names[HTTP2_CUT_COUNT] = {
        [HTTP2_CUT_PROTOCOL] = "protocol error",
        [HTTP2_CUT_SETTINGS_TIMEOUT] = "settings timeout",
        [HTTP2_CUT_HEADER_TIMEOUT] = "header timeout",
        [HTTP2_CUT_HEADER_LIST] = "header list",
        [HTTP2_CUT_CONTROL_FRAMES] = "control frames",
        [HTTP2_CUT_RESETS] = "resets",
        [HTTP2_CUT_CONTINUATIONS] = "continuations",
        [HTTP2_CUT_WINDOW] = "window",
        [HTTP2_CUT_PINGS] = "too_many_pings",
        [HTTP2_CUT_KEEPALIVE] = "keepalive",
    };
    return names[cut];
}

int http2_cuts_init(struct http2_cuts *cuts, struct metrics *metrics)
{
    static const char *const labels[] = {"reason", NULL};
    struct metric_family *family = metrics_family(
        metrics, &(struct metric_family_options){
                     .type = METRIC_COUNTER,
                     .name = "http2_connections_cut_off_total",
                     .help = "HTTP/2 connections ended by the server because of what the peer did.",
                     .labels = labels});
    if (family == NULL) {
        return UV_ENOMEM;
    }
    for (int cut = 0; cut < HTTP2_CUT_COUNT; cut++) {
        const struct str reason = str_from(http2_cut_name((enum http2_cut)cut));
        cuts->counts[cut] = metric_counter(family, &reason);
    }
    return 0;
}
