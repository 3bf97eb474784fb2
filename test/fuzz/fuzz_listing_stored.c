/* SPDX-License-Identifier: MIT
 *
 * fuzz_listing_stored.c - any bytes as what Redis holds: an entry, news, a listing or a page. What
 *                         is taken is the same when it comes round again.
 */
#include "handlers/listings/model/listing_stored.h"

#include "handlers/listings/cache/listings_entry.h"

#define ARENA_BYTES (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_one(struct arena *arena, struct str json)
{
    struct listing listing = {0};
    struct listing again = {0};
    struct buf first;
    struct buf second;
    if (listing_stored_one(arena, json, &listing) != 0) {
        return;
    }
    buf_init(&first, ARENA_BYTES);
    buf_init(&second, ARENA_BYTES);
    listing_to_json(&listing, &first);
    if (listing_stored_one(arena, buf_str(&first), &again) == 0) {
        listing_to_json(&again, &second);
        INVARIANT(str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_deinit(&first);
    buf_deinit(&second);
}

static void check_page(struct arena *arena, struct str json)
{
    struct listings_page page;
    struct str cursor;
    if (listing_stored_page(arena, json, &page, &cursor) != 0) {
        return;
    }
    for (size_t i = 0; i < page.count; i++) {
        struct buf out;
        buf_init(&out, ARENA_BYTES);
        listing_to_json(&page.list[i], &out);
        buf_deinit(&out);
    }
    INVARIANT(cursor.len == 0 || cursor.ptr != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = {(const char *)data, size};
    struct listings_entry entry;
    struct listings_news news;
    struct arena arena;
    struct str json = input;
    arena_init(&arena, ARENA_BYTES);
    if (listings_entry_parse(input, &entry)) {
        INVARIANT(entry.version <= LISTINGS_VERSION_MAX);
        INVARIANT(entry.json.ptr == NULL || !entry.is_deleted);
        json = entry.json.ptr == NULL ? json : entry.json;
    }
    if (listings_news_parse(input, &news)) {
        INVARIANT(news.id.len == LISTING_ID_LEN);
    }
    check_one(&arena, json);
    check_page(&arena, json);
    arena_deinit(&arena);
    return 0;
}
