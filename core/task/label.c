/* SPDX-License-Identifier: MIT
 *
 * label.c - a table that only grows. Labels are interned at the start, so a linear search suffices.
 */
#include "core/task/label.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct label labels[LABEL_MAX] = {
    [LABEL_OTHER] = {.route = "other", .method = "other"},
    [LABEL_PROFILER] = {.toq = "profiler"},
};
static _Atomic uint32_t label_count = LABEL_PROFILER + 1;
static uint64_t overflow_count;

static char *copy_text(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (copy != NULL) {
        *str_put(copy, s) = '\0';
    }
    return copy;
}

static bool is_text(const char *text, struct str s)
{
    return text != NULL && str_equal(str_from(text), s);
}

/* method: NULL for an rpc. */
static bool is_label(const struct label *label, struct str text, const char *method)
{
    if (method == NULL) {
        return is_text(label->rpc, text);
    }
    return is_text(label->route, text) && strcmp(label->method, method) == 0;
}

static uint32_t find_label(struct str text, const char *method)
{
    const uint32_t count = atomic_load_explicit(&label_count, memory_order_relaxed);
    for (uint32_t id = LABEL_PROFILER + 1; id < count; id++) {
        if (is_label(&labels[id], text, method)) {
            return id;
        }
    }
    return LABEL_NONE;
}

static uint32_t add_label(struct str text, const char *method)
{
    const uint32_t id = atomic_load_explicit(&label_count, memory_order_relaxed);
    if (id == LABEL_MAX) {
        overflow_count++;
        return LABEL_OTHER;
    }
    char *text_copy = copy_text(text);
    char *method_copy = method == NULL ? NULL : copy_text(str_from(method));
    if (text_copy == NULL || (method != NULL && method_copy == NULL)) {
        free(text_copy);
        free(method_copy);
        return LABEL_OTHER;
    }
    labels[id].route = method == NULL ? NULL : text_copy;
    labels[id].method = method_copy;
    labels[id].rpc = method == NULL ? text_copy : NULL;
    /* release: a reader that sees the count sees the texts */
    atomic_store_explicit(&label_count, id + 1, memory_order_release);
    return id;
}

uint32_t label_intern(struct str route, const char *method)
{
    const uint32_t id = find_label(route, method);
    return id != LABEL_NONE ? id : add_label(route, method);
}

uint32_t label_intern_rpc(struct str rpc)
{
    return label_intern(rpc, NULL);
}

struct label label_get(uint32_t id)
{
    const uint32_t count = atomic_load_explicit(&label_count, memory_order_acquire);
    return id < count && id < LABEL_MAX ? labels[id] : labels[LABEL_NONE];
}

const char *label_name(uint32_t id)
{
    const struct label label = label_get(id);
    const char *name = label.rpc != NULL ? label.rpc : label.route;
    return name == NULL ? "" : name;
}

uint32_t label_get_count(void)
{
    return atomic_load_explicit(&label_count, memory_order_acquire);
}

uint64_t label_overflow_count(void)
{
    return overflow_count;
}
