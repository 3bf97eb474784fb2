/* SPDX-License-Identifier: MIT
 *
 * text.c - one entry per stack: a line of numbers and return addresses, then a line per frame,
 * whose columns are aligned with tabs.
 */
#include "profiling/write/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "profiling/code/symbol.h"
#include "profiling/write/encode.h"

#define ENTRY_BYTES_MAX (1u << 20) /* far above what STACKS_FRAMES_MAX frames take */
#define LINES_MAX       1024       /* of one stack, with inlined calls */
#define TAB_BYTES       8

/* One stack, and the text that follows its numbers. */
struct entry {
    const int64_t *values;
    int64_t rank; /* the highest is printed first */
    uint32_t leaf;
    size_t key_at; /* in text->keys, where it ends with a NUL */
    const char *key;
};

/* One frame. */
struct line {
    char address[24];
    const char *function; /* NULL: unknown, and the rest is not set */
    uint64_t offset;
    const char *file;
    int line;
};

struct text {
    const struct source *source;
    const struct stacks *stacks;
    const struct profile_spec *spec;
    struct entry *entries;
    size_t entry_count;
    struct buf keys;
    struct buf out;
    struct line lines[LINES_MAX];
};

/* --- the entries, sorted --- */

/* append_quoted writes a text as Go's %q does. Text that is not ASCII is printed as it is. */
static void append_quoted(struct buf *out, const char *text)
{
    static const char controls[] = "abtnvfr"; /* 7 .. 13 */
    buf_append_char(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            buf_append_char(out, '\\');
            buf_append_char(out, (char)*c);
        } else if (*c >= '\a' && *c <= '\r') {
            buf_append_char(out, '\\');
            buf_append_char(out, controls[*c - '\a']);
        } else if (*c < ' ' || *c == 0x7F) {
            buf_printf(out, "\\x%02x", *c);
        } else {
            buf_append_char(out, (char)*c);
        }
    }
    buf_append_char(out, '"');
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct profile_label *)a)->key, ((const struct profile_label *)b)->key);
}

static void append_labels(struct text *text, const struct stacks_labels *labels)
{
    struct profile_label all[ENCODE_LABELS_MAX];
    const size_t count = encode_labels(text->stacks, labels, all);
    bool has_any = false;
    qsort(all, count, sizeof(all[0]), compare_labels);
    for (size_t i = 0; i < count; i++) {
        if (all[i].text == NULL) {
            continue; /* numbers are no labels in Go's sense */
        }
        buf_append_cstr(&text->keys, has_any ? ", " : "\n# labels: {");
        append_quoted(&text->keys, all[i].key);
        buf_append_char(&text->keys, ':');
        append_quoted(&text->keys, all[i].text);
        has_any = true;
    }
    buf_append_cstr(&text->keys, has_any ? "}" : "");
}

/* Stacks are kept as addresses of calls; texts have those that the calls return to, and pprof takes
 * one off each. */
static void append_key(struct text *text, const struct stacks_sample *sample)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t count = stacks_read(text->stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    buf_append_char(&text->keys, '@');
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text->keys, " 0x%" PRIx64, frames[i] + 1);
    }
    if (text->source->has_labels_in_text) {
        append_labels(text, &sample->labels);
    }
    buf_append_char(&text->keys, '\0');
}

static int64_t rank_of(enum source_text kind, const int64_t *values)
{
    static const size_t columns[] = {
        [SOURCE_TEXT_COUNT] = 0,
        [SOURCE_TEXT_HEAP] = 3,       /* bytes in use */
        [SOURCE_TEXT_CONTENTION] = 1, /* delay */
    };
    return values[columns[kind]];
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *one = a;
    const struct entry *other = b;
    if (one->rank != other->rank) {
        return one->rank > other->rank ? -1 : 1;
    }
    return strcmp(one->key, other->key);
}

/* A line of counts shows one value, whatever else the profile has. */
static bool is_zero(const struct text *text, const int64_t *values)
{
    const size_t shown = text->source->text == SOURCE_TEXT_COUNT ? 1 : text->spec->type_count;
    for (size_t i = 0; i < shown; i++) {
        if (values[i] != 0) {
            return false;
        }
    }
    return true;
}

/* What is too much is dropped once it is sorted; the keys are shorter than the text made of
 * them. */
static bool collect_entries(struct text *text)
{
    const struct stacks *stacks = text->stacks;
    text->entries = calloc(stacks->sample_count + 1, sizeof(*text->entries));
    if (text->entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < stacks->sample_count; i++) {
        const struct stacks_sample *sample = &stacks->samples[i];
        if (!is_zero(text, sample->values)) {
            text->entries[text->entry_count++] = (struct entry){
                .values = sample->values,
                .rank = rank_of(text->source->text, sample->values),
                .leaf = sample->leaf,
                .key_at = text->keys.len,
            };
            append_key(text, sample);
        }
    }
    for (size_t i = 0; i < text->entry_count && !text->keys.is_failed; i++) {
        text->entries[i].key = text->keys.data + text->entries[i].key_at;
    }
    if (!text->keys.is_failed) {
        qsort(text->entries, text->entry_count, sizeof(*text->entries), compare_entries);
    }
    return !text->keys.is_failed;
}

/* --- the frames of one stack --- */

static size_t count_runes(const char *text)
{
    size_t count = 0;
    for (const char *c = text; *c != '\0'; c++) {
        count += ((unsigned char)*c & 0xC0) != 0x80;
    }
    return count;
}

static size_t address_width(const struct line *line)
{
    return strlen(line->address);
}

static size_t function_width(const struct line *line)
{
    char offset[24];
    return count_runes(line->function) +
           (size_t)snprintf(offset, sizeof(offset), "+0x%" PRIx64, line->offset);
}

/* A column is as wide as its widest cell and one more, in whole tabs. */
static size_t column_tabs(const struct line *lines, size_t count,
                          size_t (*cell_width)(const struct line *line))
{
    size_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t width = cell_width(&lines[i]);
        widest = width > widest ? width : widest;
    }
    return (widest + 1 + TAB_BYTES - 1) / TAB_BYTES;
}

static void append_tabs(struct buf *out, size_t column, size_t width)
{
    for (size_t used = width / TAB_BYTES; used < column; used++) {
        buf_append_char(out, '\t');
    }
}

/* Lines that follow one another and all have names; a line without one parts the columns. */
static void append_run(struct buf *out, const struct line *lines, size_t count)
{
    const size_t address_tabs = column_tabs(lines, count, address_width);
    const size_t function_tabs = column_tabs(lines, count, function_width);
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        buf_printf(out, "#\t%s", line->address);
        append_tabs(out, address_tabs, address_width(line));
        buf_printf(out, "%s+0x%" PRIx64, line->function, line->offset);
        append_tabs(out, function_tabs, function_width(line));
        buf_printf(out, "%s:%d\n", line->file, line->line);
    }
}

/* add_lines names one frame: a line for each call that is inlined at its address, too. */
static size_t add_lines(struct text *text, size_t count, uint64_t address)
{
    struct line *lines = text->lines;
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    text->out.is_failed = text->out.is_failed || symbol.is_failed;
    const size_t added = symbol.is_named ? symbol.count : 1;
    for (size_t i = 0; i < added && count < LINES_MAX; i++) {
        struct line *line = &lines[count++];
        *line = (struct line){
            .function = symbol.is_named ? symbol.frames[i].function : NULL,
            .offset = symbol.entry == 0 ? 0 : address - symbol.entry,
            .file = symbol.frames[i].file,
            .line = symbol.frames[i].line,
        };
        (void)snprintf(line->address, sizeof(line->address), "0x%" PRIx64, address);
    }
    return count;
}

static void append_frames(struct text *text, uint32_t leaf)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t frame_count = stacks_read(text->stacks, leaf, frames, STACKS_FRAMES_MAX);
    size_t count = 0;
    for (size_t i = 0; i < frame_count; i++) {
        count = add_lines(text, count, frames[i]);
    }
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && text->lines[end].function != NULL) {
            end++;
        }
        append_run(&text->out, &text->lines[i], end - i);
        i = end;
        if (i < count) {
            buf_printf(&text->out, "#\t%s\n", text->lines[i++].address);
        }
    }
    buf_append_char(&text->out, '\n');
}

/* --- the whole --- */

static void sum_up(const struct text *text, int64_t *ret_totals)
{
    for (size_t i = 0; i < text->entry_count; i++) {
        for (size_t v = 0; v < STACKS_VALUES_MAX; v++) {
            ret_totals[v] += text->entries[i].values[v];
        }
    }
}

static void append_head(struct text *text)
{
    const struct source *source = text->source;
    const int64_t period = text->spec->period;
    int64_t all[STACKS_VALUES_MAX] = {0};
    sum_up(text, all);
    switch (source->text) {
    case SOURCE_TEXT_COUNT:
        buf_printf(&text->out, "%s profile: total %" PRId64 "\n", source->name, all[0]);
        return;
    case SOURCE_TEXT_HEAP: /* Go's rate is twice the real one, which readers know */
        buf_printf(&text->out,
                   "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64
                   "] @ heap/%" PRId64 "\n",
                   all[2], all[3], all[0], all[1], 2 * period);
        return;
    case SOURCE_TEXT_CONTENTION: /* a cycle is a nanosecond */
        if (strcmp(source->name, "mutex") == 0) {
            buf_printf(&text->out,
                       "--- mutex:\ncycles/second=1000000000\nsampling period=%" PRId64 "\n",
                       period);
        } else {
            buf_append_cstr(&text->out, "--- contention:\ncycles/second=1000000000\n");
        }
        return;
    }
}

static void append_values(struct text *text, const int64_t *values)
{
    switch (text->source->text) {
    case SOURCE_TEXT_COUNT:
        buf_printf(&text->out, "%" PRId64 " ", values[0]);
        return;
    case SOURCE_TEXT_HEAP:
        buf_printf(&text->out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] ", values[2],
                   values[3], values[0], values[1]);
        return;
    case SOURCE_TEXT_CONTENTION:
        buf_printf(&text->out, "%" PRId64 " %" PRId64 " ", values[1], values[0]);
        return;
    }
}

static void write_all(struct text *text)
{
    append_head(text);
    for (size_t i = 0; i < text->entry_count; i++) {
        if (text->out.len > TEXT_BYTES_MAX - 2 * ENTRY_BYTES_MAX) {
            break;
        }
        append_values(text, text->entries[i].values);
        buf_append_cstr(&text->out, text->entries[i].key);
        buf_append_char(&text->out, '\n');
        append_frames(text, text->entries[i].leaf);
    }
    if (text->source->append_facts != NULL) {
        buf_append_char(&text->out, '\n');
        text->source->append_facts(&text->out);
    }
}

int text_encode(const struct source *source, const struct stacks *stacks,
                const struct profile_spec *spec, char **ret_data, size_t *ret_len)
{
    struct text *text = calloc(1, sizeof(*text));
    if (text == NULL) {
        return UV_ENOMEM;
    }
    text->source = source;
    text->stacks = stacks;
    text->spec = spec;
    buf_init(&text->keys, STACKS_SAMPLES_MAX * (STACKS_FRAMES_MAX * 20u));
    buf_init(&text->out, TEXT_BYTES_MAX);
    int status = UV_ENOMEM;
    if (collect_entries(text)) {
        write_all(text);
    }
    if (text->entries != NULL && !text->keys.is_failed && !text->out.is_failed) {
        *ret_len = text->out.len;
        *ret_data = buf_steal(&text->out);
        status = 0;
    }
    buf_deinit(&text->keys);
    buf_deinit(&text->out);
    free(text->entries);
    free(text);
    return status;
}
