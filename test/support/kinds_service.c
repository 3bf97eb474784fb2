/* SPDX-License-Identifier: MIT
 *
 * kinds_service.c - toq.test.v1.KindsService: a message of all kinds comes back as it was, over
 * gRPC and as JSON over HTTP. One of its methods wants a token, by an interceptor.
 */
#include "test/support/test_module.h"
#include "toq/test/v1/kinds.pb-c.h"

#define PATH "/test/kinds/:string_value/:uint32_value"

static void handle(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    int rc = grpc_add_header(call, STR("x-kind"), STR("header"));
    rc = rc < 0 ? rc : grpc_add_trailer(call, STR("x-trailing"), STR("trailer"));
    if (rc < 0) {
        grpc_fail(call, rc);
        return;
    }
    grpc_send_headers(call);
    grpc_respond(call, message);
}

static struct grpc_status check_token(struct grpc_call *call, void *arg)
{
    (void)arg;
    if (strcmp(grpc_full_name(call), "toq.test.v1.KindsService/Guarded") == 0 &&
        !str_equal(grpc_metadata(call, STR("authorization"), 0), STR("Bearer kinds"))) {
        return GRPC_STATUS(GRPC_UNAUTHENTICATED, "a token is missing");
    }
    return (struct grpc_status){0};
}

static const struct grpc_method methods[] = {
    {"Mirror", GRPC_UNARY, handle, METHOD_POST, "/test/kinds"},
    {"Mirror", GRPC_UNARY, handle, METHOD_PATCH, "/test/kinds/:string_value"},
    {"Read", GRPC_UNARY, handle, METHOD_GET, PATH},
    {"Replace", GRPC_UNARY, handle, METHOD_PUT, PATH},
    {"Remove", GRPC_UNARY, handle, METHOD_DELETE, PATH},
    {"Guarded", GRPC_UNARY, handle, METHOD_GET, "/test/guarded"},
};

int kinds_service_mount(struct grpc *grpc)
{
    static const struct grpc_interceptor auth = {.on_start = check_token};
    const struct grpc_service service = {.descriptor = &toq__test__v1__kinds_service__descriptor,
                                         .methods = methods,
                                         .method_count = ARRAY_COUNT(methods)};
    grpc_add_interceptor(grpc, &auth);
    return grpc_add_service(grpc, &service);
}
