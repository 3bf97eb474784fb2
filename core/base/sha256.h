/* SPDX-License-Identifier: MIT
 *
 * sha256.h - a digest that nobody finds two texts for. Source: FIPS 180-4.
 *
 * For names and fingerprints of what peers send; not for secrets that could be guessed.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_SHA256_H
#define TOQ_CORE_BASE_SHA256_H

#include "core/base/str.h"

#define SHA256_BYTES       32
#define SHA256_BLOCK_BYTES 64
#define SHA256_TEXT_LEN    (2 * SHA256_BYTES)

struct sha256 {
    uint32_t state[8];
    uint64_t bytes; /* taken so far */
    unsigned char block[SHA256_BLOCK_BYTES];
};

/* sha256_init begins a digest. */
void sha256_init(struct sha256 *sha);

/* sha256_add takes the next bytes. */
void sha256_add(struct sha256 *sha, struct str bytes);

/* sha256_end writes the digest of all that was taken; only sha256_init is left afterwards.
 *
 * out: SHA256_BYTES.
 */
void sha256_end(struct sha256 *sha, unsigned char *out);

/* sha256_end_text is sha256_end in hexadecimal.
 *
 * out: SHA256_TEXT_LEN bytes, without a NUL.
 */
void sha256_end_text(struct sha256 *sha, char *out);

#endif
