/* SPDX-License-Identifier: MIT
 *
 * routes_misuse.h - routes of the test server whose handlers break what http.h asks of them.
 *
 * Thread: main, before the loop runs.
 */
#ifndef TOQ_TEST_SUPPORT_ROUTES_MISUSE_H
#define TOQ_TEST_SUPPORT_ROUTES_MISUSE_H

#include "core/app/app_module.h"
#include "core/http/router.h"

/* routes_misuse_add adds them. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_misuse_add(struct router *router, const struct app_context *context);

#endif
