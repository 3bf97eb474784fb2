/* SPDX-License-Identifier: MIT
 *
 * arch_regs.h - the registers that all processors have, as arch.h's functions give and take them.
 */
#ifndef TOQ_PROFILING_WALK_ARCH_REGS_H
#define TOQ_PROFILING_WALK_ARCH_REGS_H

#include <ucontext.h>

#include "core/base/base.h"

/* The registers that an unwinding step needs. */
struct arch_regs {
    uint64_t pc;
    uint64_t sp;
    uint64_t fp;
    uint64_t lr; /* the return address where a call leaves it in a register; else 0 */
};

#endif
