/* SPDX-License-Identifier: MIT
 *
 * arch_x86_64.h - registers of x86-64; include profiling/walk/arch.h instead.
 *
 * Source: System V ABI, AMD64 supplement, figure 3.36 (DWARF register numbers).
 */
#ifndef TOQ_PROFILING_WALK_ARCH_X86_64_H
#define TOQ_PROFILING_WALK_ARCH_X86_64_H

#include "profiling/walk/arch_regs.h"

#define ARCH_DWARF_FP 6
#define ARCH_DWARF_SP 7
#define ARCH_DWARF_RA 16

/* System calls that arm64 does not have, each with a comma behind it; see
 * profiling/cpu/asleep.c. */
#define ARCH_ENDED_CALLS SYS_epoll_wait, SYS_pause, SYS_poll, SYS_select,

/* __wrap_NAME calls a function of the C library, of six arguments at most, and has saved the frame
 * pointer in a frame that is found without it. All of it is the one line of the source. */
#define ARCH_TEXT(number) #number
#define ARCH_LINE(number) "# " ARCH_TEXT(number) " \"" __FILE__ "\"\n\t"
#define ARCH_SAVE_FP(name)                                                                         \
    __asm__(".text\n\t"                                                                            \
            ".globl __wrap_" #name "\n\t"                                                          \
            ".type __wrap_" #name ", @function\n"                                                  \
            "__wrap_" #name ":\n\t"                                                                \
            ".cfi_startproc"                                                                       \
            "\n" ARCH_LINE(__LINE__) "push %rbp; "                                                 \
                                     ".cfi_adjust_cfa_offset 8; "                                  \
                                     ".cfi_rel_offset %rbp, 0; "                                   \
                                     "call *__real_" #name "@GOTPCREL(%rip); "                     \
                                     "pop %rbp; "                                                  \
                                     ".cfi_adjust_cfa_offset -8; "                                 \
                                     ".cfi_restore %rbp; "                                         \
                                     "ret; "                                                       \
                                     ".cfi_endproc; "                                              \
                                     ".size __wrap_" #name ", . - __wrap_" #name)

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
