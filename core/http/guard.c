/* SPDX-License-Identifier: MIT
 *
 * guard.c - checks the Host field, the site that a browser says a request comes from, and that no
 * parameter is given twice.
 */
#include "core/http/guard.h"

#include "core/http/host.h"
#include "core/http/request.h"
#include "core/http/server.h"

/* find_trick tells why a browser may have been tricked into a request; NULL: it was not. */
static const char *find_trick(const struct http_request *req)
{
    const struct http_server *server = req->server;
    if (server->is_host_checked && !host_is_local(req->host, server->allowed_hosts)) {
        return "Host must be an address, localhost or one of ALLOWED_HOSTS";
    }
    return host_is_foreign(http_header_get(req, STR("sec-fetch-site")),
                           http_header_get(req, STR("sec-fetch-mode")))
               ? "the request comes from a page of another site: open this address in its own tab"
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
