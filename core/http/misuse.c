/* SPDX-License-Identifier: MIT
 *
 * misuse.c - counts and logs late answers; logs handlers' mistakes, or aborts.
 */
#include "core/http/misuse.h"

#include <stdio.h>

#include "core/http/server.h"
#include "core/task/own_stack.h"

#define LATE_LINE_MS 60000 /* between two lines about the same route */

static void note_late(struct http_request *req, const char *call, const char *stack)
{
    struct route *route = req->route;
    const uint64_t now_ms = loop_now_ms(req->server->loop);
    http_metrics_count_late(req->server->metrics, route);
    if (now_ms < route->late_line_due_ms) {
        return;
    }
    route->late_line_due_ms = now_ms + LATE_LINE_MS;
    LOG(LOG_WARN, "http", "late answer dropped: its request was cancelled and has ended",
        log_cstr("call", call), log_cstr("route", route->path), log_cstr("stack", stack));
}

static void report(struct http_request *req, const char *call, const char *problem,
                   const char *stack)
{
    LOG(LOG_ERROR, "http", "misuse by a handler", log_cstr("call", call),
        log_cstr("problem", problem), log_cstr("route", req->route->path),
        log_cstr("stack", stack));
    if (!req->server->survives_misuse) {
        char text[BASE_REASON_BYTES];
        (void)snprintf(text, sizeof(text), "misuse: %s for %s %s: %s; stack %s", call,
                       http_method_name(req->method), req->route->path, problem, stack);
        base_abort(text);
    }
}

void misuse_report(struct http_request *req, const char *call, const char *problem)
{
    char stack[OWN_STACK_TEXT_BYTES];
    own_stack_format(stack);
    report(req, call, problem, stack);
}

void misuse_found(struct http_request *req, const char *call)
{
    char stack[OWN_STACK_TEXT_BYTES];
    own_stack_format(stack);
    if (req->life == HTTP_ENDED_LATE) {
        note_late(req, call, stack);
        return;
    }
    const char *problem = req->life == HTTP_ENDED || req->life == HTTP_SPARE
                              ? "the request has ended already"
                              : "the request's answer does not allow it";
    report(req, call, problem, stack);
}
