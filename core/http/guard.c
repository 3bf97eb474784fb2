/* SPDX-License-Identifier: MIT
 *
 * guard.c - looks at the Host field, at where a browser says that a request comes from, and for
 * parameters that are given twice.
 */
#include "core/http/guard.h"

#include "core/http/host.h"
#include "core/http/request.h"
#include "core/http/server.h"

/* find_trick: what a browser may have been tricked into asking; NULL: nothing. */
static const char *find_trick(const struct http_request *req)
{
    const struct http_server *server = req->server;
    if (server->is_host_checked && !host_is_local(req->host, server->allowed_hosts)) {
        return "Host must be an address, localhost or one of ALLOWED_HOSTS";
    }
    return host_is_foreign(http_header_get(req, STR("sec-fetch-site")),
                           http_header_get(req, STR("sec-fetch-mode")))
               ? "a page of another site asked: open this address in a tab of its own"
               : NULL;
}

bool guard_diagnostics(struct http_request *req)
{
    const char *trick = find_trick(req);
    if (trick != NULL) {
        http_respond_error(req, 403, trick);
        return false;
    }
    if (UNLIKELY(http_query_has_twice(req))) {
        http_respond_error(req, 400, "a parameter is given twice");
        return false;
    }
    return true;
}
