/* SPDX-License-Identifier: MIT
 *
 * number.c - the first precision whose text reads back as the same double.
 */
#include "core/telemetry/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* 15 digits always survive a double, 17 always tell two doubles apart (C11 5.2.4.2.2). */
#define PRECISION_SAFE  15
#define PRECISION_EXACT 17

/* Go's %g, which other exporters print bounds with, turns to an exponent at 1e+06. */
#define PRECISION_BOUND 6

#define INTEGER_MAX 9007199254740992.0 /* 2^53: below, every integer is a double */

/* format_special writes what has no digits; false for a finite value. */
static bool format_special(char *out, double value)
{
    if (isfinite(value)) {
        return false;
    }
    const char *text = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    (void)snprintf(out, NUMBER_BYTES, "%s", text);
    return true;
}

static void format_shortest(char *out, double value, int first_precision)
{
    for (int precision = first_precision; precision <= PRECISION_EXACT; precision++) {
        (void)snprintf(out, NUMBER_BYTES, "%.*g", precision, value);
        if (strtod(out, NULL) == value) {
            return;
        }
    }
}

void number_format(char *out, double value)
{
    if (format_special(out, value)) {
        return;
    }
    if (fabs(value) < INTEGER_MAX && (double)(int64_t)value == value) {
        (void)snprintf(out, NUMBER_BYTES, "%" PRId64, (int64_t)value);
        return;
    }
    format_shortest(out, value, PRECISION_SAFE);
}

void number_format_bound(char *out, double value)
{
    if (!format_special(out, value)) {
        format_shortest(out, value, PRECISION_BOUND);
    }
}
