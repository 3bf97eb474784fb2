/* SPDX-License-Identifier: MIT
 *
 * requests_store.c - a table of rings, by label.
 */
#include "handlers/diagnostics/requests/requests_store.h"

#include <stdlib.h>

void requests_store_init(struct requests_store *store, struct http_records *records)
{
    *store = (struct requests_store){.records = records};
}

static void free_family(struct requests_family *family)
{
    for (size_t i = 0; family != NULL && i < REQUESTS_CLASSES; i++) {
        for (size_t k = 0; k < REQUESTS_KEPT; k++) {
            free(family->kept[i][k]);
        }
    }
    free(family);
}

void requests_store_deinit(struct requests_store *store)
{
    for (size_t i = 0; i < LABEL_MAX; i++) {
        free_family(store->families[i]);
        store->families[i] = NULL;
    }
    store->count = 0;
}

static struct requests_family *get_family(struct requests_store *store, uint32_t label)
{
    struct requests_family **family = &store->families[label < LABEL_MAX ? label : LABEL_OTHER];
    if (*family == NULL) {
        *family = calloc(1, sizeof(**family));
    }
    return *family;
}

/* keep puts a copy into a class, in place of the oldest there. */
static void keep(struct requests_store *store, const struct http_record *record, size_t class)
{
    struct requests_family *family = get_family(store, record->trail.facts.label);
    struct http_record **place = family == NULL ? NULL : &family->kept[class][family->next[class]];
    if (place != NULL && *place == NULL && store->count < REQUESTS_MAX) {
        *place = malloc(sizeof(**place));
        store->count += *place != NULL;
    }
    if (place == NULL || *place == NULL) {
        store->left_out++;
        return;
    }
    **place = *record;
    family->next[class] = (uint8_t)((family->next[class] + 1) % REQUESTS_KEPT);
}

void requests_store_drain(struct requests_store *store)
{
    struct http_record record;
    while (http_records_take(store->records, &record)) {
        keep(store, &record, record.is_failed ? REQUESTS_FAILED : record.band);
        if (record.is_expensive) {
            keep(store, &record, REQUESTS_EXPENSIVE);
        }
    }
}
