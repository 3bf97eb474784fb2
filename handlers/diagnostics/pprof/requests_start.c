/* SPDX-License-Identifier: MIT
 *
 * requests_start.c - starts and stops the taking of records.
 */
#include "handlers/diagnostics/pprof/requests.h"

static void on_drain(struct wheel_timer *timer)
{
    struct requests *requests = CONTAINER_OF(timer, struct requests, drain);
    requests_store_drain(&requests->store);
    loop_set_timer(requests->pprof->loop, timer, WHEEL_TICK_MS);
}

void requests_start(struct requests *requests, struct http_records *records)
{
    requests_store_init(&requests->store, records);
    wheel_timer_init(&requests->drain, on_drain);
    loop_set_timer(requests->pprof->loop, &requests->drain, WHEEL_TICK_MS);
}

void requests_stop(struct requests *requests)
{
    if (requests->store.records != NULL) {
        wheel_unset(&requests->drain);
        requests_store_deinit(&requests->store);
        requests->store.records = NULL;
    }
}
