/* SPDX-License-Identifier: MIT
 *
 * config_rules.h - rules between options whose values are each allowed.
 */
#ifndef TOQ_CONFIG_CONFIG_RULES_H
#define TOQ_CONFIG_CONFIG_RULES_H

#include "config/config_core.h"
#include "config/config_error.h"

/* config_rules_check refuses a pprof listener that others reach without a token, and two enabled
 * listeners on one address and port.
 *
 * error: CONFIG_ERROR_BYTES.
 * Returns: true; false with `error` set.
 */
MUST_USE bool config_rules_check(const struct config *config, char *error);

#endif
