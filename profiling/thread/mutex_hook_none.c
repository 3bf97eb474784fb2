/* SPDX-License-Identifier: MIT
 *
 * mutex_hook_none.c - for builds with a sanitizer, whose own functions must be the ones that are
 * called.
 */
#include "profiling/thread/mutex_hook.h"

bool mutex_hook_is_built(void)
{
    return false;
}
