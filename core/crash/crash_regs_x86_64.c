/* SPDX-License-Identifier: MIT
 *
 * crash_regs_x86_64.c - registers of x86-64.
 */
#include "core/crash/crash_regs.h"

struct crash_place crash_regs_place(const ucontext_t *context)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    return (struct crash_place){
        .pc = (uint64_t)regs[REG_RIP],
        .sp = (uint64_t)regs[REG_RSP],
        .fp = (uint64_t)regs[REG_RBP],
    };
}

bool crash_regs_return(const ucontext_t *context, struct crash_place *place)
{
    (void)context;
    uint64_t address;
    if (!crash_read((const void *)(uintptr_t)place->sp, &address, sizeof(address))) {
        return false;
    }
    place->pc = address - 1; /* in the call */
    place->sp += sizeof(address);
    return true;
}

/* is_call tells whether an instruction that ends there is a call, in the forms that gcc writes. */
static bool is_call(const uint8_t *end)
{
    uint8_t code[6];
    if (!crash_read(end - sizeof(code), code, sizeof(code))) {
        return false;
    }
    const bool is_near = code[1] == 0xe8;                   /* call rel32 */
    const bool is_far = code[0] == 0xff && code[1] == 0x15; /* call *rel32(%rip) */
    const bool is_register = code[4] == 0xff && (code[5] & 0xf8) == 0xd0;
    const bool is_member = code[3] == 0xff && (code[4] & 0xf8) == 0x50;
    return is_near || is_far || is_register || is_member;
}

uint64_t crash_regs_leaf_caller(const struct crash_place *place)
{
    uint64_t address;
    return crash_read((const void *)(uintptr_t)place->sp, &address, sizeof(address)) &&
                   is_call((const uint8_t *)(uintptr_t)address)
               ? address - 1
               : 0;
}

void crash_regs_put(struct crash_out *out, const ucontext_t *context)
{
    static const struct {
        const char *name;
        int number;
    } regs[] = {
        {" rip=", REG_RIP}, {" rsp=", REG_RSP},   {" rbp=", REG_RBP},   {" rax=", REG_RAX},
        {" rbx=", REG_RBX}, {" rcx=", REG_RCX},   {" rdx=", REG_RDX},   {" rsi=", REG_RSI},
        {" rdi=", REG_RDI}, {" r8=", REG_R8},     {" r9=", REG_R9},     {" r10=", REG_R10},
        {" r11=", REG_R11}, {" r12=", REG_R12},   {" r13=", REG_R13},   {" r14=", REG_R14},
        {" r15=", REG_R15}, {" flags=", REG_EFL}, {" error=", REG_ERR}, {" trap=", REG_TRAPNO},
        {" cr2=", REG_CR2},
    };
    for (size_t i = 0; i < ARRAY_COUNT(regs); i++) {
        crash_out_text(out, regs[i].name);
        crash_out_hex(out, (uint64_t)context->uc_mcontext.gregs[regs[i].number]);
    }
}
