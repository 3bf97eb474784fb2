/* SPDX-License-Identifier: MIT
 *
 * crash_regs.h - the registers of the thread that crashed; a file for each processor.
 *
 * Thread: signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_REGS_H
#define TOQ_CORE_CRASH_CRASH_REGS_H

#include <ucontext.h>

#include "core/crash/crash_out.h"

/* What a stack is followed by. */
struct crash_place {
    uint64_t pc;
    uint64_t sp;
    uint64_t fp;
    uint64_t lr; /* the return address where a call leaves it in a register; else 0 */
};

/* crash_regs_place reads where the thread was. */
struct crash_place crash_regs_place(const ucontext_t *context);

/* crash_regs_return takes back the call that led to an address without code, such as NULL: the
 * place is the caller's then.
 *
 * Returns: false when the return address cannot be read.
 */
bool crash_regs_return(const ucontext_t *context, struct crash_place *place);

/* crash_regs_leaf_caller finds the call that led to a function which has not saved anything on the
 * stack, as small ones need not.
 *
 * Returns: an address in the call; 0 when it is no such function, or that is not known.
 */
uint64_t crash_regs_leaf_caller(const struct crash_place *place);

/* crash_regs_put writes all general registers. */
void crash_regs_put(struct crash_out *out, const ucontext_t *context);

#endif
