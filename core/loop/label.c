/* SPDX-License-Identifier: MIT
 *
 * label.c - a table that only grows. Interning happens at start, so a linear search will do.
 */
#include "core/loop/label.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct label labels[LABEL_MAX] = {
    [LABEL_NONE] = {NULL, NULL},
    [LABEL_OTHER] = {"other", "other"},
};
static _Atomic uint32_t label_count = 2;
static uint64_t overflow_count;

static char *copy_text(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (copy != NULL) {
        memcpy(copy, s.ptr, s.len);
        copy[s.len] = '\0';
    }
    return copy;
}

static uint32_t add_label(uint32_t id, struct str route, const char *method)
{
    char *route_copy = copy_text(route);
    char *method_copy = copy_text(str_from(method));
    if (route_copy == NULL || method_copy == NULL) {
        free(route_copy);
        free(method_copy);
        return LABEL_OTHER;
    }
    labels[id] = (struct label){route_copy, method_copy};
    /* release: a reader that sees the count sees the texts */
    atomic_store_explicit(&label_count, id + 1, memory_order_release);
    return id;
}

uint32_t label_intern(struct str route, const char *method)
{
    const uint32_t count = atomic_load_explicit(&label_count, memory_order_relaxed);
    for (uint32_t id = 2; id < count; id++) {
        if (str_equal(str_from(labels[id].route), route) &&
            strcmp(labels[id].method, method) == 0) {
            return id;
        }
    }
    if (count == LABEL_MAX) {
        overflow_count++;
        return LABEL_OTHER;
    }
    return add_label(count, route, method);
}

struct label label_get(uint32_t id)
{
    const uint32_t count = atomic_load_explicit(&label_count, memory_order_acquire);
    return id < count && id < LABEL_MAX ? labels[id] : labels[LABEL_NONE];
}

uint64_t label_overflow_count(void)
{
    return overflow_count;
}
