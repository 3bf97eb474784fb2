/* SPDX-License-Identifier: MIT
 *
 * memory_limit.h - finds how much memory the system allows this process.
 */
#ifndef TOQ_CORE_LOOP_MEMORY_LIMIT_H
#define TOQ_CORE_LOOP_MEMORY_LIMIT_H

#include "core/base/str.h"

/* memory_limit_find is the least of the process's limits: those of its cgroup and of all above it,
 * RLIMIT_AS without what is mapped already, and the machine's memory. A limit that cannot be read
 * does not count.
 *
 * root:    put before each path; "" except in tests.
 * Returns: bytes; never 0.
 * Thread:  main: it keeps what it reads in a static buffer. It reads files of /proc and /sys, and
 *          so touches no disk.
 */
size_t memory_limit_find(const char *root);

/* memory_limit_cgroup is the least limit of the process's cgroups, version 1 and 2; SIZE_MAX when
 * there is none.
 *
 * Thread: as memory_limit_find.
 * Source: cgroups(7), the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 */
size_t memory_limit_cgroup(const char *root);

#endif
