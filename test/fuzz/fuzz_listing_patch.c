/* SPDX-License-Identifier: MIT
 *
 * fuzz_listing_patch.c - any bytes as a merge patch over a listing: refused with a reason, or a
 *                        listing that may be stored, and which the same patch does not change
 *                        again.
 */
#include "handlers/listings/model/listing.h"

#define ARENA_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* base_of makes the listing that is patched. */
static struct listing base_of(struct arena *arena)
{
    static const char json[] =
        "{\"title\":\"Casa\",\"kind\":\"house\",\"purpose\":\"sale\",\"price_cents\":1,"
        "\"city\":\"Campinas\",\"state\":\"SP\",\"street\":\"Rua\",\"postal_code\":\"13083-970\","
        "\"bedrooms\":3,\"status\":\"published\"}";
    struct listing listing = {.version = 1};
    struct listing_errors errors;
    const bool is_read = listing_from_json(arena, STR(json), LISTING_WHOLE, &listing, &errors);
    INVARIANT(is_read);
    return listing;
}

static bool is_same(const struct listing *a, const struct listing *b)
{
    struct buf first;
    struct buf second;
    buf_init(&first, ARENA_BYTES);
    buf_init(&second, ARENA_BYTES);
    listing_to_json(a, &first);
    listing_to_json(b, &second);
    const bool is_equal = str_equal(buf_str(&first), buf_str(&second));
    buf_deinit(&first);
    buf_deinit(&second);
    return is_equal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = {(const char *)data, size};
    struct listing_errors errors;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct listing patched = base_of(&arena);
    if (listing_from_json(&arena, input, LISTING_PATCH, &patched, &errors)) {
        struct listing twice = patched;
        for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
            INVARIANT(listing_check((enum listing_field)f, &patched.fields[f]) == NULL);
        }
        INVARIANT(patched.version == 1);
        INVARIANT(listing_from_json(&arena, input, LISTING_PATCH, &twice, &errors));
        INVARIANT(is_same(&patched, &twice));
    } else {
        for (size_t i = 0; i < errors.count; i++) {
            enum listing_field field;
            INVARIANT(errors.list[i].message[0] != '\0');
            (void)!listing_find_field(errors.list[i].field, &field);
        }
    }
    arena_deinit(&arena);
    return 0;
}
