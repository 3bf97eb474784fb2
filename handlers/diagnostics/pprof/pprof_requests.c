/* SPDX-License-Identifier: MIT
 *
 * pprof_requests.c - the parameters of /debug/requests, and its answers.
 */
#include <stdlib.h>

#include "core/base/duration.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "handlers/diagnostics/pprof/requests.h"
#include "handlers/diagnostics/requests/requests_view.h"
#include "profiling/task/task_stack.h"
#include "profiling/task/waits.h"

#define PAGE_MAX_BYTES  (16u << 20)
#define STACK_MAX_BYTES 8192

/* One look on its way. */
struct look {
    struct http_request *req; /* NULL: it has been cancelled */
    struct requests_view *view;
    void (*write)(const struct requests_view *view, struct buf *out);
    const char *content_type;
    pid_t work_tid;
    struct buf body;
};

/* --- parameters --- */

static bool copy_text(struct http_request *req, struct str name, char *out)
{
    struct str text = STR("");
    if (!http_query_get(req, name, &text)) {
        return true;
    }
    if (text.len >= REQUESTS_TEXT_BYTES) {
        return false;
    }
    *str_put(out, text) = '\0';
    return true;
}

static bool copy_trace_id(struct http_request *req, char *out)
{
    struct str text = STR("");
    if (!http_query_get(req, STR("trace_id"), &text) || text.len == 0) {
        return true;
    }
    uint8_t id[TRACE_ID_BYTES];
    if (!pprof_parse_trace_id(text, id)) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    return true;
}

/* read_filter reads what is asked for. Returns: NULL; the sentence that says what is wrong. */
static const char *read_filter(struct http_request *req, struct requests_filter *filter)
{
    struct str text = STR("");
    if (http_query_get(req, STR("older"), &text) && text.len > 0 &&
        !duration_parse(text, &filter->older_ns)) {
        return "invalid value for \"older\" - must be a duration such as 100ms or 1.5s";
    }
    if (!copy_trace_id(req, filter->trace_id)) {
        return PPROF_BAD_TRACE_ID;
    }
    if (!copy_text(req, STR("route"), filter->route) ||
        !copy_text(req, STR("state"), filter->state)) {
        return "invalid value for \"route\" or \"state\" - must be shorter than 128 bytes";
    }
    return NULL;
}

/* read_format chooses who writes. Returns: false: there is no such format. */
static bool read_format(struct http_request *req, struct look *look)
{
    struct str format = STR("");
    const bool has_format = http_query_get(req, STR("format"), &format);
    if (!has_format || format.len == 0 || str_equal(format, STR("html"))) {
        look->write = requests_html_write;
        look->content_type = "text/html; charset=utf-8";
    } else if (str_equal(format, STR("text"))) {
        look->write = requests_text_write;
        look->content_type = "text/plain; charset=utf-8";
    } else if (str_equal(format, STR("json"))) {
        look->write = requests_json_write;
        look->content_type = "application/json";
    }
    return look->write != NULL;
}

/* --- the answer --- */

/* respond_page sends it under a policy that lets it load its style and nothing else. */
static void respond_page(struct http_request *req, const char *content_type, struct str body)
{
    static const struct http_header headers[] = {
        {STR("Content-Security-Policy"),
         STR("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
             "base-uri 'none'; frame-ancestors 'none'")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("Cross-Origin-Resource-Policy"), STR("same-origin")},
        {STR("Referrer-Policy"), STR("no-referrer")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond(req, &(struct http_response){
                          .status = 200,
                          .content_type = content_type,
                          .body = body,
                          .headers = headers,
                          .header_count = ARRAY_COUNT(headers),
                      });
}

static void end(struct look *look)
{
    requests_view_destroy(look->view);
    buf_deinit(&look->body);
    free(look);
}

static void write_stacks(const struct look *look)
{
    for (size_t i = 0; i < look->view->counts[REQUESTS_LIST_IN_FLIGHT]; i++) {
        struct requests_item *item = &look->view->items[i];
        struct buf stack;
        buf_init(&stack, STACK_MAX_BYTES);
        if (!item->is_running) {
            task_stack_write(&item->record.trail.facts, &stack);
        } else if (item->record.trail.facts.id == look->view->running_id) {
            task_stack_write_thread(look->work_tid, &stack);
        }
        buf_append_char(&stack, '\0');
        item->stack = stack.is_failed ? NULL : buf_steal(&stack);
        buf_deinit(&stack);
    }
}

static void work(void *arg)
{
    struct look *look = arg;
    write_stacks(look);
    look->write(look->view, &look->body);
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    struct look *look = req->user;
    look->req = NULL;
    pprof_respond_error(req, 503, "cancelled");
}

static void on_done(void *arg, int status)
{
    struct look *look = arg;
    struct http_request *req = look->req;
    if (req != NULL) {
        http_on_cancel(req, NULL);
        if (status != 0) { /* without symbols, but at least */
            look->write(look->view, &look->body);
        }
        if (look->body.is_failed) {
            pprof_respond_error(req, 503, "out of memory");
        } else {
            respond_page(req, look->content_type, buf_str(&look->body));
        }
    }
    end(look);
}

static void begin(struct http_request *req, struct requests *requests, struct look *look)
{
    look->req = req;
    look->work_tid = requests->work_tid;
    buf_init(&look->body, PAGE_MAX_BYTES);
    const int rc =
        task_stack_start(requests->pprof->loop, requests->pprof->pool, work, on_done, look);
    if (rc != 0) {
        on_done(look, rc);
        return;
    }
    req->user = look;
    http_on_cancel(req, on_cancel);
    (void)http_wait(req, WAITS_PROFILE);
}

void requests_handle(struct http_request *req, void *arg)
{
    struct requests *requests = arg;
    struct requests_filter filter = {0};
    if (!pprof_is_allowed(requests->pprof, req)) {
        return;
    }
    const char *problem = read_filter(req, &filter);
    if (problem != NULL) {
        pprof_respond_error(req, 400, problem);
        return;
    }
    struct look *look = calloc(1, sizeof(*look));
    if (look != NULL && !read_format(req, look)) {
        free(look);
        pprof_respond_error(req, 400, "invalid value for \"format\" - must be html, text or json");
        return;
    }
    struct requests_view *view =
        look == NULL
            ? NULL
            : requests_view_create(&requests->store, &filter, requests->jaeger_ui, req->task.id);
    if (view == NULL) {
        free(look);
        pprof_respond_error(req, 503, "out of memory");
        return;
    }
    look->view = view;
    struct task_facts running;
    if (loop_copy_running(requests->pprof->work, &running)) {
        view->running_id = running.id;
    }
    begin(req, requests, look);
}

/* --- what does not change --- */

void requests_handle_css(struct http_request *req, void *arg)
{
    const struct requests *requests = arg;
    if (pprof_is_allowed(requests->pprof, req)) {
        respond_page(req, "text/css; charset=utf-8", str_from(requests_css));
    }
}
