/* SPDX-License-Identifier: MIT
 *
 * maps.c - reads /proc/self/maps. Build ids are read through /proc/self/mem rather than by pointer:
 * an object may be unmapped meanwhile.
 */
#include "profiling/code/maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/hex.h"
#include "core/base/lookup.h"

#define MAPS_TEXT_MAX    (8u << 20)
#define MAPS_PATHS_MAX   (4u << 20)
#define MAPS_ITEMS_MAX   65536
#define PAGE_BYTES       UINT64_C(4096)
#define READ_BYTES       16384
#define NOTES_BYTES_MAX  1024
#define STACK_BYTES_MAX  (UINT64_C(64) << 20) /* where RLIMIT_STACK is unlimited */
#define DELETED_SUFFIX   " (deleted)"
#define MAIN_BINARY_LINK "/proc/self/exe"

struct line {
    uint64_t start;
    uint64_t end;
    uint64_t offset;
    bool is_exec;
    struct str path;
};

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

/* Cuts a number of 1 to 16 digits and the character behind it off *text. */
static bool next_hex(struct str *text, char end, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t len = 0;
    for (; len < text->len && len < 16 && hex_value(text->ptr[len]) >= 0; len++) {
        number = number << 4 | (uint64_t)hex_value(text->ptr[len]);
    }
    if (len == 0 || len == text->len || text->ptr[len] != end) {
        return false;
    }
    *text = (struct str){text->ptr + len + 1, text->len - len - 1};
    *ret_number = number;
    return true;
}

/* "55d0c0-55d1c0 r-xp 00001000 fe:00 1234    /path with spaces" */
static bool parse_line(struct str text, struct line *ret_line)
{
    struct line line = {0};
    struct str permissions;
    struct str device;
    struct str inode;
    if (!next_hex(&text, '-', &line.start) || !next_hex(&text, ' ', &line.end) ||
        line.start >= line.end || !str_next_field(&text, ' ', &permissions) ||
        permissions.len != 4 || text.ptr == NULL || !next_hex(&text, ' ', &line.offset) ||
        !str_next_field(&text, ' ', &device) || !str_next_field(&text, ' ', &inode)) {
        return false;
    }
    line.is_exec = permissions.ptr[2] == 'x';
    line.path = text.ptr == NULL ? STR("") : str_trim(text);
    struct str deleted = STR(DELETED_SUFFIX);
    if (line.path.len > deleted.len &&
        memcmp(line.path.ptr + line.path.len - deleted.len, deleted.ptr, deleted.len) == 0) {
        line.path.len -= deleted.len;
    }
    *ret_line = line;
    return true;
}

/* Cuts the next line that parses off *text. */
static bool next_line(struct str *text, struct line *ret_line)
{
    struct str line;
    while (str_next_field(text, '\n', &line)) {
        if (parse_line(line, ret_line)) {
            return true;
        }
    }
    return false;
}

static bool add_exec(struct maps *maps, const struct line *line, uint64_t object_start)
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
static bool cut_line(struct line *line, uint64_t known_end)
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
    struct line line;
    struct run run = {.path = STR("")};
    while (next_line(&text, &line)) {
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

static bool read_memory(int mem, uint64_t address, void *out, size_t len)
{
    return pread(mem, out, len, (off_t)address) == (ssize_t)len;
}

/* Looks for the build id in one note segment. */
static bool find_build_id(const uint8_t *notes, size_t len, char *out)
{
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= len;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        size_t name_at = at + sizeof(note);
        size_t id_at = name_at + ((size_t)note.n_namesz + 3) / 4 * 4;
        if (id_at > len || note.n_descsz > len - id_at) {
            return false;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0 && note.n_descsz * 2 < MAPS_BUILD_ID_BYTES) {
            hex_encode(notes + id_at, note.n_descsz, out);
            out[2 * note.n_descsz] = '\0';
            return true;
        }
        at = id_at + ((size_t)note.n_descsz + 3) / 4 * 4;
    }
    return false;
}

static bool read_program(int mem, const struct map *map, const Elf64_Ehdr *elf, uint16_t i,
                         Elf64_Phdr *ret_program)
{
    uint64_t at = map->object_start + elf->e_phoff + i * sizeof(*ret_program);
    return i < elf->e_phnum && read_memory(mem, at, ret_program, sizeof(*ret_program));
}

static void read_bias(int mem, struct map *map, const Elf64_Ehdr *elf)
{
    Elf64_Phdr program;
    for (uint16_t i = 0; read_program(mem, map, elf, i, &program); i++) {
        if (program.p_type == PT_LOAD) {
            map->bias = map->object_start - (program.p_vaddr & ~(PAGE_BYTES - 1));
            return;
        }
    }
}

static void read_build_id(int mem, struct map *map, const Elf64_Ehdr *elf)
{
    Elf64_Phdr program;
    uint8_t notes[NOTES_BYTES_MAX];
    for (uint16_t i = 0; read_program(mem, map, elf, i, &program); i++) {
        if (program.p_type == PT_NOTE && program.p_memsz <= sizeof(notes) &&
            read_memory(mem, program.p_vaddr + map->bias, notes, program.p_memsz) &&
            find_build_id(notes, program.p_memsz, map->build_id)) {
            return;
        }
    }
}

/* Reads bias and build id from the image in memory. */
static void read_image(int mem, struct map *map)
{
    Elf64_Ehdr elf;
    if (read_memory(mem, map->object_start, &elf, sizeof(elf)) &&
        memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 && elf.e_phentsize == sizeof(Elf64_Phdr)) {
        read_bias(mem, map, &elf);
        read_build_id(mem, map, &elf);
    }
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
            read_image(mem, map);
        }
    }
    (void)close(mem);
}

static void move_main_first(struct maps *maps)
{
    char path[4096];
    ssize_t len = readlink(MAIN_BINARY_LINK, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    char *deleted = strstr(path, DELETED_SUFFIX);
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
    struct line line;
    size_t i = 0;
    while (i < count && next_line(&text, &line)) {
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
static bool find_path(struct str path, struct line *ret_line)
{
    struct buf text;
    buf_init(&text, MAPS_TEXT_MAX);
    bool is_found = false;
    if (read_file("/proc/self/maps", &text) == 0) {
        struct str rest = buf_str(&text);
        while (!is_found && next_line(&rest, ret_line)) {
            is_found = str_equal(ret_line->path, path);
        }
    }
    buf_deinit(&text); /* ret_line->path points nowhere now */
    return is_found;
}

bool maps_find_main_stack(uint64_t *ret_start, uint64_t *ret_end)
{
    struct line line;
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
