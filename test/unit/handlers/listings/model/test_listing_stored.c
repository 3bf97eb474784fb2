/* SPDX-License-Identifier: MIT
 *
 * test_listing_stored.c - what we write is read back as it was, and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "handlers/listings/model/listings_page.h"

#include "test/unit/support/failing_arena.h"
#define arena_alloc failing_arena_alloc
#include "handlers/listings/model/listing_stored.c"
#undef arena_alloc
#include "test/unit/support/arena_rig.h"

#define ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static struct buf json;

static int set_up(void **state)
{
    buf_init(&json, 1 << 20);
    return set_up_arena(state);
}

static int tear_down(void **state)
{
    allocations_left = SIZE_MAX;
    buf_deinit(&json);
    return tear_down_arena(state);
}

static struct listing sample(const char *text, uint64_t time_us)
{
    struct listing listing = {
        .id = STR(ID), .version = 7, .created_us = time_us, .updated_us = time_us + 1};
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const bool is_number = listing_field_info((enum listing_field)f)->type == LISTING_NUMBER;
        listing.fields[f].number = is_number ? f * 1000 : 0;
        listing.fields[f].text = is_number ? STR("") : str_from(text);
    }
    return listing;
}

static void assert_same(const struct listing *a, const struct listing *b)
{
    assert_true(str_equal(a->id, b->id));
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        assert_true(str_equal(a->fields[f].text, b->fields[f].text));
        assert_int_equal(a->fields[f].number, b->fields[f].number);
    }
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->created_us, b->created_us);
    assert_int_equal(a->updated_us, b->updated_us);
}

static void write_one(const struct listing *listing)
{
    buf_clear(&json);
    listing_to_json(listing, &json);
    buf_append_char(&json, '\n');
    assert_false(json.is_failed);
}

static void test_texts_come_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"",        "Casa",    "\"\\\"", "a\nb\r\tc", "\x7F\x01\x1f",
                                        "São ☺ 😈", "\\u0041", "\\",     "\"",        "/"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        const struct listing listing = sample(texts[i], 1700000000123456);
        struct listing got;
        write_one(&listing);
        assert_int_equal(listing_stored_one(&arena, buf_str(&json), &got), 0);
        assert_same(&got, &listing);
    }
}

static void test_times_come_back(void **state)
{
    (void)state;
    static const uint64_t times[] = {0,
                                     UINT64_C(951782399999999),  /* 2000-02-28T23:59:59.999999 */
                                     UINT64_C(951782400000000),  /* 2000-02-29 */
                                     UINT64_C(951868800000000),  /* 2000-03-01 */
                                     UINT64_C(4107542400000000), /* 2100-03-01 */
                                     UINT64_C(1798761599999999), /* 2026-12-31T23:59:59.999999 */
                                     UINT64_C(18446744073709550)};
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        const struct listing listing = sample("x", times[i]);
        struct listing got;
        write_one(&listing);
        assert_int_equal(listing_stored_one(&arena, buf_str(&json), &got), 0);
        assert_same(&got, &listing);
    }
}

static void test_each_part_of_a_listing_is_none(void **state)
{
    (void)state;
    const struct listing listing = sample("a\"b", 1);
    struct listing got = {.version = 99};
    write_one(&listing);
    const struct str whole = buf_str(&json);
    for (size_t len = 0; len < whole.len; len++) {
        const struct str part = {whole.ptr, len};
        assert_int_equal(listing_stored_one(&arena, part, &got), UV_EPROTO);
    }
    assert_int_equal(got.version, 99);
}

static void test_a_byte_more_or_another_one(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
    } swaps[] = {{"{\"id\"", "{\"ID\""},
                 {"\"title\":", "\"title\" "},
                 {"\\n", "\\t"},
                 {"\\u007f", "\\u0x7f"},
                 {"\\u007f", "\\u107f"},
                 {"\"version\":7", "\"version\":x"},
                 {"1970-01-01", "1970-x1-01"},
                 {"000001Z", "000001z"}};
    struct listing got;
    for (size_t i = 0; i < ARRAY_COUNT(swaps); i++) {
        const struct listing listing = sample("\n\x7F", 1);
        write_one(&listing);
        char *at = memmem(json.data, json.len, swaps[i].from, strlen(swaps[i].from));
        assert_non_null(at);
        memcpy(at, swaps[i].to, strlen(swaps[i].to));
        assert_int_equal(listing_stored_one(&arena, buf_str(&json), &got), UV_EPROTO);
    }
    const struct listing listing = sample("x", 1);
    write_one(&listing);
    buf_append_char(&json, '\n');
    assert_int_equal(listing_stored_one(&arena, buf_str(&json), &got), UV_EPROTO);
}

/* --- pages --- */

static void write_page(size_t count, bool has_more, bool has_total)
{
    static struct listing list[LISTINGS_LIMIT_MAX + 1];
    struct listings_query query;
    listings_query_init(&query);
    for (size_t i = 0; i < count; i++) {
        list[i] = sample("a\"b", i);
    }
    const struct listings_page page = {
        .list = list, .count = count, .has_more = has_more, .has_total = has_total, .total = 42};
    buf_clear(&json);
    listings_page_to_json(&arena, &query, &page, &json);
    assert_false(json.is_failed);
}

static void test_pages_come_back(void **state)
{
    (void)state;
    for (size_t count = 0; count <= LISTINGS_LIMIT_MAX; count += 25) {
        for (int flags = 0; flags < 4; flags++) {
            struct listings_page page;
            struct str cursor;
            const bool has_more = (flags & 1) != 0 && count > 0;
            write_page(count, has_more, (flags & 2) != 0);
            assert_int_equal(listing_stored_page(&arena, buf_str(&json), &page, &cursor), 0);
            assert_int_equal(page.count, count);
            assert_int_equal(page.has_more, has_more);
            assert_int_equal(cursor.len > 0, has_more);
            assert_int_equal(page.has_total, (flags & 2) != 0);
            assert_int_equal(page.total, page.has_total ? 42 : 0);
        }
        arena_reset(&arena);
    }
}

static void test_pages_that_are_none(void **state)
{
    (void)state;
    struct listings_page page;
    struct str cursor;
    write_page(2, true, true);
    const struct str whole = buf_str(&json);
    for (size_t len = 0; len < whole.len; len++) {
        const struct str part = {whole.ptr, len};
        assert_int_equal(listing_stored_page(&arena, part, &page, &cursor), UV_EPROTO);
        arena_reset(&arena);
    }
    write_page(LISTINGS_LIMIT_MAX + 1, false, false);
    assert_int_equal(listing_stored_page(&arena, buf_str(&json), &page, &cursor), UV_EPROTO);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct listings_page page;
    struct str cursor;
    int status = UV_ENOMEM;
    write_page(3, true, false);
    for (size_t n = 0; status != 0; n++) {
        arena_reset(&arena);
        allocations_left = n;
        status = listing_stored_page(&arena, buf_str(&json), &page, &cursor);
        assert_true(status == 0 || status == UV_ENOMEM);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_texts_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_part_of_a_listing_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_byte_more_or_another_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
