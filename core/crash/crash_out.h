/* SPDX-License-Identifier: MIT
 *
 * crash_out.h - writes text to stderr and to a file by write(2) alone, in a process that has
 * crashed.
 *
 * Failure: a failed write to one of the two, as to a full disk, does not affect the other. When
 *          nobody reads stderr for CRASH_OUT_STUCK_MS, writing to it stops.
 * Memory:  a buffer in the struct; nothing is allocated.
 * Thread:  signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_OUT_H
#define TOQ_CORE_CRASH_CRASH_OUT_H

#include "core/base/base.h"

#define CRASH_OUT_BYTES    4096
#define CRASH_OUT_STUCK_MS 1000
#define CRASH_TEXT_BYTES   256 /* at most, of a text in memory that may be damaged */

struct crash_out {
    int fd;         /* stderr; -1: no more */
    int file;       /* -1: none, or no more */
    int file_error; /* errno of the write that failed; 0: none did */
    size_t len;
    char data[CRASH_OUT_BYTES];
};

/* crash_out_text adds a text of ours, which is where it should be. */
void crash_out_text(struct crash_out *out, const char *text);

/* crash_out_bytes adds `len` bytes. */
void crash_out_bytes(struct crash_out *out, const char *bytes, size_t len);

/* crash_out_foreign adds a text that may not be there: at most CRASH_TEXT_BYTES of it, without
 * control bytes; "?" when it cannot be read, "-" for NULL. */
void crash_out_foreign(struct crash_out *out, const char *text);

/* crash_out_number adds a number. */
void crash_out_number(struct crash_out *out, uint64_t number);

/* crash_out_hex adds a number as 0x and hexadecimal digits. */
void crash_out_hex(struct crash_out *out, uint64_t number);

/* crash_out_id adds `len` bytes as two digits each; "-" when all are zero. */
void crash_out_id(struct crash_out *out, const void *bytes, size_t len);

/* crash_out_ms adds a duration in ms, with three digits behind the point. */
void crash_out_ms(struct crash_out *out, uint64_t duration_ns);

/* crash_out_flush writes what was added. */
void crash_out_flush(struct crash_out *out);

/* crash_read copies memory of this process that may not be mapped.
 *
 * Returns: whether all of it could be read.
 */
bool crash_read(const void *from, void *to, size_t len);

#endif
