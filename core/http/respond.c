/* SPDX-License-Identifier: MIT
 *
 * respond.c - whole answers in one call: text, JSON, and the status of an error; grpc_status_of has
 * gRPC's.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/http/http.h"
#include "core/http/router.h"
#include "core/telemetry/log_limit.h"

void http_respond_error(struct http_request *req, int status, const char *detail)
{
    char body[512];
    const char *reason = http_status_reason(status);
    int len = detail == NULL ? snprintf(body, sizeof(body), "%d %s\n", status, reason)
                             : snprintf(body, sizeof(body), "%d %s: %s\n", status, reason, detail);
    if (len >= (int)sizeof(body)) {
        len = (int)sizeof(body) - 1;
    }
    const struct http_response response = {
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .body = {body, (size_t)len},
        .headers = &http_retry_after_1_s,
        .header_count = status == 503 ? 1 : 0,
    };
    http_respond(req, &response);
}

void http_respond_unmatched(struct http_request *req, void *arg)
{
    (void)arg;
    char allow[ROUTER_ALLOW_BYTES];
    router_format_allow(req->allow, allow);
    const struct http_header header = {STR("Allow"), str_from(allow)};
    struct http_response response = {.headers = &header, .header_count = 1};
    if (req->method == METHOD_OTHER) {
        http_respond_error(req, 501, "the method is not supported");
    } else if (req->allow == 0) {
        http_respond_error(req, 404, NULL);
    } else if (req->method == METHOD_OPTIONS) {
        response.status = 204;
        http_respond(req, &response);
    } else {
        response.status = 405;
        response.content_type = "text/plain; charset=utf-8";
        response.body = STR("405 Method Not Allowed\n");
        http_respond(req, &response);
    }
}

void http_respond_text(struct http_request *req, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(&req->arena, (size_t)len + 1);
    if (text == NULL) {
        http_respond_error(req, 503, "out of memory");
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    http_respond(req, &(struct http_response){
                          .status = status,
                          .content_type = "text/plain; charset=utf-8",
                          .body = {text, (size_t)len},
                      });
}

void http_respond_json(struct http_request *req, int status, struct str json)
{
    http_respond(req, &(struct http_response){
                          .status = status, .content_type = "application/json", .body = json});
}

void http_fail(struct http_request *req, int error)
{
    static const struct {
        int error;
        int status;
        const char *detail;
    } rows[] = {
        {UV_EACCES, 403, "not allowed"},
        {UV_ENOENT, 404, NULL},
        {UV_EEXIST, 409, "it exists already"},
        {UV_EAGAIN, 409, "another change came first"},
        {UV_ENOTCONN, 503, "the database is away"},
        {UV_ECONNRESET, 503, "the database went away"},
        {UV_ETIMEDOUT, 503, "the database is slow"},
        {UV_ECONNABORTED, 503, "the database is busy"},
        {UV_EBUSY, 503, "the server is busy"},
        {UV_EROFS, 503, "the database takes no writes"},
        {UV_ECANCELED, 503, "shutting down"},
        {UV_ENOMEM, 503, "out of memory"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].error == error) {
            http_respond_error(req, rows[i].status, rows[i].detail);
            return;
        }
    }
    LOG_LIMITED(LOG_ERROR, "http", "request failed", log_cstr("route", req->route->path),
                log_cstr("error", uv_err_name(error)));
    http_respond_error(req, 500, NULL);
}
