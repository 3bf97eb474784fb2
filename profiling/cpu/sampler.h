/* SPDX-License-Identifier: MIT
 *
 * sampler.h - samples every thread by its CPU time and gives the samples to consumers: one timer
 * per thread, at the rate of the fastest consumer.
 *
 * Flow:    sampler_start (once) -> sampler_add -> uv timer drains the rings -> on_sample of every
 *          consumer -> sampler_remove
 * Failure: threads without a timer and samples that found their ring full are counted; on_itimer is
 *          told when threads cannot have timers and the process's stands in.
 * Memory:  the rings, see threads.h; nothing per sample.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_CPU_SAMPLER_H
#define TOQ_PROFILING_CPU_SAMPLER_H

#include "core/loop/loop.h"
#include "profiling/walk/ring.h"

#define SAMPLER_ITIMER_BYTES 160

/* Somebody who wants samples; embedded in its owner, who sets all but the link. Its callbacks add
 * and remove no consumer. */
struct sampler_consumer {
    struct list link;
    uint64_t period_ns; /* CPU time of a thread between two samples, at most */
    uint64_t drain_ms;  /* between two drains, at most */

    /* One sample and its thread's name. sample->period_ns may be less than this consumer asked for,
     * while another one runs, and more when it was taken before this one came. */
    void (*on_sample)(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name);
    void (*on_drained)(struct sampler_consumer *consumer); /* after each drain; NULL: nothing */
};

/* What happened since sampler_start. */
struct sampler_stats {
    uint64_t lost;        /* weight of samples that found their ring full */
    uint64_t handler_ns;  /* spent in the signal handler */
    uint64_t untimed;     /* threads that no timer could be made for when they were found */
    uint64_t untimed_now; /* of them and still so */
    int itimer_reason;    /* why the process's timer stands in, a negative errno; 0: it does not */
};

/* A sampler_itimer_fn is told when the process's timer begins to stand in for those of
 * threads. status: why, a negative errno. */
typedef void (*sampler_itimer_fn)(int status);

/* sampler_start installs the signal handler and makes the timer that drains, which keeps no loop
 * alive.
 *
 * on_itimer: NULL: nobody.
 * Returns: 0; UV_ENOMEM, or a negative errno.
 */
MUST_USE int sampler_start(struct loop *loop, sampler_itimer_fn on_itimer);

/* sampler_stop frees it; every consumer is removed. Harmless when it was not started. */
void sampler_stop(void);

/* sampler_add begins to hand samples to a consumer; those taken before go to the others alone. */
void sampler_add(struct sampler_consumer *consumer);

/* sampler_remove hands over the last samples and forgets the consumer. */
void sampler_remove(struct sampler_consumer *consumer);

/* sampler_drain hands over the samples taken so far. */
void sampler_drain(void);

/* sampler_retry looks again at threads that could not be sampled when they were found. */
void sampler_retry(void);

/* sampler_get_stats reads the account, as of the last drain. */
struct sampler_stats sampler_get_stats(void);

/* sampler_format_itimer writes what a profile's comment says of a itimer_reason: nothing for 0.
 *
 * out: SAMPLER_ITIMER_BYTES.
 * Thread: any.
 */
void sampler_format_itimer(int status, char *out);

#endif
