/* SPDX-License-Identifier: MIT
 *
 * fuzz_maps.c - any bytes as a list of mappings: ranges that hold something, and paths.
 */
#include <uv.h>

#include "profiling/code/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct map *map = &maps->items[i];
        const struct map *object = maps_find_object(maps, map->object_start);
        INVARIANT(map->start < map->end && map->path != NULL && map->build_id[0] == '\0');
        INVARIANT(i == 0 || map[-1].end <= map->start);
        INVARIANT(maps_find(maps, map->start) == map && maps_find(maps, map->end - 1) == map);
        INVARIANT(object != NULL && object->object_end == map->object_end);
        INVARIANT(map->object_start <= map->start && map->end <= map->object_end);
        INVARIANT(maps_shift(maps, map) == 0 && maps_unshift(maps, map->start) == map->start);
        INVARIANT(maps_open_path(maps, map) == map->path);
    }
    INVARIANT(maps_is_equal(maps, maps));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maps *maps;
    const int status = maps_parse((struct str){(const char *)data, size}, &maps);
    INVARIANT(status == 0 || status == UV_ENOMEM);
    if (status == 0) {
        check(maps);
        maps_destroy(maps);
    }
    return 0;
}
