/* SPDX-License-Identifier: MIT
 *
 * digest.h - a collision-resistant fingerprint of a list of texts: SHA-256.
 *
 * It names what peers send; it does not protect secrets that could be guessed.
 *
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_KIT_DIGEST_H
#define TOQ_HANDLERS_KIT_DIGEST_H

#include "core/base/str.h"

#define DIGEST_TEXT_LEN 64 /* SHA-256 in hexadecimal */

/* digest_texts writes the digest of `count` texts; each counts with its length, so that no two
 * lists of texts read alike.
 *
 * out: DIGEST_TEXT_LEN bytes, without a NUL.
 * Returns: true; false when memory is missing.
 */
MUST_USE bool digest_texts(const struct str *texts, size_t count, char *out);

#endif
