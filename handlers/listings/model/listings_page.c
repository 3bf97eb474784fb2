/* SPDX-License-Identifier: MIT
 *
 * listings_page.c - prints a page, makes its key, and copies it.
 */
#include "handlers/listings/model/listings_page.h"

#include <inttypes.h>

static void put_next_cursor(struct arena *arena, const struct listings_query *query,
                            const struct listings_page *page, struct buf *out)
{
    struct str cursor;
    if (!page->has_more || page->count == 0) {
        buf_append_cstr(out, "null");
    } else if (listings_query_cursor(arena, query, &page->list[page->count - 1], &cursor)) {
        buf_append_json(out, cursor);
    } else {
        out->is_failed = true;
    }
}

void listings_page_to_json(struct arena *arena, const struct listings_query *query,
                           const struct listings_page *page, struct buf *out)
{
    buf_append_cstr(out, "{\"items\":[");
    for (size_t i = 0; i < page->count; i++) {
        if (i > 0) {
            buf_append_char(out, ',');
        }
        listing_to_json(&page->list[i], out);
    }
    buf_append_cstr(out, "],\"next_cursor\":");
    put_next_cursor(arena, query, page, out);
    if (page->has_total) {
        buf_append_cstr(out, ",\"total\":");
        buf_append_u64(out, page->total);
    }
    buf_append_cstr(out, "}\n");
}

/* The texts of a query. */
static const size_t texts[] = {
    offsetof(struct listings_query, city),      offsetof(struct listings_query, state),
    offsetof(struct listings_query, kind),      offsetof(struct listings_query, purpose),
    offsetof(struct listings_query, status),    offsetof(struct listings_query, title),
    offsetof(struct listings_query, cursor_id),
};

static const struct str *text_of(const struct listings_query *query, size_t offset)
{
    return (const struct str *)(const void *)((const char *)query + offset);
}

void listings_page_key(const struct listings_query *query, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        const struct str *text = text_of(query, texts[i]);
        if (text->ptr != NULL) { /* with its length, so that no text reads as two */
            buf_printf(out, "%zu.%zu:", i, text->len);
            buf_append_str(out, *text);
        }
    }
    buf_printf(out, "|%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64,
               query->min_price_cents, query->max_price_cents, query->min_area_m2,
               query->max_area_m2, query->min_bedrooms);
    buf_printf(out, "|%d,%zu,%d", (int)query->sort, query->limit, query->wants_total);
    if (query->has_cursor) {
        buf_printf(out, "|%" PRId64, query->cursor_key);
    }
}

bool listings_page_copy(struct arena *arena, const struct listings_query *query,
                        struct listings_query *ret_query)
{
    struct listings_query copy = *query;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct str *text = (struct str *)(void *)((char *)&copy + texts[i]);
        if (text->ptr != NULL && !arena_copy(arena, *text, text)) {
            return false;
        }
    }
    *ret_query = copy;
    return true;
}
