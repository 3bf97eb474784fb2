/* SPDX-License-Identifier: MIT
 *
 * metrics_export.c - tables of values, and the copies for a scrape.
 */
#include "core/telemetry/metrics_export.h"

#include <errno.h>
#include <stdlib.h>

#include "core/telemetry/metrics_internal.h"

/* A row's cell: its counter or its gauge. */
union cell {
    uint64_t *counter;
    double *gauge;
};

struct exporter {
    struct metrics_collector collector; /* first: the registry frees it */
    struct metrics_export what;
    bool is_ended;
    void *values;       /* what fill writes, behind the cells */
    union cell cells[]; /* of each row */
};

static bool add_cell(struct metrics *m, const struct metrics_export *export,
                     const struct metric_row *row, union cell *ret_cell)
{
    REQUIRE(row->type == METRIC_GAUGE ||
            (row->type == METRIC_COUNTER && row->kind == METRIC_FIELD_U64));
    struct metric_family *family =
        metrics_family(m, &(struct metric_family_options){
                              .type = row->type,
                              .name = row->name,
                              .help = row->help,
                              .labels = row->labels == NULL ? export->labels : row->labels,
                              .divisor = row->divisor,
                          });
    if (family == NULL) {
        return false;
    }
    struct str values[2];
    size_t count = 0;
    if (export->value != NULL) {
        values[count++] = str_from(export->value);
    }
    if (row->value != NULL) {
        values[count++] = str_from(row->value);
    }
    if (row->type == METRIC_COUNTER) {
        ret_cell->counter = metric_counter(family, values);
    } else {
        ret_cell->gauge = metric_gauge(family, values);
    }
    return true;
}

/* --- copies --- */

static void copy(const struct metric_row *row, const void *values, const union cell *cell)
{
    const void *field = (const char *)values + row->offset;
    if (row->type == METRIC_COUNTER) {
        METRIC_SET(cell->counter, *(const uint64_t *)field);
        return;
    }
    switch (row->kind) {
    case METRIC_FIELD_U64:
        METRIC_SET(cell->gauge, (double)*(const uint64_t *)field);
        break;
    case METRIC_FIELD_U32:
        METRIC_SET(cell->gauge, *(const uint32_t *)field);
        break;
    case METRIC_FIELD_F64:
        METRIC_SET(cell->gauge, *(const double *)field);
        break;
    case METRIC_FIELD_BOOL:
        METRIC_SET(cell->gauge, *(const bool *)field ? 1 : 0);
        break;
    }
}

static void collect(const struct metrics_collector *collector)
{
    const struct exporter *e = CONTAINER_OF(collector, struct exporter, collector);
    const struct metrics_export *what = &e->what;
    const void *values = what->arg;
    if (e->is_ended) {
        return;
    }
    if (what->fill != NULL) {
        what->fill(what->arg, e->values);
        values = e->values;
    }
    for (size_t i = 0; i < what->row_count; i++) {
        copy(&what->rows[i], values, &e->cells[i]);
    }
}

int metrics_export(struct metrics *m, const struct metrics_export *export)
{
    const size_t cells_bytes = export->row_count * sizeof(union cell);
    struct exporter *e = calloc(1, sizeof(*e) + cells_bytes + export->values_bytes);
    if (e == NULL) {
        return -ENOMEM;
    }
    e->collector.collect = collect;
    e->what = *export;
    e->values = &e->cells[export->row_count];
    for (size_t i = 0; i < export->row_count; i++) {
        if (!add_cell(m, export, &export->rows[i], &e->cells[i])) {
            free(e);
            return -ENOMEM;
        }
    }
    list_push_back(&m->collectors, &e->collector.link);
    return 0;
}

size_t metrics_count_exports(const struct metrics *m)
{
    size_t count = 0;
    for (const struct list *pos = m->collectors.next; pos != &m->collectors; pos = pos->next) {
        count++;
    }
    return count;
}

void metrics_end_exports(struct metrics *m, size_t first, size_t end)
{
    size_t number = 0;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &m->collectors)
    {
        if (number >= first && number < end) {
            CONTAINER_OF(pos, struct exporter, collector.link)->is_ended = true;
        }
        number++;
    }
}
