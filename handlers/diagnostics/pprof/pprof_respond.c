/* SPDX-License-Identifier: MIT
 *
 * pprof_respond.c - sends status, fields and bodies as Go's server does.
 */
#include "handlers/diagnostics/pprof/pprof_respond.h"

#include <stdio.h>
#include <stdlib.h>

#include "handlers/kit/auth.h"
#include "profiling/profiler.h"

#define TEXT_TYPE   "text/plain; charset=utf-8"
#define FILE_TYPE   "application/octet-stream"
#define JSON_TYPE   "application/json"
#define PIECE_BYTES 65536u

bool pprof_is_allowed(const struct pprof *pprof, struct http_request *req)
{
    if (pprof->token.len == 0 || auth_has_token(req, pprof->token)) {
        return true;
    }
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        /* A field each: Chromium takes the comma between two challenges for one of the first's. */
        {STR("WWW-Authenticate"), STR("Basic realm=\"pprof\"")},
        {STR("WWW-Authenticate"), STR("Bearer")},
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

void pprof_respond_failure(struct http_request *req, const char *what, int status)
{
    char message[192];
    (void)snprintf(message, sizeof(message), "%s: %s", what, profiler_strerror(status));
    pprof_respond_error(req, 500, message);
}

/* The answer with a file when there is a name, and with text when there is none. */
struct success {
    struct http_header headers[2];
    char disposition[64];
    struct http_response response;
};

static void describe_success(struct success *success, const char *name, const char *type,
                             struct str body)
{
    success->headers[0] = (struct http_header){STR("X-Content-Type-Options"), STR("nosniff")};
    success->response = (struct http_response){
        .status = 200,
        .content_type = type,
        .body = body,
        .headers = success->headers,
        .header_count = 1,
    };
    if (name != NULL) {
        const int len = snprintf(success->disposition, sizeof(success->disposition),
                                 "attachment; filename=\"%s\"", name);
        REQUIRE(len < (int)sizeof(success->disposition)); /* the names are literals */
        success->headers[1] =
            (struct http_header){STR("Content-Disposition"), {success->disposition, (size_t)len}};
        success->response.header_count = 2;
    }
}

void pprof_respond_text(struct http_request *req, struct str body)
{
    struct success success;
    describe_success(&success, NULL, TEXT_TYPE, body);
    http_respond(req, &success.response);
}

/* --- bodies of any size --- */

/* What is still to be sent; req->user has it. */
struct download {
    char *data; /* owned */
    size_t len;
    size_t sent;
};

static void end_download(struct http_request *req)
{
    struct download *download = req->user;
    http_on_cancel(req, NULL);
    free(download->data);
    free(download);
    http_stream_end(req);
}

static void on_download_cancel(struct http_request *req, int status)
{
    (void)status;
    end_download(req);
}

static void send_pieces(struct http_request *req)
{
    struct download *download = req->user;
    while (download->sent < download->len) {
        const size_t left = download->len - download->sent;
        const struct str piece = {download->data + download->sent,
                                  left < PIECE_BYTES ? left : PIECE_BYTES};
        download->sent += piece.len;
        if (!http_stream_write(req, piece)) {
            task_park(&req->task, "write");
            return;
        }
    }
    end_download(req);
}

static void send_as(struct http_request *req, const char *name, const char *type, char *data,
                    size_t len)
{
    struct success success;
    describe_success(&success, name, type, (struct str){data, len});
    struct download *download =
        len <= PIECE_BYTES || req->method == METHOD_HEAD ? NULL : malloc(sizeof(*download));
    if (download == NULL) {
        http_respond(req, &success.response); /* copies the body, but for HEAD */
        free(data);
        return;
    }
    *download = (struct download){.data = data, .len = len};
    req->user = download;
    http_on_cancel(req, on_download_cancel);
    http_stream_start(req, &success.response, send_pieces);
    send_pieces(req);
}

void pprof_send(struct http_request *req, const char *name, char *data, size_t len)
{
    send_as(req, name, name == NULL ? TEXT_TYPE : FILE_TYPE, data, len);
}

void pprof_send_json(struct http_request *req, char *data, size_t len)
{
    send_as(req, NULL, JSON_TYPE, data, len);
}
