/* SPDX-License-Identifier: MIT
 *
 * modules.c - the list: a feature is a folder, and a line here.
 */
#include "handlers/modules.h"

/* Each is opened after those above it. */
#define MODULES(MODULE)                                                                            \
    MODULE(diagnostics_module) /* health, metrics, pprof */                                        \
    MODULE(listings_module)                                                                        \
    MODULE(grpc_module) /* gRPC's own services, which describe the others' */

#define DECLARE(module) extern const struct app_module module;
#define LIST(module)    &module,

MODULES(DECLARE)

const struct app_module *const *modules_list(void)
{
    static const struct app_module *const list[] = {MODULES(LIST) NULL};
    return list;
}
