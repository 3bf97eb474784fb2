/* SPDX-License-Identifier: MIT
 *
 * requests_store.h - requests that have ended, kept by route: the last REQUESTS_KEPT of each band
 * of durations, of those that failed, and of those that used most CPU time.
 *
 * Flow:   http_records_take -> requests_store_drain, every 100 ms and before a look
 * Memory: one record for each place that is used; at most REQUESTS_MAX, then others are left out.
 * Thread: the loop of diagnostics.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_REQUESTS_REQUESTS_STORE_H
#define TOQ_HANDLERS_DIAGNOSTICS_REQUESTS_REQUESTS_STORE_H

#include "core/observe/records.h"

#define REQUESTS_KEPT      8
#define REQUESTS_CLASSES   (HTTP_BANDS + 2)
#define REQUESTS_FAILED    HTTP_BANDS
#define REQUESTS_EXPENSIVE (HTTP_BANDS + 1)
#define REQUESTS_MAX       8192 /* records, of all routes */

/* What is kept of a route. */
struct requests_family {
    struct http_record *kept[REQUESTS_CLASSES][REQUESTS_KEPT]; /* NULL: none yet */
    uint8_t next[REQUESTS_CLASSES];                            /* the place of the next one */
};

struct requests_store {
    struct http_records *records; /* borrowed */
    struct requests_family *families[LABEL_MAX];
    size_t count;
    uint64_t left_out; /* records for which there was no memory */
};

/* requests_store_init begins with nothing. */
void requests_store_init(struct requests_store *store, struct http_records *records);

/* requests_store_deinit frees what is kept. */
void requests_store_deinit(struct requests_store *store);

/* requests_store_drain takes what has ended since the last time. */
void requests_store_drain(struct requests_store *store);

#endif
