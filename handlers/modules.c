/* SPDX-License-Identifier: MIT
 *
 * modules.c - the list: a feature is a folder, and a line here.
 */
#include "handlers/modules.h"

#include "handlers/diagnostics/diagnostics.h"
#include "handlers/grpc/grpc_module.h"
#include "handlers/listings/listings_module.h"

const struct app_module *const *modules_list(void)
{
    static const struct app_module *const list[] = {
        &diagnostics_module, /* health, metrics, pprof */
        &listings_module,
        &grpc_module, /* gRPC's own services, which describe the others' */
        NULL,
    };
    return list;
}
