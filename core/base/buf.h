/* SPDX-License-Identifier: MIT
 *
 * buf.h - a growable run of bytes with a maximum, for text and messages that are built piece by
 * piece.
 *
 * Failure: the first append that would pass the maximum, or for which memory is missing, marks the
 *          buffer failed; later appends do nothing. So a writer appends freely, asks at the end.
 * Thread:  one at a time.
 */
#ifndef TOQ_CORE_BASE_BUF_H
#define TOQ_CORE_BASE_BUF_H

#include "core/base/quota.h"
#include "core/base/str.h"

struct buf {
    char *data;          /* owned; NULL until the first append */
    size_t len;          /* bytes in use */
    size_t cap;          /* bytes allocated */
    size_t max_bytes;    /* len never passes this */
    bool is_failed;      /* an append did not fit */
    struct quota *quota; /* that cap is charged to; NULL for none */
};

/* buf_init starts an empty buffer that allocates nothing yet. */
void buf_init(struct buf *b, size_t max_bytes);

/* buf_init_charged is buf_init with a quota, which outlives the buffer. */
void buf_init_charged(struct buf *b, size_t max_bytes, struct quota *quota);

/* buf_deinit frees the bytes. */
void buf_deinit(struct buf *b);

/* buf_clear empties the buffer and clears the failure; the memory is kept. */
void buf_clear(struct buf *b);

/* buf_append copies `len` bytes to the end. */
void buf_append(struct buf *b, const void *data, size_t len);

/* buf_append_str copies a view to the end. */
void buf_append_str(struct buf *b, struct str s);

/* buf_append_cstr copies a NUL-terminated string to the end, without its NUL. Inline: of a literal
 * the length is known. */
static inline void buf_append_cstr(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

/* buf_append_char appends one byte. */
void buf_append_char(struct buf *b, char c);

/* buf_append_u64 appends `value` in decimal. */
void buf_append_u64(struct buf *b, uint64_t value);

/* buf_printf appends formatted text. */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* buf_append_json appends `s` as a JSON string with its quotes; bytes that are not UTF-8 become
 * U+FFFD. */
void buf_append_json(struct buf *b, struct str s);

/* buf_consume drops the first `len` bytes and moves the rest to the front. */
void buf_consume(struct buf *b, size_t len);

/* buf_steal hands the bytes to the caller, who frees them with free(); the buffer is empty
 * afterwards. */
MUST_USE char *buf_steal(struct buf *b);

/* buf_str is a view of the content, valid until the next append. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->data == NULL ? "" : b->data, b->len};
}

#endif
