/* SPDX-License-Identifier: MIT
 *
 * debug_index.c - the page at /debug/: every route of this listener that a browser can follow, and
 * every profile. HTML where the client prefers it, else text.
 */
#include "core/http/accept.h"
#include "core/http/server.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/named.h"

#define PAGE_MAX_BYTES 32768
#define HERE           "/debug/"
#define PROFILES       "/debug/pprof/"

struct page {
    struct buf text;
    bool is_html;
};

/* What a path is for; one that is missing here is listed without. */
static const char *purpose_of(const char *path)
{
    static const char *const purposes[][2] = {
        {"/debug/flight",
         "the last seconds of the loops, as a trace for ui.perfetto.dev: ?ago=30s"},
        {"/debug/flight/", "a page that opens them in ui.perfetto.dev"},
        {"/debug/loglevel", "the log's level; PUT sets it: curl -X PUT -d debug"},
        {"/debug/fgprof", "where requests spend their time, waiting or running: ?seconds=10"},
        {"/debug/pprof/", "the index of Go's profiles"},
        {"/debug/pprof/cmdline", "the command line"},
        {"/debug/pprof/profile", "CPU: ?seconds=10 from now, ?ago=5m of the past"},
        {"/debug/pprof/symbol", "names of addresses"},
        {"/debug/pprof/ui/", "flame graphs"},
        {"/debug/requests", "requests in flight, and the slowest of each route"},
        {"/health", "the state of the server, MySQL and Redis"},
        {"/health/live", "200 as long as the work loop turns"},
        {"/health/ready", "200 when requests are served"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(purposes); i++) {
        if (strcmp(path, purposes[i][0]) == 0) {
            return purposes[i][1];
        }
    }
    return "";
}

/* put_row puts a path, as a link relative to this page so that a prefix works. */
static void put_row(struct page *page, const char *folder, const char *name, const char *purpose)
{
    if (!page->is_html) {
        buf_printf(&page->text, "%s%s%*s  %s\n", folder, name,
                   (int)(34 - strlen(folder) - strlen(name)), "", purpose);
        return;
    }
    const size_t here = strlen(HERE);
    const bool is_below = strncmp(folder, HERE, here) == 0;
    buf_printf(&page->text, "<tr><td><a href=\"%s%s%s\">%s%s</a></td><td>%s</td></tr>\n",
               is_below ? "" : "..", is_below ? folder + here : folder, name, folder, name,
               purpose);
}

/* is_shown leaves out this page, what only leads to a listed path, and what the ui asks for. */
static bool is_shown(const struct route *route)
{
    static const char *const hidden[] = {HERE,
                                         "/debug/pprof",
                                         "/debug/pprof/trace",
                                         "/debug/pprof/ui",
                                         "/debug/requests.css",
                                         "/debug/flight/open.js"};
    static const char ui[] = "/debug/pprof/ui/";
    for (size_t i = 0; i < ARRAY_COUNT(hidden); i++) {
        if (strcmp(route->path, hidden[i]) == 0) {
            return false;
        }
    }
    if (strncmp(route->path, ui, strlen(ui)) == 0 && route->path[strlen(ui)] != '\0') {
        return false;
    }
    return route->method == METHOD_GET && strpbrk(route->path, ":*") == NULL;
}

static void put_route(void *arg, const struct route *route)
{
    if (is_shown(route)) {
        const bool is_below = strncmp(route->path, HERE, strlen(HERE)) == 0;
        put_row(arg, is_below ? HERE : "", route->path + (is_below ? strlen(HERE) : 0),
                purpose_of(route->path));
    }
}

/* Those that tell what came since the last time are not linked to: a look at one would change what
 * its scraper gets. */
static void put_profiles(struct page *page)
{
    const struct named *named;
    for (size_t i = 0; (named = named_at(i)) != NULL; i++) {
        if (!named_is_since_last(named)) {
            char name[64];
            (void)snprintf(name, sizeof(name), "%s?debug=1", named_name(named));
            put_row(page, PROFILES, name, named_description(named));
        }
    }
}

static void put_page(struct page *page, const struct router *router)
{
    if (page->is_html) {
        buf_append_cstr(&page->text,
                        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<title>/debug/</title></head>\n<body><h1>/debug/</h1>\n<table>\n");
    }
    router_each(router, put_route, page);
    put_profiles(page);
    if (page->is_html) {
        buf_append_cstr(&page->text, "</table></body></html>\n");
    }
}

void pprof_handle_debug(struct http_request *req, void *arg)
{
    static const struct str offers[] = {STR("text/plain"), STR("text/html")};
    static const char *const types[] = {"text/plain; charset=utf-8", "text/html; charset=utf-8"};
    if (!pprof_is_allowed(arg, req)) {
        return;
    }
    const size_t offer =
        accept_choose(http_header_get(req, STR("Accept")), offers, ARRAY_COUNT(offers));
    struct page page = {.is_html = offer == 1};
    buf_init(&page.text, PAGE_MAX_BYTES);
    put_page(&page, req->server->router);
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Vary"), STR("Accept")},
    };
    const struct http_response response = {
        .status = 200,
        .content_type = types[offer],
        .body = buf_str(&page.text),
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
    };
    if (page.text.is_failed) {
        pprof_respond_error(req, 503, "out of memory");
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&page.text);
}
