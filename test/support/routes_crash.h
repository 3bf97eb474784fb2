/* SPDX-License-Identifier: MIT
 *
 * routes_crash.h - routes of the test server that crash it.
 */
#ifndef TOQ_TEST_SUPPORT_ROUTES_CRASH_H
#define TOQ_TEST_SUPPORT_ROUTES_CRASH_H

#include "core/app/app_module.h"

/* routes_crash_add mounts them. Returns: as router_add_rows. */
MUST_USE int routes_crash_add(struct router *router, const struct app_context *context);

#endif
