/* SPDX-License-Identifier: MIT
 *
 * tokens.h - who may write: the module of the variable API_TOKENS, for the modules below it in the
 * list.
 *
 * Flow:   open: tokens_get -> a handler: tokens_may_write, or tokens_check for a call of gRPC
 * Memory: the tokens live as long as the server.
 * Thread: the work loop; open on main.
 */
#ifndef TOQ_HANDLERS_KIT_TOKENS_H
#define TOQ_HANDLERS_KIT_TOKENS_H

#include "core/app/app_module.h"
#include "handlers/kit/auth.h"

extern const struct app_module tokens_module;

/* tokens_get finds the server's tokens, for a module's open. */
const struct auth_tokens *tokens_get(const struct app_context *context);

/* tokens_may_write looks for one of the tokens in a request, and ends it with 401 when there is
 * none.
 *
 * Returns: true with *ret_token set, as auth_find_token has it; false: the request has ended.
 */
MUST_USE bool tokens_may_write(const struct auth_tokens *tokens, struct http_request *req,
                               struct str *ret_token);

/* tokens_check looks for one of the tokens in a call's metadata.
 *
 * Returns: GRPC_OK; or what the call is to be ended with.
 */
MUST_USE struct grpc_status tokens_check(const struct auth_tokens *tokens, struct grpc_call *call);

#endif
