/* SPDX-License-Identifier: MIT
 *
 * object.h - opens the ELF file behind a mapping, after a check that it is the file that was
 * mapped.
 *
 * Thread: any; it reads files.
 */
#ifndef TOQ_PROFILING_CODE_OBJECT_H
#define TOQ_PROFILING_CODE_OBJECT_H

#include <libelf.h>

#include "profiling/code/maps.h"

#define OBJECT_NAME_BYTES 256

struct object {
    Elf *elf;
    int fd; /* -1: the image in memory, for the vdso */
};

/* object_open opens the object of a mapping.
 *
 * Returns: true with *ret_object set; false when there is no file, or another build than the mapped
 * one lies there now.
 */
MUST_USE bool object_open(const struct maps *maps, const struct map *map,
                          struct object *ret_object);

/* object_close ends the use of what object_open opened. */
void object_close(struct object *object);

/* How many objects the dynamic linker has loaded and unloaded; all zero: not known yet. */
struct object_loads {
    unsigned long long added;
    unsigned long long removed;
};

/* object_loads_changed tells whether any came or went since `known`, and brings that up to date. */
MUST_USE bool object_loads_changed(struct object_loads *known);

/* object_has_room tells whether the address space has room for what libdw takes to read an object,
 * as under RLIMIT_AS it may not: libdw asserts that its allocations succeed.
 */
MUST_USE bool object_has_room(void);

/* object_name writes what code without a symbol is called: "[libuv]" of libuv.so.1.0.0, "[libelf]"
 * of libelf-0.188.so, since Graphviz breaks names at dots. What is no library keeps its name.
 *
 * out: OBJECT_NAME_BYTES.
 */
void object_name(const char *path, char *out);

#endif
