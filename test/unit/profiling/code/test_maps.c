/* SPDX-License-Identifier: MIT
 *
 * test_maps.c - the own process's mappings, as the dynamic linker and the stack know them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "profiling/code/maps.h"

static struct maps *maps;

static int create(void **state)
{
    (void)state;
    return maps_create(&maps);
}

static int destroy(void **state)
{
    (void)state;
    maps_destroy(maps);
    return 0;
}

static uint64_t address_of(void (*function)(void **))
{
    return (uint64_t)(uintptr_t)function;
}

static void test_the_main_binary_comes_first(void **state)
{
    char path[4096] = {0};
    (void)state;
    assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
    assert_true(maps->has_main);
    assert_string_equal(maps->items[0].path, path);
    assert_ptr_equal(maps_find(maps, address_of(test_the_main_binary_comes_first)),
                     &maps->items[0]);
    assert_string_equal(maps_open_path(maps, &maps->items[0]), "/proc/self/exe");
    assert_true(strlen(maps->items[0].build_id) >= 32);
}

static void test_the_vdso_has_a_build_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < maps->count; i++) {
        if (strcmp(maps->items[i].path, "[vdso]") == 0) {
            assert_true(strlen(maps->items[i].build_id) >= 32);
            return;
        }
    }
    fail_msg("no vdso among %zu mappings", maps->count);
}

static int compare_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    size_t *compared = arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *program = &info->dlpi_phdr[i];
        if (program->p_type == PT_LOAD && (program->p_flags & PF_X) != 0) {
            const struct map *map = maps_find(maps, info->dlpi_addr + program->p_vaddr);
            assert_non_null(map);
            assert_int_equal(map->bias, info->dlpi_addr);
            (*compared)++;
        }
    }
    return 0;
}

static void test_biases_are_those_of_the_dynamic_linker(void **state)
{
    (void)state;
    size_t compared = 0;
    (void)dl_iterate_phdr(compare_bias, &compared);
    assert_true(compared >= 3); /* the binary, libc, the dynamic linker */
}

static void test_no_code_at_an_address_of_data(void **state)
{
    (void)state;
    assert_null(maps_find(maps, (uint64_t)(uintptr_t)&maps));
    assert_null(maps_find(maps, 0));
}

static void test_two_looks_at_the_same_code_are_equal(void **state)
{
    (void)state;
    struct maps *again;
    assert_int_equal(maps_create(&again), 0);
    assert_true(maps_is_equal(maps, again));
    again->items[again->count - 1].end++;
    assert_false(maps_is_equal(maps, again));
    maps_destroy(again);
}

static void test_ranges_hold_what_was_asked_for(void **state)
{
    (void)state;
    uint64_t start;
    uint64_t end;
    uint64_t data = (uint64_t)(uintptr_t)&maps;
    assert_true(maps_find_range(data, &start, &end));
    assert_true(start <= data && data < end);
    assert_false(maps_find_range(0, &start, &end));
}

static void test_several_ranges_by_one_reading(void **state)
{
    (void)state;
    const uint64_t own = (uint64_t)(uintptr_t)&maps;
    const uint64_t stack = (uint64_t)(uintptr_t)&state;
    const uint64_t code = address_of(test_several_ranges_by_one_reading);
    struct maps_range ranges[] = {{.address = stack},
                                  {.address = own},
                                  {.address = 0},
                                  {.address = code},
                                  {.address = stack}};
    maps_find_ranges(ranges, ARRAY_COUNT(ranges));
    assert_int_equal(ranges[0].address, 0);
    assert_int_equal(ranges[0].end, 0);
    for (size_t i = 1; i < ARRAY_COUNT(ranges); i++) {
        uint64_t start;
        uint64_t end;
        assert_true(ranges[i - 1].address <= ranges[i].address);
        assert_true(maps_find_range(ranges[i].address, &start, &end));
        assert_int_equal(ranges[i].start, start);
        assert_int_equal(ranges[i].end, end);
    }
}

/* --- made-up mappings --- */

#define FIRST_ADDRESS UINT64_C(0x7f0000000000)
#define PAGE_BYTES    4096
#define TEXT_MAX      (8u << 20)

/* Mappings of one object, code and data by turns. */
static struct maps *parse_many(unsigned count)
{
    struct buf text;
    struct maps *made;
    buf_init(&text, TEXT_MAX);
    for (unsigned i = 0; i < count; i++) {
        char line[128];
        const uint64_t start = FIRST_ADDRESS + (uint64_t)i * PAGE_BYTES;
        (void)snprintf(line, sizeof(line), "%llx-%llx r-%cp %08x fe:00 12 /usr/lib/one.so\n",
                       (unsigned long long)start, (unsigned long long)start + PAGE_BYTES,
                       i % 2 == 0 ? 'x' : '-', i * PAGE_BYTES);
        buf_append_cstr(&text, line);
    }
    assert_int_equal(maps_parse(buf_str(&text), &made), 0);
    buf_deinit(&text);
    return made;
}

static size_t count_steps(unsigned count)
{
    struct maps *made = parse_many(count);
    const size_t steps = made->steps;
    maps_destroy(made);
    return steps;
}

static void test_parsing_grows_with_the_lines(void **state)
{
    (void)state;
    const size_t few = count_steps(8000);
    const size_t many = count_steps(32000);
    assert_true(few >= 8000);
    assert_true(many <= 4 * few);
    assert_true(many <= 2 * 32000);
}

static void test_each_of_many_is_found(void **state)
{
    (void)state;
    const unsigned count = 32000;
    struct maps *made = parse_many(count);
    assert_int_equal(made->count, count / 2);
    for (size_t i = 0; i < made->count; i++) {
        const struct map *map = &made->items[i];
        assert_int_equal(map->object_start, FIRST_ADDRESS);
        assert_int_equal(map->object_end, FIRST_ADDRESS + (uint64_t)count * PAGE_BYTES);
        assert_ptr_equal(maps_find(made, map->start), map);
        assert_ptr_equal(maps_find(made, map->end - 1), map);
        assert_null(maps_find(made, map->end));
    }
    assert_null(maps_find(made, FIRST_ADDRESS - 1));
    assert_ptr_equal(maps_find_object(made, FIRST_ADDRESS), &made->items[0]);
    assert_null(maps_find_object(made, FIRST_ADDRESS + PAGE_BYTES));
    maps_destroy(made);
}

static void test_objects_end_with_their_last_line(void **state)
{
    (void)state;
    static const char text[] = "1000-2000 r-xp 00000000 fe:00 1 /a\n"
                               "2000-3000 rw-p 00001000 fe:00 1 /a\n"
                               "3000-4000 r-xp 00000000 fe:00 1 /a\n" /* mapped again */
                               "3000-5000 r-xp 00000000 fe:00 1 /a\n" /* it has grown */
                               "5000-6000 r-xp 00000000 00:00 0\n"
                               "6000-7000 r-xp 00000000 00:00 0\n"
                               "7000-8000 r--p 00000000 fe:00 2 /b\n"
                               "8000-9000 r-xp 00001000 fe:00 2 /b\n"
                               "9000-a000 rw-p 00002000 fe:00 2 /b\n";
    static const struct map wanted[] = {
        {.start = 0x1000, .object_start = 0x1000, .object_end = 0x3000},
        {.start = 0x3000, .object_start = 0x3000, .object_end = 0x5000},
        {.start = 0x4000, .object_start = 0x3000, .object_end = 0x5000},
        {.start = 0x5000, .object_start = 0x5000, .object_end = 0x6000},
        {.start = 0x6000, .object_start = 0x6000, .object_end = 0x7000},
        {.start = 0x8000, .object_start = 0x7000, .object_end = 0xa000},
    };
    struct maps *made;
    assert_int_equal(maps_parse(STR(text), &made), 0);
    assert_int_equal(made->count, ARRAY_COUNT(wanted));
    for (size_t i = 0; i < made->count; i++) {
        assert_int_equal(made->items[i].start, wanted[i].start);
        assert_int_equal(made->items[i].object_start, wanted[i].object_start);
        assert_int_equal(made->items[i].object_end, wanted[i].object_end);
        assert_int_equal(maps_find_object(made, wanted[i].object_start)->object_end,
                         wanted[i].object_end);
    }
    maps_destroy(made);
}

static void test_the_main_stack_holds_this_frame(void **state)
{
    (void)state;
    uint64_t start;
    uint64_t end;
    uint64_t frame = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    assert_true(maps_find_main_stack(&start, &end));
    assert_true(start <= frame && frame < end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_main_binary_comes_first),
        cmocka_unit_test(test_the_vdso_has_a_build_id),
        cmocka_unit_test(test_biases_are_those_of_the_dynamic_linker),
        cmocka_unit_test(test_no_code_at_an_address_of_data),
        cmocka_unit_test(test_two_looks_at_the_same_code_are_equal),
        cmocka_unit_test(test_ranges_hold_what_was_asked_for),
        cmocka_unit_test(test_several_ranges_by_one_reading),
        cmocka_unit_test(test_parsing_grows_with_the_lines),
        cmocka_unit_test(test_each_of_many_is_found),
        cmocka_unit_test(test_objects_end_with_their_last_line),
        cmocka_unit_test(test_the_main_stack_holds_this_frame),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
