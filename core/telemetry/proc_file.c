/* SPDX-License-Identifier: MIT
 *
 * proc_file.c - one read: the kernel hands over these small files whole.
 */
#include "core/telemetry/proc_file.h"

#include <fcntl.h>
#include <unistd.h>

bool proc_file_read(const char *path, char *data, size_t size, struct str *ret_text)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t n = read(fd, data, size);
    (void)close(fd);
    if (n <= 0) {
        return false;
    }
    *ret_text = (struct str){data, (size_t)n};
    return true;
}
