/* SPDX-License-Identifier: MIT
 *
 * tokens.c - a variable, and two refusals.
 */
#include "handlers/kit/tokens.h"

#include "core/http/problem.h"
#include "core/telemetry/log.h"

struct tokens {
    struct auth_tokens tokens;
    char list[CONFIG_LIST_BYTES]; /* API_TOKENS: secrets with commas between them; empty: none */
};

/* clang-format off */
static const struct config_option options[] = {
    {.name = "API_TOKENS", .kind = CONFIG_SECRETS, .offset = offsetof(struct tokens, list),
     .min = 16, .max = CONFIG_TEXT_BYTES - 1,
     .help = "who may write; unset: anybody in development, nobody in production"},
};
/* clang-format on */

static int open_module(void *state, const struct app_context *context)
{
    struct tokens *tokens = state;
    tokens->tokens = (struct auth_tokens){
        .list = str_from(tokens->list),
        .is_open = context->config->env == CONFIG_DEVELOPMENT && tokens->list[0] == '\0',
    };
    return 0;
}

static void on_ready(void *state)
{
    const struct tokens *tokens = state;
    if (tokens->tokens.is_open) {
        log_event(LOG_WARN, "tokens", "anybody may write: API_TOKENS is not set", NULL, 0);
    } else if (tokens->tokens.list.len == 0) {
        log_event(LOG_WARN, "tokens", "nobody may write: API_TOKENS is not set", NULL, 0);
    }
}

const struct app_module tokens_module = {
    .name = "tokens",
    .state_bytes = sizeof(struct tokens),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .open = open_module,
    .on_ready = on_ready,
};

const struct auth_tokens *tokens_get(const struct app_context *context)
{
    const struct tokens *tokens = app_module_state(context, &tokens_module);
    REQUIRE(tokens != NULL);
    return &tokens->tokens;
}

bool tokens_may_write(const struct auth_tokens *tokens, struct http_request *req,
                      struct str *ret_token)
{
    static const struct problem problem = {
        .status = 401, .detail = "writing needs a bearer token", .header = &http_bearer_challenge};
    if (auth_find_token(tokens, req, ret_token)) {
        return true;
    }
    problem_respond(req, &problem);
    return false;
}

struct grpc_status tokens_check(const struct auth_tokens *tokens, struct grpc_call *call)
{
    struct str token;
    if (!auth_find_token(tokens, grpc_request(call), &token)) {
        return GRPC_STATUS(GRPC_UNAUTHENTICATED, "writing needs a bearer token");
    }
    return (struct grpc_status){0};
}
