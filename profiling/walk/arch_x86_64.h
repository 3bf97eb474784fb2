/* SPDX-License-Identifier: MIT
 *
 * arch_x86_64.h - registers of x86-64; include profiling/walk/arch.h instead.
 *
 * Source: System V ABI, AMD64 supplement, figure 3.36 (DWARF register numbers).
 */
#ifndef TOQ_PROFILING_WALK_ARCH_X86_64_H
#define TOQ_PROFILING_WALK_ARCH_X86_64_H

#include "profiling/walk/arch.h"

#define ARCH_DWARF_FP 6
#define ARCH_DWARF_SP 7
#define ARCH_DWARF_RA 16

/* arch_regs_interrupted reads the registers that a signal interrupted. Thread: signal. */
static inline struct arch_regs arch_regs_interrupted(const ucontext_t *context)
{
    const greg_t *gregs = context->uc_mcontext.gregs;
    return (struct arch_regs){
        .pc = (uint64_t)gregs[REG_RIP],
        .sp = (uint64_t)gregs[REG_RSP],
        .fp = (uint64_t)gregs[REG_RBP],
    };
}

/* arch_regs_here reads the registers at its own place in the caller. Thread: signal. */
static inline __attribute__((always_inline)) struct arch_regs arch_regs_here(void)
{
    struct arch_regs regs = {0};
    /* Early clobber: without it an output may be given rbp before rbp is read. */
    __asm__ volatile("lea 0(%%rip), %0\n\t"
                     "mov %%rsp, %1\n\t"
                     "mov %%rbp, %2"
                     : "=&r"(regs.pc), "=&r"(regs.sp), "=&r"(regs.fp));
    return regs;
}

/* arch_code_address takes from a return address what is not address; here nothing. */
static inline uint64_t arch_code_address(uint64_t address)
{
    return address;
}

#endif
