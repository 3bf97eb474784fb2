/* SPDX-License-Identifier: MIT
 *
 * port_owner.c - finds the inodes of the sockets in /proc/net/tcp, and their processes in
 * /proc/PID/fd.
 *
 * Failure: whatever cannot be read is skipped.
 */
#include "core/app/port_owner.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENERS_MAX 16 /* on one port: an address each, or SO_REUSEPORT */
#define LINE_BYTES    512
#define PATH_BYTES    300
#define STATE_LISTEN  0x0a /* TCP_LISTEN of the kernel */

struct listeners {
    uint64_t inodes[LISTENERS_MAX];
    size_t count;
};

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 12345 ..." */
static void add_line(struct listeners *listeners, const char *line, uint16_t port)
{
    unsigned local;
    unsigned state;
    uint64_t inode;
    const int fields =
        sscanf(line, " %*[0-9]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f:] %x %*s %*s %*s %*s %*s %" SCNu64,
               &local, &state, &inode);
    if (fields == 3 && local == port && state == STATE_LISTEN && listeners->count < LISTENERS_MAX) {
        listeners->inodes[listeners->count++] = inode;
    }
}

static void add_file(struct listeners *listeners, const char *path, uint16_t port)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    char line[LINE_BYTES];
    while (fgets(line, sizeof(line), file) != NULL) {
        add_line(listeners, line, port);
    }
    (void)fclose(file);
}

static bool is_listener(const struct listeners *listeners, const char *link)
{
    uint64_t inode;
    if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1) {
        return false;
    }
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->inodes[i] == inode) {
            return true;
        }
    }
    return false;
}

/* holds_listener looks at the open files of a process. */
static bool holds_listener(const struct listeners *listeners, const char *pid)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    bool is_found = false;
    for (const struct dirent *entry = readdir(dir); entry != NULL && !is_found;
         entry = readdir(dir)) {
        char link[LINE_BYTES];
        const ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        link[len > 0 ? len : 0] = '\0';
        is_found = is_listener(listeners, link);
    }
    (void)closedir(dir);
    return is_found;
}

static void read_name(const char *pid, char *name)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(name, PORT_OWNER_NAME_BYTES, file) == NULL) {
        name[0] = '\0';
    }
    name[strcspn(name, "\n")] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
}

bool port_owner_find(uint16_t port, struct port_owner *ret_owner)
{
    struct listeners listeners = {.count = 0};
    add_file(&listeners, "/proc/net/tcp", port);
    add_file(&listeners, "/proc/net/tcp6", port);
    DIR *dir = listeners.count == 0 ? NULL : opendir("/proc");
    if (dir == NULL) {
        return false;
    }
    bool is_found = false;
    for (const struct dirent *entry = readdir(dir); entry != NULL && !is_found;
         entry = readdir(dir)) {
        const long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 0 && holds_listener(&listeners, entry->d_name)) {
            is_found = true;
            ret_owner->pid = (pid_t)pid;
            read_name(entry->d_name, ret_owner->name);
        }
    }
    (void)closedir(dir);
    return is_found;
}
