/* SPDX-License-Identifier: MIT
 *
 * number.h - a double as text that reads back as the same double, short enough for people.
 *
 * Thread: any. The process stays in the C locale, so the decimal sign is a point.
 */
#ifndef TOQ_CORE_TELEMETRY_NUMBER_H
#define TOQ_CORE_TELEMETRY_NUMBER_H

#include "core/base/base.h"

#define NUMBER_BYTES 32 /* "-2.2250738585072014e-308" and a NUL */

/* number_format writes `value`; an integer that a double holds exactly has neither point nor
 * exponent. NaN, +Inf and -Inf are spelt as Prometheus spells them.
 *
 * out: NUMBER_BYTES.
 */
void number_format(char *out, double value);

/* number_format_bound writes a bucket's bound: powers of ten from 1e+06 on with an exponent, so
 * that the label has the same text as from other exporters.
 *
 * out:    NUMBER_BYTES.
 * Source: OpenMetrics 1.0.0, "Canonical Numbers".
 */
void number_format_bound(char *out, double value);

#endif
