/* SPDX-License-Identifier: MIT
 *
 * routes_block.h - routes of the test server that wait, and that hold the loop, for known times.
 *
 * Thread: main, before the loop runs.
 */
#ifndef TOQ_TEST_SUPPORT_ROUTES_BLOCK_H
#define TOQ_TEST_SUPPORT_ROUTES_BLOCK_H

#include "core/app/app_module.h"
#include "core/http/router.h"

/* routes_block_add adds them. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_block_add(struct router *router, const struct app_context *context);

#endif
