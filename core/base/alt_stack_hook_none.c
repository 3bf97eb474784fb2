/* SPDX-License-Identifier: MIT
 *
 * alt_stack_hook_none.c - stands in for alt_stack_hook.c in sanitized builds: the sanitizer gives
 * each thread a second stack, and takes it back.
 */
#include "core/base/alt_stack.h"

void alt_stack_start(void)
{
}

void alt_stack_stop(void)
{
}
