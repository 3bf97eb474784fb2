/* SPDX-License-Identifier: MIT
 *
 * metrics_render.c - the registry as text: Prometheus 0.0.4 or OpenMetrics 1.0.0.
 *
 * The two differ in little: OpenMetrics names a counter's family without _total, escapes quotes in
 * the help, gives every bound a point or exponent, and ends with # EOF.
 */
#include <math.h>

#include "core/base/hex.h"
#include "core/telemetry/exemplar.h"
#include "core/telemetry/metrics_internal.h"
#include "core/telemetry/number.h"

/* What is printed now. */
struct render {
    struct buf *out;
    const struct metrics *const *registries;
    size_t registry_count;
    bool is_openmetrics;
    const struct metric_family *family;
    /* The bounds of a histogram as le has them; made once per family, not per series. */
    char bounds[METRIC_BUCKETS_MAX][NUMBER_BYTES];
};

static struct str family_name(const struct render *r)
{
    struct str name = str_from(r->family->options.name);
    if (r->is_openmetrics && r->family->options.type == METRIC_COUNTER) {
        name.len -= sizeof("_total") - 1;
    }
    return name;
}

static void append_help(const struct render *r)
{
    for (const char *c = r->family->options.help; *c != '\0'; c++) {
        if (*c == '\n') {
            buf_append_cstr(r->out, "\\n");
            continue;
        }
        if (*c == '\\' || (*c == '"' && r->is_openmetrics)) {
            buf_append_char(r->out, '\\');
        }
        buf_append_char(r->out, *c);
    }
}

static void append_head(const struct render *r)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
    };
    buf_append_cstr(r->out, "# HELP ");
    buf_append_str(r->out, family_name(r));
    buf_append_char(r->out, ' ');
    append_help(r);
    buf_append_cstr(r->out, "\n# TYPE ");
    buf_append_str(r->out, family_name(r));
    buf_append_char(r->out, ' ');
    buf_append_cstr(r->out, types[r->family->options.type]);
    buf_append_char(r->out, '\n');
}

/* append_name starts a sample's line: name, labels and the space before the value.
 *
 * suffix: "_bucket", "_sum", "_count", or empty. le: the bucket's bound, or NULL.
 */
static void append_name(const struct render *r, const struct metric_series *s, const char *suffix,
                        const char *le)
{
    buf_append_cstr(r->out, r->family->options.name);
    buf_append_cstr(r->out, suffix);
    if (s->labels_len > 0 || le != NULL) {
        buf_append_char(r->out, '{');
        buf_append(r->out, s->labels, s->labels_len);
        if (le != NULL) {
            buf_append_cstr(r->out, s->labels_len > 0 ? ",le=\"" : "le=\"");
            buf_append_cstr(r->out, le);
            buf_append_char(r->out, '"');
        }
        buf_append_char(r->out, '}');
    }
    buf_append_char(r->out, ' ');
}

static void append_u64_line(const struct render *r, uint64_t value)
{
    buf_append_u64(r->out, value);
    buf_append_char(r->out, '\n');
}

static void append_f64_line(const struct render *r, double value)
{
    char number[NUMBER_BYTES];
    number_format(number, value);
    buf_append_cstr(r->out, number);
    buf_append_char(r->out, '\n');
}

/* --- values, which their loops write meanwhile --- */

#define READ(cell) __atomic_load_n((cell), __ATOMIC_RELAXED)

static double read_f64(const double *cell)
{
    double value;
    __atomic_load(cell, &value, __ATOMIC_RELAXED);
    return value;
}

/* What the registries have for one name and set of labels. */
struct total {
    uint64_t counter;
    double gauge;
    struct metric_histogram histogram;
    uint64_t count; /* of the histogram: what its buckets say, though one more may just be added */
};

static void add_histogram(const struct metric_histogram *h, struct total *total)
{
    for (size_t i = 0; i < ARRAY_COUNT(h->buckets); i++) {
        const uint64_t count = READ(&h->buckets[i]);
        total->histogram.buckets[i] += count;
        total->count += count;
    }
    total->histogram.sum += read_f64(&h->sum);
    if (total->histogram.exemplars == NULL) { /* those of one registry will do */
        total->histogram.exemplars = __atomic_load_n(&h->exemplars, __ATOMIC_ACQUIRE);
    }
}

static void add_value(const struct metric_family *f, const struct metric_series *s,
                      struct total *total)
{
    switch (f->options.type) {
    case METRIC_COUNTER:
        total->counter += READ(&s->counter);
        break;
    case METRIC_GAUGE:
        total->gauge += read_f64(&s->gauge);
        break;
    case METRIC_HISTOGRAM:
        add_histogram(&s->histogram, total);
        break;
    }
}

static const struct metric_family *find_family(const struct metrics *m, const char *name)
{
    const struct metric_family *f = m->families;
    while (f != NULL && strcmp(f->options.name, name) != 0) {
        f = f->next;
    }
    return f;
}

static const struct metric_series *find_series(const struct metric_family *f,
                                               const struct metric_series *like)
{
    const struct metric_series *s = f->series;
    while (s != NULL && (s->labels_len != like->labels_len ||
                         memcmp(s->labels, like->labels, s->labels_len) != 0)) {
        s = s->next;
    }
    return s;
}

/* is_in_earlier tells whether a registry before this one has the family, or the series of it. */
static bool is_in_earlier(const struct render *r, size_t registry, const struct metric_family *f,
                          const struct metric_series *s)
{
    for (size_t i = 0; i < registry; i++) {
        const struct metric_family *other = find_family(r->registries[i], f->options.name);
        if (other != NULL && (s == NULL || find_series(other, s) != NULL)) {
            return true;
        }
    }
    return false;
}

/* sum_from adds a series up with those of later registries. */
static void sum_from(const struct render *r, size_t registry, const struct metric_family *f,
                     const struct metric_series *s, struct total *ret_total)
{
    *ret_total = (struct total){0};
    add_value(f, s, ret_total);
    for (size_t i = registry + 1; i < r->registry_count; i++) {
        const struct metric_family *other = find_family(r->registries[i], f->options.name);
        const struct metric_series *same = other == NULL ? NULL : find_series(other, s);
        if (same != NULL) {
            add_value(other, same, ret_total);
        }
    }
}

/* --- series and families --- */

static void append_counter(const struct render *r, const struct metric_series *s, uint64_t value)
{
    const uint64_t divisor = r->family->options.divisor;
    append_name(r, s, "", NULL);
    if (divisor == 1) {
        append_u64_line(r, value);
    } else {
        append_f64_line(r, (double)value / (double)divisor);
    }
}

/* append_bucket prints how many values are up to a bound, with the trace of one of the bucket's. */
static void append_bucket(const struct render *r, const struct metric_histogram *h, size_t bucket,
                          uint64_t cumulated)
{
    struct exemplar exemplar;
    buf_append_u64(r->out, cumulated);
    if (r->is_openmetrics && exemplar_copy(h, bucket, &exemplar)) {
        char trace_id[TRACE_ID_LEN];
        char span_id[TRACE_SPAN_ID_LEN];
        char number[NUMBER_BYTES];
        hex_encode(exemplar.trace_id, sizeof(exemplar.trace_id), trace_id);
        hex_encode(exemplar.span_id, sizeof(exemplar.span_id), span_id);
        number_format(number, exemplar.value);
        buf_printf(r->out, " # {trace_id=\"%.*s\",span_id=\"%.*s\"} %s", TRACE_ID_LEN, trace_id,
                   TRACE_SPAN_ID_LEN, span_id, number);
        number_format(number, (double)(exemplar.wall_ns / NS_PER_MS) / 1e3);
        buf_printf(r->out, " %s", number);
    }
    buf_append_char(r->out, '\n');
}

static void append_histogram(const struct render *r, const struct metric_series *s,
                             const struct total *total)
{
    const struct metric_histogram *h = &total->histogram;
    uint64_t cumulated = 0;
    for (size_t i = 0; i < r->family->options.bound_count; i++) {
        cumulated += h->buckets[i];
        append_name(r, s, "_bucket", r->bounds[i]);
        append_bucket(r, h, i, cumulated);
    }
    append_name(r, s, "_bucket", "+Inf");
    append_bucket(r, h, r->family->options.bound_count, total->count);
    append_name(r, s, "_sum", NULL);
    append_f64_line(r, h->sum);
    append_name(r, s, "_count", NULL);
    append_u64_line(r, total->count);
}

static void format_bounds(struct render *r)
{
    for (size_t i = 0; i < r->family->options.bound_count; i++) {
        char *text = r->bounds[i];
        number_format_bound(text, r->family->options.bounds[i]);
        const size_t len = strlen(text);
        if (r->is_openmetrics && strpbrk(text, ".e") == NULL && len + 3 <= NUMBER_BYTES) {
            memcpy(text + len, ".0", 3);
        }
    }
}

static void append_series(const struct render *r, const struct metric_series *s,
                          const struct total *total)
{
    switch (r->family->options.type) {
    case METRIC_COUNTER:
        append_counter(r, s, total->counter);
        break;
    case METRIC_GAUGE:
        append_name(r, s, "", NULL);
        append_f64_line(r, total->gauge);
        break;
    case METRIC_HISTOGRAM:
        append_histogram(r, s, total);
        break;
    }
}

/* append_series_of prints what a registry has of the family that is printed now. */
static void append_series_of(struct render *r, size_t registry, const struct metric_family *f,
                             bool *is_headed)
{
    for (const struct metric_series *s = f->series; s != NULL; s = s->next) {
        struct total total;
        if (is_in_earlier(r, registry, f, s)) {
            continue;
        }
        sum_from(r, registry, f, s, &total);
        if (isnan(total.gauge)) {
            continue; /* it has no value now */
        }
        if (!*is_headed) {
            append_head(r);
            *is_headed = true;
        }
        append_series(r, s, &total);
    }
}

static void append_family(struct render *r, size_t registry, const struct metric_family *f)
{
    bool is_headed = false;
    r->family = f;
    format_bounds(r);
    for (size_t i = registry; i < r->registry_count; i++) {
        const struct metric_family *own = find_family(r->registries[i], f->options.name);
        if (own != NULL) {
            append_series_of(r, i, own, &is_headed);
        }
    }
}

void metrics_render(const struct metrics *const *registries, size_t count,
                    enum metrics_format format, struct buf *out)
{
    struct render r = {
        .out = out,
        .registries = registries,
        .registry_count = count,
        .is_openmetrics = format == METRICS_OPENMETRICS_1_0_0,
    };
    for (size_t i = 0; i < count; i++) {
        for (const struct metric_family *f = registries[i]->families; f != NULL; f = f->next) {
            if (!is_in_earlier(&r, i, f, NULL)) {
                append_family(&r, i, f);
            }
        }
    }
    if (r.is_openmetrics) {
        buf_append_cstr(out, "# EOF\n");
    }
}
