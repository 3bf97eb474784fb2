/* SPDX-License-Identifier: MIT
 *
 * literal.c - a table that only grows. It is asked at start and when something is seen for the
 * first time, so a linear search under a lock will do.
 */
#include "core/base/literal.h"

#include <pthread.h>
#include <stdlib.h>

static struct {
    pthread_mutex_t lock;
    char *texts[LITERALS_MAX];
    size_t count;
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
    char *copy = kept.count < LITERALS_MAX ? malloc(text.len + 1) : NULL;
    if (copy == NULL) {
        return "other";
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    kept.texts[kept.count++] = copy;
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
