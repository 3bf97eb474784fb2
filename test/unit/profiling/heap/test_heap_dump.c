/* SPDX-License-Identifier: MIT
 *
 * test_heap_dump.c - dumps as jemalloc writes them and as it does not, the scaling that Go's tool
 * does too, and what is remembered of a stack.
 *
 * lookup.c, which allocates for heap_known.c, is included with an allocator that fails on demand.
 *
 * Tests: profiling/heap/heap_known.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "test/unit/support/failing_alloc.h"
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/base/lookup.c"
#undef calloc
#undef realloc

#include "profiling/heap/heap_dump.h"
#include "profiling/heap/heap_known.h"

#define RATE UINT64_C(524288)

static struct heap_dump_stack found[4];
static size_t found_count;

static void on_stack(void *arg, const struct heap_dump_stack *stack)
{
    assert_ptr_equal(arg, found);
    assert_true(found_count < ARRAY_COUNT(found));
    found[found_count++] = *stack;
}

static int read_text(const char *text, size_t len)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, len, "r");
    assert_non_null(file);
    found_count = 0;
    const int status = heap_dump_read(file, on_stack, found);
    assert_int_equal(fclose(file), 0);
    return status;
}

static int read_dump(const char *text)
{
    return read_text(text, strlen(text));
}

static void test_a_dump_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_dump("heap_v2/524288\n"
                               "  t*: 6: 2400 [8: 4096]\n"
                               "  t0: 6: 2400 [8: 4096] toq_server\n"
                               "@ 0x55d0c0 0x7fffdeadbeef 0x4000000000000020\n"
                               "  t*: 5: 1200 [7: 1900]\n"
                               "  t0: 3: 700 [3: 700] toq-diag-pool\n"
                               "  t3: 2: 500 [4: 1200]\n"
                               "@ 0x1\n"
                               "  t*: 1: 1200 [1: 2196]\n"
                               "\n"
                               "MAPPED_LIBRARIES:\n"
                               "@ 0x2\n"
                               "  t*: 1: 1 [1: 1]\n"),
                     0);
    assert_int_equal(found_count, 2);
    assert_int_equal(found[0].frame_count, 3);
    assert_int_equal(found[0].frames[0], 0x55d0c0);
    assert_int_equal(found[0].frames[1], 0x7fffdeadbeef);
    assert_int_equal(found[0].frames[2], 0x4000000000000020);
    assert_int_equal(found[0].in_use.objects, 5);
    assert_int_equal(found[0].in_use.bytes, 1200);
    assert_int_equal(found[0].allocated.objects, 7);
    assert_int_equal(found[0].allocated.bytes, 1900);
    assert_int_equal(found[1].frame_count, 1);
    assert_int_equal(found[1].allocated.bytes, 2196);
}

static void test_what_is_no_dump_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_dump("heap profile: 1: 2 [3: 4] @ heap_v2/524288\n"), UV_EPROTO);
    assert_int_equal(read_dump("\n"), UV_EPROTO);
    assert_int_equal(read_dump("heap_v2/524288"), 0);
    assert_int_equal(found_count, 0);
}

static void test_what_is_not_understood_is_skipped(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "@\n",
        "@ \n",
        "@ 0x\n",
        "@ 0x12345678123456789\n",
        "@ 0x1 \n",
        "@ 0x1x\n",
        "@0x1\n",
        "@ 0x1\n  t*: 1: 2 [3: 4\n",
        "@ 0x1\n  t*: 1: 2 [3: 4] x\n",
        "@ 0x1\n  t*: 1: 2\n",
        "@ 0x1\n  t*: 1: -2 [3: 4]\n",
        "@ 0x1\n  t*: : 2 [3: 4]\n",
        "@ 0x1\n  t*: 1: 18446744073709551616 [3: 4]\n",
        "@ 0x1\n  t*: 1152921504606846977: 1 [3: 4]\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "heap_v2/1\n%s@ 0x5\n  t*: 1: 2 [3: 4]\n  t*: 9: 9 [9: 9]\n", parts[i]);
        assert_int_equal(read_dump(text), 0);
        assert_int_equal(found_count, 1);
        assert_int_equal(found[0].frames[0], 5);
        assert_int_equal(found[0].in_use.objects, 1);
    }
}

static void test_too_long_lines_and_stray_bytes_are_skipped(void **state)
{
    (void)state;
    static char text[20000] = "heap_v2/1\n@";
    size_t len = strlen(text);
    for (size_t i = 0; i < HEAP_DUMP_FRAMES_MAX + 1; i++, len += 4) { /* one too many */
        memcpy(text + len, " 0x1", 4);
    }
    static const char amounts[] = "\n  t*: 1: 2 [3: 4]\n";
    memcpy(text + len, amounts, strlen(amounts));
    len += strlen(amounts);
    memset(text + len, 'x', 10000);
    memcpy(text + len, "@ 0x7", 5);
    len += 10000;
    memcpy(text + len, amounts, strlen(amounts));
    len += strlen(amounts);
    static const char nul[] = "@ 0x8\0\n  t*: 1: 2 [3: 4]\n"; /* with a NUL in it and at the end */
    memcpy(text + len, nul, sizeof(nul));
    len += sizeof(nul);
    assert_int_equal(read_text(text, len), 0);
    assert_int_equal(found_count, 1);
    assert_int_equal(found[0].frames[0], 8);
}

static void test_samples_are_scaled_as_go_scales_them(void **state)
{
    (void)state;
    /* 16 bytes: 1 / (1 - e^(-16 / 524288)) = 32768.5 */
    struct heap_amount scaled = heap_unsample((struct heap_amount){1, 16}, RATE);
    assert_int_equal(scaled.objects, 32768);
    assert_int_equal(scaled.bytes, 524296);
    /* as large as the rate: 1 / (1 - 1 / e) = 1.58198 */
    scaled = heap_unsample((struct heap_amount){100, 100 * 524288}, RATE);
    assert_int_equal(scaled.objects, 158);
    assert_int_equal(scaled.bytes, 82941140);
    /* large ones are all sampled */
    scaled = heap_unsample((struct heap_amount){3, 3 << 26}, RATE);
    assert_int_equal(scaled.objects, 3);
    assert_int_equal(scaled.bytes, 3 << 26);
}

static void test_scaling_survives_any_numbers(void **state)
{
    (void)state;
    const int64_t most = INT64_C(1) << 60;
    const struct heap_amount none = heap_unsample((struct heap_amount){0, 5}, RATE);
    assert_true(none.objects == 0 && none.bytes == 0);
    const struct heap_amount empty = heap_unsample((struct heap_amount){5, 0}, RATE);
    assert_true(empty.objects == 0 && empty.bytes == 0);
    const struct heap_amount huge = heap_unsample((struct heap_amount){most, 1}, RATE);
    assert_int_equal(huge.objects, most);
    assert_true(huge.bytes > 0 && huge.bytes <= most);
    const struct heap_amount wide = heap_unsample((struct heap_amount){1, most}, RATE);
    assert_true(wide.objects == 1 && wide.bytes == most);
}

static struct heap_dump_stack make_stack(uint64_t address, int64_t objects, int64_t bytes)
{
    return (struct heap_dump_stack){
        .frames = {address}, .frame_count = 1, .allocated = {objects, bytes}};
}

static void test_a_stack_keeps_its_size_and_loses_nothing(void **state)
{
    (void)state;
    struct heap_dump_stack stack = make_stack(0x10, 2, 200);
    assert_int_equal(heap_known_size(&stack), 100);
    stack = make_stack(0x10, 3, 600);
    assert_int_equal(heap_known_size(&stack), 100);
    struct heap_amount amount = heap_known_raise(&stack, (struct heap_amount){30, 600});
    assert_true(amount.objects == 30 && amount.bytes == 600);
    amount = heap_known_raise(&stack, (struct heap_amount){29, 700});
    assert_true(amount.objects == 30 && amount.bytes == 700);
    stack = make_stack(0x11, 1, 7);
    stack.allocated = (struct heap_amount){0, 0};
    stack.in_use = (struct heap_amount){1, 7};
    assert_int_equal(heap_known_size(&stack), 7); /* without prof_accum */
}

static void test_what_cannot_be_kept_has_no_size(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        allocations_left = 0;
        struct heap_dump_stack stack = make_stack(0x1000 + i, 1, 64);
        const int64_t size = heap_known_size(&stack);
        assert_true(size == 0 || size == 64);
        const struct heap_amount amount = heap_known_raise(&stack, (struct heap_amount){1, 64});
        assert_true(amount.objects == 1 && amount.bytes == 64);
        allocations_left = SIZE_MAX;
        assert_int_equal(heap_known_size(&stack), 64);
    }
    for (uint64_t i = 0; i < HEAP_KNOWN_MAX; i++) {
        const struct heap_dump_stack stack = make_stack(0x100000 + i, 1, 64);
        (void)heap_known_size(&stack);
    }
    struct heap_dump_stack late = make_stack(0x99, 1, 64);
    assert_int_equal(heap_known_size(&late), 0);
    late = make_stack(0x10, 9, 9);
    assert_int_equal(heap_known_size(&late), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dump_is_read),
        cmocka_unit_test(test_what_is_no_dump_is_refused),
        cmocka_unit_test(test_what_is_not_understood_is_skipped),
        cmocka_unit_test(test_too_long_lines_and_stray_bytes_are_skipped),
        cmocka_unit_test(test_samples_are_scaled_as_go_scales_them),
        cmocka_unit_test(test_scaling_survives_any_numbers),
        cmocka_unit_test(test_a_stack_keeps_its_size_and_loses_nothing),
        cmocka_unit_test(test_what_cannot_be_kept_has_no_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
