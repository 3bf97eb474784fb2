/* SPDX-License-Identifier: MIT
 *
 * function_start.h - finds the start of functions without symbols, by their unwind rules.
 *
 * Thread: one at a time per module.
 */
#ifndef TOQ_PROFILING_CODE_FUNCTION_START_H
#define TOQ_PROFILING_CODE_FUNCTION_START_H

#include <elfutils/libdwfl.h>

#include "core/base/base.h"

/* function_start finds where the function begins that holds `addr`, an address in memory.
 *
 * ret_start: in the addresses of the file; *ret_bias more in memory.
 * Returns:   true with both set; false when nothing says so.
 */
MUST_USE bool function_start(Dwfl_Module *module, uint64_t addr, GElf_Addr *ret_bias,
                             GElf_Addr *ret_start);

#endif
