/* SPDX-License-Identifier: MIT
 *
 * test_uuid.c - identifiers in order, whatever the clock does, and their text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/kit/uuid.h"

#define NOW_NS UINT64_C(1795391999123456789) /* 2026-11-22 23:59:59.123: 0x1a205b3cc93 ms */

static void test_the_fields_of_version_7(void **state)
{
    (void)state;
    struct uuid_source source = {0};
    unsigned char bytes[UUID_BYTES];
    char text[UUID_TEXT_LEN];
    assert_int_equal(uuid_make(&source, NOW_NS, text), 0);
    assert_true(uuid_parse((struct str){text, sizeof(text)}, bytes));
    uint64_t ms = 0;
    for (size_t i = 0; i < 6; i++) {
        ms = ms << 8 | bytes[i];
    }
    assert_int_equal(ms, NOW_NS / NS_PER_MS);
    assert_int_equal(bytes[6] >> 4, 7);
    assert_int_equal(bytes[8] >> 6, 2);
}

/* makes_in_order makes `count` at one time and compares each with the one before. */
static void makes_in_order(struct uuid_source *source, uint64_t wall_ns, size_t count, char *last)
{
    for (size_t i = 0; i < count; i++) {
        char text[UUID_TEXT_LEN];
        assert_int_equal(uuid_make(source, wall_ns, text), 0);
        assert_true(memcmp(last, text, sizeof(text)) < 0);
        memcpy(last, text, sizeof(text));
    }
}

static void test_each_sorts_behind_the_one_before(void **state)
{
    (void)state;
    struct uuid_source source = {0};
    char last[UUID_TEXT_LEN] = {0};
    makes_in_order(&source, NOW_NS, 10000, last); /* more than a counter holds */
    makes_in_order(&source, NOW_NS - NS_PER_S, 10000, last);
    makes_in_order(&source, NOW_NS + NS_PER_S, 10, last);
    assert_int_equal(source.last_ms, (NOW_NS + NS_PER_S) / NS_PER_MS);
}

static void test_two_sources_do_not_meet(void **state)
{
    (void)state;
    struct uuid_source a = {0};
    struct uuid_source b = {0};
    char text_a[UUID_TEXT_LEN];
    char text_b[UUID_TEXT_LEN];
    assert_int_equal(uuid_make(&a, NOW_NS, text_a), 0);
    assert_int_equal(uuid_make(&b, NOW_NS, text_b), 0);
    assert_memory_not_equal(text_a, text_b, sizeof(text_a));
}

static void test_text_and_back(void **state)
{
    (void)state;
    const struct str text = STR("01a205b3-cc93-7fff-bfff-0123456789ab");
    unsigned char bytes[UUID_BYTES];
    char again[UUID_TEXT_LEN];
    assert_true(uuid_parse(text, bytes));
    assert_int_equal(bytes[0], 0x01);
    assert_int_equal(bytes[15], 0xAB);
    uuid_format(bytes, again);
    assert_memory_equal(again, text.ptr, text.len);
}

static void test_what_is_no_uuid(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "01a205b3-cc93-7fff-bfff-0123456789a",
        "01a205b3-cc93-7fff-bfff-0123456789abc",
        "01A205B3-CC93-7FFF-BFFF-0123456789AB",
        "01a205b30cc93-7fff-bfff-0123456789ab",
        "01a205b3-cc93-7fff-bfff-0123456789ag",
        "01a205b3-cc93-7fff-bfff-0123456789-b",
        "{1a2053e-ab93-7fff-bfff-0123456789a}",
        "' OR 1=1 --                         ",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        unsigned char bytes[UUID_BYTES] = {42};
        assert_false(uuid_parse(str_from(texts[i]), bytes));
        assert_int_equal(bytes[0], 42);
    }
    unsigned char bytes[UUID_BYTES];
    assert_false(uuid_parse(STR("01a205b3-cc93-7fff-bfff-01234567\0ab"), bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fields_of_version_7),
        cmocka_unit_test(test_each_sorts_behind_the_one_before),
        cmocka_unit_test(test_two_sources_do_not_meet),
        cmocka_unit_test(test_text_and_back),
        cmocka_unit_test(test_what_is_no_uuid),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
