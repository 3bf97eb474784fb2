/* SPDX-License-Identifier: MIT
 *
 * heap_facts.c - mallctl's "stats.*", in the order in which Go prints its own.
 */
#include "profiling/heap/heap_facts.h"

#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <sys/resource.h>

#include "profiling/heap/heap_ctl.h"

#define TEXT(macro)    TEXT_OF(macro)
#define TEXT_OF(macro) #macro
#define ARENAS         "stats.arenas." TEXT(MALLCTL_ARENAS_ALL) "."
#define NAME_BYTES     96

static unsigned read_unsigned(const char *name)
{
    unsigned value;
    return heap_ctl_read(name, &value, sizeof(value)) ? value : 0;
}

static uint64_t read_u64(const char *name)
{
    uint64_t value;
    return heap_ctl_read(name, &value, sizeof(value)) ? value : 0;
}

/* sum_classes adds up, over all size classes of a kind, their size times the requests so far. Not
 * nmalloc: that is how many objects were moved into caches of threads, each for many requests. */
static uint64_t sum_classes(const char *kind, unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        char size[NAME_BYTES];
        char number[NAME_BYTES];
        (void)snprintf(size, sizeof(size), "arenas.%s.%u.size", kind, i);
        (void)snprintf(number, sizeof(number), ARENAS "%ss.%u.nrequests", kind, i);
        sum += heap_ctl_size(size) * read_u64(number);
    }
    return sum;
}

static uint64_t total_allocated(void)
{
    return sum_classes("bin", read_unsigned("arenas.nbins")) +
           sum_classes("lextent", read_unsigned("arenas.nlextents"));
}

/* sum_kinds adds up a number that jemalloc has of small and of large objects. */
static uint64_t sum_kinds(const char *what)
{
    char small[NAME_BYTES];
    char large[NAME_BYTES];
    (void)snprintf(small, sizeof(small), ARENAS "small.%s", what);
    (void)snprintf(large, sizeof(large), ARENAS "large.%s", what);
    return read_u64(small) + read_u64(large);
}

static void put(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "# %s = %llu\n", name, (unsigned long long)value);
}

static void put_pair(struct buf *out, const char *name, uint64_t used, uint64_t taken)
{
    buf_printf(out, "# %s = %llu / %llu\n", name, (unsigned long long)used,
               (unsigned long long)taken);
}

static void put_sizes(struct buf *out)
{
    const uint64_t metadata = heap_ctl_size("stats.metadata");
    const uint64_t allocated = heap_ctl_size("stats.allocated");
    const uint64_t active = heap_ctl_size("stats.active");
    const uint64_t retained = heap_ctl_size("stats.retained");
    const uint64_t pages = heap_ctl_size(ARENAS "pdirty") + heap_ctl_size(ARENAS "pmuzzy");
    const uint64_t idle = pages * heap_ctl_size("arenas.page") + retained;
    const uint64_t mallocs = sum_kinds("nrequests");
    const uint64_t objects = sum_kinds("nmalloc") - sum_kinds("ndalloc");
    put(out, "Alloc", allocated);
    put(out, "TotalAlloc", total_allocated());
    put(out, "Sys", active + idle + metadata);
    put(out, "Lookups", 0);
    put(out, "Mallocs", mallocs);
    put(out, "Frees", mallocs > objects ? mallocs - objects : 0);
    put(out, "HeapAlloc", allocated);
    put(out, "HeapSys", active + idle);
    put(out, "HeapIdle", idle);
    put(out, "HeapInuse", active);
    put(out, "HeapReleased", retained);
    put(out, "HeapObjects", objects);
    put_pair(out, "Stack", 0, 0);
    put_pair(out, "MSpan", 0, 0);
    const uint64_t cached = heap_ctl_size(ARENAS "tcache_bytes");
    put_pair(out, "MCache", cached, cached);
    put(out, "BuckHashSys", 0);
    put(out, "GCSys", 0);
    put(out, "OtherSys", metadata);
}

static void put_collector(struct buf *out, uint64_t purges)
{
    struct rusage usage = {.ru_maxrss = 0};
    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail for oneself */
    put(out, "NextGC", 0);
    put(out, "LastGC", 0);
    buf_append_cstr(out, "# PauseNs = []\n# PauseEnd = []\n");
    put(out, "NumGC", purges);
    put(out, "NumForcedGC", purges);
    buf_append_cstr(out, "# GCCPUFraction = 0\n# DebugGC = false\n");
    put(out, "MaxRSS", (uint64_t)usage.ru_maxrss * 1024);
}

void heap_facts_flush(void)
{
    (void)heap_ctl_write("thread.tcache.flush", NULL, 0); /* EFAULT: it has no cache */
}

void heap_facts_append(struct buf *out, uint64_t purges)
{
    static const char *const own[] = {"stats.allocated", "stats.active", "stats.metadata",
                                      "stats.resident",  "stats.mapped", "stats.retained"};
    const uint64_t epoch = 1;
    heap_facts_flush();
    if (!heap_ctl_write("epoch", &epoch, sizeof(epoch))) {
        return; /* without it there are no statistics */
    }
    buf_append_cstr(out, "# runtime.MemStats\n");
    put_sizes(out);
    put_collector(out, purges);
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        buf_printf(out, "# jemalloc.%s = %zu\n", own[i], heap_ctl_size(own[i]));
    }
}
