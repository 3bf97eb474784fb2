/* SPDX-License-Identifier: MIT
 *
 * modules.h - the list of modules that this server has.
 */
#ifndef TOQ_HANDLERS_MODULES_H
#define TOQ_HANDLERS_MODULES_H

#include "core/app/app_module.h"

/* modules_list is the list, NULL at its end. */
const struct app_module *const *modules_list(void);

#endif
