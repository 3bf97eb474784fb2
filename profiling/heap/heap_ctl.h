/* SPDX-License-Identifier: MIT
 *
 * heap_ctl.h - jemalloc's settings and numbers, by their names in jemalloc(3).
 *
 * Sanitized builds are linked without jemalloc; every read fails there.
 *
 * Thread: any.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_CTL_H
#define TOQ_PROFILING_HEAP_HEAP_CTL_H

#include "core/base/base.h"

/* heap_ctl_exists tells whether the process allocates with jemalloc. */
bool heap_ctl_exists(void);

/* heap_ctl_read reads what has a name.
 *
 * bytes: of the name's type in jemalloc(3).
 * Returns: true with *ret_value set; false when jemalloc does not know it.
 */
MUST_USE bool heap_ctl_read(const char *name, void *ret_value, size_t bytes);

/* heap_ctl_write sets what has a name; NULL and 0 for a name that is an order.
 *
 * Returns: false when jemalloc does not know it, or could not do it.
 */
bool heap_ctl_write(const char *name, const void *value, size_t bytes);

/* heap_ctl_bool reads a setting; false when jemalloc does not know it. */
bool heap_ctl_bool(const char *name);

/* heap_ctl_size reads a number; 0 when jemalloc does not know it. */
size_t heap_ctl_size(const char *name);

#endif
