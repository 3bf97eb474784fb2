/* SPDX-License-Identifier: MIT
 *
 * requests_html.c - writes the view as a page, without scripts and foreign resources, with
 * everything that peers choose escaped. Times are drawn as SVG, because a policy without
 * 'unsafe-inline' allows no style attributes.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "handlers/diagnostics/requests/requests_view.h"
#include "handlers/kit/html.h"

#define BAR_WIDTH 1000.0

static void put(struct buf *out, const char *text)
{
    html_append(out, str_from(text));
}

static void put_time(struct buf *out, uint64_t ns)
{
    char text[24];
    requests_duration(ns, text);
    buf_append_cstr(out, text);
}

/* class_of is the colour of a state. */
static const char *class_of(const char *state)
{
    static const struct {
        const char *prefix;
        const char *name;
    } classes[] = {
        {"running", "run"},     {"[loop]", "loop"},   {"mysql", "mysql"},
        {"redis", "redis"},     {"upstream", "up"},   {"write", "write"},
        {"offload", "offload"}, {"receive", "write"}, {"cancelled", "fail"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0) {
            return classes[i].name;
        }
    }
    return "wait";
}

/* --- the time of a request --- */

static void put_bar(struct buf *out, const struct requests_item *item)
{
    const uint64_t start_ns = item->record.trail.facts.start_ns;
    const uint64_t total_ns = clock_elapsed_ns(start_ns, item->record.end_ns);
    const double scale = total_ns == 0 ? 0 : BAR_WIDTH / (double)total_ns;
    buf_append_cstr(out, "<svg class=bar viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\">");
    for (size_t i = 0; i < item->part_count; i++) {
        const struct requests_part *part = &item->parts[i];
        const double x = (double)clock_elapsed_ns(start_ns, part->start_ns) * scale;
        double width = (double)clock_elapsed_ns(part->start_ns, part->end_ns) * scale;
        width = width < 2 ? 2 : width;
        buf_printf(out, "<rect class=\"s-%s\" x=\"%.1f\" width=\"%.1f\" height=\"10\"><title>",
                   class_of(part->state), x < BAR_WIDTH - 2 ? x : BAR_WIDTH - 2, width);
        put(out, part->state);
        buf_append_char(out, ' ');
        put_time(out, clock_elapsed_ns(part->start_ns, part->end_ns));
        buf_append_cstr(out, "</title></rect>");
    }
    buf_append_cstr(out, "</svg>");
}

static void put_part_row(struct buf *out, const struct requests_item *item,
                         const struct requests_part *part)
{
    const uint64_t start_ns = item->record.trail.facts.start_ns;
    const uint64_t total_ns = clock_elapsed_ns(start_ns, item->record.end_ns);
    const double scale = total_ns == 0 ? 0 : BAR_WIDTH / (double)total_ns;
    const uint64_t from_ns = clock_elapsed_ns(start_ns, part->start_ns);
    const uint64_t took_ns = clock_elapsed_ns(part->start_ns, part->end_ns);
    double width = (double)took_ns * scale;
    width = width < 2 ? 2 : width;
    buf_append_cstr(out, "<tr><td class=n>");
    put_time(out, from_ns);
    buf_append_cstr(out, "<td class=n>");
    put_time(out, took_ns);
    buf_printf(out, "<td><span class=\"key k-%s\"></span>", class_of(part->state));
    put(out, part->state);
    if (part->what != NULL) {
        buf_append_cstr(out, " <span class=dim>");
        put(out, part->what);
        buf_append_cstr(out, "</span>");
    }
    buf_printf(out,
               "<td class=w><svg class=bar viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\">"
               "<rect class=\"s-%s\" x=\"%.1f\" width=\"%.1f\" height=\"10\"/></svg>\n",
               class_of(part->state), (double)from_ns * scale, width);
}

static void put_parts(struct buf *out, const struct requests_item *item)
{
    buf_append_cstr(out, "<table class=parts><tr><th class=n>at<th class=n>for<th>state<th>\n");
    for (size_t i = 0; i < item->part_count; i++) {
        put_part_row(out, item, &item->parts[i]);
    }
    buf_append_cstr(out, "</table>\n");
    if (item->record.trail.lost_count > 0) {
        buf_printf(out, "<p class=dim>Later changes of state, not kept: %" PRIu32 "</p>\n",
                   item->record.trail.lost_count);
    }
}

/* --- one request --- */

static void put_fact(struct buf *out, const char *name, const char *value)
{
    if (value[0] != '\0') {
        buf_printf(out, "<dt>%s<dd>", name);
        put(out, value);
        buf_append_char(out, '\n');
    }
}

static void put_trace(struct buf *out, const struct requests_view *view,
                      const struct requests_item *item)
{
    char trace_id[TRACE_ID_LEN + 1];
    char span_id[TRACE_SPAN_ID_LEN + 1];
    if (!requests_item_trace(item, trace_id)) {
        return;
    }
    buf_append_cstr(out, "<dt>trace<dd><code>");
    buf_append_cstr(out, trace_id);
    buf_printf(out, "</code> <a href=\"?trace_id=%s\">all of it here</a>", trace_id);
    if (view->jaeger_ui[0] != '\0') {
        buf_append_cstr(out, " &middot; <a rel=noreferrer href=\"");
        put(out, view->jaeger_ui);
        buf_printf(out, "/trace/%s\">Jaeger</a>", trace_id);
    }
    if (requests_item_span(item, span_id)) {
        buf_printf(out, "\n<dt>span<dd><code>%s</code>\n", span_id);
    }
}

static void put_behind(struct buf *out, const struct requests_item *item)
{
    const struct task_costs *costs = &item->record.trail.facts.costs;
    const char *culprit = requests_item_culprit(item);
    if (culprit == NULL) {
        return;
    }
    buf_append_cstr(out, "<dt>waited behind<dd class=bad>");
    put(out, culprit);
    buf_append_char(out, ' ');
    if (costs->behind_ns > 0) {
        put_time(out, costs->behind_ns);
    }
    if (costs->behind_upper_ns > 0) {
        buf_append_cstr(out, costs->behind_ns > 0 ? ", and at most " : "at most ");
        put_time(out, costs->behind_upper_ns);
        buf_append_cstr(out, " before the kernel gave it to the loop");
    }
    buf_append_char(out, '\n');
}

static void put_notes(struct buf *out, const struct requests_item *item)
{
    char notes[REQUESTS_NOTES_BYTES];
    if (requests_item_notes(item, notes)[0] != '\0') {
        put_fact(out, "met", notes);
    }
}

static void put_facts(struct buf *out, const struct requests_view *view,
                      const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    char started[CLOCK_RFC3339_BYTES];
    char waker[REQUESTS_WAKER_BYTES];
    clock_format_rfc3339(
        view->wall_ns - clock_elapsed_ns(record->trail.facts.start_ns, view->now_ns), started);
    buf_append_cstr(out, "<dl>");
    put_fact(out, "path", record->path);
    put_fact(out, "peer", record->peer);
    put_fact(out, "server", record->server);
    put_fact(out, "began", started);
    put_fact(out, "waits for", requests_item_what(item));
    put_fact(out, "woken by", requests_item_waker(item, waker));
    put_behind(out, item);
    put_notes(out, item);
    put_trace(out, view, item);
    buf_append_cstr(out, "</dl>\n");
}

static void put_status(struct buf *out, const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    if (item->is_in_flight) {
        buf_printf(out, "<span class=\"key k-%s\"></span>", class_of(record->trail.facts.state));
        put(out, record->trail.facts.state);
        return;
    }
    buf_printf(out, "<span class=\"%s\">%d", record->is_failed ? "bad" : "", record->status);
    if (record->rpc_status != NULL) {
        buf_append_char(out, ' ');
        put(out, record->rpc_status);
    }
    buf_append_cstr(out, "</span>");
}

static void put_age(struct buf *out, const struct requests_view *view,
                    const struct requests_item *item)
{
    if (!item->is_in_flight) {
        put_time(out, clock_elapsed_ns(item->record.end_ns, view->now_ns));
        buf_append_cstr(out, " ago");
    }
}

static void put_item(struct buf *out, const struct requests_view *view,
                     const struct requests_item *item)
{
    const struct http_record *record = &item->record;
    const char *name = label_name(record->trail.facts.label);
    buf_append_cstr(out, "<details><summary><span class=n>");
    put_time(out, clock_elapsed_ns(record->trail.facts.start_ns, record->end_ns));
    buf_append_cstr(out, "</span><span class=\"n dim\">");
    buf_append_cstr(out, requests_item_runs(item) ? "&ge; " : "");
    put_time(out, record->cpu_ns);
    buf_append_cstr(out, "</span><span class=st>");
    put_status(out, item);
    buf_append_cstr(out, "</span><span class=rt><b>");
    put(out, record->method);
    buf_append_cstr(out, "</b> ");
    put(out, name[0] == '\0' ? "(no route)" : name);
    buf_append_cstr(out, "</span><span class=w>");
    put_bar(out, item);
    buf_append_cstr(out, "</span><span class=\"n dim\">");
    put_age(out, view, item);
    buf_append_cstr(out, "</span></summary>\n<div class=more>");
    put_facts(out, view, item);
    put_parts(out, item);
    if (item->stack != NULL && item->stack[0] != '\0') {
        buf_append_cstr(out, "<pre>");
        put(out, item->stack);
        buf_append_cstr(out, "</pre>\n");
    }
    buf_append_cstr(out, "</div></details>\n");
}

/* --- the page --- */

static void put_list(struct buf *out, const struct requests_view *view, enum requests_list list,
                     const struct requests_item *items)
{
    buf_printf(out, "<section id=%s><h2>%s <span class=dim>%zu</span></h2>\n",
               requests_list_name(list), requests_list_title(list), view->matching[list]);
    if (view->counts[list] == 0) {
        buf_append_cstr(out, "<p class=dim>none</p></section>\n");
        return;
    }
    const bool is_in_flight = list == REQUESTS_LIST_IN_FLIGHT;
    buf_printf(out,
               "<div class=head><span class=n>%s</span>"
               "<span class=n title=\"with the writing of its answer\">CPU</span><span>%s</span>"
               "<span>route</span><span>time by state</span><span class=n>%s</span></div>\n",
               is_in_flight ? "age" : "took", is_in_flight ? "state" : "status",
               is_in_flight ? "" : "ended");
    for (size_t i = 0; i < view->counts[list]; i++) {
        put_item(out, view, &items[i]);
    }
    if (view->counts[list] < view->matching[list]) {
        buf_printf(out, "<p class=dim>and %zu more</p>\n",
                   view->matching[list] - view->counts[list]);
    }
    buf_append_cstr(out, "</section>\n");
}

static void put_query_value(struct buf *out, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        const bool is_plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                              (*c >= 'A' && *c <= 'Z') || strchr("/-._:", *c) != NULL;
        buf_printf(out, is_plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
}

static void put_route(struct buf *out, const struct requests_route *route)
{
    const struct label label = label_get(route->label);
    const char *name = label_name(route->label);
    buf_append_cstr(out, "<tr><td>");
    put(out, label.method == NULL ? "" : label.method);
    buf_append_cstr(out, " ");
    if (name[0] == '\0') {
        buf_append_cstr(out, "(no route)");
    } else {
        buf_append_cstr(out, "<a href=\"?route=");
        put_query_value(out, name);
        buf_append_cstr(out, "\">");
        put(out, name);
        buf_append_cstr(out, "</a>");
    }
    buf_printf(out, "<td class=\"n%s\">%zu", route->in_flight == 0 ? " zero" : "",
               route->in_flight);
    for (size_t band = 0; band < HTTP_BANDS; band++) {
        buf_printf(out, "<td class=\"n%s\">%zu", route->kept[band] == 0 ? " zero" : "",
                   route->kept[band]);
    }
    const size_t failed = route->kept[REQUESTS_FAILED];
    buf_printf(out, "<td class=\"n %s\">%zu\n", failed == 0 ? "zero" : "bad", failed);
}

static void put_routes(struct buf *out, const struct requests_view *view)
{
    buf_append_cstr(out, "<section id=routes><h2>Routes</h2>\n<p class=dim>In flight, and how many "
                         "are kept of each band of durations; the latest 8 of each, one a second "
                         "at most.</p>\n<div class=scroll><table><tr><th>route"
                         "<th class=n>in flight");
    for (size_t band = 0; band < HTTP_BANDS; band++) {
        char text[24];
        requests_duration(http_band_ns(band == 0 ? 1 : band), text);
        buf_printf(out, "<th class=n>%s %s", band == 0 ? "&lt;" : "&ge;", text);
    }
    buf_append_cstr(out, "<th class=n>failed\n");
    for (size_t i = 0; i < view->route_count; i++) {
        put_route(out, &view->routes[i]);
    }
    buf_append_cstr(out, "</table></div></section>\n");
}

static void put_input(struct buf *out, const char *name, const char *value, const char *hint)
{
    buf_printf(out, "<label>%s <input name=\"%s\" placeholder=\"%s\" value=\"", name, name, hint);
    put(out, value);
    buf_append_cstr(out, "\"></label>\n");
}

static void put_form(struct buf *out, const struct requests_view *view)
{
    char older[24] = "";
    if (view->filter.older_ns > 0) {
        (void)snprintf(older, sizeof(older), "%" PRIu64 "us", view->filter.older_ns / NS_PER_US);
    }
    buf_append_cstr(out, "<form method=get>\n");
    put_input(out, "route", view->filter.route, "/v1/listings/:id");
    put_input(out, "state", view->filter.state, "mysql");
    put_input(out, "older", older, "100ms");
    put_input(out, "trace_id", view->filter.trace_id, "32 digits");
    buf_append_cstr(out, "<button>filter</button>");
    if (view->has_filter) {
        buf_append_cstr(out, " <a href=\"requests\">all</a>");
    }
    buf_append_cstr(out, "</form>\n");
}

static void put_keys(struct buf *out)
{
    static const char *const states[] = {"running",  "[loop]", "mysql",   "redis",
                                         "upstream", "write",  "offload", "waiting"};
    buf_append_cstr(out, "<p class=keys>");
    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        buf_printf(out, "<span><span class=\"key k-%s\"></span>%s</span> ", class_of(states[i]),
                   states[i]);
    }
    buf_append_cstr(out, "</p>\n");
}

void requests_html_write(const struct requests_view *view, struct buf *out)
{
    const struct requests_item *items = view->items;
    buf_append_cstr(
        out, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
             "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
             "<meta name=color-scheme content=\"light dark\">\n<title>toq: requests</title>\n"
             "<link rel=stylesheet href=\"requests.css\">\n"
             "<link rel=icon href=\"pprof/ui/icon.svg\">\n</head><body>\n"
             "<header><h1>Requests</h1><nav><a href=\"requests\">refresh</a> "
             "<a href=\"requests?format=text\">text</a> <a href=\"requests?format=json\">JSON</a> "
             "<a href=\"pprof/\">profiles</a> <a href=\"pprof/ui/\">flame graphs</a> "
             "<a href=\"pprof/goroutine?debug=2\">goroutines</a></nav></header>\n");
    put_form(out, view);
    put_keys(out);
    for (int list = 0; list < REQUESTS_LIST_COUNT; list++) {
        put_list(out, view, (enum requests_list)list, items);
        items += view->counts[list];
    }
    put_routes(out, view);
    if (view->dropped > 0) {
        buf_printf(out, "<p class=dim>Records dropped: %" PRIu64 "</p>\n", view->dropped);
    }
    buf_append_cstr(out, "</body></html>\n");
}
