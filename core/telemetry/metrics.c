/* SPDX-License-Identifier: MIT
 *
 * metrics.c - the registry: families, their series, the cells that callers keep.
 *
 * A series is found by its label text as it will be printed. That is slow and meant to be: callers
 * look a cell up once and keep it.
 */
#include "core/telemetry/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "core/telemetry/metrics_internal.h"

#define SERIES_MAX       1000
#define LABELS_MAX       8
#define LABELS_MAX_BYTES 4096 /* of one series; a longer one counts as "other" */

static const struct str other = {"other", 5};

struct metrics *metrics_create(void)
{
    struct metrics *m = malloc(sizeof(*m));
    if (m != NULL) {
        atomic_init(&m->families, NULL);
        list_init(&m->collectors);
    }
    return m;
}

static void family_destroy(struct metric_family *f)
{
    for (struct metric_series *s = f->series; s != NULL;) {
        struct metric_series *next = s->next;
        if (f->options.type == METRIC_HISTOGRAM) {
            free(s->histogram.exemplars);
        }
        free(s);
        s = next;
    }
    if (!f->is_overflow_used) {
        free(f->overflow);
    }
    free(f);
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (struct metric_family *f = m->families; f != NULL;) {
        struct metric_family *next = f->next;
        family_destroy(f);
        f = next;
    }
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &m->collectors)
    {
        free(CONTAINER_OF(pos, struct metrics_collector, link));
    }
    free(m);
}

static size_t count_labels(const struct metric_family_options *options)
{
    size_t count = 0;
    while (options->labels != NULL && options->labels[count] != NULL) {
        count++;
    }
    return count;
}

static void append_escaped(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.ptr[i];
        if (c == '\n') {
            buf_append_cstr(out, "\\n");
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_append_char(out, '\\');
        }
        buf_append_char(out, c);
    }
}

/* append_labels writes the label text of a series; `values` NULL stands for "other" throughout. */
static void append_labels(struct buf *out, const struct metric_family *f, const struct str *values)
{
    const size_t count = count_labels(&f->options);
    for (size_t i = 0; i < count; i++) {
        buf_append_cstr(out, i == 0 ? "" : ",");
        buf_append_cstr(out, f->options.labels[i]);
        buf_append_cstr(out, "=\"");
        append_escaped(out, values == NULL ? other : values[i]);
        buf_append_char(out, '"');
    }
}

static struct metric_series *series_create(const struct metric_family *f, struct str labels)
{
    struct metric_series *s = calloc(1, sizeof(*s) + labels.len);
    if (s == NULL) {
        return NULL;
    }
    (void)str_put(s->labels, labels);
    s->labels_len = labels.len;
    if (f->options.type == METRIC_HISTOGRAM) {
        s->histogram.family = f;
    }
    return s;
}

static struct metric_series *overflow_create(const struct metric_family *f)
{
    struct buf labels;
    buf_init(&labels, LABELS_MAX_BYTES);
    append_labels(&labels, f, NULL);
    struct metric_series *s = labels.is_failed ? NULL : series_create(f, buf_str(&labels));
    buf_deinit(&labels);
    return s;
}

static void check_options(const struct metric_family_options *options)
{
    static const char suffix[] = "_total";
    const struct str name = str_from(options->name);
    const size_t len = sizeof(suffix) - 1;
    const bool is_total = name.len > len && memcmp(name.ptr + name.len - len, suffix, len) == 0;
    REQUIRE(is_total == (options->type == METRIC_COUNTER));
    REQUIRE(options->divisor == 0 || options->type == METRIC_COUNTER);
    REQUIRE(options->bound_count == 0 || options->type == METRIC_HISTOGRAM);
    REQUIRE(options->bound_count <= METRIC_BUCKETS_MAX);
    for (size_t i = 1; i < options->bound_count; i++) {
        REQUIRE(options->bounds[i - 1] < options->bounds[i]);
    }
    REQUIRE(count_labels(options) <= LABELS_MAX);
}

/* find_family looks for the family of that name.
 *
 * *ret_end: where the next one is to be linked. */
static struct metric_family *find_family(struct metrics *m, const char *name,
                                         _Atomic(struct metric_family *) **ret_end)
{
    _Atomic(struct metric_family *) *end = &m->families;
    struct metric_family *f = *end;
    while (f != NULL && strcmp(f->options.name, name) != 0) {
        end = &f->next;
        f = *end;
    }
    *ret_end = end;
    return f;
}

struct metric_family *metrics_family(struct metrics *m, const struct metric_family_options *options)
{
    check_options(options);
    _Atomic(struct metric_family *) *end;
    struct metric_family *f = find_family(m, options->name, &end);
    if (f != NULL) {
        REQUIRE(f->options.type == options->type);
        REQUIRE(count_labels(&f->options) == count_labels(options));
        return f;
    }
    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->options = *options;
    f->options.series_max = options->series_max == 0 ? SERIES_MAX : options->series_max;
    f->options.divisor = options->divisor == 0 ? 1 : options->divisor;
    f->overflow = overflow_create(f);
    if (f->overflow == NULL) {
        free(f);
        return NULL;
    }
    atomic_store_explicit(end, f, memory_order_release);
    return f;
}

static bool has_labels(const struct metric_series *s, struct str labels)
{
    return str_equal((struct str){s->labels, s->labels_len}, labels);
}

static void add_series(struct metric_family *f, struct metric_series *s)
{
    _Atomic(struct metric_series *) *end = &f->series;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    atomic_store_explicit(end, s, memory_order_release);
}

/* find_or_add looks for the series with this label text; NULL when one more would be too many. */
static struct metric_series *find_or_add(struct metric_family *f, struct str labels)
{
    if (has_labels(f->overflow, labels)) {
        return f->overflow;
    }
    for (struct metric_series *s = f->series; s != NULL; s = s->next) {
        if (has_labels(s, labels)) {
            return s;
        }
    }
    if (f->series_count >= f->options.series_max) {
        return NULL;
    }
    struct metric_series *s = series_create(f, labels);
    if (s != NULL) {
        add_series(f, s);
        f->series_count++;
    }
    return s;
}

static struct metric_series *get_series(struct metric_family *f, enum metric_type type,
                                        const struct str *values)
{
    REQUIRE(f->options.type == type);
    struct buf labels;
    buf_init(&labels, LABELS_MAX_BYTES);
    append_labels(&labels, f, values);
    struct metric_series *s = labels.is_failed ? NULL : find_or_add(f, buf_str(&labels));
    buf_deinit(&labels);
    if (s == NULL) {
        s = f->overflow;
    }
    if (s == f->overflow && !f->is_overflow_used) {
        f->is_overflow_used = true; /* it is printed from now on */
        add_series(f, s);
    }
    return s;
}

uint64_t *metric_counter(struct metric_family *f, const struct str *values)
{
    return &get_series(f, METRIC_COUNTER, values)->counter;
}

double *metric_gauge(struct metric_family *f, const struct str *values)
{
    return &get_series(f, METRIC_GAUGE, values)->gauge;
}

struct metric_histogram *metric_histogram(struct metric_family *f, const struct str *values)
{
    return &get_series(f, METRIC_HISTOGRAM, values)->histogram;
}

static inline size_t find_bucket(const struct metric_histogram *h, double value)
{
    const struct metric_family_options *options = &h->family->options;
    size_t i = 0;
    while (i < options->bound_count && value > options->bounds[i]) {
        i++;
    }
    return i;
}

size_t metric_bucket(const struct metric_histogram *h, double value)
{
    return find_bucket(h, value);
}

void metric_observe(struct metric_histogram *h, double value)
{
    METRIC_ADD(&h->buckets[find_bucket(h, value)], 1);
    METRIC_ADD(&h->sum, value);
}

void metrics_collect(const struct metrics *m)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &m->collectors)
    {
        const struct metrics_collector *c = CONTAINER_OF(pos, struct metrics_collector, link);
        c->collect(c);
    }
}
