/* SPDX-License-Identifier: MIT
 *
 * metrics_render.c - the registry as text: Prometheus 0.0.4 or OpenMetrics 1.0.0.
 *
 * The two differ in little: OpenMetrics names a counter's family without _total, escapes quotes in
 * the help, gives every bound a point or exponent, and ends with # EOF.
 */
#include <math.h>

#include "core/telemetry/metrics_internal.h"
#include "core/telemetry/number.h"

/* What is printed now. */
struct render {
    struct buf *out;
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

static void append_counter(const struct render *r, const struct metric_series *s)
{
    const uint64_t divisor = r->family->options.divisor;
    append_name(r, s, "", NULL);
    if (divisor == 1) {
        append_u64_line(r, s->counter);
    } else {
        append_f64_line(r, (double)s->counter / (double)divisor);
    }
}

static void append_histogram(const struct render *r, const struct metric_series *s)
{
    const struct metric_histogram *h = &s->histogram;
    uint64_t cumulated = 0;
    for (size_t i = 0; i < r->family->options.bound_count; i++) {
        cumulated += h->buckets[i];
        append_name(r, s, "_bucket", r->bounds[i]);
        append_u64_line(r, cumulated);
    }
    append_name(r, s, "_bucket", "+Inf");
    append_u64_line(r, h->count);
    append_name(r, s, "_sum", NULL);
    append_f64_line(r, h->sum);
    append_name(r, s, "_count", NULL);
    append_u64_line(r, h->count);
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

static bool has_value(const struct render *r, const struct metric_series *s)
{
    return r->family->options.type != METRIC_GAUGE || !isnan(s->gauge);
}

static void append_series(const struct render *r, const struct metric_series *s)
{
    switch (r->family->options.type) {
    case METRIC_COUNTER:
        append_counter(r, s);
        break;
    case METRIC_GAUGE:
        append_name(r, s, "", NULL);
        append_f64_line(r, s->gauge);
        break;
    case METRIC_HISTOGRAM:
        append_histogram(r, s);
        break;
    }
}

static void append_family(struct render *r, const struct metric_family *f)
{
    r->family = f;
    format_bounds(r);
    bool is_headed = false;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &f->series)
    {
        const struct metric_series *s = CONTAINER_OF(pos, struct metric_series, link);
        if (!has_value(r, s)) {
            continue;
        }
        if (!is_headed) {
            append_head(r);
            is_headed = true;
        }
        append_series(r, s);
    }
}

static void run_collectors(const struct metrics *m)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &m->collectors)
    {
        const struct metrics_collector *c = CONTAINER_OF(pos, struct metrics_collector, link);
        c->collect(c->arg);
    }
}

void metrics_render(struct metrics *m, enum metrics_format format, struct buf *out)
{
    run_collectors(m);
    struct render r = {.out = out, .is_openmetrics = format == METRICS_OPENMETRICS_1_0_0};
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &m->families)
    {
        append_family(&r, CONTAINER_OF(pos, struct metric_family, link));
    }
    if (r.is_openmetrics) {
        buf_append_cstr(out, "# EOF\n");
    }
}
