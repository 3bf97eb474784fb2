/* SPDX-License-Identifier: MIT
 *
 * routes_drip.h - routes of the test server that write from timers, and end when they like.
 *
 * Thread: main, before the loop runs.
 */
#ifndef TOQ_TEST_SUPPORT_ROUTES_DRIP_H
#define TOQ_TEST_SUPPORT_ROUTES_DRIP_H

#include "core/http/router.h"

/* routes_drip_add adds them. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_drip_add(struct router *router);

#endif
