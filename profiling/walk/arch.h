/* SPDX-License-Identifier: MIT
 *
 * arch.h - what differs between the processors: chosen here, nowhere else.
 *
 * Each file gives the DWARF numbers ARCH_DWARF_SP, _FP and _RA, ARCH_ENDED_CALLS, ARCH_SAVE_FP, and
 * for struct arch_regs: arch_regs_interrupted, arch_regs_here, arch_code_address.
 */
#ifndef TOQ_PROFILING_WALK_ARCH_H
#define TOQ_PROFILING_WALK_ARCH_H

#if defined(__x86_64__)
#include "profiling/walk/arch_x86_64.h"
#elif defined(__aarch64__)
#include "profiling/walk/arch_aarch64.h"
#else
#error "toq runs on x86-64 and arm64"
#endif

#endif
