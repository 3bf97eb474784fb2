/* SPDX-License-Identifier: MIT
 *
 * pprof_loglevel.c - PUT /debug/loglevel, as SIGHUP without an env file.
 */
#include "core/telemetry/log.h"
#include "handlers/diagnostics/pprof/loglevel.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"

static enum log_level current(void)
{
    int level = LOG_DEBUG;
    while (level < LOG_ERROR && !log_is_on((enum log_level)level)) {
        level++;
    }
    return (enum log_level)level;
}

static void respond(struct http_request *req)
{
    http_respond_text(req, 200, "%s\n", log_level_name(current()));
}

void loglevel_handle_get(struct http_request *req, void *pprof)
{
    if (pprof_is_allowed(pprof, req)) {
        respond(req);
    }
}

void loglevel_handle_put(struct http_request *req, void *pprof)
{
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    struct str wanted;
    if (!http_query_get(req, STR("level"), &wanted)) {
        wanted = str_trim(req->body);
    }
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        if (str_equal(wanted, str_from(log_level_name((enum log_level)level)))) {
            log_set_level((enum log_level)level);
            LOG(LOG_WARN, "diagnostics", "log level set",
                log_cstr("level", log_level_name((enum log_level)level)));
            respond(req);
            return;
        }
    }
    pprof_respond_error(req, 400, "the level must be debug, info, warn or error");
}
