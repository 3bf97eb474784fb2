/* SPDX-License-Identifier: MIT
 *
 * crash_regs_aarch64.c - registers of arm64.
 */
#include "core/crash/crash_regs.h"

#define FP 29
#define LR 30

struct crash_place crash_regs_place(const ucontext_t *context)
{
    const mcontext_t *regs = &context->uc_mcontext;
    return (struct crash_place){
        .pc = regs->pc,
        .sp = regs->sp,
        .fp = regs->regs[FP],
        .lr = regs->regs[LR],
    };
}

bool crash_regs_return(const ucontext_t *context, struct crash_place *place)
{
    place->pc = context->uc_mcontext.regs[LR] - 1; /* in the call */
    return true;
}

uint64_t crash_regs_leaf_caller(const struct crash_place *place)
{
    return place->lr - 1;
}

void crash_regs_put(struct crash_out *out, const ucontext_t *context)
{
    const mcontext_t *regs = &context->uc_mcontext;
    crash_out_text(out, " pc=");
    crash_out_hex(out, regs->pc);
    crash_out_text(out, " sp=");
    crash_out_hex(out, regs->sp);
    crash_out_text(out, " pstate=");
    crash_out_hex(out, regs->pstate);
    for (size_t i = 0; i <= LR; i++) {
        crash_out_text(out, " x");
        crash_out_number(out, i);
        crash_out_text(out, "=");
        crash_out_hex(out, regs->regs[i]);
    }
}
