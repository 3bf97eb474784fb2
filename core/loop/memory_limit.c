/* SPDX-License-Identifier: MIT
 *
 * memory_limit.c - /proc/self/cgroup says in which cgroup the process is, /proc/self/mountinfo
 * where the tree of cgroups is mounted, and each folder from there up to the mount's root may hold
 * a limit.
 */
#include "core/loop/memory_limit.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_BYTES       65536 /* of mountinfo: a host with containers has some hundred lines */
#define MOUNT_FIELDS_MAX 24

/* A version of cgroups: how its tree is named in mountinfo, and its limit. */
struct cgroup_kind {
    const char *file;
    bool is_v2;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool read_file(const char *root, const char *path, char *data, size_t size, struct str *ret)
{
    char full[PATH_MAX];
    const int len = snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *file = len > 0 && (size_t)len < sizeof(full) ? fopen(full, "re") : NULL;
    if (file == NULL) {
        return false;
    }
    *ret = (struct str){data, fread(data, 1, size, file)}; /* the kernel gives a page at a time */
    (void)fclose(file);
    return ret->len > 0;
}

/* nth_field cuts the index-th field out of a line; an empty view when it has not so many. */
static struct str nth_field(struct str line, char sep, size_t index)
{
    struct str field = {NULL, 0};
    for (size_t i = 0; i <= index; i++) {
        if (!str_next_field(&line, sep, &field)) {
            return (struct str){NULL, 0};
        }
    }
    return field;
}

static bool has_word(struct str list, struct str word)
{
    struct str field;
    while (str_next_field(&list, ',', &field)) {
        if (str_equal(field, word)) {
            return true;
        }
    }
    return false;
}

/* find_path finds the process's cgroup: "0::/a/b" is version 2, "4:memory:/a/b" version 1. */
static struct str find_path(struct str text, bool is_v2)
{
    struct str line;
    while (str_next_field(&text, '\n', &line)) {
        const struct str controllers = nth_field(line, ':', 1);
        const bool is_it =
            is_v2 ? str_equal(nth_field(line, ':', 0), STR("0")) && controllers.len == 0
                  : has_word(controllers, STR("memory"));
        if (is_it && line.len > 0) {
            const size_t before = nth_field(line, ':', 0).len + controllers.len + 2;
            return (struct str){line.ptr + before, line.len - before};
        }
    }
    return (struct str){NULL, 0};
}

struct mount {
    struct str root;  /* which folder of the tree is mounted */
    struct str point; /* and where */
};

/* read_mount reads a line of mountinfo (proc(5)): "31 23 0:28 /root /point rw - type source
 * options".
 *
 * Returns: whether it is the tree that is looked for. */
static bool read_mount(struct str line, bool is_v2, struct mount *ret_mount)
{
    size_t i = 6; /* optional fields follow, up to a "-" */
    while (i < MOUNT_FIELDS_MAX && !str_equal(nth_field(line, ' ', i), STR("-"))) {
        i++;
    }
    const struct str type = nth_field(line, ' ', i + 1);
    const struct str options = nth_field(line, ' ', i + 3);
    *ret_mount = (struct mount){nth_field(line, ' ', 3), nth_field(line, ' ', 4)};
    return is_v2 ? str_equal(type, STR("cgroup2"))
                 : str_equal(type, STR("cgroup")) && has_word(options, STR("memory"));
}

static bool find_mount(struct str text, bool is_v2, struct mount *ret_mount)
{
    struct str line;
    while (str_next_field(&text, '\n', &line)) {
        if (read_mount(line, is_v2, ret_mount)) {
            return true;
        }
    }
    return false;
}

/* below makes a path relative to the folder that is mounted; "" when it is not below that, as in a
 * container that sees its own cgroup as the root. */
static struct str below(struct str path, struct str mounted)
{
    if (mounted.len == 1) {
        return path;
    }
    if (path.len < mounted.len || memcmp(path.ptr, mounted.ptr, mounted.len) != 0 ||
        (path.len > mounted.len && path.ptr[mounted.len] != '/')) {
        return STR("");
    }
    return (struct str){path.ptr + mounted.len, path.len - mounted.len};
}

static size_t read_limit(const char *root, struct str folder, const char *file)
{
    char path[PATH_MAX];
    char text[64];
    struct str value;
    uint64_t limit;
    const int len = snprintf(path, sizeof(path), "%" STR_FMT "/%s", STR_ARG(folder), file);
    if (len < 0 || (size_t)len >= sizeof(path) ||
        !read_file(root, path, text, sizeof(text), &value)) {
        return SIZE_MAX;
    }
    value.len -= value.len > 0 && value.ptr[value.len - 1] == '\n' ? 1 : 0;
    /* "max" is no number; version 1 has a number that nothing reaches instead */
    return str_parse_u64(value, UINT64_MAX, &limit) && limit > 0 && limit < SIZE_MAX / 4
               ? (size_t)limit
               : SIZE_MAX;
}

/* find_limit looks in the process's cgroup and in all above it. */
static size_t find_limit(const char *root, struct str cgroups, struct str mounts,
                         struct cgroup_kind kind)
{
    struct mount mount;
    const struct str path = find_path(cgroups, kind.is_v2);
    if (path.ptr == NULL || !find_mount(mounts, kind.is_v2, &mount)) {
        return SIZE_MAX;
    }
    char folder[PATH_MAX];
    const struct str tail = below(path, mount.root);
    const int len = snprintf(folder, sizeof(folder), "%" STR_FMT "%" STR_FMT, STR_ARG(mount.point),
                             STR_ARG(tail));
    if (len < 0 || (size_t)len >= sizeof(folder)) {
        return SIZE_MAX;
    }
    struct str at = {folder, (size_t)len};
    size_t limit = SIZE_MAX;
    while (at.len >= mount.point.len && at.len > 0) {
        limit = least(limit, read_limit(root, at, kind.file));
        while (at.len > 0 && at.ptr[at.len - 1] != '/') {
            at.len--;
        }
        at.len -= at.len > 0 ? 1 : 0;
    }
    return limit;
}

size_t memory_limit_cgroup(const char *root)
{
    static const struct cgroup_kind kinds[] = {{"memory.max", true},
                                               {"memory.limit_in_bytes", false}};
    char cgroup_text[4096];
    char *mount_text = malloc(TEXT_BYTES); /* too much for a stack */
    struct str cgroups;
    struct str mounts;
    size_t limit = SIZE_MAX;
    if (mount_text != NULL &&
        read_file(root, "/proc/self/cgroup", cgroup_text, sizeof(cgroup_text), &cgroups) &&
        read_file(root, "/proc/self/mountinfo", mount_text, TEXT_BYTES, &mounts)) {
        for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
            limit = least(limit, find_limit(root, cgroups, mounts, kinds[i]));
        }
    }
    free(mount_text);
    return limit;
}

static size_t find_mapped(const char *root)
{
    char text[256];
    struct str statm;
    uint64_t pages;
    if (!read_file(root, "/proc/self/statm", text, sizeof(text), &statm) ||
        !str_parse_u64(nth_field(statm, ' ', 0), SIZE_MAX / 65536, &pages)) {
        return 0;
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* address_space is what RLIMIT_AS leaves: libraries, stacks of threads and the log's queues are
 * mapped, too. */
static size_t address_space(const char *root)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return SIZE_MAX;
    }
    const size_t mapped = find_mapped(root);
    return limit.rlim_cur > mapped ? (size_t)limit.rlim_cur - mapped : 1;
}

static size_t machine(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : SIZE_MAX;
}

size_t memory_limit_find(const char *root)
{
    return least(least(memory_limit_cgroup(root), address_space(root)), machine());
}
