/* SPDX-License-Identifier: MIT
 *
 * modules.c - the list: a feature is a folder, and a line here.
 *
 * A program with more modules than the server defines MORE_MODULES, in the form of MODULES, and
 * includes this file; its object stands before the archive on the linker's command line, so the
 * archive's list is left out.
 */
#include "handlers/modules.h"

#ifndef MORE_MODULES
#define MORE_MODULES(MODULE)
#endif

/* Each is opened after those above it. */
#define MODULES(MODULE)                                                                            \
    MODULE(diagnostics_module) /* health, metrics, pprof */                                        \
    MODULE(tokens_module)      /* who may write, for those below */                                \
    MODULE(listings_module)                                                                        \
    MODULE(grpc_module) /* gRPC's own services, which describe the others' */

#define DECLARE(module) extern const struct app_module module;
#define LIST(module)    &module,

MODULES(DECLARE)
MORE_MODULES(DECLARE)

const struct app_module *const *modules_list(void)
{
    static const struct app_module *const list[] = {MODULES(LIST) MORE_MODULES(LIST) NULL};
    return list;
}
