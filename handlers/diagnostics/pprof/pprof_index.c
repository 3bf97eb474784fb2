/* SPDX-License-Identifier: MIT
 *
 * pprof_index.c - the page at /debug/pprof/, in Go's wording and with relative links, so that a
 * prefix works; and the redirect to it from the path without the last slash.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/named.h"

#define ROWS_MAX 32

struct row {
    const char *name;
    const char *description;
    uint64_t count;
};

/* What is no profile of named.h's. */
static const struct row fixed_rows[] = {
    {"cmdline", "The command line invocation of the current program", 0},
    {"profile",
     "CPU profile. You can specify the duration in the seconds GET parameter. After you "
     "get the profile file, use the go tool pprof command to investigate the profile.",
     0},
    {"symbol",
     "Maps given program counters to function names. Counters can be specified in a GET "
     "raw query or POST body, multiple counters are separated by '+'.",
     0},
};

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Those that tell what came since the last time are not linked to: a look at one would change what
 * its scraper gets. */
static size_t collect_rows(struct row *rows)
{
    size_t count = 0;
    memcpy(rows, fixed_rows, sizeof(fixed_rows));
    count = ARRAY_COUNT(fixed_rows);
    const struct named *named;
    for (size_t i = 0; (named = named_at(i)) != NULL && count < ROWS_MAX; i++) {
        if (!named_is_since_last(named)) {
            rows[count++] =
                (struct row){named_name(named), named_description(named), named_count(named)};
        }
    }
    qsort(rows, count, sizeof(rows[0]), compare_rows);
    return count;
}

static void put_page(struct buf *page)
{
    struct row rows[ROWS_MAX];
    const size_t count = collect_rows(rows);
    buf_append_cstr(page, "<html>\n<head>\n<title>/debug/pprof/</title>\n<style>\n"
                          ".profile-name{\n\tdisplay:inline-block;\n\twidth:6rem;\n}\n"
                          "</style>\n</head>\n<body>\n/debug/pprof/<br>\n<br>\n"
                          "Types of profiles available:\n<table>\n"
                          "<thead><td>Count</td><td>Profile</td></thead>\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(page, "<tr><td>%" PRIu64 "</td><td><a href='%s?debug=1'>%s</a></td></tr>\n",
                   rows[i].count, rows[i].name, rows[i].name);
    }
    buf_append_cstr(page, "</table>\n");
    if (named_find(STR("goroutine")) != NULL) {
        buf_append_cstr(page, "<a href=\"goroutine?debug=2\">full goroutine stack dump</a>\n");
    }
    buf_append_cstr(page, "<br>\n<p>\nProfile Descriptions:\n<ul>\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(page, "<li><div class=profile-name>%s: </div> %s</li>\n", rows[i].name,
                   rows[i].description);
    }
    buf_append_cstr(page, "</ul>\n</p>\n</body>\n</html>\n");
}

void pprof_handle_index(struct http_request *req, void *arg)
{
    if (!pprof_is_allowed(arg, req)) {
        return;
    }
    struct buf page;
    buf_init(&page, 16384);
    put_page(&page);
    const struct http_header nosniff = {STR("X-Content-Type-Options"), STR("nosniff")};
    const struct http_response response = {
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .body = buf_str(&page),
        .headers = &nosniff,
        .header_count = 1,
    };
    if (page.is_failed) {
        pprof_respond_error(req, 503, "out of memory");
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&page);
}

/* append_html escapes what means something in HTML, with Go's choice of references. */
static void append_html(struct buf *page, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == '&') {
            buf_append_cstr(page, "&amp;");
        } else if (c == '<') {
            buf_append_cstr(page, "&lt;");
        } else if (c == '>') {
            buf_append_cstr(page, "&gt;");
        } else if (c == '"') {
            buf_append_cstr(page, "&#34;");
        } else if (c == '\'') {
            buf_append_cstr(page, "&#39;");
        } else {
            buf_append_char(page, c);
        }
    }
}

void pprof_handle_redirect(struct http_request *req, void *arg)
{
    if (!pprof_is_allowed(arg, req)) {
        return;
    }
    struct buf location;
    struct buf page;
    buf_init(&location, sizeof("/debug/pprof/?") + req->query.len);
    buf_init(&page, 64 + 5 * location.max_bytes); /* each byte may become five */
    buf_append_cstr(&location, "/debug/pprof/");
    if (req->query.len > 0) {
        buf_append_char(&location, '?');
        buf_append_str(&location, req->query);
    }
    buf_append_cstr(&page, "<a href=\"");
    append_html(&page, buf_str(&location));
    buf_append_cstr(&page, "\">Moved Permanently</a>.\n\n");
    const struct http_header header = {STR("Location"), buf_str(&location)};
    const struct http_response response = {
        .status = 301,
        .content_type = "text/html; charset=utf-8",
        .body = buf_str(&page),
        .headers = &header,
        .header_count = 1,
    };
    if (page.is_failed || location.is_failed) {
        pprof_respond_error(req, 503, "out of memory");
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&location);
    buf_deinit(&page);
}
