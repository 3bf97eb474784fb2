/* SPDX-License-Identifier: MIT
 *
 * test_module.c - the module of the test server's own routes and services.
 */
#include "test/support/test_module.h"

#include "test/support/routes_block.h"
#include "test/support/routes_crash.h"
#include "test/support/routes_drip.h"
#include "test/support/routes_misuse.h"

struct test_state {
    const struct app_context *context;
};

static int open_module(void *state, const struct app_context *context)
{
    struct test_state *test = state;
    test->context = context;
    return 0;
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    const struct test_state *test = state;
    if (server != APP_SERVER_HTTP) {
        return 0;
    }
    int rc = routes_test_add(router);
    rc = rc < 0 ? rc : routes_block_add(router, test->context);
    rc = rc < 0 ? rc : routes_crash_add(router, test->context);
    rc = rc < 0 ? rc : routes_drip_add(router);
    return rc < 0 ? rc : routes_misuse_add(router, test->context);
}

static int add_services(void *state, struct grpc *grpc)
{
    const struct test_state *test = state;
    const int rc = kinds_service_mount(grpc);
    return rc < 0 ? rc : echo_service_mount(grpc, test->context);
}

const struct app_module test_module = {
    .name = "test",
    .state_bytes = sizeof(struct test_state),
    .open = open_module,
    .add_routes = add_routes,
    .add_services = add_services,
};
