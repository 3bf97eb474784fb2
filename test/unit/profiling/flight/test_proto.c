/* SPDX-License-Identifier: MIT
 *
 * test_proto.c - fields, as the specification of protobuf has their bytes, and a message that is
 * full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "profiling/flight/proto.h"
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static uint8_t data[256];
static struct proto proto;

static int set_up(void **state)
{
    (void)state;
    memset(data, 0xee, sizeof(data));
    proto = (struct proto){.data = data, .cap = sizeof(data)};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return 0;
}

static void assert_bytes(const char *bytes, size_t len)
{
    assert_false(proto.is_full);
    assert_int_equal(proto.len, len);
    assert_memory_equal(proto.data, bytes, len);
    proto.len = 0;
}

#define ASSERT_BYTES(text) assert_bytes((text), sizeof(text) - 1)

/* "150 in field 1 is 08 96 01", and "testing" in field 2: the examples of the specification. */
static void test_the_examples_of_the_specification(void **state)
{
    (void)state;
    proto_uint(&proto, 1, 150);
    ASSERT_BYTES("\x08\x96\x01");
    proto_text(&proto, 2, STR("testing"));
    ASSERT_BYTES("\x12\x07testing");
}

static void test_numbers_at_their_edges(void **state)
{
    (void)state;
    proto_uint(&proto, 1, 0);
    ASSERT_BYTES("\x08\x00");
    proto_uint(&proto, 15, 127);
    ASSERT_BYTES("\x78\x7f");
    proto_uint(&proto, 16, 128); /* the tag takes two bytes */
    ASSERT_BYTES("\x80\x01\x80\x01");
    proto_uint(&proto, 1, UINT64_MAX);
    ASSERT_BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    proto_fixed64(&proto, 3, UINT64_C(0x0102030405060708));
    ASSERT_BYTES("\x19\x08\x07\x06\x05\x04\x03\x02\x01");
    proto_text(&proto, 1, STR(""));
    ASSERT_BYTES("\x0a\x00");
    proto_length(&proto, 1, 300);
    ASSERT_BYTES("\x0a\xac\x02");
}

/* A length of three bytes is a varint as good as a short one. */
static void test_messages_in_messages(void **state)
{
    (void)state;
    const size_t outer = proto_begin(&proto, 3);
    const size_t inner = proto_begin(&proto, 1);
    proto_uint(&proto, 1, 150);
    proto_end(&proto, inner);
    proto_uint(&proto, 2, 1);
    proto_end(&proto, outer);
    ASSERT_BYTES("\x1a\x89\x80\x00\x0a\x83\x80\x00\x08\x96\x01\x10\x01");
    proto_end(&proto, proto_begin(&proto, 1));
    ASSERT_BYTES("\x0a\x80\x80\x00");
}

static void test_a_nested_message_of_any_length(void **state)
{
    (void)state;
    const size_t cap = PROTO_NESTED_MAX + 64;
    proto = (struct proto){.data = malloc(cap), .cap = cap};
    assert_non_null(proto.data);
    const size_t begun = proto_begin(&proto, 1);
    proto.len += PROTO_NESTED_MAX;
    proto_end(&proto, begun);
    assert_false(proto.is_full);
    assert_memory_equal(proto.data, "\x0a\xff\xff\x7f", 4);
    proto.len = 0;
    const size_t longer = proto_begin(&proto, 1);
    proto.len += PROTO_NESTED_MAX + 1;
    proto_end(&proto, longer);
    assert_true(proto.is_full);
    free(proto.data);
}

/* Nothing is written behind the end, and what is full stays so. */
static void test_a_message_that_is_full(void **state)
{
    (void)state;
    proto.cap = 5;
    proto_text(&proto, 1, STR("abc"));
    assert_false(proto.is_full);
    proto_uint(&proto, 1, 1);
    assert_true(proto.is_full);
    assert_int_equal(proto.data[5], 0xee);
    proto_end(&proto, proto_begin(&proto, 1));
    assert_true(proto.is_full);
    assert_true(proto.len <= proto.cap);
    assert_int_equal(proto.data[5], 0xee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_examples_of_the_specification, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_at_their_edges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_in_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_nested_message_of_any_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_message_that_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
