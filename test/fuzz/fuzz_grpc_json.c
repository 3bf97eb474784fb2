/* SPDX-License-Identifier: MIT
 *
 * fuzz_grpc_json.c - any bytes as the JSON of a message and as its parameters: refused with a
 *                    reason, or taken and the same when they come round again.
 */
#include "core/grpc/grpc_json.h"
#include "toq/test/v1/kinds.pb-c.c"
#include "toq/v1/listings.pb-c.h"

#define ARENA_BYTES (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct grpc_json *in)
{
    INVARIANT(in->is_full || in->wrong[0] != '\0');
    INVARIANT(strlen(in->wrong) < GRPC_JSON_WRONG_BYTES);
}

/* check_round_trip: what was written is read, and written likewise. What is written is longer, and
 * one deeper. */
static void check_round_trip(const ProtobufCMessage *message)
{
    struct arena arena;
    struct buf first;
    struct buf second;
    struct grpc_json in;
    arena_init(&arena, 4 * ARENA_BYTES);
    buf_init(&first, ARENA_BYTES);
    buf_init(&second, ARENA_BYTES);
    grpc_json_write(&first, message);
    if (grpc_json_start(&in, &arena, message->descriptor) && grpc_json_read(&in, buf_str(&first))) {
        grpc_json_write(&second, in.message);
        INVARIANT(str_equal(buf_str(&first), buf_str(&second)));
    } else {
        INVARIANT(first.is_failed || in.is_full || strstr(in.wrong, "too deep") != NULL);
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
}

static void check_body(const ProtobufCMessageDescriptor *type, struct str text)
{
    struct arena arena;
    struct grpc_json in;
    arena_init(&arena, ARENA_BYTES);
    if (grpc_json_start(&in, &arena, type) && grpc_json_read(&in, text)) {
        check_round_trip(in.message);
    } else {
        check_refusal(&in);
    }
    arena_deinit(&arena);
}

/* check_parameters takes "name=value", one a line. What is decoded has no NUL. */
static void check_parameters(const ProtobufCMessageDescriptor *type, struct str text)
{
    struct arena arena;
    struct grpc_json in;
    struct str line;
    struct str name;
    arena_init(&arena, ARENA_BYTES);
    bool is_taken = grpc_json_start(&in, &arena, type);
    while (is_taken && str_next_field(&text, '\n', &line) && str_next_field(&line, '=', &name)) {
        is_taken = grpc_json_set(&in, name, line.ptr == NULL ? STR("") : line);
    }
    if (is_taken) {
        check_round_trip(in.message);
    } else {
        check_refusal(&in);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {size == 0 ? "" : (const char *)data, size};
    check_body(&toq__test__v1__kinds__descriptor, text);
    check_body(&toq__v1__listing__descriptor, text);
    if (memchr(text.ptr, '\0', text.len) == NULL) {
        check_parameters(&toq__test__v1__kinds__descriptor, text);
    }
    return 0;
}
