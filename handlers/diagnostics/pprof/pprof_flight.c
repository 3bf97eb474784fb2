/* SPDX-License-Identifier: MIT
 *
 * pprof_flight.c - /debug/flight: a trace of the loops' last seconds for ui.perfetto.dev, and a
 * page with a button that opens the trace there.
 *
 * The trace goes from the page to the other window by postMessage: nothing is uploaded.
 */
#include "core/base/duration.h"
#include "core/telemetry/log.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/flight/flight.h"
#include "profiling/task/waits.h"

#define DEFAULT_AGO STR("30s")
#define MAX_AGO_NS  (UINT64_C(3600) * NS_PER_S)

static const char page[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\"><title>toq: flight recorder</title>\n"
    "<link rel=\"stylesheet\" href=\"../requests.css\">\n"
    "<link rel=\"icon\" href=\"../pprof/ui/icon.svg\"></head><body>\n"
    "<header><h1>What happened just before</h1><nav><a href=\"../requests\">requests</a> "
    "<a href=\"../pprof/\">profiles</a></nav></header>\n"
    "<p>The last events of both loops as a Perfetto trace: turns, callbacks by route, what each "
    "request waited for, writes, CPU samples. As far back as the recorder's memory goes, which is "
    "seconds under load.</p>\n"
    "<p><label>The last <input id=\"ago\" type=\"number\" min=\"1\" max=\"3600\" "
    "value=\"30\"> s</label>\n<button id=\"open\">Open in ui.perfetto.dev</button>\n"
    "<a id=\"save\" href=\"../flight?ago=30s\">Save the trace</a></p>\n"
    "<p class=\"dim\">The trace goes from this page to that window; nothing is uploaded.</p>\n"
    "<p id=\"said\" role=\"status\"></p>\n<script src=\"open.js\"></script></body></html>\n";

/* Source: ui.perfetto.dev's post_message_handler.ts: PING until PONG, then the buffer. */
static const char script[] =
    "'use strict';\n"
    "const ORIGIN = 'https://ui.perfetto.dev';\n"
    "const by = (id) => document.getElementById(id);\n"
    "const target = () => '../flight?ago=' + encodeURIComponent(by('ago').value) + 's';\n"
    "by('ago').addEventListener('input', () => { by('save').href = target(); });\n"
    "by('open').addEventListener('click', async () => {\n"
    "  const ui = window.open(ORIGIN);\n"
    "  by('said').textContent = 'Taking the trace...';\n"
    "  const answer = await fetch(target());\n"
    "  if (!answer.ok) { by('said').textContent = await answer.text(); return; }\n"
    "  const buffer = await answer.arrayBuffer();\n"
    "  if (ui === null) { by('said').textContent = 'The browser blocked the window.'; return; }\n"
    "  const timer = setInterval(() => ui.postMessage('PING', ORIGIN), 50);\n"
    "  window.addEventListener('message', function hand(event) {\n"
    "    if (event.origin !== ORIGIN || event.data !== 'PONG') return;\n"
    "    clearInterval(timer);\n"
    "    window.removeEventListener('message', hand);\n"
    "    ui.postMessage({perfetto: {buffer, title: 'toq', fileName: 'toq.pftrace'}}, ORIGIN);\n"
    "    by('said').textContent = 'Opened: ' + buffer.byteLength + ' bytes.';\n"
    "  });\n"
    "});\n";

static void respond_static(struct http_request *req, const char *content_type, struct str body)
{
    static const struct http_header headers[] = {
        {STR("Content-Security-Policy"),
         STR("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond(req, &(struct http_response){.status = 200,
                                              .content_type = content_type,
                                              .body = body,
                                              .headers = headers,
                                              .header_count = ARRAY_COUNT(headers)});
}

void pprof_handle_flight_page(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        respond_static(req, "text/html; charset=utf-8", (struct str){page, sizeof(page) - 1});
    }
}

void pprof_handle_flight_script(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        respond_static(req, "text/javascript; charset=utf-8",
                       (struct str){script, sizeof(script) - 1});
    }
}

static void fail(struct http_request *req, int status)
{
    if (status == UV_ENOENT) {
        pprof_respond_error(req, 404, "Nothing is recorded: RECORDER_EVENTS is 0");
    } else if (status == UV_EBUSY) {
        pprof_respond_error(req, 503, "too many requests wait for a trace");
    } else {
        pprof_respond_failure(req, "Could not make the trace", status);
    }
}

static void on_taken(void *arg, int status, char *data, size_t len)
{
    struct http_request *req = arg;
    http_on_cancel(req, NULL);
    if (status < 0) {
        fail(req, status);
    } else {
        pprof_send(req, "toq.pftrace", data, len);
    }
}

static void on_cancel(struct http_request *req, int status)
{
    flight_take_cancel(req->user);
    fail(req, status);
}

void pprof_handle_flight(struct http_request *req, void *arg)
{
    struct str text;
    uint64_t ago_ns;
    struct flight_take *take;
    if (!pprof_is_allowed(arg, req)) {
        return;
    }
    if (!http_query_get(req, STR("ago"), &text)) {
        text = DEFAULT_AGO;
    }
    if (!duration_parse(text, &ago_ns) || ago_ns == 0 || ago_ns > MAX_AGO_NS) {
        pprof_respond_error(
            req, 400, "invalid value for \"ago\" - must be a duration up to 1h, such as 30s or 2m");
        return;
    }
    const int status = flight_take_start(ago_ns, on_taken, req, &take);
    if (status < 0) {
        fail(req, status);
        return;
    }
    req->user = take;
    http_on_cancel(req, on_cancel);
    (void)http_wait(req, WAITS_PROFILE);
}

/* --- files --- */

static void on_file(const char *reason, const char *path, int status)
{
    if (status < 0) {
        LOG(LOG_WARN, "recorder", "a recording could not be kept", log_cstr("reason", reason),
            log_cstr("path", path), log_cstr("error", uv_strerror(status)));
    } else {
        LOG(LOG_WARN, "recorder", "a recording was kept", log_cstr("reason", reason),
            log_cstr("path", path));
    }
}

void pprof_start_flight(const struct pprof *pprof, const char *dir)
{
    flight_start(&(struct flight_options){
        .loop = pprof->loop,
        .pool = pprof->pool,
        .dir = dir,
        .has_samples = pprof->is_started,
        .on_file = on_file,
    });
}

void pprof_stop_flight(void)
{
    flight_stop();
}
