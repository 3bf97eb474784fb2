/* SPDX-License-Identifier: MIT
 *
 * newest.c - a list of the files, sorted by their times.
 */
#include "core/loop/newest.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 256

struct file {
    struct timespec changed;
    char name[NAME_BYTES];
};

struct files {
    struct file *list; /* owned */
    size_t count;
    size_t cap;
};

static int compare_ages(const void *a, const void *b)
{
    const struct file *left = a;
    const struct file *right = b;
    if (left->changed.tv_sec != right->changed.tv_sec) {
        return left->changed.tv_sec < right->changed.tv_sec ? -1 : 1;
    }
    if (left->changed.tv_nsec != right->changed.tv_nsec) {
        return left->changed.tv_nsec < right->changed.tv_nsec ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static bool is_wanted(const char *name, const char *prefix, const char *suffix)
{
    const size_t len = strlen(name);
    const size_t suffix_len = strlen(suffix);
    return len < NAME_BYTES && len >= strlen(prefix) + suffix_len &&
           strncmp(name, prefix, strlen(prefix)) == 0 &&
           strcmp(name + len - suffix_len, suffix) == 0;
}

/* add notes a file; false: there is no memory. */
static bool add(struct files *files, const char *name, const struct timespec *changed)
{
    if (files->count == files->cap) {
        const size_t cap = files->cap == 0 ? 64 : 2 * files->cap;
        struct file *list = realloc(files->list, cap * sizeof(*list));
        if (list == NULL) {
            return false;
        }
        files->list = list;
        files->cap = cap;
    }
    struct file *file = &files->list[files->count++];
    file->changed = *changed;
    memcpy(file->name, name, strlen(name) + 1);
    return true;
}

void newest_keep(const char *dir, const char *prefix, const char *suffix, size_t count)
{
    DIR *stream = opendir(dir);
    if (stream == NULL) {
        return;
    }
    struct files files = {.list = NULL};
    const struct dirent *entry = readdir(stream);
    for (bool goes_on = true; entry != NULL && goes_on; entry = readdir(stream)) {
        struct stat status;
        if (is_wanted(entry->d_name, prefix, suffix) &&
            fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode)) {
            goes_on = add(&files, entry->d_name, &status.st_mtim);
        }
    }
    if (files.count > 0) {
        qsort(files.list, files.count, sizeof(*files.list), compare_ages);
    }
    for (size_t i = 0; i + count < files.count; i++) {
        (void)unlinkat(dirfd(stream), files.list[i].name, 0);
    }
    free(files.list);
    (void)closedir(stream);
}
