/* SPDX-License-Identifier: MIT
 *
 * log_output.c - write(2) with its ways to fail: signals, short writes, full pipes, lost readers.
 *
 * After a failure in the middle of a line a newline is written first, so that the next line is
 * whole.
 */
#include "core/telemetry/log_output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/log_format.h"

/* count_lines counts events: a line that begins with a blank goes on with the one before. */
static size_t count_lines(struct str bytes)
{
    const char *end = bytes.ptr + bytes.len;
    size_t count = 0;
    for (const char *at = bytes.ptr; at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL) {
            break;
        }
        count += at + 1 == end || at[1] != ' ' ? 1 : 0;
    }
    return count;
}

/* wait_writable waits for room on a non-blocking descriptor; an error shows at the next write. */
static void wait_writable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    (void)poll(&pollfd, 1, -1);
}

/* write_all returns how many bytes got out; fewer than asked for when the descriptor failed. */
static size_t write_all(struct log_output *output, struct str bytes)
{
    size_t done = 0;
    while (done < bytes.len) {
        const ssize_t n = write(output->fd, bytes.ptr + done, bytes.len - done);
        if (n > 0) {
            done += (size_t)n;
            output->is_mid_line = bytes.ptr[done - 1] != '\n';
        } else if (n < 0 && errno == EAGAIN) {
            wait_writable(output->fd);
        } else if (n == 0 || errno != EINTR) {
            break;
        }
    }
    return done;
}

/* announce says how many lines are missing here; false when the descriptor still fails. */
static bool announce(struct log_output *output)
{
    if (output->is_mid_line && write_all(output, STR("\n")) == 0) {
        return false;
    }
    if (output->missing_lines == 0) {
        return true;
    }
    const struct log_field field = log_u64("count", output->missing_lines);
    const struct log_record record = {
        .wall_ns = clock_wall_ns(),
        .level = LOG_WARN,
        .component = "log",
        .message = "log lines dropped",
        .fields = &field,
        .count = 1,
    };
    char line[LOG_LINE_MAX_BYTES];
    const size_t len = log_format_line(output->format, &record, line);
    if (write_all(output, (struct str){line, len}) < len) {
        return false;
    }
    output->missing_lines = 0;
    return true;
}

size_t log_output_write(struct log_output *output, struct str lines)
{
    const size_t done = announce(output) ? write_all(output, lines) : 0;
    const size_t written = count_lines((struct str){lines.ptr, done});
    output->missing_lines += count_lines(lines) - written;
    return written;
}
