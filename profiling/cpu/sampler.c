/* SPDX-License-Identifier: MIT
 *
 * sampler.c - the consumers of samples; the threads' timers run at the rate of the fastest
 * consumer.
 *
 * The rings are drained before and after each change of the rate, so that each consumer gets the
 * samples of its own time only.
 */
#include "profiling/cpu/sampler.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/random.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/cpu/threads.h"

#define ARM_MS 1 /* between two drains while there are threads to arm */

/* Apart from the rest, because it outlives sampler_stop until it is closed. */
struct drain {
    uv_timer_t timer;
};

static struct {
    struct loop *loop; /* NULL: not started */
    struct drain *drain;
    sampler_itimer_fn on_itimer; /* NULL: nobody */
    struct list consumers;
    struct threads threads;
    struct sampler_stats past; /* of earlier struct threads */
} sampler = {.consumers = {&sampler.consumers, &sampler.consumers}};

static struct sampler_consumer *consumer_of(struct list *link)
{
    return CONTAINER_OF(link, struct sampler_consumer, link);
}

static void on_sample(void *arg, const struct ring_sample *sample, const char *name)
{
    struct list *pos;
    struct list *tmp;
    (void)arg;
    LIST_FOR_EACH(pos, tmp, &sampler.consumers)
    {
        consumer_of(pos)->on_sample(consumer_of(pos), sample, name);
    }
}

static void on_itimer(void *arg, int status)
{
    (void)arg;
    if (sampler.on_itimer != NULL) {
        sampler.on_itimer(status);
    }
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the consumers want together. */
static struct sampler_consumer find_pace(void)
{
    struct sampler_consumer pace = {.period_ns = RING_PERIOD_NS_MAX, .drain_ms = UINT64_MAX};
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &sampler.consumers)
    {
        pace.period_ns = min_u64(pace.period_ns, consumer_of(pos)->period_ns);
        pace.drain_ms = min_u64(pace.drain_ms, consumer_of(pos)->drain_ms);
    }
    return pace;
}

static void on_drain(uv_timer_t *timer)
{
    (void)timer;
    sampler_drain();
}

static void schedule(void)
{
    const uint64_t delay_ms = sampler.threads.has_more ? ARM_MS : find_pace().drain_ms;
    (void)uv_timer_start(&sampler.drain->timer, on_drain, delay_ms, 0);
    uv_unref((uv_handle_t *)&sampler.drain->timer);
}

static void drain_all(void)
{
    struct list *pos;
    struct list *tmp;
    threads_poll(&sampler.threads);
    LIST_FOR_EACH(pos, tmp, &sampler.consumers)
    {
        if (consumer_of(pos)->on_drained != NULL) {
            consumer_of(pos)->on_drained(consumer_of(pos));
        }
    }
    schedule();
}

void sampler_drain(void)
{
    if (!list_is_empty(&sampler.consumers)) {
        const uint32_t label = task_swap_label(LABEL_PROFILER);
        drain_all();
        (void)task_swap_label(label);
    }
}

static void begin(uint64_t period_ns)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    sampler.past.itimer_reason = 0;
    sampler.threads =
        (struct threads){.period_ns = period_ns, .on_sample = on_sample, .on_itimer = on_itimer};
    cpu_signal_enable(true);
    threads_arm(&sampler.threads);
    (void)task_swap_label(label);
}

static void end(void)
{
    threads_disarm(&sampler.threads);
    cpu_signal_enable(false);
    sampler.past = sampler_get_stats();
    sampler.past.untimed_now = 0;
    threads_deinit(&sampler.threads);
    sampler.threads = (struct threads){0};
    (void)uv_timer_stop(&sampler.drain->timer);
}

void sampler_add(struct sampler_consumer *consumer)
{
    REQUIRE(sampler.loop != NULL && consumer->period_ns > 0 &&
            consumer->period_ns <= RING_PERIOD_NS_MAX);
    if (list_is_empty(&sampler.consumers)) {
        begin(consumer->period_ns);
    } else {
        if (consumer->period_ns < sampler.threads.period_ns) {
            threads_set_period(&sampler.threads, consumer->period_ns);
        }
        sampler_drain();
    }
    list_push_back(&sampler.consumers, &consumer->link);
    uv_update_time(loop_uv(sampler.loop));
    schedule();
}

void sampler_remove(struct sampler_consumer *consumer)
{
    const bool is_last =
        sampler.consumers.next == &consumer->link && sampler.consumers.prev == &consumer->link;
    if (is_last) {
        end();
        list_unlink(&consumer->link);
        return;
    }
    /* The others' pace first, then the samples of this one's time to everybody. */
    const uint64_t period_ns = consumer->period_ns;
    consumer->period_ns = RING_PERIOD_NS_MAX;
    if (find_pace().period_ns > sampler.threads.period_ns) {
        threads_set_period(&sampler.threads, find_pace().period_ns);
    }
    consumer->period_ns = period_ns;
    sampler_drain();
    list_unlink(&consumer->link);
    schedule();
}

void sampler_retry(void)
{
    threads_retry(&sampler.threads);
}

struct sampler_stats sampler_get_stats(void)
{
    const struct threads *threads = &sampler.threads;
    return (struct sampler_stats){
        .lost = sampler.past.lost + threads->lost,
        .handler_ns = sampler.past.handler_ns + threads->handler_ns,
        .untimed = sampler.past.untimed + threads->untimed,
        .untimed_now = threads_count_untimed(threads),
        .itimer_reason =
            threads->itimer_reason != 0 ? threads->itimer_reason : sampler.past.itimer_reason,
    };
}

void sampler_format_itimer(int status, char *out)
{
    out[0] = '\0';
    if (status != 0) {
        (void)snprintf(out, SAMPLER_ITIMER_BYTES,
                       "; timer_create: %s, so the process's CPU timer paced the samples",
                       uv_strerror(status));
    }
}

static void read_owner(struct ring_owner *ret_owner)
{
    ret_owner->label = task_current_label();
    task_current_ids(&ret_owner->trace);
}

int sampler_start(struct loop *loop, sampler_itimer_fn on_itimer_fn)
{
    REQUIRE(sampler.loop == NULL);
    struct drain *drain = malloc(sizeof(*drain));
    if (drain == NULL) {
        return UV_ENOMEM;
    }
    int status = cpu_signal_install(read_owner, (uint32_t)random_u64());
    status = status == 0 ? uv_timer_init(loop_uv(loop), &drain->timer) : status;
    if (status != 0) {
        free(drain);
        return status;
    }
    sampler.loop = loop;
    sampler.on_itimer = on_itimer_fn;
    sampler.drain = drain;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct drain, timer));
}

void sampler_stop(void)
{
    if (sampler.loop == NULL) {
        return;
    }
    REQUIRE(list_is_empty(&sampler.consumers));
    uv_close((uv_handle_t *)&sampler.drain->timer, on_closed);
    sampler.drain = NULL;
    sampler.loop = NULL;
}
