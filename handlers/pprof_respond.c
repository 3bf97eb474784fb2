/* SPDX-License-Identifier: MIT
 *
 * pprof_respond.c - status, fields and bodies as on Go's wire.
 */
#include "handlers/pprof_respond.h"

#include <stdio.h>

#include "handlers/auth.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

bool pprof_is_allowed(const struct pprof *pprof, struct http_request *req)
{
    if (pprof->token.len == 0 || auth_has_token(req, pprof->token)) {
        return true;
    }
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("WWW-Authenticate"), STR("Basic realm=\"pprof\", Bearer")},
        {STR("X-Go-Pprof"), STR("1")},
    };
    const struct http_response response = {
        .status = 401,
        .content_type = TEXT_TYPE,
        .body = STR("the token is missing or wrong: send PPROF_TOKEN as a bearer token, or as the "
                    "password in http://pprof:PPROF_TOKEN@host/\n"),
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
    };
    http_respond(req, &response);
    return false;
}

void pprof_respond_error(struct http_request *req, int status, const char *message)
{
    char body[256];
    const int len = snprintf(body, sizeof(body), "%s\n", message);
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("X-Go-Pprof"), STR("1")},
    };
    const struct http_response response = {
        .status = status,
        .content_type = TEXT_TYPE,
        .body = {body, len < (int)sizeof(body) ? (size_t)len : sizeof(body) - 1},
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
    };
    http_respond(req, &response);
}

void pprof_respond_text(struct http_request *req, struct str body)
{
    const struct http_header nosniff = {STR("X-Content-Type-Options"), STR("nosniff")};
    const struct http_response response = {
        .status = 200,
        .content_type = TEXT_TYPE,
        .body = body,
        .headers = &nosniff,
        .header_count = 1,
    };
    http_respond(req, &response);
}

void pprof_respond_file(struct http_request *req, const char *name, struct str body)
{
    char disposition[64];
    const int len = snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", name);
    REQUIRE(len < (int)sizeof(disposition)); /* the names are literals */
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Content-Disposition"), {disposition, (size_t)len}},
    };
    const struct http_response response = {
        .status = 200,
        .content_type = "application/octet-stream",
        .body = body,
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
    };
    http_respond(req, &response);
}
