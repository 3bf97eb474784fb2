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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        cmocka_unit_test(test_the_main_stack_holds_this_frame),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
