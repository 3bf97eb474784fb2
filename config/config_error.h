/* SPDX-License-Identifier: MIT
 *
 * config_error.h - the one line that says why a configuration is refused.
 */
#ifndef TOQ_CONFIG_CONFIG_ERROR_H
#define TOQ_CONFIG_CONFIG_ERROR_H

#include "core/base/str.h"

#define CONFIG_ERROR_BYTES 1024 /* of the text that says what is wrong */

/* config_error_set writes the message as one line: control bytes become '?', what does not fit is
 * cut.
 *
 * error: CONFIG_ERROR_BYTES.
 * Returns: false, so that a failing function can return it.
 */
bool config_error_set(char *error, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* config_error_clip cuts a value to what a message shows of it, so that the words behind it fit. */
struct str config_error_clip(struct str value);

#endif
