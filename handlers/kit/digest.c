/* SPDX-License-Identifier: MIT
 *
 * digest.c - SHA-256 by OpenSSL.
 */
#include "handlers/kit/digest.h"

#include <openssl/evp.h>

#include "core/base/hex.h"

static bool add_text(EVP_MD_CTX *ctx, struct str text)
{
    char prefix[21];
    const size_t len = str_format_u64(prefix, text.len);
    prefix[len] = ':';
    return EVP_DigestUpdate(ctx, prefix, len + 1) == 1 &&
           EVP_DigestUpdate(ctx, text.ptr, text.len) == 1;
}

static bool digest(EVP_MD_CTX *ctx, const struct str *texts, size_t count,
                   unsigned char *ret_digest)
{
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_text(ctx, texts[i])) {
            return false;
        }
    }
    return EVP_DigestFinal_ex(ctx, ret_digest, NULL) == 1;
}

bool digest_texts(const struct str *texts, size_t count, char *out)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool is_done = ctx != NULL && digest(ctx, texts, count, bytes);
    EVP_MD_CTX_free(ctx);
    if (is_done) {
        hex_encode(bytes, DIGEST_TEXT_LEN / 2, out);
    }
    return is_done;
}
