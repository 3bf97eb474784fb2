/* SPDX-License-Identifier: MIT
 *
 * crash_hook_none.c - stands in for crash_hook.c in sanitized builds: the sanitizer keeps its
 * handlers, and reports crashes with what it knows of the memory.
 */
#include "core/crash/crash.h"

void crash_hook_install(void)
{
}
