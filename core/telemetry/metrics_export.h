/* SPDX-License-Identifier: MIT
 *
 * metrics_export.h - values that live elsewhere, copied into a registry's cells for each scrape: a
 * table says which field of a struct is which counter or gauge.
 *
 * Flow:   metrics_export at start -> for each scrape metrics_collect -> fill -> one cell a row
 * Thread: as metrics.h: the registry's loop, which runs fill.
 */
#ifndef TOQ_CORE_TELEMETRY_METRICS_EXPORT_H
#define TOQ_CORE_TELEMETRY_METRICS_EXPORT_H

#include "core/telemetry/metrics.h"

enum metric_field_kind { METRIC_FIELD_U64, METRIC_FIELD_U32, METRIC_FIELD_F64, METRIC_FIELD_BOOL };

/* One series. Rows of the same name are series of one family: its help and type are the first
 * one's. Texts are literals. */
struct metric_row {
    const char *name;
    const char *help;
    enum metric_type type; /* METRIC_COUNTER, of a uint64_t; METRIC_GAUGE, of anything */
    size_t offset;         /* these two by METRIC_FIELD */
    enum metric_field_kind kind;
    const char *const *labels; /* of the family, where they are not those of the export */
    const char *value;         /* of the last label; NULL: the export has the values of all */
    uint64_t divisor;          /* as in struct metric_family_options */
};

/* METRIC_FIELD names the field of a struct that a row copies: uint64_t, size_t, unsigned, double or
 * bool. */
#define METRIC_FIELD(type, field)                                                                  \
    .offset = offsetof(type, field), .kind = METRIC_KIND(((const type *)1)->field)
/* clang-format off */
#define METRIC_KIND(field)                                                                         \
    _Generic((field), uint64_t: METRIC_FIELD_U64, uint32_t: METRIC_FIELD_U32,                      \
             double: METRIC_FIELD_F64, bool: METRIC_FIELD_BOOL)
/* clang-format on */

/* METRIC_LABEL says which series of a family a row is, by the value of its last label. */
#define METRIC_LABEL(names, text) .labels = (names), .value = (text)

struct metrics_export {
    const struct metric_row *rows; /* outlives the registry */
    size_t row_count;
    const char *const *labels; /* of rows without labels of their own; NULL: none */
    const char *value;         /* of the first label, of all rows; copied; NULL: none */
    /* fill stores what the rows name in `values`, which has values_bytes; NULL: arg is it. */
    void (*fill)(void *arg, void *values);
    size_t values_bytes;
    void *arg;
};

/* metrics_export adds the families of the rows, and copies their values from then on.
 *
 * Owns:    export is copied; arg outlives the registry, or metrics_end_exports is called.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int metrics_export(struct metrics *m, const struct metrics_export *export);

/* metrics_count_exports is how many there are: the number of the next one. */
size_t metrics_count_exports(const struct metrics *m);

/* metrics_end_exports ends exports whose arguments are about to be freed: the series keep their
 * values.
 *
 * first, end: numbers, of metrics_count_exports before the first was added, and behind the last.
 */
void metrics_end_exports(struct metrics *m, size_t first, size_t end);

#endif
