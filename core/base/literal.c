/* SPDX-License-Identifier: MIT
 *
 * literal.c - a table that only grows. Look-ups are rare (at the start, and for new texts), so a
 * linear search under a lock suffices.
 */
#include "core/base/literal.h"

#include <pthread.h>

/* In the program's image, as literals are: a recorder's event keeps the distance from its start. */
static struct {
    pthread_mutex_t lock;
    size_t count;
    char texts[LITERALS_MAX][LITERAL_MAX_BYTES + 1];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *find(struct str text)
{
    for (size_t i = 0; i < kept.count; i++) {
        if (str_equal(str_from(kept.texts[i]), text)) {
            return kept.texts[i];
        }
    }
    return NULL;
}

static const char *add(struct str text)
{
    if (kept.count == LITERALS_MAX) {
        return "other";
    }
    char *copy = kept.texts[kept.count++];
    *str_put(copy, text) = '\0';
    return copy;
}

const char *literal_keep(struct str text)
{
    if (text.len > LITERAL_MAX_BYTES) {
        text.len = LITERAL_MAX_BYTES;
    }
    (void)pthread_mutex_lock(&kept.lock);
    const char *found = find(text);
    if (found == NULL) {
        found = add(text);
    }
    (void)pthread_mutex_unlock(&kept.lock);
    return found;
}
