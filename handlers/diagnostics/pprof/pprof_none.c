/* SPDX-License-Identifier: MIT
 *
 * pprof_none.c - stands in for pprof.c in a build without the profiler: it is off, whatever the
 * configuration says, and no route is ever served.
 */
#include "handlers/diagnostics/pprof/loglevel.h"
#include "handlers/diagnostics/pprof/pprof.h"
#include "handlers/diagnostics/pprof/requests.h"

#include <sysexits.h>

bool pprof_is_built(void)
{
    return false;
}

int pprof_start(struct pprof *pprof, struct metrics *metrics)
{
    (void)pprof;
    (void)metrics;
    return UV_ENOSYS;
}

void pprof_stop(struct pprof *pprof)
{
    (void)pprof;
}

int pprof_dump(const struct pprof *pprof,
               void (*done)(void *arg, int status, char *data, size_t len), void *arg)
{
    (void)pprof;
    (void)done;
    (void)arg;
    return UV_ENOSYS;
}

int pprof_symbolize(char *const *frames)
{
    (void)frames;
    return EX_UNAVAILABLE;
}

int pprof_ask_stack(const struct pprof *pprof, pid_t tid, void (*done)(void *arg, const char *line),
                    void *arg)
{
    (void)pprof;
    (void)tid;
    (void)done;
    (void)arg;
    return UV_ENOSYS;
}

void pprof_handle_named(struct http_request *req, void *pprof)
{
    (void)pprof;
    http_respond_error(req, 404, NULL);
}

void loglevel_handle_get(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void loglevel_handle_put(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void requests_handle(struct http_request *req, void *requests)
{
    pprof_handle_named(req, requests);
}

void requests_handle_css(struct http_request *req, void *requests)
{
    pprof_handle_named(req, requests);
}

void pprof_handle_unknown(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_debug(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_trace(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_redirect(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_index(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_cmdline(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_profile(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_symbol(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_wall(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_redirect(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_page(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_asset(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_profiles(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_history(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_ui_source(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_start_flight(const struct pprof *pprof, const char *dir)
{
    (void)pprof;
    (void)dir;
}

void pprof_stop_flight(void)
{
}

void pprof_handle_flight(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_flight_page(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}

void pprof_handle_flight_script(struct http_request *req, void *pprof)
{
    pprof_handle_named(req, pprof);
}
