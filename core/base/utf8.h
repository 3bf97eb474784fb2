/* SPDX-License-Identifier: MIT
 *
 * utf8.h - checks UTF-8 and counts its characters.
 *
 * Source: RFC 3629.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_UTF8_H
#define TOQ_CORE_BASE_UTF8_H

#include "core/base/str.h"

/* utf8_len measures the sequence at the start of `s`, which is not empty.
 *
 * Returns: its bytes, 1 to 4; 0 when it is cut off, overlong, a surrogate or above U+10FFFF.
 */
size_t utf8_len(struct str s);

/* utf8_count counts the code points of a text.
 *
 * Returns: true with *ret_count set; false when it is not UTF-8.
 */
MUST_USE bool utf8_count(struct str s, size_t *ret_count);

#endif
