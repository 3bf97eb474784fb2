/* SPDX-License-Identifier: MIT
 *
 * grpc_status.h - the statuses of calls, and the status of each error.
 *
 * Source: gRPC's statuscodes.md.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_GRPC_GRPC_STATUS_H
#define TOQ_CORE_GRPC_GRPC_STATUS_H

#include "core/base/str.h"

struct ProtobufCMessage;

enum grpc_code {
    GRPC_OK,
    GRPC_CANCELLED,
    GRPC_UNKNOWN,
    GRPC_INVALID_ARGUMENT,
    GRPC_DEADLINE_EXCEEDED,
    GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_FAILED_PRECONDITION,
    GRPC_ABORTED,
    GRPC_OUT_OF_RANGE,
    GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL,
    GRPC_UNAVAILABLE,
    GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED,
    GRPC_CODE_COUNT
};

struct grpc_status {
    enum grpc_code code;
    struct str message;                     /* UTF-8; other bytes become U+FFFD */
    const struct ProtobufCMessage *details; /* NULL: none */
    int http;                               /* of a route of HTTP; 0: grpc_code_http */
};

/* GRPC_STATUS makes a status with a literal for its message. */
#define GRPC_STATUS(code, literal) ((struct grpc_status){(code), STR(literal), NULL})

/* grpc_code_name is "OK", "NOT_FOUND" etc.; "UNKNOWN" for a number that is no code. */
const char *grpc_code_name(enum grpc_code code);

/* grpc_code_label is the name as metrics spell it: "OK", "NotFound" etc. */
const char *grpc_code_label(enum grpc_code code);

/* grpc_code_http is the status of HTTP that stands for a code.
 *
 * Source: google/rpc/code.proto, "HTTP Mapping".
 */
int grpc_code_http(enum grpc_code code);

/* grpc_code_is_fault tells whether a code is the server's fault, not a mistake of its client.
 *
 * Source: OpenTelemetry semantic conventions for gRPC, errors of server spans.
 */
bool grpc_code_is_fault(enum grpc_code code);

/* grpc_status_of is the status of a negative UV_* error; GRPC_OK for 0, INTERNAL for an error that
 * has no status of its own. */
struct grpc_status grpc_status_of(int error);

#endif
