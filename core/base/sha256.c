/* SPDX-License-Identifier: MIT
 *
 * sha256.c - blocks of 64 bytes mixed into eight words. The names are those of FIPS 180-4.
 */
#include "core/base/sha256.h"

#define LENGTH_BYTES 8 /* of the number of bits, at the end of the last block */

/* 4.2.2: of the cube roots of the first 64 primes, the first 32 bits behind the point */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t read_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_word(unsigned char *out, uint32_t word)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (unsigned char)(word >> (24 - 8 * i));
    }
}

/* expand makes the message schedule: 6.2.2 step 1. */
static void expand(const unsigned char *block, uint32_t *w)
{
    for (size_t t = 0; t < 16; t++) {
        w[t] = read_word(block + 4 * t);
    }
    for (size_t t = 16; t < 64; t++) {
        const uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

/* compress mixes one block in: 6.2.2 steps 2 to 4; v[0] to v[7] are a to h. */
static void compress(struct sha256 *sha, const unsigned char *block)
{
    uint32_t w[64];
    uint32_t v[8];
    expand(block, w);
    memcpy(v, sha->state, sizeof(v));
    for (size_t t = 0; t < 64; t++) {
        const uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
        const uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
        const uint32_t t1 = v[7] + s1 + ch + k[t] + w[t];
        const uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
        const uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + s0 + maj;
    }
    for (size_t i = 0; i < 8; i++) {
        sha->state[i] += v[i];
    }
}

void sha256_init(struct sha256 *sha)
{
    /* 5.3.3: of the square roots of the first 8 primes */
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, start, sizeof(start));
    sha->bytes = 0;
}

void sha256_add(struct sha256 *sha, struct str bytes)
{
    while (bytes.len > 0) {
        const size_t used = sha->bytes % SHA256_BLOCK_BYTES;
        const size_t room = SHA256_BLOCK_BYTES - used;
        const size_t len = bytes.len < room ? bytes.len : room;
        memcpy(sha->block + used, bytes.ptr, len);
        sha->bytes += len;
        bytes = (struct str){bytes.ptr + len, bytes.len - len};
        if (len == room) {
            compress(sha, sha->block);
        }
    }
}

void sha256_end(struct sha256 *sha, unsigned char *out)
{
    static const char padding[SHA256_BLOCK_BYTES] = {(char)0x80};
    const uint64_t bits = sha->bytes * 8;
    const size_t used = sha->bytes % SHA256_BLOCK_BYTES;
    const size_t last = SHA256_BLOCK_BYTES - LENGTH_BYTES;
    unsigned char length[LENGTH_BYTES];
    write_word(length, (uint32_t)(bits >> 32));
    write_word(length + 4, (uint32_t)bits);
    sha256_add(sha, (struct str){padding, (used < last ? last : last + SHA256_BLOCK_BYTES) - used});
    sha256_add(sha, (struct str){(const char *)length, sizeof(length)});
    for (size_t i = 0; i < 8; i++) {
        write_word(out + 4 * i, sha->state[i]);
    }
}

void sha256_end_text(struct sha256 *sha, char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[SHA256_BYTES];
    sha256_end(sha, bytes);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}
