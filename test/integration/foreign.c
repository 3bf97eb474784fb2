/* SPDX-License-Identifier: MIT
 *
 * foreign.c - code of others in the process of a server, by LD_PRELOAD. FOREIGN names what it does.
 *
 * Thread: threads of its own, but for clock_nanosleep, which takes the place of libc's.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CROWD_COUNT      1100
#define IDLE_STACK_BYTES (128u << 10) /* the test server has 64 KiB of thread-local data */
#define DEPTH            110
#define PATH_BITS        16
#define BLOCK_BYTES      (32u << 10)
#define NS_PER_MS        1000000L

static volatile unsigned long sink;

__attribute__((noinline)) void foreign_burn(long ms)
{
    struct timespec start;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 1000; i++) {
            sink = sink * 31 + 1;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / NS_PER_MS < ms);
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * NS_PER_MS};
    (void)syscall(SYS_nanosleep, &time, NULL);
}

static void start(void *(*run)(void *), size_t stack_bytes)
{
    pthread_t thread;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, stack_bytes);
    if (pthread_create(&thread, &attr, run, NULL) != 0) {
        abort();
    }
    (void)pthread_attr_destroy(&attr);
}

/* --- crowd: more threads than a profiler has timers for, of which the last one runs --- */

static void *idle(void *arg)
{
    for (;;) {
        (void)pause();
    }
    return arg;
}

static void *busy(void *arg)
{
    for (;;) {
        foreign_burn(100);
    }
    return arg;
}

static void crowd(void)
{
    for (int i = 0; i < CROWD_COUNT; i++) {
        start(idle, IDLE_STACK_BYTES);
    }
    start(busy, 1u << 20);
}

/* --- realigned: a frame that gcc finds its caller's by a register that it has saved --- */

__attribute__((noinline, noclone)) void foreign_realigned(size_t len)
{
    char text[len];
    __attribute__((aligned(64))) char aligned[64];
    memset(text, 1, len);
    memset(aligned, 2, sizeof(aligned));
    foreign_burn(50);
    sink += (unsigned long)(text[len / 2] + aligned[3]);
}

__attribute__((noinline, noclone)) void foreign_outer(void)
{
    foreign_realigned(100 + sink % 7);
    sink++;
}

static void *realigned(void *arg)
{
    for (;;) {
        foreign_outer();
    }
    return arg;
}

/* --- timers: somebody else's send SIGPROF, with whatever values --- */

static void wait_handler(void)
{
    struct sigaction action = {0};
    while (sigaction(SIGPROF, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        pause_ms(1); /* until the server has one, the signal would end it */
    }
}

static void *timers(void *arg)
{
    static const unsigned long values[] = {0, 1, 0x10, ~0ul, 0x7fff00000008};
    wait_handler();
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
        event.sigev_value.sival_ptr = (void *)values[i];
        const struct itimerspec often = {.it_value.tv_nsec = 5 * NS_PER_MS,
                                         .it_interval.tv_nsec = 5 * NS_PER_MS};
        timer_t timer;
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
            timer_settime(timer, 0, &often, NULL) != 0) {
            abort();
        }
    }
    return busy(arg);
}

/* --- deep: a thread that burns far down --- */

__attribute__((noinline)) static void descend(int depth)
{
    if (depth > 0) {
        descend(depth - 1);
    } else {
        foreign_burn(100);
    }
    sink++;
}

static void *deep(void *arg)
{
    for (;;) {
        descend(DEPTH);
    }
    return arg;
}

/* --- stacks: more of them than a profile has samples, each with memory of its own --- */

static void turn_left(unsigned long path, int depth);

__attribute__((noinline)) static void turn_right(unsigned long path, int depth)
{
    if (depth > 0 && (path & 1) != 0) {
        turn_right(path >> 1, depth - 1);
    } else if (depth > 0) {
        turn_left(path >> 1, depth - 1);
    } else {
        sink += (unsigned long)malloc(BLOCK_BYTES);
    }
    sink++;
}

__attribute__((noinline)) static void turn_left(unsigned long path, int depth)
{
    if (depth > 0 && (path & 1) != 0) {
        turn_right(path >> 1, depth - 1);
    } else if (depth > 0) {
        turn_left(path >> 1, depth - 1);
    } else {
        sink += (unsigned long)malloc(BLOCK_BYTES);
    }
    sink--;
}

__attribute__((noinline)) void foreign_stacks(unsigned long path, int depth)
{
    if (depth > 0) {
        foreign_stacks(path, depth - 1);
    } else {
        turn_left(path, PATH_BITS);
    }
    sink++;
}

static void *stacks(void *arg)
{
    static const char text[] = "foreign: the stacks are there\n";
    while (access(getenv("FOREIGN_BEGIN"), F_OK) != 0) {
        pause_ms(1);
    }
    for (unsigned long path = 0; path < 1ul << PATH_BITS; path++) {
        foreign_stacks(path, DEPTH - PATH_BITS);
    }
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        abort();
    }
    return arg;
}

/* --- every sleep of the server's --- */

/* It says on stderr when a signal has ended it, and keeps no frame pointer, as libc's does not. */
__attribute__((optimize("omit-frame-pointer"))) int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *rest)
{
    static const char text[] = "foreign: a signal ended a sleep\n";
    if (syscall(SYS_clock_nanosleep, clock, flags, wanted, rest) == 0) {
        return 0;
    }
    const int error = errno;
    if (error == EINTR && write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        abort();
    }
    return error;
}

__attribute__((constructor)) static void begin(void)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } threads[] = {
        {"realigned", realigned}, {"timers", timers}, {"deep", deep}, {"stacks", stacks}};
    const char *what = getenv("FOREIGN");
    if (what == NULL || strncmp(program_invocation_short_name, "toq", 3) != 0) {
        return; /* what starts the server */
    }
    if (strcmp(what, "crowd") == 0) {
        crowd();
    }
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        if (strcmp(what, threads[i].name) == 0) {
            start(threads[i].run, 1u << 20);
        }
    }
}
