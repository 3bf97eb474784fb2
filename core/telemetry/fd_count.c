/* SPDX-License-Identifier: MIT
 *
 * fd_count.c - the size of /proc/self/fd, or one fcntl per slot where the kernel does not keep it.
 */
#include "core/telemetry/fd_count.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/telemetry/proc_file.h"

#define SCAN_MAX_SLOTS 16384

/* Enough for the lines of /proc/self/status up to FDSize; group lists come behind it. */
#define STATUS_BYTES 1024

bool fd_count_open(uint64_t *ret_count)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) { /* the count since Linux 6.2 */
        *ret_count = (uint64_t)st.st_size;
        return true;
    }
    return fd_count_by_scan(ret_count);
}

/* read_slots reads the size of the descriptor table, which is above every open descriptor. */
static bool read_slots(int *ret_slots)
{
    static const struct str key = {"FDSize:", 7};
    char data[STATUS_BYTES];
    struct str rest;
    struct str line;
    if (!proc_file_read("/proc/self/status", data, sizeof(data), &rest)) {
        return false;
    }
    while (str_next_field(&rest, '\n', &line)) {
        if (line.len < key.len || memcmp(line.ptr, key.ptr, key.len) != 0) {
            continue;
        }
        const struct str value = str_trim((struct str){line.ptr + key.len, line.len - key.len});
        uint64_t slots;
        if (!str_parse_u64(value, SCAN_MAX_SLOTS, &slots)) {
            return false;
        }
        *ret_slots = (int)slots;
        return true;
    }
    return false;
}

bool fd_count_by_scan(uint64_t *ret_count)
{
    int slots;
    if (!read_slots(&slots)) {
        return false;
    }
    uint64_t count = 0;
    for (int fd = 0; fd < slots; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            count++;
        }
    }
    *ret_count = count;
    return true;
}
