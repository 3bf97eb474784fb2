/* SPDX-License-Identifier: MIT
 *
 * fuzz_listing.c - any bytes as a listing's JSON and as a cursor: refused with a reason, or taken
 *                  and the same when they come round again.
 */
#include "handlers/listings/model/listings_cursor.h"
#include "handlers/listings/model/listings_query.h"

#define ARENA_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* put_fields prints what a client could send back: not the id, the version and the times. */
static void put_fields(const struct listing *listing, struct buf *out)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const struct listing_field_info *info = listing_field_info((enum listing_field)f);
        const struct listing_value *value = &listing->fields[f];
        INVARIANT(listing_check((enum listing_field)f, value) == NULL);
        buf_printf(out, "%s\"%s\":", f == 0 ? "{" : ",", info->name);
        if (info->type == LISTING_NUMBER) {
            buf_append_u64(out, (uint64_t)value->number);
        } else {
            buf_append_json(out, value->text);
        }
    }
    buf_append_char(out, '}');
}

static void check_round_trip(struct arena *arena, const struct listing *listing)
{
    struct buf first;
    struct buf second;
    struct listing again = {0};
    struct listing_errors errors;
    buf_init(&first, ARENA_BYTES);
    buf_init(&second, ARENA_BYTES);
    put_fields(listing, &first);
    INVARIANT(listing_from_json(arena, buf_str(&first), LISTING_WHOLE, &again, &errors));
    put_fields(&again, &second);
    INVARIANT(str_equal(buf_str(&first), buf_str(&second)));
    buf_deinit(&first);
    buf_deinit(&second);
}

static void check_json(struct arena *arena, struct str input)
{
    struct listing listing = {0};
    struct listing_errors errors;
    if (listing_from_json(arena, input, LISTING_WHOLE, &listing, &errors)) {
        INVARIANT(errors.count == 0);
        check_round_trip(arena, &listing);
        return;
    }
    INVARIANT(errors.count > 0 && errors.count <= LISTING_ERRORS_MAX);
    for (size_t i = 0; i < errors.count; i++) {
        INVARIANT(errors.list[i].message[0] != '\0');
    }
}

static void check_cursor(struct arena *arena, struct str input)
{
    struct listings_cursor cursor;
    struct listings_query query;
    char text[LISTINGS_CURSOR_LEN];
    if (listings_cursor_decode(input, &cursor)) {
        listings_cursor_encode(&cursor, text);
        INVARIANT(str_equal(input, (struct str){text, sizeof(text)}));
    }
    listings_query_init(&query);
    if (listings_query_set(arena, &query, STR("cursor"), input) == NULL) {
        (void)listings_query_finish(&query);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = {(const char *)data, size};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    check_json(&arena, input);
    check_cursor(&arena, input);
    arena_deinit(&arena);
    return 0;
}
