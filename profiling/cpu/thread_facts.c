/* SPDX-License-Identifier: MIT
 *
 * thread_facts.c - reads files of /proc/self/task, and the CPU clock of one thread.
 */
#include "profiling/cpu/thread_facts.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Kernel ABI: the CPU clock of one thread, user and system time. */
#define CPUCLOCK_PER_THREAD 4u
#define CPUCLOCK_SCHED      2u

bool thread_facts_read(pid_t tid, const char *file, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, file);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t got = read(fd, out, size - 1);
    (void)close(fd);
    out[got < 0 ? 0 : got] = '\0';
    return got > 0;
}

clockid_t thread_facts_clock(pid_t tid)
{
    return (clockid_t)((~(unsigned)tid) << 3 | CPUCLOCK_PER_THREAD | CPUCLOCK_SCHED);
}

bool thread_facts_cpu_ns(pid_t tid, uint64_t *ret_cpu_ns)
{
    struct timespec ts;
    if (clock_gettime(thread_facts_clock(tid), &ts) != 0) {
        return false;
    }
    *ret_cpu_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
    return true;
}

bool thread_facts_is_alive(pid_t tid)
{
    return tgkill(getpid(), tid, 0) == 0;
}
