/* SPDX-License-Identifier: MIT
 *
 * test_module.h - what the test server serves beside the server's own: a module in one folder.
 */
#ifndef TOQ_TEST_SUPPORT_TEST_MODULE_H
#define TOQ_TEST_SUPPORT_TEST_MODULE_H

#include "core/app/app_module.h"

extern const struct app_module test_module;

/* routes_test_add adds work, waiting and output of known amounts. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_test_add(struct router *router);

/* echo_service_mount mounts toq.test.v1.Echo and the interop service. Returns: 0; UV_ENOMEM. */
MUST_USE int echo_service_mount(struct grpc *grpc, const struct app_context *context);

/* kinds_service_mount mounts toq.test.v1.KindsService. Returns: 0; UV_ENOMEM. */
MUST_USE int kinds_service_mount(struct grpc *grpc);

#endif
