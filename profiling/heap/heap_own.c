/* SPDX-License-Identifier: MIT
 *
 * heap_own.c - the profiler's arena: its first thread makes it, mallctl reads its size.
 */
#include "profiling/heap/heap_own.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "profiling/heap/heap_ctl.h"

#define NAME_BYTES 64

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint arena; /* plus 1; 0: there is none */

static void make_arena(void)
{
    unsigned index;
    if (heap_ctl_read("arenas.create", &index, sizeof(index))) {
        atomic_store_explicit(&arena, index + 1, memory_order_release);
    }
}

void heap_own_join(void)
{
    (void)pthread_once(&once, make_arena);
    const unsigned number = atomic_load_explicit(&arena, memory_order_acquire);
    if (number > 0) {
        const unsigned index = number - 1;
        (void)heap_ctl_write("thread.arena", &index, sizeof(index));
    }
}

static size_t read_size(unsigned index, const char *kind)
{
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof(name), "stats.arenas.%u.%s.allocated", index, kind);
    return heap_ctl_size(name);
}

size_t heap_own_bytes(void)
{
    const unsigned number = atomic_load_explicit(&arena, memory_order_acquire);
    const uint64_t epoch = 1; /* any value makes jemalloc update its statistics */
    if (number == 0 || !heap_ctl_write("epoch", &epoch, sizeof(epoch))) {
        return 0;
    }
    return read_size(number - 1, "small") + read_size(number - 1, "large");
}
