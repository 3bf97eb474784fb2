/* SPDX-License-Identifier: MIT
 *
 * grpc_misuse.c - reports functions that were called in a state of the call that does not allow
 * them.
 */
#include "core/grpc/grpc_internal.h"
#include "core/http/misuse.h"

bool grpc_may_call(struct grpc_call *call, const char *name)
{
    loop_require_thread(call->req->server->loop, name);
    if (UNLIKELY(call->life == CALL_ENDED)) {
        misuse_found(call->req, name);
    }
    return call->life < CALL_CANCELLED;
}
