/* SPDX-License-Identifier: MIT
 *
 * requests_view.h - the data of /debug/requests: requests in flight and recent ones, chosen by a
 * filter, and the time that each spent in each state.
 *
 * Flow:   requests_view_create -> [worker] stacks, requests_*_write -> requests_view_destroy
 * Thread: requests_view_create on the loop of diagnostics; the view is a copy, for one thread at a
 *         time.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_REQUESTS_REQUESTS_VIEW_H
#define TOQ_HANDLERS_DIAGNOSTICS_REQUESTS_REQUESTS_VIEW_H

#include "handlers/diagnostics/requests/requests_store.h"

#define REQUESTS_IN_FLIGHT_MAX 200 /* shown; others are counted */
#define REQUESTS_SHOWN_MAX     20  /* of each list of those that have ended */
#define REQUESTS_FOUND_MAX     200 /* ... when a filter is set */
#define REQUESTS_PARTS_MAX     (TASK_CHANGES_MAX + 1)
#define REQUESTS_STATES_MAX    (TASK_CHANGES_MAX + 1)
#define REQUESTS_TEXT_BYTES    128
#define REQUESTS_NOTES_BYTES   1024
#define REQUESTS_WAKER_BYTES   128

enum requests_list {
    REQUESTS_LIST_IN_FLIGHT,
    REQUESTS_LIST_SLOWEST,
    REQUESTS_LIST_FAILED,
    REQUESTS_LIST_COSTLY,
    REQUESTS_LIST_COUNT
};

/* What a look asks for; empty and 0: anything. */
struct requests_filter {
    char route[REQUESTS_TEXT_BYTES]; /* template, or method of gRPC */
    char state[REQUESTS_TEXT_BYTES]; /* that it is in, or was in */
    char trace_id[TRACE_ID_LEN + 1];
    uint64_t older_ns; /* it takes, or took, so long */
};

/* A stretch of time in one state. */
struct requests_part {
    uint64_t start_ns;
    uint64_t end_ns;
    const char *state;
    const char *what; /* the statement or command that is waited for; NULL */
};

/* A request. */
struct requests_item {
    struct http_record record; /* in flight: end_ns is the time of the look, and status 0 */
    bool is_in_flight;
    bool is_running; /* its callback runs */
    size_t part_count;
    struct requests_part parts[REQUESTS_PARTS_MAX];
    char *stack; /* where it is, a line a call; NULL: unknown. Freed with free() */
};

/* A route in the table. */
struct requests_route {
    uint32_t label;
    size_t in_flight;
    size_t kept[REQUESTS_CLASSES];
};

struct requests_view {
    uint64_t now_ns;  /* clock_now_ns */
    uint64_t wall_ns; /* clock_wall_ns at the same time */
    struct requests_filter filter;
    uint64_t own_id; /* of the task that looks */
    bool has_filter;
    const char *jaeger_ui;                /* borrowed */
    struct requests_item *items;          /* one list after the other */
    size_t counts[REQUESTS_LIST_COUNT];   /* that are shown of each list */
    size_t matching[REQUESTS_LIST_COUNT]; /* that there are */
    struct requests_route *routes;
    size_t route_count;
    uint64_t running_id; /* of the task whose callback runs on the work loop; 0: none */
    uint64_t dropped;    /* records that were never taken */
};

/* requests_view_create takes a look.
 *
 * own_id: of the task that looks, which is left out.
 * Returns: NULL when memory is missing.
 */
MUST_USE struct requests_view *requests_view_create(struct requests_store *store,
                                                    const struct requests_filter *filter,
                                                    const char *jaeger_ui, uint64_t own_id);

/* requests_view_destroy frees it; takes NULL. */
void requests_view_destroy(struct requests_view *view);

/* requests_list_name is a list's name for programs: "in_flight", "slowest" ... */
const char *requests_list_name(enum requests_list list);

/* requests_list_title is a list's name for people. */
const char *requests_list_title(enum requests_list list);

/* requests_item_trace writes the id of a request's trace.
 *
 * out:     TRACE_ID_LEN + 1 bytes.
 * Returns: false: the request has no trace yet.
 */
MUST_USE bool requests_item_trace(const struct requests_item *item, char *out);

/* requests_item_span is requests_item_trace for the span. out: TRACE_SPAN_ID_LEN + 1 bytes. */
MUST_USE bool requests_item_span(const struct requests_item *item, char *out);

/* requests_item_what is the statement or command that it waits for; "" for none. */
const char *requests_item_what(const struct requests_item *item);

/* requests_item_waker writes what will wake it, when it waits: "mysql 41 and 1 more", or
 * "nothing: leaked"; "" for one that runs or has ended.
 *
 * out:     REQUESTS_WAKER_BYTES.
 * Returns: out.
 */
const char *requests_item_waker(const struct requests_item *item, char *out);

/* requests_item_runs tells whether a callback of it runs now. Its CPU time is then that of the
 * callbacks before. */
bool requests_item_runs(const struct requests_item *item);

/* requests_item_culprit is the route, or method of gRPC, behind whose callbacks it waited longest
 * for the loop; NULL: it waited behind none that took long. */
const char *requests_item_culprit(const struct requests_item *item);

/* requests_item_notes writes what it met: "cache miss 1, batch 9 of 4 reads"; "" for nothing.
 *
 * out:     REQUESTS_NOTES_BYTES.
 * Returns: out.
 */
const char *requests_item_notes(const struct requests_item *item, char *out);

/* requests_duration writes a time for people: "12.3 ms". out: 24 bytes. */
void requests_duration(uint64_t ns, char *out);

/* The style of the page. */
extern const char requests_css[];

/* requests_html_write appends the view as a page. */
void requests_html_write(const struct requests_view *view, struct buf *out);

/* requests_text_write appends the view for a terminal. */
void requests_text_write(const struct requests_view *view, struct buf *out);

/* requests_json_write appends the view for a program. */
void requests_json_write(const struct requests_view *view, struct buf *out);

#endif
