/* SPDX-License-Identifier: MIT
 *
 * arch_aarch64.h - registers of arm64; include profiling/walk/arch.h instead.
 *
 * Source: DWARF for the Arm 64-bit Architecture, section 4.1 (DWARF register names).
 */
#ifndef TOQ_PROFILING_WALK_ARCH_AARCH64_H
#define TOQ_PROFILING_WALK_ARCH_AARCH64_H

#include "profiling/walk/arch_regs.h"

#define ARCH_DWARF_FP 29
#define ARCH_DWARF_RA 30
#define ARCH_DWARF_SP 31

#define ARCH_ENDED_CALLS /* none beside those that both have; see profiling/cpu/asleep.c */

/* __wrap_NAME calls a function of the C library, of eight arguments at most, and has saved the
 * frame pointer in a frame that is found without it. All of it is the one line of the source. */
#define ARCH_TEXT(number) #number
#define ARCH_LINE(number) "# " ARCH_TEXT(number) " \"" __FILE__ "\"\n\t"
#define ARCH_SAVE_FP(name)                                                                         \
    __asm__(".text\n\t"                                                                            \
            ".globl __wrap_" #name "\n\t"                                                          \
            ".type __wrap_" #name ", %function\n"                                                  \
            "__wrap_" #name ":\n\t"                                                                \
            ".cfi_startproc"                                                                       \
            "\n" ARCH_LINE(__LINE__) "stp x29, x30, [sp, #-16]!; "                                 \
                                     ".cfi_def_cfa_offset 16; "                                    \
                                     ".cfi_offset x29, -16; "                                      \
                                     ".cfi_offset x30, -8; "                                       \
                                     "mov x29, sp; "                                               \
                                     "bl __real_" #name "; "                                       \
                                     "ldp x29, x30, [sp], #16; "                                   \
                                     ".cfi_restore x29; "                                          \
                                     ".cfi_restore x30; "                                          \
                                     ".cfi_def_cfa_offset 0; "                                     \
                                     "ret; "                                                       \
                                     ".cfi_endproc; "                                              \
                                     ".size __wrap_" #name ", . - __wrap_" #name)

#define ARCH_ADDRESS_BITS 48 /* of user space; pointer authentication signs the bits above */

/* arch_regs_interrupted reads the registers that a signal interrupted. Thread: signal. */
static inline struct arch_regs arch_regs_interrupted(const ucontext_t *context)
{
    return (struct arch_regs){
        .pc = context->uc_mcontext.pc,
        .sp = context->uc_mcontext.sp,
        .fp = context->uc_mcontext.regs[ARCH_DWARF_FP],
        .lr = context->uc_mcontext.regs[ARCH_DWARF_RA],
    };
}

/* arch_regs_here reads the registers at its own place in the caller. Thread: signal. */
static inline __attribute__((always_inline)) struct arch_regs arch_regs_here(void)
{
    struct arch_regs regs;
    /* Early clobber: without it an output may be given x29 or x30 before that is read. */
    __asm__ volatile("adr %0, .\n\t"
                     "mov %1, sp\n\t"
                     "mov %2, x29\n\t"
                     "mov %3, x30"
                     : "=&r"(regs.pc), "=&r"(regs.sp), "=&r"(regs.fp), "=&r"(regs.lr));
    return regs;
}

/* arch_code_address takes the signature off a return address. */
static inline uint64_t arch_code_address(uint64_t address)
{
    return address & ((UINT64_C(1) << ARCH_ADDRESS_BITS) - 1);
}

#endif
