/* SPDX-License-Identifier: MIT
 *
 * heap_ctl.c - calls mallctl, which sanitized builds do not have.
 */
#include "profiling/heap/heap_ctl.h"

#include <jemalloc/jemalloc.h>

#pragma weak mallctl

bool heap_ctl_exists(void)
{
    return mallctl != NULL;
}

bool heap_ctl_read(const char *name, void *ret_value, size_t bytes)
{
    size_t len = bytes;
    return mallctl != NULL && mallctl(name, ret_value, &len, NULL, 0) == 0 && len == bytes;
}

bool heap_ctl_write(const char *name, const void *value, size_t bytes)
{
    /* mallctl only reads it, whatever its type says */
    return mallctl != NULL && mallctl(name, NULL, NULL, (void *)(uintptr_t)value, bytes) == 0;
}

bool heap_ctl_bool(const char *name)
{
    bool value;
    return heap_ctl_read(name, &value, sizeof(value)) && value;
}

size_t heap_ctl_size(const char *name)
{
    size_t value;
    return heap_ctl_read(name, &value, sizeof(value)) ? value : 0;
}
