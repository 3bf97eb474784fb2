/* SPDX-License-Identifier: MIT
 *
 * pprof_ui.c - the page at /debug/pprof/ui/: its files, which lie compressed in the binary, and the
 * data that it needs to ask for profiles.
 *
 * All of its links are relative, so that it works behind a prefix. Its policy restricts it to this
 * server.
 */
#include <inttypes.h>

#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/cpu/history.h"
#include "profiling/named.h"

#define LIST_MAX_BYTES 16384

/* Made by scripts/embed. */
extern const unsigned char ui_index_html[];
extern const size_t ui_index_html_len;
extern const unsigned char ui_ui_css[];
extern const size_t ui_ui_css_len;
extern const unsigned char ui_ui_js[];
extern const size_t ui_ui_js_len;
extern const unsigned char ui_icon_svg[];
extern const size_t ui_icon_svg_len;

struct asset {
    const char *name;
    const char *content_type;
    const unsigned char *data;
    const size_t *len;
};

static const struct asset page = {"", "text/html; charset=utf-8", ui_index_html,
                                  &ui_index_html_len};

static const struct asset assets[] = {
    {"ui.js", "text/javascript; charset=utf-8", ui_ui_js, &ui_ui_js_len},
    {"ui.css", "text/css; charset=utf-8", ui_ui_css, &ui_ui_css_len},
    {"icon.svg", "image/svg+xml", ui_icon_svg, &ui_icon_svg_len},
};

/* accepts_gzip: without the field any coding will do (RFC 9110 12.5.3). Whoever names it with a
 * weight of 0 is taken to want it: no client that knows it does. */
static bool accepts_gzip(struct http_request *req)
{
    struct str rest;
    struct str coding;
    if (http_header_join(req, STR("accept-encoding"), &rest) < 0 || rest.ptr == NULL) {
        return true;
    }
    while (str_next_field(&rest, ',', &coding)) {
        struct str name;
        const bool has_name = str_next_field(&coding, ';', &name);
        name = has_name ? str_trim(name) : name;
        if (has_name && (str_equal_nocase(name, STR("gzip")) || str_equal(name, STR("*")))) {
            return true;
        }
    }
    return false;
}

static void respond_asset(struct http_request *req, const struct asset *asset)
{
    static const struct http_header headers[] = {
        {STR("Content-Encoding"), STR("gzip")},
        {STR("Cache-Control"), STR("no-cache")},
        {STR("Content-Security-Policy"),
         STR("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")},
        {STR("Cross-Origin-Resource-Policy"), STR("same-origin")},
        {STR("Referrer-Policy"), STR("no-referrer")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    if (!accepts_gzip(req)) {
        pprof_respond_error(req, 406, "this file is only served with Accept-Encoding: gzip");
        return;
    }
    http_respond(req, &(struct http_response){
                          .status = 200,
                          .content_type = asset->content_type,
                          .body = {(const char *)asset->data, *asset->len},
                          .headers = headers,
                          .header_count = ARRAY_COUNT(headers),
                      });
}

void pprof_handle_ui_page(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        respond_asset(req, &page);
    }
}

void pprof_handle_ui_asset(struct http_request *req, void *arg)
{
    if (!pprof_is_allowed(arg, req)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(assets); i++) {
        if (str_equal(req->params[0], str_from(assets[i].name))) {
            respond_asset(req, &assets[i]);
            return;
        }
    }
    pprof_respond_error(req, 404, "the page has no such file");
}

void pprof_handle_ui_redirect(struct http_request *req, void *arg)
{
    static const struct http_header location = {STR("Location"), STR("ui/")};
    if (pprof_is_allowed(arg, req)) {
        http_respond(req, &(struct http_response){.status = 301,
                                                  .content_type = "text/plain; charset=utf-8",
                                                  .body = STR("ui/\n"),
                                                  .headers = &location,
                                                  .header_count = 1});
    }
}

static void put_profile(struct buf *list, const char *name, const char *description,
                        const char *reason)
{
    buf_append_cstr(list, list->len > 0 && buf_str(list).ptr[list->len - 1] == '}' ? ",{" : "{");
    buf_append_cstr(list, "\"name\":");
    buf_append_json(list, str_from(name));
    buf_append_cstr(list, ",\"description\":");
    buf_append_json(list, str_from(description));
    if (reason != NULL) {
        buf_append_cstr(list, ",\"missing\":");
        buf_append_json(list, str_from(reason));
    }
    buf_append_char(list, '}');
}

void pprof_handle_ui_profiles(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    struct buf list;
    const struct named *named;
    buf_init(&list, LIST_MAX_BYTES);
    buf_printf(&list, "{\"max_seconds\":%" PRIu64 ",\"history_seconds\":%" PRIu64 ",\"profiles\":[",
               pprof->max_seconds, history_get_span_ns() / NS_PER_S);
    put_profile(&list, "profile", "What the CPU does for some seconds.", NULL);
    for (size_t i = 0; (named = named_at(i)) != NULL; i++) {
        if (!named_is_since_last(named)) {
            put_profile(&list, named_name(named), named_description(named), named_check(named));
        }
    }
    buf_append_cstr(&list, "]}\n");
    if (list.is_failed) {
        pprof_respond_error(req, 503, "out of memory");
    } else {
        http_respond_json(req, 200, buf_str(&list));
    }
    buf_deinit(&list);
}
