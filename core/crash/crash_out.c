/* SPDX-License-Identifier: MIT
 *
 * crash_out.c - a buffer, and writes that time out.
 */
#include "core/crash/crash_out.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

bool crash_read(const void *from, void *to, size_t len)
{
    /* cppcheck-suppress ctuuninitvar ; it is filled in here */
    struct iovec local = {to, len};
    struct iovec remote = {(void *)(uintptr_t)from, len};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static bool is_writable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    int count;
    do {
        count = poll(&poller, 1, CRASH_OUT_STUCK_MS);
    } while (count < 0 && errno == EINTR);
    return count == 1 && (poller.revents & POLLOUT) != 0;
}

/* write_all writes to a descriptor. At most CRASH_OUT_BYTES go at once: a pipe that polls as
 * writable takes so much without waiting.
 *
 * Returns: 0; a negative errno. */
static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        if (!is_writable(fd)) {
            return -EAGAIN;
        }
        const ssize_t count = write(fd, data, len);
        if (count < 0 && errno != EINTR && errno != EAGAIN) {
            return -errno;
        }
        if (count > 0) {
            data += count;
            len -= (size_t)count;
        }
    }
    return 0;
}

void crash_out_flush(struct crash_out *out)
{
    if (out->fd >= 0 && write_all(out->fd, out->data, out->len) < 0) {
        out->fd = -1;
    }
    const int status = out->file >= 0 ? write_all(out->file, out->data, out->len) : 0;
    if (status < 0) {
        out->file = -1;
        out->file_error = -status;
    }
    out->len = 0;
}

void crash_out_bytes(struct crash_out *out, const char *bytes, size_t len)
{
    while (len > 0) {
        const size_t room = sizeof(out->data) - out->len;
        const size_t part = len < room ? len : room;
        memcpy(out->data + out->len, bytes, part);
        out->len += part;
        bytes += part;
        len -= part;
        if (out->len == sizeof(out->data)) {
            crash_out_flush(out);
        }
    }
}

void crash_out_text(struct crash_out *out, const char *text)
{
    crash_out_bytes(out, text, strlen(text));
}

void crash_out_foreign(struct crash_out *out, const char *text)
{
    if (text == NULL) {
        crash_out_text(out, "-");
        return;
    }
    char c = '\0';
    size_t len = 0;
    for (; len < CRASH_TEXT_BYTES && crash_read(text + len, &c, 1) && c != '\0'; len++) {
        const bool is_control = (unsigned char)c < 0x20 || c == 0x7f;
        crash_out_bytes(out, is_control ? "?" : &c, 1);
    }
    if (len == 0) {
        crash_out_text(out, "?");
    }
}

void crash_out_number(struct crash_out *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    crash_out_bytes(out, digits + at, sizeof(digits) - at);
}

static const char hex_digits[] = "0123456789abcdef";

void crash_out_hex(struct crash_out *out, uint64_t number)
{
    char digits[16];
    size_t at = sizeof(digits);
    do {
        digits[--at] = hex_digits[number % 16];
        number /= 16;
    } while (number > 0);
    crash_out_text(out, "0x");
    crash_out_bytes(out, digits + at, sizeof(digits) - at);
}

void crash_out_id(struct crash_out *out, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= at[i];
    }
    if (any == 0) {
        crash_out_text(out, "-");
        return;
    }
    for (size_t i = 0; i < len; i++) {
        const char pair[2] = {hex_digits[at[i] / 16], hex_digits[at[i] % 16]};
        crash_out_bytes(out, pair, sizeof(pair));
    }
}

void crash_out_ms(struct crash_out *out, uint64_t duration_ns)
{
    const uint64_t us = duration_ns / NS_PER_US % 1000;
    const char decimals[4] = {'.', (char)('0' + us / 100), (char)('0' + us / 10 % 10),
                              (char)('0' + us % 10)};
    crash_out_number(out, duration_ns / NS_PER_MS);
    crash_out_bytes(out, decimals, sizeof(decimals));
}
