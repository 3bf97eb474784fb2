/* SPDX-License-Identifier: MIT
 *
 * fail.c - the status of each error; grpc_status_of has gRPC's.
 */
#include "core/http/http.h"
#include "core/http/router.h"
#include "core/telemetry/log_limit.h"

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
        {UV_EBUSY, 503, "the database is busy"},
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
