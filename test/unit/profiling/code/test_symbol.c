/* SPDX-License-Identifier: MIT
 *
 * test_symbol.c - names of code in this file, of inlined calls, of a library with and without a
 * symbol.
 *
 * Tests: profiling/code/object.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "profiling/code/maps.h"
#include "profiling/code/object.h"
#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"
#include "profiling/walk/arch.h"

static uint64_t inner_address;
static int inner_line;
static int call_line;

static inline __attribute__((always_inline)) void inlined_function(void)
{
    inner_line = __LINE__ + 1;
    inner_address = arch_regs_here().pc;
}

static __attribute__((noinline)) void outer_function(void)
{
    call_line = __LINE__ + 1;
    inlined_function();
}

static struct symbol_result look_up(const void *address)
{
    struct symbol_result result;
    symbol_lookup((uint64_t)(uintptr_t)address, &result);
    return result;
}

static void test_a_function_has_name_file_and_line(void **state)
{
    (void)state;
    outer_function();
    struct symbol_result result = look_up((const void *)(uintptr_t)outer_function);
    assert_true(result.is_named);
    assert_true(result.count >= 1);
    const struct symbol_frame *frame = &result.frames[result.count - 1];
    assert_string_equal(frame->function, "test_symbol.outer_function");
    assert_int_equal(frame->file[0], '/');
    assert_non_null(strstr(frame->file, "test/unit/profiling/code/test_symbol.c"));
    assert_true(frame->line >= frame->start_line);
    assert_in_range(frame->start_line, call_line - 3, call_line);
}

/* The start-up code that every program is linked with has no debug information here. */
static void test_code_between_units_has_no_line(void **state)
{
    (void)state;
    extern const char start_up[] __asm__("_start");
    struct symbol_result result = look_up(start_up);
    assert_true(result.is_named);
    assert_int_equal(result.count, 1);
    assert_string_equal(result.frames[0].function, "_start");
    assert_string_equal(result.frames[0].file, "");
    assert_int_equal(result.frames[0].line, 0);
}

static void test_inlined_calls_come_innermost_first(void **state)
{
    (void)state;
    outer_function();
    struct symbol_result result = look_up((const void *)(uintptr_t)inner_address);
    assert_int_equal(result.count, 3);
    assert_string_equal(result.frames[0].function, "arch_regs_here");
    assert_non_null(strstr(result.frames[0].file, "/profiling/walk/arch_"));
    assert_string_equal(result.frames[1].function, "test_symbol.inlined_function");
    assert_int_equal(result.frames[1].line, inner_line);
    assert_string_equal(result.frames[2].function, "test_symbol.outer_function");
    assert_int_equal(result.frames[2].line, call_line);
    assert_string_equal(result.frames[2].file, result.frames[1].file);
}

static void test_the_second_answer_is_the_first(void **state)
{
    (void)state;
    struct symbol_result first = look_up((const void *)(uintptr_t)outer_function);
    struct symbol_result second = look_up((const void *)(uintptr_t)outer_function);
    assert_int_equal(first.count, second.count);
    assert_ptr_equal(first.frames[0].function, second.frames[0].function);
    assert_ptr_equal(first.frames[0].file, second.frames[0].file);
    assert_int_equal(first.entry, second.entry);
}

static void test_a_library_function_is_named_by_its_symbol(void **state)
{
    (void)state;
    struct symbol_result result = look_up((const void *)(uintptr_t)uv_version_string);
    assert_true(result.is_named);
    assert_string_equal(result.frames[result.count - 1].function, "uv_version_string");
    assert_int_equal(result.entry, (uintptr_t)uv_version_string);
}

/* Start-up code, PLTs and local functions: the library is stripped of all but its exported symbols.
 * Two functions have two names, and all of one has the same. */
static void test_code_without_a_symbol_is_named_by_its_function(void **state)
{
    (void)state;
    struct maps *maps;
    assert_int_equal(maps_create(&maps), 0);
    const struct map *libuv = maps_find(maps, (uint64_t)(uintptr_t)uv_version_string);
    assert_non_null(libuv);
    size_t functions = 0;
    uint64_t entry = 0;
    for (uint64_t at = libuv->start; at < libuv->end; at += 16) {
        struct symbol_result result = look_up((const void *)(uintptr_t)at);
        assert_true(result.count >= 1);
        if (!result.is_named && result.entry != 0) {
            char name[32];
            (void)snprintf(name, sizeof(name), "libuv+0x%llx",
                           (unsigned long long)(result.entry - libuv->bias));
            assert_true(result.is_mapped && result.entry <= at);
            assert_string_equal(result.frames[0].function, name);
            assert_string_equal(result.frames[0].file, "");
            functions += result.entry != entry;
            entry = result.entry;
        } else if (!result.is_named) {
            assert_true(strcmp(result.frames[0].function, "[libuv]") == 0 ||
                        strcmp(result.frames[0].function, "[plt]") == 0);
        }
    }
    maps_destroy(maps);
    assert_true(functions > 10);
}

static void test_objects_have_short_names(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"/usr/lib/x86_64-linux-gnu/libuv.so.1.0.0", "[libuv]"},
        {"/usr/lib/libelf-0.188.so", "[libelf]"},
        {"/usr/lib/libbz2.so", "[libbz2]"},
        {"/lib64/ld-linux-x86-64.so.2", "[ld-linux-x86-64]"},
        {"/usr/bin/toq_server-1.2", "[toq_server-1.2]"},
        {"/opt/a.so.d/server.sock", "[server.sock]"},
        {"memory", "[memory]"},
        {"[vdso]", "[vdso]"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char name[OBJECT_NAME_BYTES];
        object_name(names[i][0], name);
        assert_string_equal(name, names[i][1]);
    }
}

static void test_no_code_is_unknown(void **state)
{
    (void)state;
    struct symbol_result result = look_up(&inner_line);
    assert_false(result.is_named);
    assert_false(result.is_mapped);
    assert_int_equal(result.count, 1);
    symbol_stop();
    result = look_up(&inner_line); /* before anything else was asked for */
    assert_false(result.is_mapped);
    result = look_up((const void *)8);
    assert_false(result.is_named);
    assert_false(result.is_mapped);
    assert_string_equal(result.frames[0].function, "[unknown]");
}

static void test_an_object_loaded_later_is_found(void **state)
{
    (void)state;
    void *library = dlopen("libBrokenLocale.so.1", RTLD_NOW);
    if (library == NULL) {
        skip();
    }
    void *function = dlsym(library, "__ctype_get_mb_cur_max");
    Dl_info info;
    assert_int_not_equal(dladdr(function, &info), 0);
    struct symbol_result result = look_up(function);
    assert_true(result.is_named);
    assert_string_equal(result.frames[result.count - 1].function, "__ctype_get_mb_cur_max");
    assert_int_equal(dlclose(library), 0);
}

/* function_of is where a library that may be loaded has a function. */
static const void *function_of(void *library, const char *name)
{
    assert_non_null(library);
    const void *function = dlsym(library, name);
    assert_non_null(function);
    return function;
}

/* The addresses of an object that is gone may be another's next. */
static void test_an_object_that_is_gone_has_no_names(void **state)
{
    (void)state;
    void *first = dlopen("libBrokenLocale.so.1", RTLD_NOW);
    const void *gone = function_of(first, "__ctype_get_mb_cur_max");
    const struct symbol_result before = look_up(gone);
    assert_string_equal(before.frames[before.count - 1].function, "__ctype_get_mb_cur_max");
    assert_int_equal(dlclose(first), 0);
    const struct symbol_result after = look_up(gone);
    assert_false(after.is_mapped && after.is_named);
    /* The name that was handed out is still there. */
    assert_string_equal(before.frames[before.count - 1].function, "__ctype_get_mb_cur_max");
    void *second = dlopen("libthread_db.so.1", RTLD_LAZY);
    const void *other = function_of(second, "td_init");
    for (size_t i = 0; i < 2; i++) { /* made, and cached */
        const struct symbol_result there = look_up(other);
        assert_string_equal(there.frames[there.count - 1].function, "td_init");
        const struct symbol_result old = look_up(gone);
        assert_string_not_equal(old.frames[old.count - 1].function, "__ctype_get_mb_cur_max");
    }
    assert_int_equal(dlclose(second), 0);
}

static void test_it_starts_again_after_a_stop(void **state)
{
    (void)state;
    symbol_stop();
    symbol_stop();
    struct symbol_result result = look_up((const void *)(uintptr_t)outer_function);
    assert_string_equal(result.frames[result.count - 1].function, "test_symbol.outer_function");
}

/* What was answered stays good when the memory behind it is given back. */
static void test_texts_outlive_a_trim(void **state)
{
    (void)state;
    const struct symbol_result before = look_up((const void *)(uintptr_t)outer_function);
    assert_false(symbol_is_idle(NS_PER_S * 3600));
    assert_true(symbol_is_idle(0));
    symbol_trim();
    assert_false(symbol_is_idle(0)); /* nothing is left to give back */
    assert_string_equal(before.frames[before.count - 1].function, "test_symbol.outer_function");
    const struct symbol_result after = look_up((const void *)(uintptr_t)outer_function);
    assert_ptr_equal(after.frames[0].function, before.frames[0].function);
    assert_int_equal(after.frames[0].line, before.frames[0].line);
}

/* A profile of tasks may have nothing but synthetic frames. */
static void test_what_is_no_code_has_a_name_before_any_code(void **state)
{
    (void)state;
    symbol_stop();
    struct symbol_result result;
    symbol_lookup(synthetic_state("a wait"), &result);
    assert_true(result.is_named);
    assert_string_equal(result.frames[0].function, "[a wait]");
}

static int stop(void **state)
{
    (void)state;
    symbol_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_code_has_a_name_before_any_code),
        cmocka_unit_test(test_a_function_has_name_file_and_line),
        cmocka_unit_test(test_code_between_units_has_no_line),
        cmocka_unit_test(test_inlined_calls_come_innermost_first),
        cmocka_unit_test(test_the_second_answer_is_the_first),
        cmocka_unit_test(test_a_library_function_is_named_by_its_symbol),
        cmocka_unit_test(test_code_without_a_symbol_is_named_by_its_function),
        cmocka_unit_test(test_objects_have_short_names),
        cmocka_unit_test(test_no_code_is_unknown),
        cmocka_unit_test(test_an_object_loaded_later_is_found),
        cmocka_unit_test(test_texts_outlive_a_trim),
        cmocka_unit_test(test_an_object_that_is_gone_has_no_names),
        cmocka_unit_test(test_it_starts_again_after_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
