/* SPDX-License-Identifier: MIT
 *
 * grpc_status.c - two tables: the codes' names, and the code of each error.
 */
#include "core/grpc/grpc_status.h"

#include "core/loop/loop.h"

static const struct {
    const char *name;
    const char *label;
} codes[GRPC_CODE_COUNT] = {
    [GRPC_OK] = {"OK", "OK"},
    [GRPC_CANCELLED] = {"CANCELLED", "Canceled"}, /* grpc-go's spelling, which dashboards have */
    [GRPC_UNKNOWN] = {"UNKNOWN", "Unknown"},
    [GRPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", "InvalidArgument"},
    [GRPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", "DeadlineExceeded"},
    [GRPC_NOT_FOUND] = {"NOT_FOUND", "NotFound"},
    [GRPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", "AlreadyExists"},
    [GRPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", "PermissionDenied"},
    [GRPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", "ResourceExhausted"},
    [GRPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", "FailedPrecondition"},
    [GRPC_ABORTED] = {"ABORTED", "Aborted"},
    [GRPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", "OutOfRange"},
    [GRPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", "Unimplemented"},
    [GRPC_INTERNAL] = {"INTERNAL", "Internal"},
    [GRPC_UNAVAILABLE] = {"UNAVAILABLE", "Unavailable"},
    [GRPC_DATA_LOSS] = {"DATA_LOSS", "DataLoss"},
    [GRPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", "Unauthenticated"},
};

const char *grpc_code_name(enum grpc_code code)
{
    return codes[code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].name;
}

const char *grpc_code_label(enum grpc_code code)
{
    return codes[code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].label;
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
        {UV_EBUSY, {GRPC_RESOURCE_EXHAUSTED, STR("the server is busy"), NULL}},
        {UV_ECANCELED, {GRPC_UNAVAILABLE, STR("the server is shutting down"), NULL}},
        {UV_ECONNABORTED, {GRPC_ABORTED, STR("the database is busy: try again"), NULL}},
        {UV_ECONNRESET, {GRPC_UNAVAILABLE, STR("the database went away"), NULL}},
        {UV_EEXIST, {GRPC_ALREADY_EXISTS, STR("it exists already"), NULL}},
        {UV_EINVAL, {GRPC_INVALID_ARGUMENT, STR("the argument is not valid"), NULL}},
        {UV_EMSGSIZE, {GRPC_RESOURCE_EXHAUSTED, STR("more than the limit"), NULL}},
        {UV_ENOENT, {GRPC_NOT_FOUND, STR("not found"), NULL}},
        {UV_ENOMEM, {GRPC_RESOURCE_EXHAUSTED, STR("out of memory"), NULL}},
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
