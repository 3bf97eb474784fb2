/* SPDX-License-Identifier: MIT
 *
 * config_foreign.c - the table of foreign variables.
 */
#include "config/config_foreign.h"

static const struct config_foreign foreigns[] = {
    {"GOMAXPROCS", "nothing: requests run on one thread, DIAGNOSTICS_LOOP=own has a second; for "
                   "more processors run more servers"},
    {"GOGC",
     "nothing: memory is freed at once; MALLOC_CONF=dirty_decay_ms:N says how long jemalloc "
     "keeps free pages"},
    {"GOMEMLIMIT", "MEMORY_MAX_BYTES"},
    {"GODEBUG", "ALLOC_TRACE_MS=1000 for gctrace=1"},
    {"GOTRACEBACK",
     "CRASH_DIR: where reports of crashes go; /debug/pprof/goroutine?debug=2 has all stacks"},
};

bool config_foreign_find(struct str name, uint32_t *ret_bit)
{
    for (size_t i = 0; i < ARRAY_COUNT(foreigns); i++) {
        if (str_equal(name, str_from(foreigns[i].name))) {
            *ret_bit = UINT32_C(1) << i;
            return true;
        }
    }
    return false;
}

const struct config_foreign *config_foreign_at(size_t index)
{
    return index < ARRAY_COUNT(foreigns) ? &foreigns[index] : NULL;
}
