/* SPDX-License-Identifier: MIT
 *
 * test_crash_regs.c - the registers of a context made up, and the calls that led to a place, by
 * their bytes.
 *
 * Tests: core/crash/crash_regs_x86_64.c, core/crash/crash_regs_aarch64.c, of which the machine has
 *        one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/crash/crash_regs.h"
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct crash_out out = {.fd = -1, .file = -1};

static bool is_printed(const char *text)
{
    return memmem(out.data, out.len, text, strlen(text)) != NULL;
}

#ifdef __x86_64__

static void test_registers(void **state)
{
    (void)state;
    ucontext_t context;
    memset(&context, 0, sizeof(context));
    greg_t *regs = context.uc_mcontext.gregs;
    regs[REG_RIP] = 0x1000;
    regs[REG_RSP] = 0x2000;
    regs[REG_RBP] = 0x3000;
    regs[REG_R15] = -1;
    regs[REG_CR2] = 0xdead;
    const struct crash_place place = crash_regs_place(&context);
    assert_int_equal(place.pc, 0x1000);
    assert_int_equal(place.sp, 0x2000);
    assert_int_equal(place.fp, 0x3000);
    assert_int_equal(place.lr, 0);
    out.len = 0;
    crash_regs_put(&out, &context);
    assert_true(is_printed(" rip=0x1000 rsp=0x2000 rbp=0x3000 "));
    assert_true(is_printed(" r15=0xffffffffffffffff "));
    assert_true(is_printed(" cr2=0xdead"));
}

/* A call of NULL: the return address stands at the top of the stack. */
static void test_a_call_to_nowhere_is_taken_back(void **state)
{
    (void)state;
    const uint64_t stack[] = {0x4005, 7};
    struct crash_place place = {.pc = 0, .sp = (uintptr_t)stack, .fp = 1};
    assert_true(crash_regs_return(NULL, &place));
    assert_int_equal(place.pc, 0x4004);
    assert_int_equal(place.sp, (uintptr_t)&stack[1]);
    assert_int_equal(place.fp, 1);
    struct crash_place nowhere = {.sp = 8};
    assert_false(crash_regs_return(NULL, &nowhere));
    assert_int_equal(nowhere.sp, 8);
}

/* caller_of is what is found behind code that ends with `len` of these bytes. */
static uint64_t caller_of(const char *bytes, size_t len, uint64_t *ret_end)
{
    static uint8_t code[32];
    memset(code, 0x90, sizeof(code)); /* nop */
    memcpy(code + sizeof(code) - len, bytes, len);
    static uint64_t stack[1];
    stack[0] = (uintptr_t)code + sizeof(code);
    *ret_end = stack[0];
    const struct crash_place place = {.sp = (uintptr_t)stack};
    return crash_regs_leaf_caller(&place);
}

static void test_calls_by_their_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool is_call;
    } rows[] = {
        {"\xe8\x01\x02\x03\x04", 5, true},     /* call rel32 */
        {"\xff\x15\x01\x02\x03\x04", 6, true}, /* call *rel32(%rip) */
        {"\xff\xd0", 2, true},                 /* call *%rax */
        {"\xff\xd7", 2, true},                 /* call *%rdi */
        {"\xff\x50\x18", 3, true},             /* call *24(%rax) */
        {"\xff\xd8", 2, false},                /* no instruction */
        {"\xff\xe0", 2, false},                /* jmp *%rax */
        {"\xe9\x01\x02\x03\x04", 5, false},    /* jmp rel32 */
        {"\x90", 1, false},
        {"\x48\x89\xe5", 3, false}, /* mov %rsp,%rbp */
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint64_t end;
        const uint64_t caller = caller_of(rows[i].bytes, rows[i].len, &end);
        assert_int_equal(caller, rows[i].is_call ? end - 1 : 0);
    }
}

static void test_a_return_address_that_is_not_mapped(void **state)
{
    (void)state;
    const uint64_t stack[] = {16};
    const struct crash_place place = {.sp = (uintptr_t)stack};
    assert_int_equal(crash_regs_leaf_caller(&place), 0);
    const struct crash_place nowhere = {.sp = 8};
    assert_int_equal(crash_regs_leaf_caller(&nowhere), 0);
}

#else

static void test_registers(void **state)
{
    (void)state;
    ucontext_t context;
    memset(&context, 0, sizeof(context));
    context.uc_mcontext.pc = 0x1000;
    context.uc_mcontext.sp = 0x2000;
    context.uc_mcontext.regs[29] = 0x3000;
    const struct crash_place place = crash_regs_place(&context);
    assert_int_equal(place.pc, 0x1000);
    assert_int_equal(place.sp, 0x2000);
    assert_int_equal(place.fp, 0x3000);
    crash_regs_put(&out, &context);
    assert_true(is_printed("0x1000"));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_a_call_to_nowhere_is_taken_back),
        cmocka_unit_test(test_calls_by_their_bytes),
        cmocka_unit_test(test_a_return_address_that_is_not_mapped),
        cmocka_unit_test(test_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
