/* SPDX-License-Identifier: MIT
 *
 * app_greeting.c - the warning about foreign variables, and the block below the line "ready".
 */
#include "core/app/app_greeting.h"

#include "config/config_foreign.h"
#include "core/base/buf.h"

#define BLOCK_MAX_BYTES 4096

void app_greeting_warn(const struct config *config)
{
    const struct config_foreign *foreign;
    for (size_t i = 0; (foreign = config_foreign_at(i)) != NULL; i++) {
        if ((config->foreign & (UINT32_C(1) << i)) != 0) {
            LOG(LOG_WARN, "config", "a variable of Go's that toq does not use",
                log_cstr("name", foreign->name), log_cstr("instead", foreign->instead));
        }
    }
}

static void put_listeners(struct buf *block, const struct app_servers *servers)
{
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (servers->is_serving[i]) {
            const struct listener *listener = &servers->list[i].listener;
            buf_printf(block, "  %-8s %s\n", listener->name, listener->address);
        }
    }
}

/* put_examples puts what modules have to try, or to open. */
static void put_examples(struct buf *block, const struct app_servers *servers,
                         const struct app_modules *modules, bool is_page)
{
    const char *label = is_page ? "open     " : "try      ";
    for (size_t i = 0; i < modules->count; i++) {
        const struct app_example *example = modules->list[i]->examples;
        for (; example != NULL && example->before != NULL; example++) {
            if (servers->is_serving[example->server] && example->is_page == is_page) {
                buf_printf(block, "  %s%s%u%s\n", label, example->before,
                           (unsigned)servers->list[example->server].listener.port, example->after);
                label = "         ";
            }
        }
    }
}

void app_greeting_show(const struct app_servers *servers, const struct app_modules *modules)
{
    if (!log_is_watched()) {
        return;
    }
    struct buf block;
    buf_init(&block, BLOCK_MAX_BYTES);
    buf_append_cstr(&block, "  \n");
    put_listeners(&block, servers);
    put_examples(&block, servers, modules, false);
    put_examples(&block, servers, modules, true);
    buf_append_cstr(&block,
                    "  end      Ctrl-C: what is under way is finished first; again: at once\n  \n");
    if (!block.is_failed) {
        log_note(buf_str(&block));
    }
    buf_deinit(&block);
}
