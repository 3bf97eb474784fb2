/* SPDX-License-Identifier: MIT
 *
 * object.h - opens the ELF file behind a mapping, after a check that it is the file that was
 * mapped.
 *
 * Thread: any; it reads files.
 */
#ifndef TOQ_PROFILING_OBJECT_H
#define TOQ_PROFILING_OBJECT_H

#include <libelf.h>

#include "profiling/maps.h"

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

/* object_name writes what code without a symbol is called: "[libuv]" of libuv.so.1.0.0, "[libelf]" of
 * libelf-0.188.so, since Graphviz breaks names at dots. What is no library keeps its name.
 *
 * out: OBJECT_NAME_BYTES.
 */
void object_name(const char *path, char *out);

#endif
