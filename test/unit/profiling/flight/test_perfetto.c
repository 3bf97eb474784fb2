/* SPDX-License-Identifier: MIT
 *
 * test_perfetto.c - a trace, read again by the field numbers of Perfetto's protos.
 *
 * Source: google/perfetto protos/perfetto/trace: trace_packet.proto, track_descriptor.proto,
 *         track_event.proto, interned_data.proto.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"
#include "profiling/flight/perfetto.h"

#define MAX_BYTES (1u << 20)

static struct perfetto trace;
static struct buf out;

/* A field's value: a number, or the bytes of what has a length. */
struct field {
    uint32_t number;
    uint64_t value;
    struct str bytes;
};

static uint64_t take_varint(struct str *rest)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        assert_true(rest->len > 0);
        const uint8_t byte = (uint8_t)*rest->ptr++;
        rest->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    fail_msg("a varint of more than ten bytes");
    return 0;
}

static bool next_field(struct str *rest, struct field *field)
{
    if (rest->len == 0) {
        return false;
    }
    const uint64_t tag = take_varint(rest);
    *field = (struct field){.number = (uint32_t)(tag >> 3)};
    size_t len = 0;
    if ((tag & 7) == 0) {
        field->value = take_varint(rest);
        return true;
    }
    len = (tag & 7) == 2 ? take_varint(rest) : 8;
    assert_true((tag & 7) == 1 || (tag & 7) == 2);
    assert_true(len <= rest->len);
    field->bytes = (struct str){rest->ptr, len};
    if ((tag & 7) == 1) {
        memcpy(&field->value, rest->ptr, 8);
    }
    rest->ptr += len;
    rest->len -= len;
    return true;
}

/* find is the nth field of a number in a message; number 0: there is none. */
static struct field find(struct str message, uint32_t number, size_t nth)
{
    struct field field;
    while (next_field(&message, &field)) {
        if (field.number == number && nth-- == 0) {
            return field;
        }
    }
    return (struct field){0, 0, STR("")};
}

static bool has(struct str message, uint32_t number)
{
    return find(message, number, 0).number != 0;
}

static struct str inside(struct str message, uint32_t number)
{
    const struct field field = find(message, number, 0);
    assert_int_equal(field.number, number);
    return field.bytes;
}

static uint64_t value(struct str message, uint32_t number)
{
    const struct field field = find(message, number, 0);
    assert_int_equal(field.number, number);
    return field.value;
}

static void assert_text(struct str bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.ptr, text, bytes.len);
}

/* packet is a packet of the trace; the first two are what perfetto_start writes. */
static struct str packet(size_t nth)
{
    const struct field field = find(buf_str(&out), 1, nth);
    assert_int_equal(field.number, 1);
    return field.bytes;
}

static size_t packet_count(void)
{
    size_t count = 0;
    while (find(buf_str(&out), 1, count).number != 0) {
        count++;
    }
    return count;
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, MAX_BYTES);
    perfetto_start(&trace, &out);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_deinit(&out);
    symbol_stop();
    return 0;
}

/* Times are the monotonic clock's (3), which a snapshot ties to the time of day (1). */
static void test_the_beginning(void **state)
{
    (void)state;
    assert_int_equal(perfetto_end(&trace), 0);
    assert_int_equal(packet_count(), 2);
    assert_int_equal(value(packet(0), 13), 1); /* what was interned before is forgotten */
    const struct str snapshot = inside(packet(0), 6);
    const struct str monotonic = find(snapshot, 1, 0).bytes;
    const struct str wall = find(snapshot, 1, 1).bytes;
    assert_int_equal(value(monotonic, 1), 3);
    assert_int_equal(value(wall, 1), 1);
    assert_true(value(wall, 2) > UINT64_C(1700000000) * NS_PER_S);
    assert_int_equal(value(snapshot, 2), 3);
    assert_int_equal(value(inside(packet(0), 59), 58), 3);
    const struct str track = inside(packet(1), 60);
    assert_int_equal(value(track, 1), PERFETTO_PROCESS_TRACK);
    assert_int_equal(value(inside(track, 3), 1), (uint64_t)getpid());
}

static void test_tracks(void **state)
{
    (void)state;
    perfetto_add_thread(&trace, 7, 1234, "toq-diag");
    perfetto_add_track(&trace, 8, 7, "turns");
    assert_int_equal(perfetto_end(&trace), 0);
    const struct str thread = inside(packet(2), 60);
    assert_int_equal(value(thread, 1), 7);
    assert_int_equal(value(inside(thread, 4), 2), 1234);
    assert_text(inside(inside(thread, 4), 5), "toq-diag");
    const struct str lane = inside(packet(3), 60);
    assert_int_equal(value(lane, 1), 8);
    assert_text(inside(lane, 2), "turns");
    assert_int_equal(value(lane, 5), 7);
}

static void test_an_event_with_everything(void **state)
{
    (void)state;
    perfetto_add(&trace, &(struct perfetto_event){.type = PERFETTO_BEGIN,
                                                  .track = 8,
                                                  .at_ns = 123456789,
                                                  .name = "GET /x",
                                                  .flow = 5,
                                                  .ended_flow = 6,
                                                  .number_name = "bytes",
                                                  .number = 1000,
                                                  .text_name = "for",
                                                  .text = "x.get"});
    assert_int_equal(perfetto_end(&trace), 0);
    const struct str whole = packet(2);
    assert_int_equal(value(whole, 13), 2); /* it needs what was interned */
    assert_int_equal(value(whole, 8), 123456789);
    const struct str event = inside(whole, 11);
    assert_int_equal(value(event, 9), 1); /* TYPE_SLICE_BEGIN */
    assert_int_equal(value(event, 11), 8);
    assert_int_equal(value(event, 47), 5);
    assert_int_equal(value(event, 48), 6);
    const struct str name = inside(inside(whole, 12), 2);
    assert_int_equal(value(name, 1), value(event, 10));
    assert_text(inside(name, 2), "GET /x");
    const struct str number = find(event, 4, 0).bytes;
    assert_text(inside(number, 10), "bytes");
    assert_int_equal(value(number, 3), 1000);
    const struct str text = find(event, 4, 1).bytes;
    assert_text(inside(text, 10), "for");
    assert_text(inside(text, 6), "x.get");
}

static void test_an_end_has_a_time_alone(void **state)
{
    (void)state;
    perfetto_add(&trace, &(struct perfetto_event){.type = PERFETTO_END, .track = 8, .at_ns = 5});
    assert_int_equal(perfetto_end(&trace), 0);
    assert_false(has(packet(2), 12));
    const struct str event = inside(packet(2), 11);
    assert_int_equal(value(event, 9), 2);
    assert_false(has(event, 10));
    assert_false(has(event, 4));
    assert_false(has(event, 47));
}

/* A name is written with the first event that has it. */
static void test_names_are_written_once(void **state)
{
    (void)state;
    static const char *const names[] = {"one", "two"};
    for (size_t i = 0; i < 4; i++) {
        perfetto_add(&trace,
                     &(struct perfetto_event){
                         .type = PERFETTO_INSTANT, .track = 8, .at_ns = i, .name = names[i % 2]});
    }
    assert_int_equal(perfetto_end(&trace), 0);
    assert_true(has(packet(2), 12));
    assert_true(has(packet(3), 12));
    assert_false(has(packet(4), 12));
    assert_false(has(packet(5), 12));
    const uint64_t one = value(inside(packet(2), 11), 10);
    const uint64_t two = value(inside(packet(3), 11), 10);
    assert_int_not_equal(one, two);
    assert_int_equal(value(inside(packet(4), 11), 10), one);
    assert_int_equal(value(inside(packet(5), 11), 10), two);
}

/* The outermost frame comes first; frames and functions are written once, stacks each time. */
static void test_call_stacks(void **state)
{
    (void)state;
    const uint64_t frames[] = {synthetic_state("inner"), synthetic_state("outer")};
    const struct perfetto_event event = {
        .type = PERFETTO_INSTANT, .track = 8, .frames = frames, .frame_count = 2};
    perfetto_add(&trace, &event);
    perfetto_add(&trace, &event);
    assert_int_equal(perfetto_end(&trace), 0);
    const struct str interned = inside(packet(2), 12);
    assert_text(inside(find(interned, 5, 0).bytes, 2), "[outer]");
    assert_text(inside(find(interned, 5, 1).bytes, 2), "[inner]");
    const struct str outer = find(interned, 6, 0).bytes;
    const struct str inner = find(interned, 6, 1).bytes;
    assert_int_equal(value(outer, 2), value(find(interned, 5, 0).bytes, 1));
    const struct str stack = inside(interned, 7);
    assert_int_equal(find(stack, 2, 0).value, value(outer, 1));
    assert_int_equal(find(stack, 2, 1).value, value(inner, 1));
    assert_int_equal(value(inside(packet(2), 11), 56), value(stack, 1));
    const struct str again = inside(packet(3), 12);
    assert_false(has(again, 5));
    assert_false(has(again, 6));
    assert_int_equal(find(inside(again, 7), 2, 0).value, value(outer, 1));
}

static void test_a_buffer_that_is_full(void **state)
{
    (void)state;
    static char text[MAX_BYTES / 16];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t i = 0; i < 40; i++) {
        perfetto_add(&trace, &(struct perfetto_event){
                                 .type = PERFETTO_INSTANT, .text_name = "t", .text = text + 1000});
    }
    assert_int_equal(perfetto_end(&trace), UV_ENOMEM);
}

/* A packet is not longer than its room: a text that is makes the trace fail. */
static void test_a_packet_that_is_full(void **state)
{
    (void)state;
    static char text[PERFETTO_PACKET_BYTES + 1];
    memset(text, 'x', sizeof(text) - 1);
    perfetto_add(
        &trace, &(struct perfetto_event){.type = PERFETTO_INSTANT, .text_name = "t", .text = text});
    assert_int_equal(perfetto_end(&trace), UV_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tracks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_with_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_end_has_a_time_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_written_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_call_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_buffer_that_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_packet_that_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
