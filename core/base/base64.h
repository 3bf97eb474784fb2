/* SPDX-License-Identifier: MIT
 *
 * base64.h - bytes as text and back, in the two alphabets that header fields and addresses use.
 *
 * Source: RFC 4648 4 and 5.
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_BASE64_H
#define TOQ_CORE_BASE_BASE64_H

#include "core/base/str.h"

/* What a text looks like, and what is taken for one. In both, every byte is of the alphabet: no
 * white space, no line ends, nothing behind the padding; and one digit alone at the end is no
 * byte. */
enum base64_form {
    /* "+" and "/". Padding is taken whole or not at all: "Zg==" and "Zg", never "Zg=". The bits
     * that the last digit has too many are not looked at, as other gRPC servers do not. */
    BASE64_STANDARD,
    /* "-" and "_", no padding (RFC 7515 2). The bits that the last digit has too many are zero (RFC
     * 4648 3.5), so that there is one text for the same bytes. */
    BASE64_URL,
};

/* BASE64_ENCODED_BYTES is how long `count` bytes become. */
#define BASE64_ENCODED_BYTES(count) ((count) / 3 * 4 + ((count) % 3 * 4 + 2) / 3)

/* BASE64_DECODED_BYTES is how many bytes a text of `count` holds at the most; without padding,
 * exactly. */
#define BASE64_DECODED_BYTES(count) ((count) / 4 * 3 + (count) % 4 * 3 / 4)

/* base64_encode writes bytes as text, without padding and without a NUL.
 *
 * out: BASE64_ENCODED_BYTES(bytes.len) of room.
 * Returns: how many were written, which is all of them.
 */
size_t base64_encode(enum base64_form form, struct str bytes, char *out);

/* base64_is_valid tells whether base64_decode would take a text. */
bool base64_is_valid(enum base64_form form, struct str text);

/* base64_decode reads the whole of a text; an empty one is no bytes.
 *
 * out: BASE64_DECODED_BYTES(text.len) of room.
 * Returns: true with *ret_len set to how many were written; false for a text that is not of this
 *          form, and nothing was written.
 */
MUST_USE bool base64_decode(enum base64_form form, struct str text, void *out, size_t *ret_len);

#endif
