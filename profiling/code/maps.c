/* SPDX-License-Identifier: MIT
 *
 * maps.c - snapshots of what is mapped, and what is found in them.
 */
#include "profiling/code/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/lookup.h"
#include "profiling/code/maps_text.h"

#define MAPS_TEXT_MAX    (8u << 20)
#define MAPS_PATHS_MAX   (4u << 20)
#define MAPS_ITEMS_MAX   65536
#define READ_BYTES       16384
#define STACK_BYTES_MAX  (UINT64_C(64) << 20) /* where RLIMIT_STACK is unlimited */
#define MAIN_BINARY_LINK "/proc/self/exe"

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    char chunk[READ_BYTES];
    ssize_t got;
    do {
        got = read(fd, chunk, sizeof(chunk));
        if (got > 0) {
            buf_append(out, chunk, (size_t)got);
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    int status = got < 0 ? -errno : 0;
    (void)close(fd);
    return out->is_failed ? UV_ENOMEM : status;
}

static bool add_exec(struct maps *maps, const struct maps_line *line, uint64_t object_start)
{
    struct str path;
    if (!arena_copy(&maps->texts, line->path, &path) ||
        !array_grow(&maps->items, maps->count, &maps->cap, sizeof(*maps->items), MAPS_ITEMS_MAX)) {
        return false;
    }
    maps->items[maps->count++] = (struct map){
        .start = line->start,
        .end = line->end,
        .offset = line->offset,
        .object_start = object_start,
        .object_end = line->end,
        .path = path.ptr,
    };
    return true;
}

/* The object whose lines are being read. */
struct run {
    struct str path;
    uint64_t start;
    uint64_t end;
    size_t first; /* its first item */
};

/* Each item is written once more, when its object's last line is known. */
static void end_run(struct maps *maps, const struct run *run)
{
    for (size_t i = run->first; i < maps->count; i++) {
        maps->items[i].object_end = run->end;
        maps->steps++;
    }
}

/* Keeps items sorted and apart: a mapping that grows while the file is read may be told of again,
 * with what was read of it before.
 *
 * Returns: false when nothing is left of the line. */
static bool cut_line(struct maps_line *line, uint64_t known_end)
{
    if (line->start < known_end) {
        line->offset += known_end - line->start;
        line->start = known_end;
    }
    return line->start < line->end;
}

/* Lines of one object follow each other; the first has offset 0. */
static bool parse_lines(struct maps *maps, struct str text)
{
    struct maps_line line;
    struct run run = {.path = STR("")};
    while (maps_text_next(&text, &line)) {
        maps->steps++;
        if (!cut_line(&line, run.end)) {
            continue;
        }
        const bool is_same = line.path.len > 0 && str_equal(line.path, run.path);
        if (!is_same || line.offset == 0) {
            end_run(maps, &run);
            run = (struct run){.path = line.path, .start = line.start, .first = maps->count};
        }
        run.end = line.end;
        if (line.is_exec && !add_exec(maps, &line, run.start)) {
            return false;
        }
    }
    end_run(maps, &run);
    return true;
}

/* An object's later executable mappings share what was read for its first. */
static void read_images(struct maps *maps)
{
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (mem < 0) {
        return;
    }
    for (size_t i = 0; i < maps->count; i++) {
        struct map *map = &maps->items[i];
        const struct map *previous = i > 0 ? map - 1 : map;
        if (i > 0 && previous->object_start == map->object_start) {
            map->bias = previous->bias;
            memcpy(map->build_id, previous->build_id, sizeof(map->build_id));
        } else if (map->path[0] != '\0') {
            struct maps_image image;
            maps_image_read(mem, map->object_start, &image);
            map->bias = image.bias;
            memcpy(map->build_id, image.build_id, sizeof(map->build_id));
        }
    }
    (void)close(mem);
}

static void move_main_first(struct maps *maps)
{
    char path[4096];
    ssize_t len = readlink(MAIN_BINARY_LINK, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    char *deleted = strstr(path, MAPS_DELETED_SUFFIX);
    if (deleted != NULL) {
        *deleted = '\0';
    }
    for (size_t i = 0; i < maps->count && !maps->has_main; i++) {
        if (strcmp(maps->items[i].path, path) == 0) {
            struct map main_map = maps->items[i];
            memmove(maps->items + 1, maps->items, i * sizeof(*maps->items));
            maps->items[0] = main_map;
            maps->has_main = true;
        }
    }
}

int maps_parse(struct str text, struct maps **ret_maps)
{
    struct maps *maps = calloc(1, sizeof(*maps));
    if (maps == NULL) {
        return UV_ENOMEM;
    }
    arena_init(&maps->texts, MAPS_PATHS_MAX);
    if (!parse_lines(maps, text)) {
        maps_destroy(maps);
        return UV_ENOMEM;
    }
    *ret_maps = maps;
    return 0;
}

int maps_create(struct maps **ret_maps)
{
    struct buf text;
    buf_init(&text, MAPS_TEXT_MAX);
    int status = read_file("/proc/self/maps", &text);
    status = status == 0 ? maps_parse(buf_str(&text), ret_maps) : status;
    buf_deinit(&text);
    if (status == 0) {
        read_images(*ret_maps);
        move_main_first(*ret_maps);
    }
    return status;
}

void maps_destroy(struct maps *maps)
{
    if (maps == NULL) {
        return;
    }
    arena_deinit(&maps->texts);
    free(maps->items);
    free(maps);
}

/* The items by address begin behind the main binary's. */
static size_t sorted_from(const struct maps *maps)
{
    return maps->has_main ? 1 : 0;
}

static bool has_address(const struct map *map, uint64_t address)
{
    return address >= map->start && address < map->end;
}

const struct map *maps_find(const struct maps *maps, uint64_t address)
{
    if (maps->has_main && has_address(&maps->items[0], address)) {
        return &maps->items[0];
    }
    size_t low = sorted_from(maps);
    size_t high = maps->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct map *map = &maps->items[middle];
        if (has_address(map, address)) {
            return map;
        }
        if (address < map->start) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct map *maps_find_object(const struct maps *maps, uint64_t object_start)
{
    if (maps->has_main && maps->items[0].object_start == object_start) {
        return &maps->items[0];
    }
    size_t low = sorted_from(maps);
    size_t high = maps->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (maps->items[middle].object_start < object_start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool is_found = low < maps->count && maps->items[low].object_start == object_start;
    return is_found ? &maps->items[low] : NULL;
}

static bool is_main(const struct maps *maps, const struct map *map)
{
    return maps->has_main && map->object_start == maps->items[0].object_start;
}

uint64_t maps_shift(const struct maps *maps, const struct map *map)
{
    return is_main(maps, map) ? map->bias : 0;
}

uint64_t maps_unshift(const struct maps *maps, uint64_t shown)
{
    if (maps->has_main && maps_find(maps, shown) == NULL) {
        const uint64_t address = shown + maps->items[0].bias;
        const struct map *map = maps_find(maps, address);
        return map != NULL && is_main(maps, map) ? address : shown;
    }
    return shown;
}

bool maps_is_equal(const struct maps *a, const struct maps *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct map *left = &a->items[i];
        const struct map *right = &b->items[i];
        if (left->start != right->start || left->end != right->end ||
            left->offset != right->offset || strcmp(left->path, right->path) != 0 ||
            strcmp(left->build_id, right->build_id) != 0) {
            return false;
        }
    }
    return true;
}

const char *maps_open_path(const struct maps *maps, const struct map *map)
{
    return is_main(maps, map) ? MAIN_BINARY_LINK : map->path;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct maps_range *a = left;
    const struct maps_range *b = right;
    return (a->address > b->address) - (a->address < b->address);
}

/* Both are by address: each line is looked at once. */
static void fill_ranges(struct str text, struct maps_range *ranges, size_t count)
{
    struct maps_line line;
    size_t i = 0;
    while (i < count && maps_text_next(&text, &line)) {
        for (; i < count && ranges[i].address < line.end; i++) {
            if (ranges[i].address >= line.start) {
                ranges[i].start = line.start;
                ranges[i].end = line.end;
            }
        }
    }
}

void maps_find_ranges(struct maps_range *ranges, size_t count)
{
    struct buf text;
    buf_init(&text, MAPS_TEXT_MAX);
    qsort(ranges, count, sizeof(*ranges), compare_ranges);
    for (size_t i = 0; i < count; i++) {
        ranges[i].start = ranges[i].end = 0;
    }
    if (read_file("/proc/self/maps", &text) == 0) {
        fill_ranges(buf_str(&text), ranges, count);
    }
    buf_deinit(&text);
}

bool maps_find_range(uint64_t address, uint64_t *ret_start, uint64_t *ret_end)
{
    struct maps_range range = {.address = address};
    maps_find_ranges(&range, 1);
    if (range.end == 0) {
        return false;
    }
    *ret_start = range.start;
    *ret_end = range.end;
    return true;
}

/* Finds the mapping that is called `path`. */
static bool find_path(struct str path, struct maps_line *ret_line)
{
    struct buf text;
    buf_init(&text, MAPS_TEXT_MAX);
    bool is_found = false;
    if (read_file("/proc/self/maps", &text) == 0) {
        struct str rest = buf_str(&text);
        while (!is_found && maps_text_next(&rest, ret_line)) {
            is_found = str_equal(ret_line->path, path);
        }
    }
    buf_deinit(&text); /* ret_line->path points nowhere now */
    return is_found;
}

bool maps_find_main_stack(uint64_t *ret_start, uint64_t *ret_end)
{
    struct maps_line line;
    struct rlimit limit;
    if (!find_path(STR("[stack]"), &line) || getrlimit(RLIMIT_STACK, &limit) != 0) {
        return false;
    }
    uint64_t bytes = limit.rlim_cur < STACK_BYTES_MAX ? limit.rlim_cur : STACK_BYTES_MAX;
    bytes = bytes > line.end - line.start ? bytes : line.end - line.start;
    *ret_start = line.end - bytes;
    *ret_end = line.end;
    return true;
}
