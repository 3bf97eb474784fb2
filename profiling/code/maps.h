/* SPDX-License-Identifier: MIT
 *
 * maps.h - what is mapped into the process: its executable mappings with path and build id, and the
 * bounds of stacks.
 *
 * Memory: a snapshot owns its texts.
 * Thread: any; a snapshot never changes.
 */
#ifndef TOQ_PROFILING_CODE_MAPS_H
#define TOQ_PROFILING_CODE_MAPS_H

#include "core/base/arena.h"
#include "profiling/code/maps_image.h"

struct map {
    uint64_t start;
    uint64_t end;
    uint64_t offset;                    /* in the file */
    uint64_t object_start;              /* of the object's first mapping: its ELF header */
    uint64_t object_end;                /* of its last mapping that has the file behind it */
    uint64_t bias;                      /* added to the addresses of its ELF file */
    const char *path;                   /* "/usr/lib/...", "[vdso]"; "" when nothing is behind it */
    char build_id[MAPS_BUILD_ID_BYTES]; /* lower-case hexadecimal; "" when the object has none */
};

struct maps {
    struct map *items; /* executable ones: the main binary first, the rest by address */
    size_t count;
    size_t cap;
    bool has_main; /* items[0] is the main binary */
    struct arena texts;
    size_t steps; /* lines read and items written while parsing: in proportion to the lines */
};

/* maps_create takes a snapshot of the executable mappings.
 *
 * Returns: 0 with *ret_maps set; UV_ENOMEM; what reading /proc/self/maps says.
 */
MUST_USE int maps_create(struct maps **ret_maps);

/* maps_parse makes a snapshot of a text like /proc/self/maps alone: without build ids, biases, or a
 * main binary. What it does not understand it skips.
 *
 * Returns: 0 with *ret_maps set; UV_ENOMEM: too many mappings, or no memory.
 */
MUST_USE int maps_parse(struct str text, struct maps **ret_maps);

/* maps_destroy frees a snapshot; takes NULL. */
void maps_destroy(struct maps *maps);

/* maps_find is the executable mapping that contains an address, or NULL. */
const struct map *maps_find(const struct maps *maps, uint64_t address);

/* maps_find_object is an executable mapping of the object whose ELF header lies there, or NULL. */
const struct map *maps_find_object(const struct maps *maps, uint64_t object_start);

/* maps_shift is how much lower profiles show the addresses of a mapping than memory has them: of
 * the main binary they show what its file says, since `go tool pprof` looks that up in the file as
 * it is. Of other objects they show what memory says: by their files the objects would overlap. */
uint64_t maps_shift(const struct maps *maps, const struct map *map);

/* maps_unshift is where memory has the address that a profile shows; an address in memory stays. */
uint64_t maps_unshift(const struct maps *maps, uint64_t shown);

/* maps_is_equal tells whether two snapshots show the same code at the same places. */
bool maps_is_equal(const struct maps *a, const struct maps *b);

/* maps_open_path is the path under which the mapped file can be opened, even when the main binary
 * was replaced since it started. */
const char *maps_open_path(const struct maps *maps, const struct map *map);

/* The mapping, of any kind, that holds an address now. */
struct maps_range {
    uint64_t address;
    uint64_t start;
    uint64_t end; /* 0: none does */
};

/* maps_find_ranges finds the bounds of the mappings that hold the addresses, by one reading of
 * /proc/self/maps. It sorts the ranges by address. */
void maps_find_ranges(struct maps_range *ranges, size_t count);

/* maps_find_range finds the bounds of the mapping, of any kind, that holds an address now.
 *
 * Returns: true with both set; false when nothing is mapped there, or it cannot be read.
 */
MUST_USE bool maps_find_range(uint64_t address, uint64_t *ret_start, uint64_t *ret_end);

/* maps_find_main_stack finds the bounds between which the main thread's stack can grow.
 *
 * Returns: as maps_find_range.
 */
MUST_USE bool maps_find_main_stack(uint64_t *ret_start, uint64_t *ret_end);

#endif
