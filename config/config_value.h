/* SPDX-License-Identifier: MIT
 *
 * config_value.h - converts an option's value between text and field, for each kind of option.
 */
#ifndef TOQ_CONFIG_CONFIG_VALUE_H
#define TOQ_CONFIG_CONFIG_VALUE_H

#include <stdio.h>

#include "config/config_set.h"

/* config_value_store checks `text` and puts it into the option's field.
 *
 * values:  the struct that the option's offset is of.
 * Returns: true; false when the text is not allowed, with the field as it was.
 */
MUST_USE bool config_value_store(const struct config_option *option, struct str text, void *values);

/* config_value_check tells whether config_value_store would take the text. */
MUST_USE bool config_value_check(const struct config_option *option, struct str text);

/* config_value_print writes what config_value_store would read back; a secret that is set is ***.
 */
void config_value_print(const struct config_option *option, const void *values, FILE *out);

/* config_value_allowed says what the option may be, such as "a port, 0 to 65535".
 *
 * out: CONFIG_TEXT_BYTES.
 */
void config_value_allowed(const struct config_option *option, char *out);

#endif
