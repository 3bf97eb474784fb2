/* SPDX-License-Identifier: MIT
 *
 * test_buf.c - growing up to the maximum, failing once and for all, JSON strings.
 *
 * buf.c is included, with its realloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#include <stdio.h>
#define realloc failing_realloc
#include "core/base/buf.c"
#include "core/base/quota.c"
#undef realloc

static void assert_holds(const struct buf *b, const char *expected)
{
    assert_false(b->is_failed);
    assert_int_equal(b->len, strlen(expected));
    assert_memory_equal(buf_str(b).ptr, expected, b->len);
}

static void test_appends_in_order(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_holds(&b, "");
    buf_append(&b, "ab", 2);
    buf_append(&b, NULL, 0);
    buf_append_str(&b, STR("cd"));
    buf_append_cstr(&b, "ef");
    buf_append_char(&b, '-');
    buf_append_u64(&b, UINT64_MAX);
    buf_printf(&b, " %s=%d", "x", 7);
    assert_holds(&b, "abcdef-18446744073709551615 x=7");
    buf_deinit(&b);
}

static void test_grows_past_the_first_allocation(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        buf_printf(&b, "%04d", i);
    }
    assert_false(b.is_failed);
    assert_int_equal(b.len, 40000);
    assert_memory_equal(b.data, "00000001", 8);
    assert_memory_equal(b.data + b.len - 8, "99989999", 8);
    buf_deinit(&b);
}

static void test_fills_to_the_maximum_exactly(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_append_cstr(&b, "12");
    buf_printf(&b, "%d", 345);
    assert_holds(&b, "12345");
    buf_append_cstr(&b, "");
    assert_false(b.is_failed);
    buf_append_char(&b, '6');
    assert_true(b.is_failed);
    assert_int_equal(b.len, 5);
    buf_deinit(&b);
}

static void test_failure_stays_until_cleared(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_append_cstr(&b, "12345");
    assert_true(b.is_failed);
    assert_int_equal(b.len, 0);
    buf_append_char(&b, '1'); /* would fit, but what stands before it is missing */
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_append_char(&b, '1');
    assert_holds(&b, "1");
    buf_deinit(&b);
}

static void write_document(struct buf *b)
{
    buf_append_json(b, STR("key"));
    for (int i = 0; i < 200; i++) {
        buf_printf(b, "%d,", i);
    }
    buf_append_u64(b, 42);
}

static void test_each_failed_allocation_is_noticed(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct buf b;
        buf_init(&b, 10000);
        allocations_left = n;
        write_document(&b);
        allocations_left = SIZE_MAX;
        const bool is_failed = b.is_failed;
        buf_deinit(&b);
        if (!is_failed) {
            assert_int_equal(n, 3); /* 256, 512, 1024 bytes */
            return;
        }
    }
}

static void assert_json(struct str text, const char *expected)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_append_json(&b, text);
    assert_holds(&b, expected);
    buf_deinit(&b);
}

static void test_json_escapes(void **state)
{
    (void)state;
    assert_json((struct str){NULL, 0}, "\"\"");
    assert_json(STR("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    assert_json(STR("\n\t\0\x1f\x7f"), "\"\\n\\u0009\\u0000\\u001f\\u007f\"");
    assert_json(STR("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"),
                "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

#define FFFD "\xEF\xBF\xBD"

/* assert_json_at puts a byte between plain ones: what follows it must not change what it
 * becomes. */
static void assert_json_at(char byte, size_t place)
{
    char text[20];
    struct buf alone;
    struct buf among;
    memset(text, 'a', sizeof(text));
    text[place] = byte;
    buf_init(&alone, 100);
    buf_append_json(&alone, (struct str){&byte, 1});
    buf_init(&among, 100);
    buf_append_json(&among, (struct str){text, sizeof(text)});
    const size_t len = alone.len - 2; /* without its quotes */
    assert_int_equal(among.len, 2 + sizeof(text) - 1 + len);
    assert_memory_equal(among.data + 1 + place, alone.data + 1, len);
    for (size_t i = 1 + place + len; i < among.len - 1; i++) {
        assert_int_equal(among.data[i], 'a');
    }
    buf_deinit(&alone);
    buf_deinit(&among);
}

static void test_json_escapes_at_any_place(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 20; place++) {
            assert_json_at((char)byte, place);
        }
    }
}

static void test_json_replaces_what_is_not_utf8(void **state)
{
    (void)state;
    assert_json(STR("\xFF"), "\"" FFFD "\"");
    assert_json(STR("\x80z"), "\"" FFFD "z\"");
    assert_json(STR("\xC3"), "\"" FFFD "\"");                            /* cut off */
    assert_json(STR("\xE2\x82"), "\"" FFFD FFFD "\"");                   /* cut off */
    assert_json(STR("\xC0\xAF"), "\"" FFFD FFFD "\"");                   /* overlong */
    assert_json(STR("\xE0\x80\xAF"), "\"" FFFD FFFD FFFD "\"");          /* overlong */
    assert_json(STR("\xED\xA0\x80"), "\"" FFFD FFFD FFFD "\"");          /* surrogate */
    assert_json(STR("\xF4\x90\x80\x80"), "\"" FFFD FFFD FFFD FFFD "\""); /* above U+10FFFF */
    assert_json(STR("\xC3\x28"), "\"" FFFD "(\"");
}

static void test_consume_and_steal(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_consume(&b, 0);
    buf_append_cstr(&b, "headbody");
    buf_consume(&b, 4);
    assert_holds(&b, "body");
    char *data = buf_steal(&b);
    assert_memory_equal(data, "body", 4);
    assert_int_equal(b.len, 0);
    buf_append_char(&b, 'x');
    assert_holds(&b, "x");
    free(data);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_in_order),
        cmocka_unit_test(test_grows_past_the_first_allocation),
        cmocka_unit_test(test_fills_to_the_maximum_exactly),
        cmocka_unit_test(test_failure_stays_until_cleared),
        cmocka_unit_test(test_each_failed_allocation_is_noticed),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_json_escapes_at_any_place),
        cmocka_unit_test(test_json_replaces_what_is_not_utf8),
        cmocka_unit_test(test_consume_and_steal),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
