/* SPDX-License-Identifier: MIT
 *
 * history_columns.c - fills a matrix of routes and threads by seconds, event by event.
 */
#include "profiling/cpu/history_columns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/task/label.h"

struct row {
    struct label label;
    char thread[STACKS_NAME_BYTES];
    bool is_rest; /* of all that have no row of their own */
};

struct matrix {
    const struct history_columns *columns;
    struct row rows[HISTORY_ROWS_MAX];
    size_t row_count;
    uint64_t *cells_ns; /* rows of columns->seconds */
};

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Methods of one route share its row. */
static bool is_row_of(const struct row *row, const struct label *label, const char *thread)
{
    return !row->is_rest && is_same(row->label.route, label->route) &&
           is_same(row->label.rpc, label->rpc) && is_same(row->label.toq, label->toq) &&
           strcmp(row->thread, thread) == 0;
}

static size_t find_row(struct matrix *matrix, uint32_t label_id, const char *thread)
{
    const struct label label = label_get(label_id);
    for (size_t i = 0; i < matrix->row_count; i++) {
        if (is_row_of(&matrix->rows[i], &label, thread)) {
            return i;
        }
    }
    if (matrix->row_count == HISTORY_ROWS_MAX) {
        return HISTORY_ROWS_MAX - 1;
    }
    struct row *row = &matrix->rows[matrix->row_count];
    row->is_rest = matrix->row_count == HISTORY_ROWS_MAX - 1;
    row->label = label;
    memcpy(row->thread, thread, strnlen(thread, STACKS_NAME_BYTES - 1));
    return matrix->row_count++;
}

static void add_window(struct matrix *matrix, const struct history_window *window)
{
    const struct history_columns *columns = matrix->columns;
    const struct history_kept *kept = window->kept;
    for (size_t i = 0; kept != NULL && i < kept->event_count; i++) {
        const struct history_event *event = &kept->events[i];
        const struct stacks_labels *labels = &kept->stacks.samples[event->sample].labels;
        const uint64_t at_ns = window->start_ns + event->offset_ms * NS_PER_MS;
        const uint64_t second =
            at_ns < columns->start_ns ? columns->seconds : (at_ns - columns->start_ns) / NS_PER_S;
        if (second < columns->seconds) {
            const size_t row = find_row(matrix, labels->label, kept->stacks.names[labels->thread]);
            matrix->cells_ns[row * columns->seconds + second] +=
                (uint64_t)event->weight * event->period_ns;
        }
    }
}

static void put_text(struct buf *out, const char *prefix, const char *text)
{
    char joined[256];
    (void)snprintf(joined, sizeof(joined), "%s%s", prefix, text);
    buf_append_json(out, str_from(joined));
}

static void put_row(struct buf *out, const struct matrix *matrix, size_t position)
{
    const struct row *row = &matrix->rows[position];
    const uint64_t *cells_ns = &matrix->cells_ns[position * matrix->columns->seconds];
    const char *comma = "";
    buf_append_cstr(out, position == 0 ? "{\"route\":" : ",{\"route\":");
    if (row->is_rest) {
        put_text(out, "", "others");
    } else if (row->label.toq != NULL) {
        put_text(out, "toq: ", row->label.toq);
    } else {
        put_text(out, "",
                 row->label.route != NULL ? row->label.route
                 : row->label.rpc != NULL ? row->label.rpc
                                          : "");
    }
    buf_append_cstr(out, ",\"thread\":");
    put_text(out, "", row->is_rest ? "others" : row->thread);
    buf_append_cstr(out, ",\"cells\":[");
    for (uint64_t second = 0; second < matrix->columns->seconds; second++) {
        if (cells_ns[second] > 0) {
            buf_printf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, second,
                       cells_ns[second] / NS_PER_MS);
            comma = ",";
        }
    }
    buf_append_cstr(out, "]}");
}

int history_columns_write(const struct history_columns *columns, struct buf *out)
{
    struct matrix *matrix = calloc(1, sizeof(*matrix));
    uint64_t *cells_ns = calloc(HISTORY_ROWS_MAX * (columns->seconds + 1), sizeof(*cells_ns));
    if (matrix == NULL || cells_ns == NULL) {
        free(matrix);
        free(cells_ns);
        return UV_ENOMEM;
    }
    matrix->columns = columns;
    matrix->cells_ns = cells_ns;
    for (size_t i = 0; i < columns->window_count; i++) {
        add_window(matrix, &columns->windows[i]);
    }
    buf_printf(
        out, "{\"now_ms\":%" PRIu64 ",\"start_ms\":%" PRIu64 ",\"seconds\":%" PRIu64 ",\"rows\":[",
        columns->now_ms, (columns->wall_ns + NS_PER_MS - 1) / NS_PER_MS, columns->seconds);
    for (size_t i = 0; i < matrix->row_count; i++) {
        put_row(out, matrix, i);
    }
    buf_append_cstr(out, "]}\n");
    free(matrix);
    free(cells_ns);
    return out->is_failed ? UV_ENOMEM : 0;
}
