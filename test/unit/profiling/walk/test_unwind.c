/* SPDX-License-Identifier: MIT
 *
 * test_unwind.c - walks over a stack made by hand, rule by rule, and over the real one.
 *
 * Tests: profiling/code/unwind_table.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <execinfo.h>
#include <stdlib.h>
#include <unistd.h>

#include "profiling/code/maps.h"
#include "profiling/code/unwind_table.h"
#include "profiling/walk/unwind.h"

/* Code at 0x1000 (the root), 0x2000, 0x3000 (with a frame pointer), 0x4000 (no rule), 0x5000 (PLT);
 * nothing from 0x6000 on. */
static struct unwind_row rows[] = {
    {.pc = 0, .rule = UNWIND_OUTSIDE},
    {.pc = 0x1000, .rule = UNWIND_ROOT},
    {.pc = 0x2000, .rule = UNWIND_SP, .cfa_slot = 3, .fp_slot = UNWIND_KEPT, .ra_slot = -1},
    {.pc = 0x3000, .rule = UNWIND_FP, .cfa_slot = 2, .fp_slot = -2, .ra_slot = -1},
    {.pc = 0x4000, .rule = UNWIND_UNKNOWN},
    {.pc = 0x5000, .rule = UNWIND_PLT, .cfa_slot = 11, .fp_slot = UNWIND_KEPT, .ra_slot = -1},
    {.pc = 0x6000, .rule = UNWIND_OUTSIDE},
};

static _Atomic uint64_t memo[1 << UNWIND_MEMO_BITS];

static const struct unwind_table table = {.rows = rows, .count = ARRAY_COUNT(rows), .memo = memo};

static uint64_t memory[16];
static uint64_t frames[8];
static bool is_complete;

static uint64_t at(size_t slot)
{
    return (uint64_t)(uintptr_t)&memory[slot];
}

static size_t walk(struct arch_regs regs, size_t max)
{
    struct unwind_stack stack = {at(0), at(16), 0};
    return unwind_walk(&table, &stack, regs, frames, max, &is_complete);
}

static int clear(void **state)
{
    (void)state;
    memset((void *)memo, 0, sizeof(memo));
    for (size_t i = 0; i < ARRAY_COUNT(memory); i++) {
        memory[i] = 0xdead;
    }
    return 0;
}

static void test_a_stack_reaches_its_root(void **state)
{
    (void)state;
    memory[2] = 0x3005; /* 0x2010 was called from a function with a frame pointer at slot 5 */
    memory[5] = 0x1234;
    memory[6] = 0x1008;
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0), .fp = at(5)}, 8), 3);
    assert_int_equal(frames[0], 0x2010);
    assert_int_equal(frames[1], 0x3004); /* inside the call instruction */
    assert_int_equal(frames[2], 0x1007);
    assert_true(is_complete);
}

static void test_a_call_at_a_functions_end_belongs_to_it(void **state)
{
    (void)state;
    memory[2] = 0x2000; /* the return address is already the next function's */
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 8), 2);
    assert_int_equal(frames[1], 0x1fff);
    assert_true(is_complete);
}

static void test_code_without_a_rule_ends_the_walk(void **state)
{
    (void)state;
    memory[2] = 0x4001;
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 8), 2);
    assert_false(is_complete);
}

static void test_an_address_outside_all_code_is_no_frame(void **state)
{
    (void)state;
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 8), 1);
    assert_false(is_complete);
    /* but the interrupted instruction is always one */
    assert_int_equal(walk((struct arch_regs){.pc = 0x7777, .sp = at(0)}, 8), 1);
    assert_int_equal(frames[0], 0x7777);
}

static void test_a_zero_return_address_is_a_root(void **state)
{
    (void)state;
    memory[2] = 0;
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 8), 1);
    assert_true(is_complete);
}

static void test_a_plt_stub_pushes_halfway(void **state)
{
    (void)state;
    memory[0] = 0x1008;
    assert_int_equal(walk((struct arch_regs){.pc = 0x5000, .sp = at(0)}, 8), 2);
    memory[0] = 7; /* the index that the stub pushed */
    memory[1] = 0x1009;
    assert_int_equal(walk((struct arch_regs){.pc = 0x500b, .sp = at(0)}, 8), 2);
    assert_int_equal(frames[1], 0x1008);
}

static void test_nothing_outside_the_bounds_is_read(void **state)
{
    (void)state;
    /* A frame pointer that points away: the words before and behind the stack are poisonous. */
    assert_int_equal(walk((struct arch_regs){.pc = 0x3000, .sp = at(0), .fp = at(15)}, 8), 1);
    assert_int_equal(walk((struct arch_regs){.pc = 0x3000, .sp = at(0), .fp = UINT64_MAX - 7}, 8),
                     1);
    assert_int_equal(walk((struct arch_regs){.pc = 0x2000, .sp = at(14)}, 8), 1);
    assert_int_equal(walk((struct arch_regs){.pc = 0x2000, .sp = at(0) + 1}, 8), 1);
    assert_false(is_complete);
}

static void test_a_walk_never_goes_back(void **state)
{
    (void)state;
    memory[3] = at(3); /* a frame pointer that leads to itself */
    memory[4] = 0x3008;
    assert_int_equal(walk((struct arch_regs){.pc = 0x3000, .sp = at(0), .fp = at(3)}, 8), 2);
    assert_false(is_complete);
}

static void test_a_deep_stack_is_cut(void **state)
{
    (void)state;
    memory[2] = 0x2010;
    memory[5] = 0x2010;
    memory[8] = 0x1008;
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 2), 2);
    assert_false(is_complete);
    assert_int_equal(walk((struct arch_regs){.pc = 0x2010, .sp = at(0)}, 4), 4);
    assert_true(is_complete);
}

static void test_an_epilogue_has_popped_the_frame_pointer(void **state)
{
    (void)state;
    struct unwind_row own[] = {
        {.pc = 0, .rule = UNWIND_SP, .cfa_slot = 1, .fp_slot = -2, .ra_slot = -1},
        {.pc = 0x3000, .rule = UNWIND_FP, .cfa_slot = 2, .fp_slot = -2, .ra_slot = -1},
        {.pc = 0x4000, .rule = UNWIND_ROOT},
    };
    struct unwind_table own_table = {.rows = own, .count = ARRAY_COUNT(own)};
    struct unwind_stack stack = {at(4), at(16), 0};
    memory[4] = 0x3004;
    memory[9] = 0x4004; /* above the caller's frame pointer at slot 8 */
    struct arch_regs regs = {.pc = 0x1000, .sp = at(4), .fp = at(8)};
    assert_int_equal(unwind_walk(&own_table, &stack, regs, frames, 8, &is_complete), 3);
    assert_true(is_complete);
}

static void test_a_copy_is_walked_like_the_stack(void **state)
{
    (void)state;
    static uint64_t copy[UNWIND_COPY_BYTES / sizeof(uint64_t)];
    memory[2] = 0x1008;
    struct unwind_stack stack = unwind_copy_stack(getpid(), at(0), copy, sizeof(copy));
    if (stack.high == stack.low) {
        skip(); /* a sandbox may forbid process_vm_readv */
    }
    assert_true(stack.low == at(0) && stack.high > at(2));
    struct arch_regs regs = {.pc = 0x2010, .sp = at(0)};
    assert_int_equal(unwind_walk(&table, &stack, regs, frames, 8, &is_complete), 2);
    assert_true(is_complete);
}

static void test_a_copy_ends_where_memory_ends(void **state)
{
    (void)state;
    static uint64_t copy[UNWIND_COPY_BYTES / sizeof(uint64_t)];
    struct unwind_stack none = unwind_copy_stack(getpid(), 8, copy, sizeof(copy));
    assert_int_equal(none.low, none.high);
    uint64_t start;
    uint64_t end;
    assert_true(maps_find_main_stack(&start, &end));
    struct unwind_stack last = unwind_copy_stack(getpid(), end - 64, copy, sizeof(copy));
    assert_true(last.high <= end);
}

/* --- the real stack --- */

static struct unwind_table *real_table;
static struct unwind_stack real_stack;
static uint64_t ours[64];
static size_t our_count;
static void *theirs[64];
static int their_count;

static int note_stacks(const void *a, const void *b)
{
    if (our_count == 0) {
        our_count = unwind_here(real_table, &real_stack, ours, ARRAY_COUNT(ours), &is_complete);
        their_count = backtrace(theirs, ARRAY_COUNT(theirs));
    }
    return *(const int *)a - *(const int *)b;
}

static void test_the_real_stack_is_the_one_that_libc_sees(void **state)
{
    (void)state;
    struct maps *maps;
    assert_int_equal(maps_create(&maps), 0);
    assert_int_equal(unwind_table_create(maps, &real_table), 0);
    assert_true(real_table->object_count >= 3);
    assert_true(maps_find_main_stack(&real_stack.low, &real_stack.high));
    int values[] = {4, 2, 3, 1};
    qsort(values, ARRAY_COUNT(values), sizeof(values[0]), note_stacks);
    assert_true(is_complete);
    /* The sanitizers put a frame of their own in front of libc's backtrace. */
    assert_in_range(their_count, our_count, our_count + 1);
    size_t extra = (size_t)their_count - our_count;
    for (size_t i = 1; i < our_count; i++) { /* frame 0: two calls in one function */
        assert_int_equal(ours[i], (uint64_t)(uintptr_t)theirs[i + extra] - 1);
    }
    unwind_table_destroy(real_table);
    maps_destroy(maps);
}

static __attribute__((noinline)) void note_stack(char *aligned, char *sized)
{
    *aligned = 1;
    *sized = 1;
    const int values[] = {1, 2};
    (void)note_stacks(&values[0], &values[1]);
}

/* As libraries are compiled, without a frame pointer: with a size that only the caller knows, and
 * more alignment than the stack has, gcc keeps the CFA in a word of the frame. */
static __attribute__((noinline, optimize("omit-frame-pointer"))) int realign(size_t bytes)
{
    _Alignas(64) char aligned[64];
    char *sized = __builtin_alloca(bytes);
    __asm__ volatile("" : : "r"(aligned), "r"(sized) : "memory"); /* both are there */
    note_stack(aligned, sized);
    return aligned[0] + sized[0];
}

static bool has_rule(uint64_t start, uint64_t end, enum unwind_rule rule)
{
    for (size_t i = 0; i < real_table->count; i++) {
        const struct unwind_row *row = &real_table->rows[i];
        if (row->pc >= start && row->pc < end && row->rule == rule) {
            return true;
        }
    }
    return false;
}

static void test_a_realigned_stack_is_walked_through(void **state)
{
    (void)state;
    struct maps *maps;
    our_count = 0;
    assert_int_equal(maps_create(&maps), 0);
    assert_int_equal(unwind_table_create(maps, &real_table), 0);
    assert_true(maps_find_main_stack(&real_stack.low, &real_stack.high));
    assert_int_equal(realign(100), 2);
#if defined(__x86_64__) && !defined(__clang__)
    const uint64_t start = (uint64_t)(uintptr_t)realign;
    assert_true(has_rule(start, start + 512, UNWIND_FP_DEREF));
#endif
    assert_true(is_complete);
    size_t extra = (size_t)their_count - our_count;
    for (size_t i = 1; i < our_count; i++) {
        assert_int_equal(ours[i], (uint64_t)(uintptr_t)theirs[i + extra] - 1);
    }
    unwind_table_destroy(real_table);
    maps_destroy(maps);
}

static void test_a_table_is_sorted(void **state)
{
    (void)state;
    struct maps *maps;
    struct unwind_table *made;
    assert_int_equal(maps_create(&maps), 0);
    assert_int_equal(unwind_table_create(maps, &made), 0);
    assert_int_equal(made->rows[0].pc, 0);
    for (size_t i = 1; i < made->count; i++) {
        assert_true(made->rows[i - 1].pc <= made->rows[i].pc);
    }
    unwind_table_destroy(made);
    maps_destroy(maps);
}

/* All three addresses have the same low bits, and so one cell of the memo. */
static void test_what_is_remembered_is_not_mixed_up(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* found, then remembered */
        memory[2] = 0x3011;       /* return addresses: one more than the call's */
        memory[5] = at(5);
        memory[6] = 0x1011;
        const struct arch_regs regs = {.pc = 0x2010, .sp = at(0), .fp = at(5)};
        assert_int_equal(walk(regs, 8), 3);
        assert_true(is_complete);
        assert_int_equal(frames[0], 0x2010);
        assert_int_equal(frames[1], 0x3010);
        assert_int_equal(frames[2], 0x1010);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_stack_reaches_its_root, clear),
        cmocka_unit_test_setup(test_what_is_remembered_is_not_mixed_up, clear),
        cmocka_unit_test_setup(test_a_call_at_a_functions_end_belongs_to_it, clear),
        cmocka_unit_test_setup(test_code_without_a_rule_ends_the_walk, clear),
        cmocka_unit_test_setup(test_an_address_outside_all_code_is_no_frame, clear),
        cmocka_unit_test_setup(test_a_zero_return_address_is_a_root, clear),
        cmocka_unit_test_setup(test_a_plt_stub_pushes_halfway, clear),
        cmocka_unit_test_setup(test_nothing_outside_the_bounds_is_read, clear),
        cmocka_unit_test_setup(test_a_walk_never_goes_back, clear),
        cmocka_unit_test_setup(test_a_deep_stack_is_cut, clear),
        cmocka_unit_test_setup(test_an_epilogue_has_popped_the_frame_pointer, clear),
        cmocka_unit_test_setup(test_a_copy_is_walked_like_the_stack, clear),
        cmocka_unit_test(test_a_copy_ends_where_memory_ends),
        cmocka_unit_test(test_the_real_stack_is_the_one_that_libc_sees),
        cmocka_unit_test(test_a_realigned_stack_is_walked_through),
        cmocka_unit_test(test_a_table_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
