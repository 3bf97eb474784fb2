/* SPDX-License-Identifier: MIT
 *
 * statements.c - a hash table by the address of the name, which only grows: a place is published by
 * its name once it is filled.
 */
#include "core/loop/statements.h"

#include <stdatomic.h>
#include <stdlib.h>

struct statement {
    _Atomic(const char *) name; /* NULL: the place is free */
    char text[STATEMENT_TEXT_BYTES];
};

struct statements {
    struct statement places[STATEMENTS_MAX];
};

struct statements *statements_create(void)
{
    return calloc(1, sizeof(struct statements));
}

void statements_destroy(struct statements *statements)
{
    free(statements);
}

static size_t place_of(const char *name)
{
    return ((uintptr_t)name * UINT64_C(0x9E3779B97F4A7C15) >> 32) % STATEMENTS_MAX;
}

/* find is the position of a name, or the one where it would be; STATEMENTS_MAX: the table is
 * full. */
static size_t find(const struct statements *statements, const char *name)
{
    for (size_t i = 0, at = place_of(name); i < STATEMENTS_MAX; i++) {
        const size_t position = (at + i) % STATEMENTS_MAX;
        const char *there =
            atomic_load_explicit(&statements->places[position].name, memory_order_acquire);
        if (there == name || there == NULL) {
            return position;
        }
    }
    return STATEMENTS_MAX;
}

void statements_learn(struct statements *statements, const char *name, struct str text)
{
    const size_t position = find(statements, name);
    struct statement *s = &statements->places[position];
    if (position < STATEMENTS_MAX && atomic_load_explicit(&s->name, memory_order_relaxed) == NULL) {
        text.len = text.len < sizeof(s->text) ? text.len : sizeof(s->text) - 1;
        *str_put(s->text, text) = '\0';
        atomic_store_explicit(&s->name, name, memory_order_release);
    }
}

const char *statements_text(const struct statements *statements, const char *name)
{
    if (statements == NULL || name == NULL) {
        return NULL;
    }
    const size_t position = find(statements, name);
    const struct statement *s = &statements->places[position];
    const bool is_known =
        position < STATEMENTS_MAX && atomic_load_explicit(&s->name, memory_order_acquire) == name;
    return is_known ? s->text : NULL;
}
