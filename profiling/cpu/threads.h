/* SPDX-License-Identifier: MIT
 *
 * threads.h - a CPU timer on every thread of the process while the sampler runs.
 *
 * Flow:    threads_arm -> threads_poll now and then (rings are drained, new threads get a timer,
 *          ended ones lose it) -> threads_disarm
 * Failure: threads for which no timer can be made (RLIMIT_SIGPENDING) are counted, and the
 *          process's CPU timer has them sampled: each sample's weight is what its thread used by
 *          the thread's clock, so that the sum is right to within a period per thread. Where a
 *          thread blocks the signal, or did not run until now, or there is no slot for it, its CPU
 *          time is still accounted for: by its clock, as samples without a stack, "[signal
 *          blocked]" or "[no timer]". So is what the process's timer has not had sampled at the end
 *          and around a change of the period.
 * Memory:  slots live as long as the process and are used again.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_CPU_THREADS_H
#define TOQ_PROFILING_CPU_THREADS_H

#include <sys/types.h>
#include <time.h>

#include "profiling/walk/cpu_signal.h"

#define THREADS_MAX        16384 /* threads looked at; CPU_SLOTS_MAX of them have a timer */
#define THREADS_IDLE_MAX   256   /* of them that have one though they were never seen to run */
#define THREADS_NAME_BYTES 16    /* TASK_COMM_LEN */

struct thread {
    pid_t tid;
    timer_t timer;
    struct cpu_slot *slot; /* NULL: not sampled */
    bool uses_itimer;      /* the process's timer; else, with a slot, it has its own */
    uint64_t cpu_ns;       /* without a timer of its own: its CPU time that is accounted for */
    bool is_running;       /* it has used CPU time between two looks */
    bool is_blocked;       /* it blocks the signal */
    bool is_untimed;       /* no timer could be made for it, though it runs */
    char name[THREADS_NAME_BYTES];
    bool is_seen; /* by the refresh that runs */
};

/* A threads_sample_fn is given one sample that the handler took, and its thread's name. */
typedef void (*threads_sample_fn)(void *arg, const struct ring_sample *sample, const char *name);

/* A threads_itimer_fn is told once between threads_arm and threads_disarm that threads cannot have
 * timers, so that the process's is used. status: why, a negative errno. */
typedef void (*threads_itimer_fn)(void *arg, int status);

struct threads {
    /* Set by the caller; the rest starts as zero. */
    uint64_t period_ns; /* CPU time of a thread between two samples, RING_PERIOD_NS_MAX at most */
    threads_sample_fn on_sample;
    threads_itimer_fn on_itimer; /* NULL: nobody */
    void *arg;

    struct thread *items;
    size_t count;
    size_t cap;
    size_t timed;      /* of them with a slot */
    bool has_more;     /* there are threads that the next threads_poll will arm: let it come soon */
    int itimer_reason; /* why the process's timer is used, a negative errno; 0: it is not */

    uint64_t lost;       /* weight of samples that found their ring full */
    uint64_t handler_ns; /* spent in the signal handler */
    uint64_t untimed;    /* threads that ran and for which no timer could be made */
};

/* threads_arm starts a timer on every thread, or on the first of many: see has_more. */
void threads_arm(struct threads *threads);

/* threads_poll hands the samples taken so far to on_sample, arms threads that are new and forgets
 * those that ended. */
void threads_poll(struct threads *threads);

/* threads_set_period changes the CPU time between two samples of every thread, in the future ones
 * as well. A sample carries the period at which it was taken. */
void threads_set_period(struct threads *threads, uint64_t period_ns);

/* threads_retry arms threads that could not be sampled when they were found, if they can now; only
 * some of many. */
void threads_retry(struct threads *threads);

/* threads_count_untimed is the number of known threads that ran and have no timer. */
size_t threads_count_untimed(const struct threads *threads);

/* threads_disarm deletes the timers and hands over the last samples; harmless when done before. */
void threads_disarm(struct threads *threads);

/* threads_deinit gives the slots back and frees the list; after threads_disarm. */
void threads_deinit(struct threads *threads);

/* threads_get_bytes is the memory of all rings that samples go through, which are used again. */
size_t threads_get_bytes(void);

#endif
