/* SPDX-License-Identifier: MIT
 *
 * fuzz_listings_query.c - lines of NAME=VALUE as a query: refused with a reason, or a statement
 *                         whose parameters fit, a key, and a cursor that the next page takes.
 */
#include "handlers/listings/model/listings_page.h"
#include "handlers/listings/store/listings_sql.h"

#define ARENA_BYTES (4u << 20)
#define ID          "01a205b3-cc93-7fff-bfff-0123456789ab"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* read_query takes all lines but those of a cursor; false when one is refused. */
static bool read_query(struct arena *arena, struct str input, bool wants_cursor,
                       struct listings_query *query)
{
    struct str line;
    listings_query_init(query);
    while (input.len > 0 && str_next_field(&input, '\n', &line)) {
        struct str name;
        if (!str_next_field(&line, '=', &name)) {
            continue;
        }
        if (!wants_cursor && str_equal(name, STR("cursor"))) {
            continue;
        }
        const char *wrong =
            listings_query_set(arena, query, name, line.ptr == NULL ? STR("") : line);
        if (wrong != NULL) {
            INVARIANT(wrong[0] != '\0');
            return false;
        }
    }
    return listings_query_finish(query) == NULL;
}

static void check_statement(struct arena *arena, const struct listings_query *query)
{
    struct sql_value params[LISTINGS_PARAMS_MAX];
    struct str text;
    size_t count;
    struct buf key;
    if (listings_sql_page(arena, query, params, &text, &count)) {
        size_t marks = 0;
        for (size_t i = 0; i < text.len; i++) {
            marks += text.ptr[i] == '?';
        }
        INVARIANT(marks == count && count <= LISTINGS_PARAMS_MAX);
    }
    if (listings_sql_total(arena, query, params, &text, &count)) {
        INVARIANT(count <= LISTINGS_PARAMS_MAX);
    }
    buf_init(&key, ARENA_BYTES);
    listings_page_key(query, &key);
    buf_deinit(&key);
}

/* check_next follows a query to its next page. */
static void check_next(struct arena *arena, struct str input, const struct listings_query *query)
{
    const struct listing last = {.id = STR(ID), .version = 1, .created_us = 1795391999000000};
    struct listings_query next;
    struct str cursor;
    if (!listings_query_cursor(arena, query, &last, &cursor)) {
        return;
    }
    if (read_query(arena, input, false, &next) && !next.has_cursor) {
        INVARIANT(listings_query_set(arena, &next, STR("cursor"), cursor) == NULL);
        INVARIANT(listings_query_finish(&next) == NULL);
        INVARIANT(next.has_cursor && str_equal(next.cursor_id, STR(ID)));
        check_statement(arena, &next);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = {(const char *)data, size};
    struct listings_query query;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    if (read_query(&arena, input, true, &query)) {
        check_statement(&arena, &query);
        check_next(&arena, input, &query);
    }
    arena_deinit(&arena);
    return 0;
}
