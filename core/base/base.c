/* SPDX-License-Identifier: MIT
 *
 * base.c - the end of the road for a broken check.
 */
#include "core/base/base.h"

#include <stdio.h>
#include <stdlib.h>

void base_fail(const char *kind, const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "toq: %s(%s) failed at %s:%d\n", kind, cond, file, line);
    abort();
}
