/* SPDX-License-Identifier: MIT
 *
 * exporter.c - takes batches from the ring, has a thread encode them, and sends them.
 */
#include "core/export/exporter.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/client/http_client.h"
#include "core/export/receiver.h"
#include "core/telemetry/log.h"

#define OFFSET_READINGS 8
#define LINE_MS         60000

/* Taken from the ring, and what it became. Freed when the receivers have their bodies. */
struct batch {
    struct pool_job job;
    struct exporter *exporter;
    uint64_t wall_ns;
    size_t span_count;
    size_t record_count;
    struct buf bodies[EXPORTER_RECEIVERS];
    bool is_wanted[EXPORTER_RECEIVERS];
    struct span_record records[];
};

struct exporter {
    const struct exporter_options *options;
    struct lookups lookups;
    struct http_client *client;
    struct receiver receivers[EXPORTER_RECEIVERS];
    struct wheel_timer tick;
    struct batch *batch; /* on a thread; NULL: none */
    uint64_t since_ms;   /* since when something waits in the ring; 0: nothing does */
    uint64_t close_ms;   /* when what is left is dropped */
    bool is_closing;
    bool is_client_closed;
    uint64_t lost_told;        /* of them, in the log ... */
    uint64_t lost_line_due_ms; /* ... where until then no line is written */
    uint64_t *lost;            /* the counter of requests that the ring had no room for */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- on a thread --- */

static void encode_for(const struct batch *batch, int i, const struct span *spans, struct buf *out)
{
    static const export_encode_fn encoders[] = {otlp_encode, jaeger_encode};
    const struct exporter_options *options = batch->exporter->options;
    struct buf plain;
    buf_init(&plain, EXPORT_REQUEST_BYTES);
    encoders[i](&options->resource, spans, batch->span_count, &plain);
    if (!options->targets[i].is_gzip || plain.is_failed) {
        *out = plain;
        return;
    }
    if (!export_gzip(buf_str(&plain), out)) {
        out->is_failed = true;
    }
    buf_deinit(&plain);
}

static void work(struct pool_job *job)
{
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct span *spans = malloc(batch->record_count * SPANS_PER_REQUEST * sizeof(*spans));
    for (size_t i = 0; spans != NULL && i < batch->record_count; i++) {
        batch->span_count += span_build(&batch->records[i], &batch->exporter->options->peers,
                                        batch->wall_ns, spans + batch->span_count);
    }
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        if (!batch->is_wanted[i]) {
            continue;
        }
        if (spans == NULL) {
            batch->bodies[i].is_failed = true;
        } else {
            encode_for(batch, i, spans, &batch->bodies[i]);
        }
    }
    free(spans);
}

/* --- on the loop --- */

static void settle(struct exporter *exporter);

static void on_worked(struct pool_job *job, int status)
{
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct exporter *exporter = batch->exporter;
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        struct receiver *receiver = &exporter->receivers[i];
        if (!receiver->is_on) {
            continue;
        }
        if (!batch->is_wanted[i]) {
            receiver_drop(receiver, RECEIVER_NO_ROOM, batch->span_count);
        } else if (status < 0 || batch->bodies[i].is_failed) {
            receiver_drop(receiver, RECEIVER_NO_MEMORY, batch->span_count);
            buf_deinit(&batch->bodies[i]);
        } else {
            receiver_give(receiver, &batch->bodies[i], batch->span_count);
        }
    }
    free(batch);
    exporter->batch = NULL;
    settle(exporter);
}

/* count_records is how many of the oldest records fill a batch. */
static size_t count_records(const struct exporter *exporter, size_t waiting)
{
    size_t count = 0;
    size_t spans = 0;
    while (count < waiting) {
        spans += 1 + span_ring_peek(exporter->options->ring, count)->trail.change_count;
        if (count > 0 && spans > exporter->options->batch_spans) {
            break;
        }
        count++;
    }
    return count;
}

/* read_wall_offset_ns is the time of day less clock_now_ns: of some readings the one that was
 * interrupted least, for spans of other servers are compared with these. */
static uint64_t read_wall_offset_ns(void)
{
    uint64_t offset_ns = 0;
    uint64_t least_ns = UINT64_MAX;
    for (int i = 0; i < OFFSET_READINGS; i++) {
        const uint64_t before_ns = clock_now_ns();
        const uint64_t wall_ns = clock_wall_ns();
        const uint64_t took_ns = clock_now_ns() - before_ns;
        if (took_ns < least_ns) {
            least_ns = took_ns;
            offset_ns = wall_ns - (before_ns + took_ns / 2);
        }
    }
    return offset_ns;
}

static void take(struct exporter *exporter, size_t count)
{
    struct span_ring *ring = exporter->options->ring;
    struct batch *batch = malloc(sizeof(*batch) + count * sizeof(batch->records[0]));
    if (batch == NULL) {
        return; /* later; the ring counts what finds no room until then */
    }
    *batch = (struct batch){.job = {.work = work, .done = on_worked},
                            .exporter = exporter,
                            .wall_ns = read_wall_offset_ns(),
                            .record_count = count};
    for (size_t i = 0; i < count; i++) {
        batch->records[i] = *span_ring_peek(ring, i);
    }
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        buf_init(&batch->bodies[i], EXPORT_REQUEST_BYTES);
        batch->is_wanted[i] = receiver_has_room(&exporter->receivers[i]);
    }
    if (pool_submit(exporter->options->pool, exporter->options->loop, &batch->job) < 0) {
        free(batch);
        return;
    }
    exporter->batch = batch;
    span_ring_drop(ring, count);
}

static bool has_room(const struct exporter *exporter)
{
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        if (receiver_has_room(&exporter->receivers[i])) {
            return true;
        }
    }
    return false;
}

/* tell_lost counts the requests that found no room, and says so once a minute. */
static void tell_lost(struct exporter *exporter, uint64_t now_ms)
{
    const uint64_t lost = span_ring_lost(exporter->options->ring);
    METRIC_SET(exporter->lost, lost);
    if (lost > exporter->lost_told && now_ms >= exporter->lost_line_due_ms) {
        LOG(LOG_WARN, "export", "requests are not exported: the queue is full",
            log_u64("lost", lost - exporter->lost_told));
        exporter->lost_told = lost;
        exporter->lost_line_due_ms = now_ms + LINE_MS;
    }
}

/* look takes a batch when there is one. */
static void look(struct exporter *exporter)
{
    const uint64_t now_ms = loop_now_ms(exporter->options->loop);
    const size_t waiting = span_ring_count(exporter->options->ring);
    tell_lost(exporter, now_ms);
    if (waiting == 0) {
        exporter->since_ms = 0;
        return;
    }
    exporter->since_ms = exporter->since_ms == 0 ? now_ms : exporter->since_ms;
    if (exporter->batch != NULL || !has_room(exporter)) {
        return;
    }
    const size_t count = count_records(exporter, waiting);
    const bool is_due =
        exporter->is_closing || now_ms - exporter->since_ms >= exporter->options->schedule_ms;
    if (is_due || count < waiting) {
        exporter->since_ms = 0;
        take(exporter, count);
    }
}

static void on_tick(struct wheel_timer *timer)
{
    struct exporter *exporter = CONTAINER_OF(timer, struct exporter, tick);
    loop_set_timer(exporter->options->loop, timer, WHEEL_TICK_MS);
    look(exporter);
    settle(exporter);
}

/* --- the end --- */

static void on_client_closed(void *arg)
{
    struct exporter *exporter = arg;
    void (*on_closed)(void *) = exporter->on_closed;
    void *on_closed_arg = exporter->on_closed_arg;
    free(exporter);
    on_closed(on_closed_arg);
}

static bool is_flushed(const struct exporter *exporter)
{
    bool is_idle = exporter->batch == NULL && span_ring_count(exporter->options->ring) == 0;
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        is_idle = is_idle && receiver_is_idle(&exporter->receivers[i]);
    }
    return is_idle;
}

/* settle ends the exporter when it closes and nothing is left, or its time is up. */
static void settle(struct exporter *exporter)
{
    const bool is_late = loop_now_ms(exporter->options->loop) >= exporter->close_ms;
    if (!exporter->is_closing || exporter->is_client_closed || exporter->batch != NULL ||
        (!is_late && !is_flushed(exporter))) {
        return;
    }
    exporter->is_client_closed = true;
    wheel_unset(&exporter->tick);
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        receiver_stop(&exporter->receivers[i]);
    }
    http_client_close(exporter->client, on_client_closed, exporter);
}

static void on_receiver_free(void *arg)
{
    struct exporter *exporter = arg;
    look(exporter);
    settle(exporter);
}

void exporter_close(struct exporter *exporter, uint64_t timeout_ms, void (*on_closed)(void *arg),
                    void *arg)
{
    if (exporter->is_closing) {
        exporter->close_ms = loop_now_ms(exporter->options->loop) + timeout_ms;
        settle(exporter);
        return;
    }
    exporter->is_closing = true;
    exporter->close_ms = loop_now_ms(exporter->options->loop) + timeout_ms;
    exporter->on_closed = on_closed;
    exporter->on_closed_arg = arg;
    for (int i = 0; i < EXPORTER_RECEIVERS; i++) {
        receiver_hurry(&exporter->receivers[i]);
    }
    look(exporter);
    settle(exporter);
}

/* --- the beginning --- */

static int open_client(struct exporter *exporter)
{
    const struct exporter_options *options = exporter->options;
    lookups_init(&exporter->lookups, options->loop, options->lookups);
    return http_client_create(
        &(struct http_client_options){.loop = options->loop,
                                      .lookups = &exporter->lookups,
                                      .pool = options->pool,
                                      .user_agent = "OTel-OTLP-Exporter-toq/1",
                                      .ca_file = options->ca_file,
                                      .cert_file = options->cert_file,
                                      .key_file = options->key_file},
        &exporter->client);
}

static int add_metrics(struct exporter *exporter, struct receiver_families *families)
{
    struct metrics *metrics = exporter->options->metrics;
    const struct metric_family_options lost = {
        .type = METRIC_COUNTER,
        .name = "toq_export_lost_requests_total",
        .help = "Requests that were to be exported as spans and found no room in the queue.",
    };
    struct metric_family *family = metrics_family(metrics, &lost);
    exporter->lost = family == NULL ? NULL : metric_counter(family, NULL);
    return exporter->lost == NULL ? UV_ENOMEM : receiver_families_add(families, metrics);
}

int exporter_create(const struct exporter_options *options, struct exporter **ret_exporter)
{
    struct exporter *exporter = calloc(1, sizeof(*exporter));
    if (exporter == NULL) {
        return UV_ENOMEM;
    }
    exporter->options = options;
    struct receiver_families families;
    int rc = add_metrics(exporter, &families);
    rc = rc < 0 ? rc : open_client(exporter);
    for (int i = 0; rc == 0 && i < EXPORTER_RECEIVERS; i++) {
        rc = receiver_init(&exporter->receivers[i],
                           &(struct receiver_options){.kind = (enum exporter_receiver)i,
                                                      .exporter = options,
                                                      .client = exporter->client,
                                                      .families = &families,
                                                      .on_free = on_receiver_free,
                                                      .arg = exporter});
    }
    if (rc < 0) { /* at start: the process ends */
        return rc;
    }
    wheel_timer_init(&exporter->tick, on_tick);
    loop_set_timer(options->loop, &exporter->tick, WHEEL_TICK_MS);
    *ret_exporter = exporter;
    return 0;
}
