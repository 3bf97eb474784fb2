/* SPDX-License-Identifier: MIT
 *
 * object.c - opens a mapping's file with libelf, or the vdso, which has no file.
 */
#include "profiling/code/object.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/hex.h"

/* Measured: this server and its libraries take 90 MiB of address space at the most. */
#define ROOM_BYTES (96u << 20)

/* A package upgrade replaces libraries under a running process. */
static bool is_mapped_build(Elf *elf, const struct map *map)
{
    const void *id;
    ssize_t len = dwelf_elf_gnu_build_id(elf, &id);
    if (len <= 0 || map->build_id[0] == '\0') {
        return true; /* nothing to compare */
    }
    const uint8_t *bytes = id;
    if (strlen(map->build_id) != 2 * (size_t)len) {
        return false;
    }
    for (size_t i = 0; i < (size_t)len; i++) {
        char digits[2];
        hex_encode(&bytes[i], 1, digits);
        if (memcmp(&map->build_id[2 * i], digits, sizeof(digits)) != 0) {
            return false;
        }
    }
    return true;
}

bool object_open(const struct maps *maps, const struct map *map, struct object *ret_object)
{
    struct object object = {.fd = -1};
    (void)elf_version(EV_CURRENT);
    if (strcmp(map->path, "[vdso]") == 0) {
        object.elf = elf_memory((char *)(uintptr_t)map->start, map->end - map->start);
    } else if (map->path[0] == '/') {
        object.fd = open(maps_open_path(maps, map), O_RDONLY | O_CLOEXEC);
        object.elf = object.fd < 0 ? NULL : elf_begin(object.fd, ELF_C_READ_MMAP, NULL);
    }
    if (object.elf == NULL || !is_mapped_build(object.elf, map)) {
        object_close(&object);
        return false;
    }
    *ret_object = object;
    return true;
}

void object_close(struct object *object)
{
    (void)elf_end(object->elf);
    if (object->fd >= 0) {
        (void)close(object->fd);
    }
}

static int read_loads(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size; /* glibc's has had these two since 2005 */
    *(struct object_loads *)arg = (struct object_loads){info->dlpi_adds, info->dlpi_subs};
    return 1;
}

bool object_loads_changed(struct object_loads *known)
{
    struct object_loads now = {0};
    (void)dl_iterate_phdr(read_loads, &now);
    const bool has_changed = now.added != known->added || now.removed != known->removed;
    *known = now;
    return has_changed;
}

bool object_has_room(void)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is what mmap(2) wants beside MAP_ANONYMOUS */
    void *room = mmap(NULL, ROOM_BYTES, PROT_NONE, flags, -1, 0);
    return room != MAP_FAILED && munmap(room, ROOM_BYTES) == 0;
}

void object_name(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t len = strlen(base);
    const char *suffix = strstr(base, ".so");
    if (suffix != NULL && (suffix[3] == '.' || suffix[3] == '\0')) {
        len = (size_t)(suffix - base);
        const char *dash = memrchr(base, '-', len);
        const bool is_version = dash != NULL && dash[1] >= '0' && dash[1] <= '9' &&
                                memchr(dash, '.', len - (size_t)(dash - base)) != NULL;
        len = is_version ? (size_t)(dash - base) : len;
    }
    (void)snprintf(out, OBJECT_NAME_BYTES, base[0] == '[' ? "%.*s" : "[%.*s]", (int)len, base);
}
