/* SPDX-License-Identifier: MIT
 *
 * threads.c - timers by timer_create on a thread's CPU clock, with the thread's slot in the signal;
 * or the process's, by setitimer, whose signal the kernel sends to the thread that runs.
 *
 * A slot belongs to one thread until that thread has ended: a signal that is still on its way when
 * its timer is deleted can then only reach the same slot, whose ring has one producer.
 */
#include "profiling/cpu/threads.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/lookup.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "profiling/code/maps.h"
#include "profiling/code/synthetic.h"
#include "profiling/cpu/thread_facts.h"

#define MAIN_RING_WORDS   (1u << 17) /* 1 MiB: a callback may hold the loop for many seconds */
#define THREAD_RING_WORDS (1u << 14) /* 128 KiB: seconds of samples, drained every 100 ms */
#define ARMED_PER_POLL    16         /* some 50 us each, on the loop */
#define LEARNT_PER_POLL   64         /* all by one reading of /proc/self/maps */
#define STATUS_BYTES      4096

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct pooled_slot {
    struct pooled_slot *next;
    bool is_used;
    bool is_main;
    struct cpu_slot slot;
    uint64_t words[];
};

static struct pooled_slot *pool; /* never freed, see cpu_signal.h */
static size_t pool_bytes;

/* The thread that a slot belongs to; 0: none yet. */
static pid_t tid_of(const struct pooled_slot *slot)
{
    return atomic_load_explicit(&slot->slot.tid, memory_order_relaxed);
}

static struct pooled_slot *find_slot(pid_t tid)
{
    for (struct pooled_slot *slot = pool; slot != NULL; slot = slot->next) {
        if (tid_of(slot) == tid) {
            return slot;
        }
    }
    return NULL;
}

static struct pooled_slot *find_free_slot(bool is_main)
{
    for (struct pooled_slot *slot = pool; slot != NULL; slot = slot->next) {
        if (!slot->is_used && slot->is_main == is_main && !thread_facts_is_alive(tid_of(slot))) {
            return slot;
        }
    }
    return NULL;
}

static struct pooled_slot *add_slot(bool is_main)
{
    const size_t words = is_main ? MAIN_RING_WORDS : THREAD_RING_WORDS;
    const size_t bytes = sizeof(struct pooled_slot) + words * sizeof(uint64_t);
    struct pooled_slot *slot = calloc(1, bytes);
    if (slot == NULL || !cpu_signal_add_slot(&slot->slot)) {
        free(slot);
        return NULL;
    }
    ring_init(&slot->slot.ring, slot->words, words);
    slot->is_main = is_main;
    slot->next = pool;
    pool = slot;
    pool_bytes += bytes;
    return slot;
}

/* Samples of an earlier capture or thread are thrown away. */
static void reset_slot(struct cpu_slot *slot)
{
    struct ring_sample sample;
    while (ring_pop(&slot->ring, &sample)) {
    }
    (void)ring_take_lost(&slot->ring);
    atomic_store(&slot->handler_ns, 0);
    atomic_store(&slot->stack_high, 0);
    atomic_store(&slot->thread_pointer, 0);
    atomic_store(&slot->uses_itimer, false);
}

static struct cpu_slot *acquire_slot(pid_t tid)
{
    bool is_main = tid == getpid();
    struct pooled_slot *pooled = find_slot(tid);
    pooled = pooled != NULL ? pooled : find_free_slot(is_main);
    pooled = pooled != NULL ? pooled : add_slot(is_main);
    if (pooled == NULL) {
        return NULL;
    }
    struct cpu_slot *slot = &pooled->slot;
    pooled->is_used = true;
    reset_slot(slot);
    atomic_store(&slot->tid, tid);
    uint64_t low;
    uint64_t high;
    if (is_main && maps_find_main_stack(&low, &high)) {
        atomic_store(&slot->stack_low, low);
        atomic_store(&slot->stack_high, high);
    }
    atomic_store(&slot->is_armed, true);
    return slot;
}

static void release_slot(struct cpu_slot *slot)
{
    if (slot != NULL) {
        CONTAINER_OF(slot, struct pooled_slot, slot)->is_used = false;
    }
}

/* A first delay at random in (0, period], so that threads started together are not sampled
 * together and a thread that lives shortly is sampled fairly. */
static uint64_t first_delay_ns(uint64_t period_ns)
{
    return random_u64() % period_ns + 1;
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
}

/* Returns: the CPU time of a thread; what was known before when it has ended. */
static uint64_t read_cpu_ns(const struct thread *thread)
{
    uint64_t cpu_ns = thread->cpu_ns;
    return thread_facts_cpu_ns(thread->tid, &cpu_ns) ? cpu_ns : thread->cpu_ns;
}

/* Before the timer runs, so that no sample of the new period counts as one of the old. */
static bool set_timer(struct thread *thread, uint64_t period_ns)
{
    atomic_store_explicit(&thread->slot->period_ns, (uint32_t)period_ns, memory_order_relaxed);
    const struct itimerspec times = {.it_interval = to_timespec(period_ns),
                                     .it_value = to_timespec(first_delay_ns(period_ns))};
    return timer_settime(thread->timer, 0, &times, NULL) == 0;
}

/* Returns: 0 or a negative errno. */
static int start_timer(struct thread *thread, uint64_t period_ns)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event.sigev_value = cpu_signal_value(thread->slot);
    event.sigev_notify_thread_id = thread->tid;
    if (timer_create(thread_facts_clock(thread->tid), &event, &thread->timer) != 0) {
        return -errno;
    }
    if (!set_timer(thread, period_ns)) {
        const int status = -errno;
        (void)timer_delete(thread->timer);
        return status;
    }
    return 0;
}

/* The value of a "Name:\tvalue" line. */
static struct str find_field(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    if (line == NULL) {
        return STR("");
    }
    line += strlen(name);
    return str_trim((struct str){line, strcspn(line, "\n")});
}

static bool has_sigprof_blocked(const char *status)
{
    struct str field = find_field(status, "\nSigBlk:");
    uint64_t mask = strtoull(field.ptr, NULL, 16);
    return (mask >> (SIGPROF - 1) & 1) != 0;
}

/* The name that a thread has now: most get theirs when they run already. */
static void read_name(struct thread *thread)
{
    char name[THREADS_NAME_BYTES + 1]; /* with a line break */
    if (thread_facts_read(thread->tid, "comm", name, sizeof(name))) {
        name[strcspn(name, "\n")] = '\0';
        memcpy(thread->name, name, sizeof(thread->name));
    }
}

/* CPU time of which there is no stack becomes a sample. */
static void add_stackless(const struct threads *threads, struct thread *thread, uint64_t periods,
                          uint64_t period_ns)
{
    if (periods == 0) {
        return;
    }
    const struct ring_sample sample = {
        .weight = (uint32_t)periods,
        .period_ns = (uint32_t)period_ns,
        .frame_count = 1,
        .is_complete = true,
        .frames = {synthetic_state(thread->is_blocked ? "signal blocked" : "no timer")},
    };
    read_name(thread);
    threads->on_sample(threads->arg, &sample, thread->name);
}

/* --- the process's timer --- */

static void set_itimer(uint64_t period_ns)
{
    const struct timeval period = {(time_t)(period_ns / NS_PER_S),
                                   (suseconds_t)(period_ns % NS_PER_S / NS_PER_US)};
    const struct itimerval times = {.it_interval = period, .it_value = period};
    (void)setitimer(ITIMER_PROF, &times, NULL); /* cannot fail with these arguments */
}

/* A thread's CPU time counts from cpu_ns on. As with a timer, the first sample comes after a part
 * of the period, at random. */
static void count_from(struct cpu_slot *slot, uint64_t cpu_ns, uint64_t period_ns)
{
    atomic_store(&slot->sampled_ns, cpu_ns - (period_ns - first_delay_ns(period_ns)));
    atomic_store(&slot->period_ns, (uint32_t)period_ns);
}

/* What a thread used since its last sample becomes one without a stack; the rest of a period is
 * dropped.
 *
 * Returns: the thread's CPU time. */
static uint64_t settle(const struct threads *threads, struct thread *thread)
{
    struct cpu_slot *slot = thread->slot;
    thread->cpu_ns = read_cpu_ns(thread);
    add_stackless(threads, thread, cpu_signal_take_periods(slot, thread->cpu_ns),
                  atomic_load(&slot->period_ns));
    return thread->cpu_ns;
}

/* status: why the thread has no timer. */
static void share_itimer(struct threads *threads, struct thread *thread, int status)
{
    if (threads->itimer_reason == 0) {
        threads->itimer_reason = status;
        set_itimer(threads->period_ns);
        if (threads->on_itimer != NULL) {
            threads->on_itimer(threads->arg, status);
        }
    }
    count_from(thread->slot, thread->cpu_ns, threads->period_ns);
    atomic_store(&thread->slot->uses_itimer, true);
    thread->uses_itimer = true;
}

static void leave_itimer(const struct threads *threads, struct thread *thread)
{
    (void)settle(threads, thread);
    atomic_store(&thread->slot->uses_itimer, false);
    thread->uses_itimer = false;
}

/* --- arming --- */

/* Has a thread that has a slot sampled: by a timer of its own if one can be made, else by the
 * process's.
 *
 * Returns: false when it has ended. */
static bool start_sampling(struct threads *threads, struct thread *thread)
{
    const int status = start_timer(thread, threads->period_ns);
    if (status == 0 && thread->uses_itimer) {
        leave_itimer(threads, thread);
    } else if (status != 0 && !thread_facts_is_alive(thread->tid)) {
        return thread->uses_itimer;
    } else if (status != 0 && !thread->uses_itimer) {
        share_itimer(threads, thread, status);
    }
    return true;
}

/* Gives a thread its name, slot and timer, unless it blocks the signal. */
static void arm(struct threads *threads, struct thread *thread)
{
    char status[STATUS_BYTES];
    if (!thread_facts_read(thread->tid, "status", status, sizeof(status))) {
        return; /* it ended meanwhile */
    }
    struct str name = find_field(status, "Name:");
    name.len = name.len < sizeof(thread->name) ? name.len : sizeof(thread->name) - 1;
    *str_put(thread->name, name) = '\0'; /* it may have had a longer one before */
    const bool had_slot = thread->slot != NULL;
    thread->is_blocked = !had_slot && has_sigprof_blocked(status);
    if (!had_slot && !thread->is_blocked) {
        thread->slot = acquire_slot(thread->tid);
    }
    if (thread->slot != NULL && !start_sampling(threads, thread)) {
        atomic_store(&thread->slot->is_armed, false);
        release_slot(thread->slot);
        thread->slot = NULL;
        return;
    }
    const bool was_untimed = thread->is_untimed;
    thread->is_untimed = !thread->is_blocked && (thread->slot == NULL || thread->uses_itimer);
    threads->untimed += thread->is_untimed && !was_untimed;
    threads->timed += thread->slot != NULL && !had_slot;
}

static void add_thread(struct threads *threads, pid_t tid)
{
    if (!array_grow(&threads->items, threads->count, &threads->cap, sizeof(*threads->items),
                    THREADS_MAX)) {
        threads->untimed++;
        return;
    }
    struct thread thread = {.tid = tid, .is_seen = true};
    thread.cpu_ns = read_cpu_ns(&thread);
    threads->items[threads->count++] = thread;
}

/* The directory has the threads in the order in which they were added, mostly.
 *
 * hint: where it is probably; moved behind what was found. */
static struct thread *find_thread(const struct threads *threads, pid_t tid, size_t *hint)
{
    for (size_t i = 0; i < threads->count; i++) {
        const size_t at = (*hint + i) % threads->count;
        if (threads->items[at].tid == tid) {
            *hint = at + 1;
            return &threads->items[at];
        }
    }
    return NULL;
}

/* Marks the threads that live, and adds those that are new. */
static void scan(struct threads *threads)
{
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL) {
        return;
    }
    for (size_t i = 0; i < threads->count; i++) {
        threads->items[i].is_seen = false;
    }
    size_t hint = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        struct thread *thread = tid > 0 ? find_thread(threads, tid, &hint) : NULL;
        if (thread != NULL) {
            thread->is_seen = true;
        } else if (tid > 0) {
            add_thread(threads, tid);
        }
    }
    (void)closedir(dir);
}

/* The CPU time of a thread without a timer becomes samples without a stack. */
static void account(struct threads *threads, struct thread *thread)
{
    const uint64_t now_ns = read_cpu_ns(thread);
    const uint64_t periods =
        now_ns > thread->cpu_ns ? (now_ns - thread->cpu_ns) / threads->period_ns : 0;
    thread->is_running |= now_ns > thread->cpu_ns;
    thread->cpu_ns += periods * threads->period_ns;
    add_stackless(threads, thread, periods, threads->period_ns);
}

static void account_all(struct threads *threads)
{
    for (size_t i = 0; i < threads->count; i++) {
        if (threads->items[i].slot == NULL) {
            account(threads, &threads->items[i]);
        }
    }
}

static bool may_be_armed(const struct threads *threads, const struct thread *thread,
                         bool is_for_running)
{
    return thread->slot == NULL && !thread->is_blocked && !thread->is_untimed &&
           (thread->is_running || !is_for_running) &&
           (is_for_running || threads->timed < THREADS_IDLE_MAX);
}

/* Arms threads that run, then others; but only some at a time: each takes a file to read and a
 * timer to make. Of many threads most are always idle, and the few that are not must find a
 * slot. */
static void arm_some(struct threads *threads)
{
    size_t budget = ARMED_PER_POLL;
    threads->has_more = false;
    for (int is_for_running = 1; is_for_running >= 0; is_for_running--) {
        for (size_t i = 0; i < threads->count; i++) {
            if (may_be_armed(threads, &threads->items[i], is_for_running != 0)) {
                threads->has_more = budget == 0;
                if (budget == 0) {
                    return;
                }
                arm(threads, &threads->items[i]);
                budget--;
            }
        }
    }
}

void threads_arm(struct threads *threads)
{
    scan(threads);
    arm_some(threads);
}

static void drain(struct threads *threads, struct thread *thread)
{
    if (thread->slot == NULL) {
        return;
    }
    struct ring_sample sample;
    bool is_named = false;
    while (ring_pop(&thread->slot->ring, &sample)) {
        if (!is_named) {
            read_name(thread);
            is_named = true;
        }
        threads->on_sample(threads->arg, &sample, thread->name);
    }
    threads->lost += ring_take_lost(&thread->slot->ring);
    threads->handler_ns += atomic_exchange(&thread->slot->handler_ns, 0);
}

static void disarm(const struct threads *threads, struct thread *thread)
{
    if (thread->slot == NULL || !atomic_exchange(&thread->slot->is_armed, false)) {
        return;
    }
    if (thread->uses_itimer) {
        leave_itimer(threads, thread);
    } else {
        (void)timer_delete(thread->timer);
    }
}

/* A slot whose thread's stack is not known yet, with the address that is known to lie in it. */
struct unlearnt {
    struct cpu_slot *slots[LEARNT_PER_POLL];
    struct maps_range ranges[LEARNT_PER_POLL];
    size_t count;
};

static void add_unlearnt(struct unlearnt *unlearnt, struct cpu_slot *slot)
{
    if (slot == NULL || unlearnt->count == LEARNT_PER_POLL) {
        return;
    }
    const uint64_t pointer = atomic_load_explicit(&slot->thread_pointer, memory_order_relaxed);
    const bool is_known = atomic_load_explicit(&slot->stack_high, memory_order_relaxed) != 0;
    if (!is_known && pointer != 0) {
        unlearnt->slots[unlearnt->count] = slot;
        unlearnt->ranges[unlearnt->count] = (struct maps_range){.address = pointer};
        unlearnt->count++;
    }
}

static const struct maps_range *find_range(const struct unlearnt *unlearnt, uint64_t address)
{
    for (size_t i = 0; i < unlearnt->count; i++) {
        if (unlearnt->ranges[i].address == address && unlearnt->ranges[i].end != 0) {
            return &unlearnt->ranges[i];
        }
    }
    return NULL;
}

/* libc puts a thread's block of thread data at the top of its stack, so the mapping that holds that
 * block is the stack, and the block's address its upper bound. */
static void learn_stacks(struct unlearnt *unlearnt)
{
    if (unlearnt->count == 0) {
        return;
    }
    maps_find_ranges(unlearnt->ranges, unlearnt->count);
    for (size_t i = 0; i < unlearnt->count; i++) {
        struct cpu_slot *slot = unlearnt->slots[i];
        const uint64_t pointer = atomic_load_explicit(&slot->thread_pointer, memory_order_relaxed);
        const struct maps_range *range = find_range(unlearnt, pointer);
        if (range != NULL) {
            atomic_store_explicit(&slot->stack_low, range->start, memory_order_relaxed);
            atomic_store_explicit(&slot->stack_high, pointer, memory_order_release);
        }
    }
}

void threads_poll(struct threads *threads)
{
    scan(threads);
    account_all(threads);
    arm_some(threads);
    struct unlearnt unlearnt = {.count = 0};
    size_t kept = 0;
    for (size_t i = 0; i < threads->count; i++) {
        struct thread *thread = &threads->items[i];
        drain(threads, thread);
        /* Reading the directory may skip a thread while another one ends. */
        if (thread->is_seen || thread_facts_is_alive(thread->tid)) {
            add_unlearnt(&unlearnt, thread->slot);
            threads->items[kept++] = *thread;
        } else {
            disarm(threads, thread);
            threads->timed -= thread->slot != NULL;
            release_slot(thread->slot);
        }
    }
    threads->count = kept;
    learn_stacks(&unlearnt);
}

void threads_set_period(struct threads *threads, uint64_t period_ns)
{
    threads->period_ns = period_ns;
    for (size_t i = 0; i < threads->count; i++) {
        struct thread *thread = &threads->items[i];
        if (thread->uses_itimer) {
            count_from(thread->slot, settle(threads, thread), period_ns);
        } else if (thread->slot != NULL) {
            (void)set_timer(thread, period_ns); /* fails for what has ended */
        }
    }
    if (threads->itimer_reason != 0) {
        set_itimer(period_ns);
    }
}

void threads_retry(struct threads *threads)
{
    size_t budget = ARMED_PER_POLL;
    for (size_t i = 0; i < threads->count && budget > 0; i++) {
        struct thread *thread = &threads->items[i];
        if (thread->is_blocked || thread->is_untimed) {
            budget--;
            arm(threads, thread);
        }
    }
}

size_t threads_count_untimed(const struct threads *threads)
{
    size_t count = 0;
    for (size_t i = 0; i < threads->count; i++) {
        count += threads->items[i].is_untimed;
    }
    return count;
}

void threads_disarm(struct threads *threads)
{
    account_all(threads);
    for (size_t i = 0; i < threads->count; i++) {
        disarm(threads, &threads->items[i]);
        drain(threads, &threads->items[i]);
    }
    if (threads->itimer_reason != 0) {
        set_itimer(0);
    }
}

void threads_deinit(struct threads *threads)
{
    for (size_t i = 0; i < threads->count; i++) {
        release_slot(threads->items[i].slot);
    }
    free(threads->items);
    threads->items = NULL;
    threads->count = 0;
    threads->cap = 0;
}

size_t threads_get_bytes(void)
{
    return pool_bytes;
}
