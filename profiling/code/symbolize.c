/* SPDX-License-Identifier: MIT
 *
 * symbolize.c - finds the object and offset that a frame names among this process's mappings.
 */
#include "profiling/code/symbolize.h"

#include <stdlib.h>
#include <string.h>

#include "profiling/code/maps.h"
#include "profiling/code/symbol.h"

static bool is_object(const struct map *map, const char *path, size_t len)
{
    const char *slash = strrchr(map->path, '/');
    const char *last = slash == NULL ? map->path : slash + 1;
    return (strlen(map->path) == len && memcmp(map->path, path, len) == 0) ||
           (strlen(last) == len && memcmp(last, path, len) == 0);
}

/* find_base finds where an object is mapped. Returns: 0 when it is not. */
static uint64_t find_base(const char *path, size_t len)
{
    struct maps *maps;
    uint64_t base = 0;
    if (maps_create(&maps) != 0) {
        return 0;
    }
    for (size_t i = 0; i < maps->count && base == 0; i++) {
        /* a file that was replaced since the start goes by its old name */
        if (is_object(&maps->items[i], path, len)) {
            base = maps->items[i].object_start;
        }
    }
    maps_destroy(maps);
    return base;
}

static void print_symbol(const char *tag, size_t tag_len, uint64_t address, FILE *out)
{
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    for (size_t i = 0; i < symbol.count; i++) {
        const struct symbol_frame *frame = &symbol.frames[i];
        (void)fprintf(out, "  %.*s %s", (int)tag_len, tag, frame->function);
        if (frame->file[0] != '\0') {
            (void)fprintf(out, " at %s:%d", frame->file, frame->line);
        }
        (void)fputs(i + 1 < symbol.count ? " (inlined)\n" : "\n", out);
    }
}

bool symbolize_print(const char *frame, FILE *out)
{
    const char *equals = strchr(frame, '=');
    const char *path = equals == NULL ? frame : equals + 1;
    const char *plus = strrchr(path, '+');
    char *end;
    const uint64_t offset = plus == NULL ? 0 : strtoull(plus + 1, &end, 16);
    if (plus == NULL || end == plus + 1 || *end != '\0') {
        return false;
    }
    const uint64_t base = find_base(path, (size_t)(plus - path));
    if (base == 0) {
        return false;
    }
    const size_t tag_len = equals == NULL ? strlen(frame) : (size_t)(equals - frame);
    print_symbol(frame, tag_len, base + offset, out);
    return true;
}
