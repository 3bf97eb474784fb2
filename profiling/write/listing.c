/* SPDX-License-Identifier: MIT
 *
 * listing.c - reads a profile back and writes it as text. The profile was made by this process, yet
 * every number in it is checked against its table.
 *
 * Source: google/pprof proto/profile.proto; Brendan Gregg's flamegraph.pl for collapsed stacks.
 */
#include "profiling/write/listing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "core/base/clock.h"
#include "profiling/write/gunzip.h"
#include "profiling/write/profile.pb-c.h"

/* A profile with its tables by number: those of ours are numbered from 1 on, without gaps. */
struct listing {
    const Pprof__Profile *profile;
    size_t type; /* the default one */
    struct buf *out;
};

bool listing_parse(struct str name, enum listing_format *ret_format)
{
    static const struct {
        const char *name;
        enum listing_format format;
    } formats[] = {
        {"", LISTING_NONE},     {"pprof", LISTING_NONE}, {"collapsed", LISTING_COLLAPSED},
        {"text", LISTING_TEXT}, {"json", LISTING_JSON},
    };
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        if (str_equal(name, str_from(formats[i].name))) {
            *ret_format = formats[i].format;
            return true;
        }
    }
    return false;
}

/* --- tables --- */

static const char *text_of(const struct listing *listing, int64_t position)
{
    return position >= 0 && (uint64_t)position < listing->profile->n_string_table
               ? listing->profile->string_table[position]
               : "";
}

static const Pprof__Location *location_of(const struct listing *listing, uint64_t id)
{
    return id > 0 && id <= listing->profile->n_location ? listing->profile->location[id - 1] : NULL;
}

static const Pprof__Function *function_of(const struct listing *listing, uint64_t id)
{
    return id > 0 && id <= listing->profile->n_function ? listing->profile->function[id - 1] : NULL;
}

static size_t default_type_of(const Pprof__Profile *profile)
{
    for (size_t i = 0; i < profile->n_sample_type; i++) {
        if (profile->default_sample_type != 0 &&
            profile->sample_type[i]->type == profile->default_sample_type) {
            return i;
        }
    }
    return profile->n_sample_type - 1;
}

/* A frame_fn is told of each frame of a stack. */
typedef void (*frame_fn)(void *arg, const struct listing *listing, const Pprof__Line *line,
                         bool is_leaf);

/* From the outermost frame on, those that are inlined included. */
static void each_frame(const struct listing *listing, const Pprof__Sample *sample,
                       frame_fn on_frame, void *arg)
{
    for (size_t i = sample->n_location_id; i > 0; i--) {
        const Pprof__Location *location = location_of(listing, sample->location_id[i - 1]);
        for (size_t j = location == NULL ? 0 : location->n_line; j > 0; j--) {
            if (function_of(listing, location->line[j - 1]->function_id) != NULL) {
                on_frame(arg, listing, location->line[j - 1], i == 1 && j == 1);
            }
        }
    }
}

/* --- collapsed stacks --- */

/* A semicolon ends a frame, a newline the stack; the last blank comes before the value. */
static void put_collapsed_frame(void *arg, const struct listing *listing, const Pprof__Line *line,
                                bool is_leaf)
{
    (void)arg;
    const char *name = text_of(listing, function_of(listing, line->function_id)->name);
    for (size_t i = 0; name[i] != '\0'; i++) {
        const bool is_special = name[i] == ';' || (unsigned char)name[i] <= ' ';
        buf_append_char(listing->out, is_special ? '_' : name[i]);
    }
    buf_append_char(listing->out, is_leaf ? ' ' : ';');
}

static void put_collapsed(const struct listing *listing)
{
    for (size_t i = 0; i < listing->profile->n_sample; i++) {
        const Pprof__Sample *sample = listing->profile->sample[i];
        if (sample->value[listing->type] > 0) {
            each_frame(listing, sample, put_collapsed_frame, NULL);
            buf_printf(listing->out, "%" PRId64 "\n", sample->value[listing->type]);
        }
    }
}

/* --- the table --- */

struct row {
    const char *name;
    int64_t flat;
    int64_t cum;
    size_t counted; /* the number of the last sample that cum has, from 1 on */
};

/* Functions of one name are one, whatever their files. */
struct table {
    struct row *rows;
    size_t *row_of; /* by function, from 0 on */
    size_t row_count;
    size_t sample; /* the number of the one that is counted */
    int64_t value;
    int64_t total;
};

static void count_frame(void *arg, const struct listing *listing, const Pprof__Line *line,
                        bool is_leaf)
{
    (void)listing;
    struct table *table = arg;
    struct row *row = &table->rows[table->row_of[line->function_id - 1]];
    row->flat += is_leaf ? table->value : 0;
    row->cum += row->counted == table->sample ? 0 : table->value;
    row->counted = table->sample;
}

static int compare_names(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    const int order = strcmp(x->name, y->name);
    return order != 0 ? order : x->counted < y->counted ? -1 : 1;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    if (x->flat != y->flat) {
        return x->flat > y->flat ? -1 : 1;
    }
    if (x->cum != y->cum) {
        return x->cum > y->cum ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

/* Gives each function the row of its name. */
static void find_rows(const struct listing *listing, struct table *table)
{
    const size_t count = listing->profile->n_function;
    for (size_t i = 0; i < count; i++) {
        table->rows[i] = (struct row){.name = text_of(listing, listing->profile->function[i]->name),
                                      .counted = i};
    }
    qsort(table->rows, count, sizeof(*table->rows), compare_names);
    for (size_t i = 0; i < count; i++) {
        const struct row row = table->rows[i];
        if (i == 0 || strcmp(row.name, table->rows[table->row_count - 1].name) != 0) {
            table->rows[table->row_count++] = (struct row){.name = row.name};
        }
        table->row_of[row.counted] = table->row_count - 1;
    }
}

static void put_value(struct buf *out, int64_t value, const char *unit)
{
    const double number = (double)value;
    if (strcmp(unit, "nanoseconds") == 0) {
        buf_printf(out, "%12.3fms", number / 1e6);
    } else if (strcmp(unit, "bytes") == 0) {
        buf_printf(out, "%12.2fkB", number / 1024);
    } else {
        buf_printf(out, "%14" PRId64, value);
    }
}

static double share_of(int64_t part, int64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void put_head(const struct listing *listing, const struct table *table)
{
    const Pprof__Profile *profile = listing->profile;
    const Pprof__ValueType *type = profile->sample_type[listing->type];
    char time[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339((uint64_t)profile->time_nanos, time);
    for (size_t i = 0; i < profile->n_comment; i++) {
        buf_printf(listing->out, "%s\n", text_of(listing, profile->comment[i]));
    }
    buf_printf(listing->out, "Type: %s\nTime: %s\n", text_of(listing, type->type), time);
    if (profile->duration_nanos > 0) {
        buf_printf(listing->out, "Duration: %.2fs\n", (double)profile->duration_nanos / 1e9);
    }
    buf_append_cstr(listing->out, "Total:");
    put_value(listing->out, table->total, text_of(listing, type->unit));
    buf_printf(listing->out, "\n%14s %7s %7s %14s %7s  %s\n", "flat", "flat%", "sum%", "cum",
               "cum%", "function");
}

static void put_rows(const struct listing *listing, struct table *table)
{
    const Pprof__ValueType *type = listing->profile->sample_type[listing->type];
    const char *unit = text_of(listing, type->unit);
    int64_t sum = 0;
    qsort(table->rows, table->row_count, sizeof(*table->rows), compare_rows);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct row *row = &table->rows[i];
        if (row->counted == 0 || (row->flat == 0 && row->cum == 0)) {
            continue;
        }
        sum += row->flat;
        put_value(listing->out, row->flat, unit);
        buf_printf(listing->out, " %6.2f%% %6.2f%% ", share_of(row->flat, table->total),
                   share_of(sum, table->total));
        put_value(listing->out, row->cum, unit);
        buf_printf(listing->out, " %6.2f%%  %s\n", share_of(row->cum, table->total), row->name);
    }
}

static int put_table(const struct listing *listing)
{
    const Pprof__Profile *profile = listing->profile;
    struct table table = {
        .rows = calloc(profile->n_function + 1, sizeof(struct row)),
        .row_of = calloc(profile->n_function + 1, sizeof(size_t)),
    };
    if (table.rows != NULL && table.row_of != NULL) {
        find_rows(listing, &table);
        for (size_t i = 0; i < profile->n_sample; i++) {
            table.sample = i + 1;
            table.value = profile->sample[i]->value[listing->type];
            table.total += table.value;
            each_frame(listing, profile->sample[i], count_frame, &table);
        }
        put_head(listing, &table);
        put_rows(listing, &table);
    }
    const int status = table.rows == NULL || table.row_of == NULL ? UV_ENOMEM : 0;
    free(table.rows);
    free(table.row_of);
    return status;
}

/* --- JSON --- */

static void put_text(const struct listing *listing, int64_t position)
{
    buf_append_json(listing->out, str_from(text_of(listing, position)));
}

static void put_json_frame(void *arg, const struct listing *listing, const Pprof__Line *line,
                           bool is_leaf)
{
    (void)arg;
    buf_printf(listing->out, "[%" PRIu64 ",%" PRId64 "]%s", line->function_id - 1, line->line,
               is_leaf ? "" : ",");
}

static void put_json_sample(const struct listing *listing, const Pprof__Sample *sample)
{
    buf_append_cstr(listing->out, "{\"stack\":[");
    each_frame(listing, sample, put_json_frame, NULL);
    buf_append_cstr(listing->out, "],\"values\":[");
    for (size_t i = 0; i < sample->n_value; i++) {
        buf_printf(listing->out, "%s%" PRId64, i == 0 ? "" : ",", sample->value[i]);
    }
    buf_append_cstr(listing->out, "],\"labels\":{");
    for (size_t i = 0; i < sample->n_label; i++) {
        const Pprof__Label *label = sample->label[i];
        buf_append_cstr(listing->out, i == 0 ? "" : ",");
        put_text(listing, label->key);
        buf_append_char(listing->out, ':');
        if (label->str != 0) {
            put_text(listing, label->str);
        } else {
            buf_printf(listing->out, "%" PRId64, label->num);
        }
    }
    buf_append_cstr(listing->out, "}}");
}

static void put_json_head(const struct listing *listing)
{
    const Pprof__Profile *profile = listing->profile;
    buf_append_cstr(listing->out, "{\"types\":[");
    for (size_t i = 0; i < profile->n_sample_type; i++) {
        buf_append_cstr(listing->out, i == 0 ? "{\"type\":" : ",{\"type\":");
        put_text(listing, profile->sample_type[i]->type);
        buf_append_cstr(listing->out, ",\"unit\":");
        put_text(listing, profile->sample_type[i]->unit);
        buf_append_char(listing->out, '}');
    }
    buf_printf(listing->out,
               "],\"default_type\":%zu,\"time_ns\":%" PRId64 ",\"duration_ns\":%" PRId64
               ",\"period\":%" PRId64 ",\"comments\":[",
               listing->type, profile->time_nanos, profile->duration_nanos, profile->period);
    for (size_t i = 0; i < profile->n_comment; i++) {
        buf_append_cstr(listing->out, i == 0 ? "" : ",");
        put_text(listing, profile->comment[i]);
    }
}

static void put_json(const struct listing *listing)
{
    const Pprof__Profile *profile = listing->profile;
    put_json_head(listing);
    buf_append_cstr(listing->out, "],\n\"functions\":[");
    for (size_t i = 0; i < profile->n_function; i++) {
        buf_append_cstr(listing->out, i == 0 ? "\n{\"name\":" : ",\n{\"name\":");
        put_text(listing, profile->function[i]->name);
        buf_append_cstr(listing->out, ",\"file\":");
        put_text(listing, profile->function[i]->filename);
        buf_append_char(listing->out, '}');
    }
    buf_append_cstr(listing->out, "],\n\"samples\":[");
    for (size_t i = 0; i < profile->n_sample && !listing->out->is_failed; i++) {
        buf_append_cstr(listing->out, i == 0 ? "\n" : ",\n");
        put_json_sample(listing, profile->sample[i]);
    }
    buf_append_cstr(listing->out, "]}\n");
}

/* --- all of them --- */

/* Whether each sample has a value of each type, and each message what the format wants. */
static bool is_whole(const Pprof__Profile *profile)
{
    for (size_t i = 0; i < profile->n_sample; i++) {
        if (profile->sample[i]->n_value != profile->n_sample_type) {
            return false;
        }
    }
    return profile->n_sample_type > 0 && profile->n_string_table > 0;
}

static int put(const struct listing *listing, enum listing_format format)
{
    int status = 0;
    if (format == LISTING_TEXT) {
        status = put_table(listing);
    } else if (format == LISTING_JSON) {
        put_json(listing);
    } else {
        put_collapsed(listing);
    }
    return status < 0 || !listing->out->is_failed ? status : UV_ENOMEM;
}

int listing_make(const char *data, size_t len, enum listing_format format, struct buf *out)
{
    struct buf unpacked;
    buf_init(&unpacked, GUNZIP_BYTES_MAX);
    int status = gunzip(data, len, &unpacked);
    if (status == 0) {
        const struct str bytes = buf_str(&unpacked);
        Pprof__Profile *profile =
            pprof__profile__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
        if (profile == NULL || !is_whole(profile)) {
            status = UV_EINVAL;
        } else {
            const struct listing listing = {
                .profile = profile, .type = default_type_of(profile), .out = out};
            status = put(&listing, format);
        }
        if (profile != NULL) {
            pprof__profile__free_unpacked(profile, NULL);
        }
    }
    buf_deinit(&unpacked);
    return status;
}
