/* SPDX-License-Identifier: MIT
 *
 * alloc_stats.c - mallctl's "stats.*".
 */
#include "core/loop/alloc_stats.h"

#include <jemalloc/jemalloc.h>

/* A sanitizer has a malloc of its own. */
#pragma weak mallctl

#define TEXT(macro)    TEXT_OF(macro)
#define TEXT_OF(macro) #macro
#define ARENAS         "stats.arenas." TEXT(MALLCTL_ARENAS_ALL) "."

static uint64_t read_size(const char *name)
{
    size_t value = 0;
    size_t len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}

static uint64_t read_u64(const char *name)
{
    uint64_t value = 0;
    size_t len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}

bool alloc_stats_read(struct alloc_stats *ret_stats)
{
    uint64_t epoch = 1;
    if (mallctl == NULL || mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0) {
        return false;
    }
    *ret_stats = (struct alloc_stats){
        .allocated = read_size("stats.allocated"),
        .active = read_size("stats.active"),
        .resident = read_size("stats.resident"),
        .retained = read_size("stats.retained"),
        .metadata = read_size("stats.metadata"),
        .purges = read_u64(ARENAS "dirty_npurge") + read_u64(ARENAS "muzzy_npurge"),
    };
    return true;
}
