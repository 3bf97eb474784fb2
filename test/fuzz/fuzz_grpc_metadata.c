/* SPDX-License-Identifier: MIT
 *
 * fuzz_grpc_metadata.c - any text as each of the header fields that gRPC has its own encoding for;
 * and what it encodes itself, decoded again.
 */
#include "core/grpc/grpc_codec.h"
#include "core/http/http.h"

#define ARENA_MAX_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_base64(struct arena *arena, struct str s)
{
    struct str out;
    struct str back;
    INVARIANT(grpc_base64_encode(arena, s, &out) && grpc_base64_is_valid(out));
    INVARIANT(grpc_base64_decode(arena, out, &back) && str_equal(back, s));
    struct str value;
    const bool is_valid = grpc_base64_is_valid(s);
    for (struct str rest = s; is_valid && str_next_field(&rest, ',', &value);) {
        INVARIANT(grpc_base64_decode(arena, value, &out) && out.len <= value.len);
    }
}

static void check_message(struct arena *arena, struct str s)
{
    struct str out;
    struct str back;
    INVARIANT(grpc_encode_message(arena, s, &out) && grpc_is_ascii_value(out));
    if (memchr(s.ptr, 0, s.len) == NULL) { /* http_decode takes no NUL */
        INVARIANT(http_decode(arena, out, false, &back) == 0);
        struct str again;
        INVARIANT(grpc_encode_message(arena, back, &again) && str_equal(again, out));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str s = {size == 0 ? "" : (const char *)data, size};
    struct arena arena;
    uint64_t ns;
    arena_init(&arena, ARENA_MAX_BYTES);
    if (size > 65536) {
        return 0; /* no header block is as long */
    }
    const bool is_timeout = grpc_parse_timeout(s, &ns);
    INVARIANT(!is_timeout || (s.len >= 2 && s.len <= 9));
    (void)grpc_is_content_type(s);
    (void)grpc_has_token(s, STR("gzip"));
    INVARIANT(!grpc_is_free_name(s) || grpc_is_ascii_value(s));
    (void)grpc_is_binary_name(s);
    check_base64(&arena, s);
    check_message(&arena, s);
    arena_deinit(&arena);
    return 0;
}
