/* SPDX-License-Identifier: MIT
 *
 * loop.c - the uv loop with its heartbeat: the timer wheel, the date, the lag, and the deferred
 * calls.
 *
 * Deferred calls run twice a turn: in a prepare handle those that timers queued, in a check handle
 * those that the poll queued. So none of them waits for the next event; when they take longer than
 * ROUND_NS, the rest waits for the next round, after the next poll.
 */
#include "core/loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/arrival.h"
#include "core/task/delay.h"
#include "core/task/recorder.h"
#include "core/task/task.h"
#include "core/task/usage.h"

/* A turn with two rounds is to stay below 10 ms. */
#define ROUND_NS    (2 * NS_PER_MS)
#define ROUND_CALLS 4 /* between two looks at the clock */

/* Events that arrive during such a long turn wait; they are read within HOLD_WAKE_MS of its end. */
#define HOLD_NS      (20 * NS_PER_MS)
#define HOLD_WAKE_MS 50

struct loop {
    uv_loop_t uv;
    struct usage *cpu; /* of the thread that runs it */
    struct arrival arrival;
    struct delay delay;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active while deferred calls wait */
    bool is_idling; /* it is */
    uv_timer_t heartbeat;
    uv_async_t wake; /* there are posts; it keeps the loop running while refs > 0 */
    size_t refs;     /* loop_ref's */
    pthread_mutex_t post_lock;
    struct list posts; /* under post_lock */
    struct wheel wheel;
    struct list deferred;
    char date[CLOCK_HTTP_BYTES];
    uint64_t date_s;        /* the second that `date` names */
    uint64_t heartbeat_ms;  /* when the next one is due */
    uint64_t ready_ns;      /* loop_ready_ns; 0 until the first call in this turn */
    uint64_t held_until_ns; /* until when what is read may have waited for a long turn */
    uint64_t idle_ns;       /* uv_metrics_idle_time when the last turn was over */
    /* The clock without the time spent in polls, when this turn began to poll; 0: the loop does not
     * run. It stands still while the loop polls, so one number suffices. */
    atomic_uint_fast64_t busy_ns;
    loop_stall_fn on_stall;       /* NULL: none */
    uint64_t stall_ns;            /* how long a turn must take for it */
    const char *run_frame;        /* of loop_run: callbacks lie below; NULL: it does not run */
    _Atomic(const void *) thread; /* that it runs on: its thread pointer; NULL: it does not run */
    _Atomic(const struct task_thread *) tasks; /* of that thread; NULL: it does not run */
    bool is_stopped;                           /* loop_stop was called since loop_run */
    struct metric_histogram *turn_seconds;     /* NULL until loop_register_metrics */
    struct metric_histogram *lag_seconds;
    uint64_t *turns_total;
};

/* run_round runs the calls that are queued now. Those that they queue wait for the next round, so
 * that two that queue each other cannot starve the poll; the idle handle keeps that poll from
 * blocking. */
static __attribute__((noinline)) void run_round(struct loop *loop)
{
    struct list due = {&due, &due};
    const uint64_t start_ticks =
        ticks_now(); /* most rounds have few calls, and end without a look */
    bool has_time = true;
    list_splice(&due, &loop->deferred);
    for (unsigned n = 1; has_time && !list_is_empty(&due); n++) {
        struct loop_deferred *next = CONTAINER_OF(due.next, struct loop_deferred, link);
        list_unlink(&next->link);
        next->run(next);
        has_time =
            n % ROUND_CALLS != 0 || usage_ns_since(loop->cpu, start_ticks) < (double)ROUND_NS;
    }
    /* the calls that are left go before those queued meanwhile */
    list_splice(&due, &loop->deferred);
    list_splice(&loop->deferred, &due);
}

static void run_deferred(struct loop *loop)
{
    if (UNLIKELY(!list_is_empty(&loop->deferred))) {
        run_round(loop);
    }
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* its presence alone makes the poll return at once */
}

/* read_idle_ns is the time that the loop has waited in its polls; any thread may call it, since
 * libuv takes a lock. */
static uint64_t read_idle_ns(const struct loop *loop)
{
    return uv_metrics_idle_time((uv_loop_t *)&loop->uv);
}

static uint64_t read_busy_ns(const struct loop *loop)
{
    const uint64_t now_ns = clock_now_ns(); /* libuv's clock, too */
    return now_ns - read_idle_ns(loop);
}

/* count_turn accounts for the callbacks since the last poll: the turn without its idle time. */
static void count_turn(struct loop *loop)
{
    const uint64_t turn = atomic_load_explicit(&loop->busy_ns, memory_order_relaxed);
    const uint64_t now_ns = clock_now_ns();
    const uint64_t idle_ns = read_idle_ns(loop);
    const uint64_t busy_ns = now_ns - idle_ns;
    const uint64_t held_ns = turn != 0 && busy_ns > turn ? busy_ns - turn : 0;
    atomic_store_explicit(&loop->busy_ns, busy_ns, memory_order_relaxed);
    arrival_poll_begins(&loop->arrival, now_ns, idle_ns);
    recorder_add(RECORDER_POLL, 0, (idle_ns - loop->idle_ns) / NS_PER_US);
    loop->idle_ns = idle_ns;
    if (UNLIKELY(held_ns >= HOLD_NS)) {
        loop->held_until_ns = now_ns + HOLD_WAKE_MS * NS_PER_MS;
    }
    if (loop->turn_seconds != NULL) {
        METRIC_ADD(loop->turns_total, 1);
        metric_observe(loop->turn_seconds, (double)held_ns * 1e-9);
    }
    if (UNLIKELY(loop->on_stall != NULL && held_ns >= loop->stall_ns)) {
        loop->on_stall(turn, held_ns);
    }
    usage_end_turn(loop->cpu, idle_ns);
    delay_end_turn(&loop->delay, now_ns);
}

static void set_idling(struct loop *loop, bool is_idling)
{
    loop->is_idling = is_idling;
    if (is_idling) {
        (void)uv_idle_start(&loop->idle, on_idle);
    } else {
        (void)uv_idle_stop(&loop->idle);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    run_deferred(loop);
    const bool has_deferred = !list_is_empty(&loop->deferred);
    if (UNLIKELY(has_deferred != loop->is_idling)) {
        set_idling(loop, has_deferred);
    }
    count_turn(loop);
    loop->ready_ns = 0;
}

static void on_check(uv_check_t *handle)
{
    run_deferred(handle->data);
}

static void refresh_date(struct loop *loop)
{
    const uint64_t wall_ns = clock_wall_ns();
    if (wall_ns / NS_PER_S != loop->date_s) {
        loop->date_s = wall_ns / NS_PER_S;
        clock_format_http(wall_ns, loop->date);
    }
}

static void on_heartbeat(uv_timer_t *handle)
{
    struct loop *loop = handle->data;
    const uint64_t now_ms = uv_now(&loop->uv);
    if (loop->lag_seconds != NULL && loop->heartbeat_ms != 0) {
        const uint64_t late_ms = now_ms > loop->heartbeat_ms ? now_ms - loop->heartbeat_ms : 0;
        metric_observe(loop->lag_seconds, (double)late_ms * 1e-3);
    }
    loop->heartbeat_ms = now_ms + WHEEL_TICK_MS;
    refresh_date(loop);
    wheel_advance(&loop->wheel, now_ms);
}

static void on_wake(uv_async_t *handle)
{
    struct loop *loop = handle->data;
    struct list due = {&due, &due};
    (void)pthread_mutex_lock(&loop->post_lock);
    list_splice(&due, &loop->posts);
    (void)pthread_mutex_unlock(&loop->post_lock);
    while (!list_is_empty(&due)) {
        struct loop_post *next = CONTAINER_OF(due.next, struct loop_post, link);
        list_unlink(&next->link);
        next->run(next);
    }
}

static void start_handles(struct loop *loop)
{
    /* the init and start calls below cannot fail on a live loop: they only link the handle */
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_check_init(&loop->uv, &loop->check);
    (void)uv_idle_init(&loop->uv, &loop->idle);
    (void)uv_timer_init(&loop->uv, &loop->heartbeat);
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->heartbeat.data = loop;
    loop->wake.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
    (void)uv_timer_start(&loop->heartbeat, on_heartbeat, WHEEL_TICK_MS, WHEEL_TICK_MS);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->check);
    uv_unref((uv_handle_t *)&loop->heartbeat);
    uv_unref((uv_handle_t *)&loop->wake);
}

static void on_long(uint32_t label, uint64_t start_ns, uint64_t end_ns)
{
    delay_add(task_current_id(), label, start_ns, end_ns);
}

int loop_create(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return UV_ENOMEM;
    }
    int rc = UV_ENOMEM;
    loop->cpu = usage_create(&loop->uv, on_long);
    if (loop->cpu == NULL) {
        goto err_free;
    }
    rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        goto err_free;
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc < 0) {
        goto err_close_loop;
    }
    rc = -pthread_mutex_init(&loop->post_lock, NULL);
    if (rc < 0) {
        goto err_close_wake;
    }
    (void)uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    loop->uv.data = loop;
    list_init(&loop->deferred);
    list_init(&loop->posts);
    wheel_init(&loop->wheel, uv_now(&loop->uv));
    refresh_date(loop);
    start_handles(loop);
    *ret_loop = loop;
    return 0;

err_close_wake:
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
err_close_loop:
    (void)uv_loop_close(&loop->uv);
err_free:
    free(loop->cpu);
    free(loop);
    return rc;
}

static void report_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "toq: a handle is still open: %s%s\n", uv_handle_type_name(handle->type),
                  uv_is_closing(handle) ? " (closing)" : "");
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->heartbeat, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* until the last loop_ref is taken back */
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    while (!list_is_empty(&loop->deferred)) { /* none runs; their owners may still undefer them */
        list_unlink(loop->deferred.next);
    }
    if (uv_loop_close(&loop->uv) != 0) {
        uv_walk(&loop->uv, report_handle, NULL);
        INVARIANT(!"every handle is closed");
    }
    (void)pthread_mutex_destroy(&loop->post_lock);
    free(loop->cpu);
    free(loop);
}

void loop_run(struct loop *loop)
{
    arrival_start(&loop->arrival, &loop->uv);
    delay_start(&loop->delay);
    atomic_store_explicit(&loop->thread, __builtin_thread_pointer(), memory_order_relaxed);
    atomic_store_explicit(&loop->tasks, task_slots_thread(), memory_order_release);
    loop->run_frame = __builtin_frame_address(0);
    atomic_store_explicit(&loop->busy_ns, read_busy_ns(loop), memory_order_relaxed);
    usage_start(loop->cpu);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    while (!list_is_empty(&loop->deferred) && !loop->is_stopped) {
        set_idling(loop, true); /* libuv sees no work without a handle */
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    usage_stop();
    loop->is_stopped = false;
    arrival_stop();
    delay_stop();
    loop->run_frame = NULL;
    atomic_store_explicit(&loop->thread, NULL, memory_order_relaxed);
    atomic_store_explicit(&loop->tasks, NULL, memory_order_relaxed);
    atomic_store_explicit(&loop->busy_ns, 0, memory_order_relaxed);
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
    uv_stop(&loop->uv);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t loop_ready_ns(struct loop *loop)
{
    if (loop->ready_ns == 0) {
        loop->ready_ns = clock_now_ns();
    }
    return loop->ready_ns;
}

/* --- callers' duties --- */

static _Noreturn void fail_caller(const char *what, const char *duty, int line)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "%s: %s", what, duty);
    base_fail("REQUIRE", text, __FILE__, line);
}

bool loop_is_own(const struct loop *loop)
{
    return atomic_load_explicit(&loop->thread, memory_order_relaxed) == __builtin_thread_pointer();
}

void loop_require_thread(const struct loop *loop, const char *what)
{
    const void *thread = atomic_load_explicit(&loop->thread, memory_order_relaxed);
    if (UNLIKELY(thread != NULL && thread != __builtin_thread_pointer())) {
        fail_caller(what, "called on the loop's own thread", __LINE__);
    }
}

void loop_require_lasting(const struct loop *loop, const void *object, const char *what)
{
    const char *own_frame = __builtin_frame_address(0);
    const char *at = object;
    loop_require_thread(loop, what);
    if (UNLIKELY(at >= own_frame && at < loop->run_frame)) {
        fail_caller(what, "its struct outlives the callback, so it is not on the stack", __LINE__);
    }
}

/* --- timers and deferred calls --- */

void loop_set_timer(struct loop *loop, struct wheel_timer *timer, uint64_t timeout_ms)
{
    loop_require_lasting(loop, timer, "loop_set_timer");
    wheel_set(&loop->wheel, timer, uv_now(&loop->uv) + timeout_ms);
}

uint64_t loop_held_ns(const struct loop *loop, uint64_t *ret_turn)
{
    const uint64_t turn = atomic_load_explicit(&loop->busy_ns, memory_order_relaxed);
    const uint64_t busy_ns = read_busy_ns(loop);
    if (ret_turn != NULL) {
        *ret_turn = turn;
    }
    return turn != 0 && busy_ns > turn ? busy_ns - turn : 0;
}

bool loop_was_held(const struct loop *loop)
{
    return loop->ready_ns < loop->held_until_ns;
}

bool loop_copy_running(const struct loop *loop, struct task_facts *ret_facts)
{
    const struct task_thread *tasks = atomic_load_explicit(&loop->tasks, memory_order_acquire);
    return tasks != NULL && task_copy_running(tasks, ret_facts);
}

const char *loop_running_route(const struct loop *loop)
{
    struct task_facts task;
    return loop_copy_running(loop, &task) ? label_name(task.label) : "";
}

void loop_on_stall(struct loop *loop, uint64_t threshold_ns, loop_stall_fn on_stall)
{
    loop->stall_ns = threshold_ns;
    loop->on_stall = on_stall;
}

struct str loop_http_date(const struct loop *loop)
{
    return (struct str){loop->date, CLOCK_HTTP_BYTES - 1};
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred)
{
    loop_require_lasting(loop, deferred, "loop_defer");
    if (list_is_empty(&deferred->link)) {
        list_push_back(&loop->deferred, &deferred->link);
    }
}

void loop_undefer(struct loop_deferred *deferred)
{
    list_unlink(&deferred->link);
}

/* --- calls from other threads --- */

void loop_post(struct loop *loop, struct loop_post *post)
{
    /* wakes under the lock: once the post has run the loop may be destroyed, and this call must be
     * over by then */
    (void)pthread_mutex_lock(&loop->post_lock);
    list_push_back(&loop->posts, &post->link);
    (void)uv_async_send(&loop->wake); /* fails on a closing handle alone */
    (void)pthread_mutex_unlock(&loop->post_lock);
}

void loop_ref(struct loop *loop)
{
    if (loop->refs++ == 0) {
        uv_ref((uv_handle_t *)&loop->wake);
    }
}

void loop_unref(struct loop *loop)
{
    INVARIANT(loop->refs > 0);
    if (--loop->refs == 0) {
        uv_unref((uv_handle_t *)&loop->wake);
    }
}

static struct metric_family *family(struct metrics *metrics, enum metric_type type,
                                    const char *name, const char *help)
{
    static const double bounds[] = {1e-5, 1e-4, 1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 1, 5};
    const struct metric_family_options options = {
        .type = type,
        .name = name,
        .help = help,
        .bounds = bounds,
        .bound_count = type == METRIC_HISTOGRAM ? ARRAY_COUNT(bounds) : 0,
    };
    return metrics_family(metrics, &options);
}

int loop_register_metrics(struct loop *loop, struct metrics *m)
{
    static const struct metric_row handles = {"toq_loop_active_handles",
                                              "libuv handles that are active.", METRIC_GAUGE,
                                              METRIC_FIELD(uv_loop_t, active_handles)};
    struct metric_family *turn_seconds =
        family(m, METRIC_HISTOGRAM, "toq_loop_iteration_duration_seconds",
               "Time the callbacks of one loop iteration took, without waiting.");
    struct metric_family *lag_seconds =
        family(m, METRIC_HISTOGRAM, "toq_loop_lag_seconds",
               "How late the loop's heartbeat ran: what an event that is ready waits.");
    struct metric_family *turns =
        family(m, METRIC_COUNTER, "toq_loop_iterations_total", "Iterations of the event loop.");
    if (turn_seconds == NULL || lag_seconds == NULL || turns == NULL) {
        return UV_ENOMEM;
    }
    loop->turns_total = metric_counter(turns, NULL);
    loop->lag_seconds = metric_histogram(lag_seconds, NULL);
    loop->turn_seconds = metric_histogram(turn_seconds, NULL);
    return metrics_export(m, &(struct metrics_export){
                                 .rows = &handles,
                                 .row_count = 1,
                                 .arg = &loop->uv,
                             });
}
