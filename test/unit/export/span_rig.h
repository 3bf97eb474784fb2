/* SPDX-License-Identifier: MIT
 *
 * span_rig.h - a resource and spans with all that a receiver may be told.
 */
#ifndef TOQ_TEST_UNIT_EXPORT_SPAN_RIG_H
#define TOQ_TEST_UNIT_EXPORT_SPAN_RIG_H

#include <string.h>

#include "core/export/export.h"

/* rig_resource fills a resource of two attributes. */
static inline void rig_resource(struct export_resource *resource)
{
    *resource = (struct export_resource){
        .service_name = "shop",
        .version = "1.2",
        .attr_count = 2,
        .attrs = {{"service.name", "shop"}, {"host.name", "h\xc3\xa9"}},
    };
}

/* rig_spans fills two: a server's that failed and has a parent, and a client's below it. */
static inline void rig_spans(struct span spans[2])
{
    static const uint8_t trace_id[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t server_id[] = {0x80, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t client_id[] = {0, 0, 0, 0, 0, 0, 1, 2};
    static const uint8_t parent_id[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    spans[0] = (struct span){
        .has_parent = true,
        .is_error = true,
        .flags = 1,
        .kind = SPAN_SERVER,
        .tracestate = "a=1",
        .start_ns = 1700000000000001999,
        .end_ns = 1700000000250002999,
        .attr_count = 3,
        .attrs = {{.key = "http.route", .kind = SPAN_TEXT, .text = "/x"},
                  {.key = "http.response.status_code", .kind = SPAN_NUMBER, .number = 500},
                  {.key = "sampling.tail", .kind = SPAN_FLAG, .number = 1}},
        .name = "GET /x",
    };
    spans[1] = (struct span){
        .has_parent = true,
        .kind = SPAN_CLIENT,
        .tracestate = "",
        .start_ns = 1700000000100000000,
        .end_ns = 1700000000100000000,
        .attr_count = 2,
        .attrs = {{.key = "toq.delta", .kind = SPAN_NUMBER, .number = -1},
                  {.key = "toq.read.shared", .kind = SPAN_FLAG}},
        .name = "",
    };
    for (int i = 0; i < 2; i++) {
        memcpy(spans[i].trace_id, trace_id, sizeof(trace_id));
        memcpy(spans[i].span_id, i == 0 ? server_id : client_id, sizeof(server_id));
        memcpy(spans[i].parent_id, i == 0 ? parent_id : server_id, sizeof(server_id));
    }
}

#endif
