/* SPDX-License-Identifier: MIT
 *
 * crash_hook_none.c - stands in for crash_hook.c in sanitized builds: the sanitizer keeps its own
 * handlers and reports crashes.
 */
#include "core/crash/crash.h"

void crash_hook_install(void)
{
}
