/* SPDX-License-Identifier: MIT
 *
 * grpc_status.c - two tables: the codes' names and statuses of HTTP, and the code of each
 *                 error.
 */
#include "core/grpc/grpc_status.h"

#include "core/loop/loop.h"

static const struct {
    const char *name;
    const char *label;
    int http;
} codes[GRPC_CODE_COUNT] = {
    [GRPC_OK] = {"OK", "OK", 200},
    [GRPC_CANCELLED] = {"CANCELLED", "Canceled",
                        499}, /* grpc-go's spelling, which dashboards have */
    [GRPC_UNKNOWN] = {"UNKNOWN", "Unknown", 500},
    [GRPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", "InvalidArgument", 400},
    [GRPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", "DeadlineExceeded", 504},
    [GRPC_NOT_FOUND] = {"NOT_FOUND", "NotFound", 404},
    [GRPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", "AlreadyExists", 409},
    [GRPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", "PermissionDenied", 403},
    [GRPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", "ResourceExhausted", 429},
    [GRPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", "FailedPrecondition", 400},
    [GRPC_ABORTED] = {"ABORTED", "Aborted", 409},
    [GRPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", "OutOfRange", 400},
    [GRPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", "Unimplemented", 501},
    [GRPC_INTERNAL] = {"INTERNAL", "Internal", 500},
    [GRPC_UNAVAILABLE] = {"UNAVAILABLE", "Unavailable", 503},
    [GRPC_DATA_LOSS] = {"DATA_LOSS", "DataLoss", 500},
    [GRPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", "Unauthenticated", 401},
};

const char *grpc_code_name(enum grpc_code code)
{
    return codes[code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].name;
}

const char *grpc_code_label(enum grpc_code code)
{
    return codes[code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].label;
}

int grpc_code_http(enum grpc_code code)
{
    return codes[code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].http;
}

bool grpc_code_is_fault(enum grpc_code code)
{
    return code == GRPC_UNKNOWN || code == GRPC_DEADLINE_EXCEEDED || code == GRPC_UNIMPLEMENTED ||
           code == GRPC_INTERNAL || code == GRPC_UNAVAILABLE || code == GRPC_DATA_LOSS;
}

struct grpc_status grpc_status_of(int error)
{
    static const struct {
        int error;
        struct grpc_status status;
    } rows[] = {
        {0, {GRPC_OK, {"", 0}, NULL}},
        {UV_EACCES, {GRPC_PERMISSION_DENIED, STR("not allowed"), NULL}},
        {UV_EAGAIN, {GRPC_ABORTED, STR("another change came first: read it and try again"), NULL}},
        {UV_EBUSY, {GRPC_RESOURCE_EXHAUSTED, STR("the server is busy"), NULL, 503}},
        {UV_ECANCELED, {GRPC_UNAVAILABLE, STR("the server is shutting down"), NULL}},
        {UV_ECONNABORTED, {GRPC_ABORTED, STR("the database is busy: try again"), NULL}},
        {UV_ECONNRESET, {GRPC_UNAVAILABLE, STR("the database went away"), NULL}},
        {UV_EEXIST, {GRPC_ALREADY_EXISTS, STR("it exists already"), NULL}},
        {UV_EINVAL, {GRPC_INVALID_ARGUMENT, STR("the argument is not valid"), NULL}},
        {UV_EMSGSIZE, {GRPC_RESOURCE_EXHAUSTED, STR("more than the limit"), NULL}},
        {UV_ENOENT, {GRPC_NOT_FOUND, STR("not found"), NULL}},
        {UV_ENOMEM, {GRPC_RESOURCE_EXHAUSTED, STR("out of memory"), NULL, 503}},
        {UV_ENOSYS, {GRPC_UNIMPLEMENTED, STR("not implemented"), NULL}},
        {UV_ENOTCONN, {GRPC_UNAVAILABLE, STR("the database is away"), NULL}},
        {UV_EROFS, {GRPC_UNAVAILABLE, STR("the database takes no writes"), NULL}},
        {UV_ETIMEDOUT, {GRPC_DEADLINE_EXCEEDED, STR("the deadline passed"), NULL}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].error == error) {
            return rows[i].status;
        }
    }
    return GRPC_STATUS(GRPC_INTERNAL, "internal error");
}
