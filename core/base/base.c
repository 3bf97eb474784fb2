/* SPDX-License-Identifier: MIT
 *
 * base.c - prints a broken check and aborts.
 */
#include "core/base/base.h"

#include <stdio.h>
#include <stdlib.h>

/* A crash report has them as well. */
static char reason[BASE_REASON_BYTES];
static const void *abort_frame;

void base_abort(const char *text)
{
    abort_frame = __builtin_frame_address(0);
    (void)snprintf(reason, sizeof(reason), "%s", text);
    (void)fprintf(stderr, "toq: %s\n", reason);
    abort();
}

void base_fail(const char *kind, const char *cond, const char *file, int line)
{
    char text[BASE_REASON_BYTES];
    (void)snprintf(text, sizeof(text), "%s(%s) failed at %s:%d", kind, cond, file, line);
    base_abort(text);
}

const char *base_abort_reason(void)
{
    return reason;
}

const void *base_abort_frame(void)
{
    return abort_frame;
}
