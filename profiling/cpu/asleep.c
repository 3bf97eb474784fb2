/* SPDX-License-Identifier: MIT
 *
 * asleep.c - reads /proc/self/task/TID/syscall, and walks a copy of the stack.
 */
#include "profiling/cpu/asleep.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task_slots.h"
#include "profiling/cpu/thread_facts.h"
#include "profiling/walk/bounds.h"

#define LINE_BYTES     256
#define FUTEX_FLAGS    (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
#define ARGUMENT_COUNT 6
#define COPY_BYTES     (16 * UNWIND_COPY_BYTES)

/* A thread that is just being woken runs, too, and a signal that comes before it has left poll or
 * select fails these, though their time is over. One that has used so much CPU time has left its
 * call; one that gets no processor would not answer either. */
#define AWAKE_NS (50 * NS_PER_US)
#define PAUSE_NS (200 * NS_PER_US) /* between two looks */

/* Calls that fail with EINTR after any handler, SA_RESTART or not: those on sockets when the socket
 * has a timeout, which cannot be seen from here.
 *
 * Source: man 7 signal, "Interruption of system calls". */
static const uint64_t ended_calls[] = {
    ARCH_ENDED_CALLS SYS_accept,
    SYS_accept4,
    SYS_clock_nanosleep,
    SYS_connect,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_io_getevents,
    SYS_io_pgetevents,
    SYS_msgrcv,
    SYS_msgsnd,
    SYS_nanosleep,
    SYS_ppoll,
    SYS_pselect6,
    SYS_recvfrom,
    SYS_recvmmsg,
    SYS_recvmsg,
    SYS_rt_sigsuspend,
    SYS_semop,
    SYS_semtimedop,
    SYS_sendmsg,
    SYS_rt_sigtimedwait,
    SYS_sendto,
};

/* What the file says of a thread that sleeps in a system call; man 5 proc. */
struct call {
    uint64_t number;
    uint64_t arguments[ARGUMENT_COUNT];
    uint64_t sp;
    uint64_t pc;
};

/* What must be the same before and after: a thread that ran in between has used CPU time. */
struct look {
    uint64_t cpu_ns;
    struct call call;
};

enum what { IN_CALL, RUNS, UNKNOWN };

/* Returns: false for "-1 SP PC" of a thread that sleeps outside system calls, too. */
static bool parse_call(const char *line, struct call *ret_call)
{
    uint64_t words[sizeof(*ret_call) / sizeof(uint64_t)] = {0};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        char *end;
        words[i] = strtoull(line, &end, 0);
        if (end == line) {
            return false;
        }
        line = end;
    }
    memcpy(ret_call, words, sizeof(words));
    return true;
}

static enum what read_call(pid_t tid, struct call *ret_call)
{
    char line[LINE_BYTES];
    if (!thread_facts_read(tid, "syscall", line, sizeof(line))) {
        return UNKNOWN;
    }
    if (strcmp(line, "running\n") == 0) {
        return RUNS;
    }
    return parse_call(line, ret_call) ? IN_CALL : UNKNOWN;
}

/* A futex that is waited for with a timeout is not in the manual's list: the kernel restarts it
 * where no handler ran, alone (futex_wait, ERESTART_RESTARTBLOCK). sem_timedwait fails then. */
static bool is_timed_futex(const struct call *call)
{
    const uint64_t command = call->arguments[1] & ~(uint64_t)FUTEX_FLAGS;
    return call->number == SYS_futex && call->arguments[3] != 0 &&
           (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET);
}

static bool is_ended_by_signals(const struct call *call)
{
    for (size_t i = 0; i < ARRAY_COUNT(ended_calls); i++) {
        if (call->number == ended_calls[i]) {
            return true;
        }
    }
    return is_timed_futex(call);
}

/* Copies as much of the stack as the walk needs, piece by piece: most stacks are short.
 *
 * Returns: false when the kernel refused. */
static bool walk(const struct unwind_table *table, const struct call *call,
                 struct thread_stack *stack)
{
    static uint64_t copy[COPY_BYTES / sizeof(uint64_t)];
    const struct arch_regs regs = {.pc = call->pc, .sp = call->sp};
    struct unwind_stack bounds = bounds_copy(call->sp, copy, UNWIND_COPY_BYTES);
    const uint64_t limit = bounds.low + COPY_BYTES;
    struct unwind_stack piece = bounds;
    while (piece.low < piece.high) {
        bounds.high = piece.high;
        stack->frame_count = (uint32_t)unwind_walk(table, &bounds, regs, stack->frames,
                                                   THREAD_STACK_FRAMES_MAX, &stack->is_complete);
        if (stack->is_complete || piece.high - piece.low < UNWIND_COPY_BYTES ||
            bounds.high == limit) {
            break;
        }
        piece = bounds_copy(bounds.high, (void *)(uintptr_t)(bounds.high + bounds.shift),
                            UNWIND_COPY_BYTES);
    }
    /* Where a call leaves the return address in a register, that of a leaf is unknown here. */
    stack->is_complete = stack->is_complete && stack->frame_count > 1;
    return bounds.low < bounds.high;
}

static bool take(const struct call *call, const struct loop *loop, struct thread_stack *stack)
{
    struct task_facts facts;
    stack->owner = (struct ring_owner){
        .label = loop != NULL && loop_copy_running(loop, &facts) ? facts.label : LABEL_NONE};
    stack->handler_ns = 0;
    stack->frame_count = 0;
    stack->is_complete = false;
    const struct unwind_table *table = unwind_enter();
    const bool is_taken = table == NULL || walk(table, call, stack);
    unwind_exit();
    return is_taken;
}

/* Returns: whether the thread slept from before what was taken until now. */
static bool is_unchanged(pid_t tid, const struct look *before)
{
    struct look now = {0};
    return read_call(tid, &now.call) == IN_CALL && thread_facts_cpu_ns(tid, &now.cpu_ns) &&
           memcmp(before, &now, sizeof(now)) == 0;
}

static void pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    (void)nanosleep(&pause, NULL);
}

int asleep_take(pid_t tid, const struct loop *loop, uint64_t end_ns, struct thread_stack *ret_stack)
{
    uint64_t first_ns;
    struct look look = {0};
    if (!thread_facts_cpu_ns(tid, &first_ns)) {
        return UV_EAGAIN;
    }
    while (thread_facts_cpu_ns(tid, &look.cpu_ns) && look.cpu_ns - first_ns < AWAKE_NS) {
        const enum what what = read_call(tid, &look.call);
        if (what == UNKNOWN || (what == IN_CALL && (!is_ended_by_signals(&look.call) ||
                                                    !take(&look.call, loop, ret_stack)))) {
            return UV_EAGAIN;
        }
        if (what == IN_CALL && is_unchanged(tid, &look)) {
            return 0;
        }
        if (clock_now_ns() >= end_ns) {
            return UV_ETIMEDOUT;
        }
        pause_shortly();
    }
    return UV_EAGAIN;
}
