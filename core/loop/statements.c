/* SPDX-License-Identifier: MIT
 *
 * statements.c - a hash table by the address of the name, which only grows: a place is filled under
 * the lock, and published by its name.
 */
#include "core/loop/statements.h"

#include <pthread.h>
#include <stdatomic.h>

struct statement {
    _Atomic(const char *) name; /* NULL: the place is free */
    char text[STATEMENT_TEXT_BYTES];
};

static struct statement statements[STATEMENTS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held to fill a place */

static size_t place_of(const char *name)
{
    return ((uintptr_t)name * UINT64_C(0x9E3779B97F4A7C15) >> 32) % STATEMENTS_MAX;
}

/* find is the place of a name, or the one where it would be; NULL: the table is full. */
static struct statement *find(const char *name)
{
    for (size_t i = 0, at = place_of(name); i < STATEMENTS_MAX; i++) {
        struct statement *s = &statements[(at + i) % STATEMENTS_MAX];
        const char *there = atomic_load_explicit(&s->name, memory_order_acquire);
        if (there == name || there == NULL) {
            return s;
        }
    }
    return NULL;
}

void statements_learn(const char *name, struct str text)
{
    struct statement *s = find(name);
    if (s == NULL || atomic_load_explicit(&s->name, memory_order_relaxed) == name) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    s = find(name); /* another thread may have been here */
    if (s != NULL && atomic_load_explicit(&s->name, memory_order_relaxed) == NULL) {
        text.len = text.len < sizeof(s->text) ? text.len : sizeof(s->text) - 1;
        *str_put(s->text, text) = '\0';
        atomic_store_explicit(&s->name, name, memory_order_release);
    }
    (void)pthread_mutex_unlock(&lock);
}

const char *statements_text(const char *name)
{
    const struct statement *s = name == NULL ? NULL : find(name);
    const bool is_known = s != NULL && atomic_load_explicit(&s->name, memory_order_acquire) == name;
    return is_known ? s->text : NULL;
}
