/* SPDX-License-Identifier: MIT
 *
 * grpc.c - makes a gRPC server, mounts it on its routes, and takes it down.
 */
#include "core/grpc/grpc.h"

#include <stdlib.h>
#include <string.h>

#include "core/grpc/grpc_internal.h"

#define ROUTE_FLAGS                                                                                \
    (ROUTE_STREAM | ROUTE_RPC | ROUTE_NO_DEADLINE) /* calls have deadlines of their own */

static void init_other(struct grpc *grpc)
{
    grpc->other = (struct grpc_entry){
        .grpc = grpc,
        .name = "other/other",
        .label = label_intern_rpc(STR("other")),
    };
    grpc_metrics_add(&grpc->metrics, GRPC_UNARY, grpc->other.name, &grpc->other.series);
    grpc->other.series.name = STR("_OTHER"); /* OpenTelemetry's name; the others are gRPC's own */
}

int grpc_create(const struct grpc_limits *limits, struct metrics *metrics, struct grpc **ret_grpc)
{
    struct grpc *grpc = calloc(1, sizeof(*grpc));
    if (grpc == NULL) {
        return UV_ENOMEM;
    }
    grpc->limits = *limits;
    list_init(&grpc->calls);
    buf_init(&grpc->packed, SIZE_MAX / 2);
    buf_init(&grpc->deflated, SIZE_MAX / 2);
    buf_init(&grpc->inflated, limits->receive_bytes);
    grpc->gzip = grpc_gzip_create();
    const int rc = grpc->gzip == NULL ? UV_ENOMEM : grpc_metrics_init(&grpc->metrics, metrics);
    if (rc < 0) {
        grpc_destroy(grpc);
        return rc;
    }
    init_other(grpc);
    *ret_grpc = grpc;
    return 0;
}

void grpc_destroy(struct grpc *grpc)
{
    if (grpc == NULL) {
        return;
    }
    REQUIRE(list_is_empty(&grpc->calls));
    grpc_services_free(grpc);
    grpc_gzip_destroy(grpc->gzip);
    buf_deinit(&grpc->packed);
    buf_deinit(&grpc->deflated);
    buf_deinit(&grpc->inflated);
    free(grpc);
}

/* is_another_route tells whether an earlier row of the service is of the same method. */
static bool is_another_route(const struct grpc_mounted *mounted, size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (strcmp(mounted->entries[i].path, mounted->entries[row].path) == 0) {
            return true;
        }
    }
    return false;
}

int grpc_mount(struct grpc *grpc, struct router *router)
{
    for (struct grpc_mounted *mounted = grpc->first; mounted != NULL; mounted = mounted->next) {
        for (size_t i = 0; i < mounted->entry_count; i++) {
            struct grpc_entry *entry = &mounted->entries[i];
            if (is_another_route(mounted, i)) {
                continue;
            }
            const unsigned flags = ROUTE_FLAGS | (entry->is_long ? ROUTE_LONG : 0u) |
                                   (mounted->is_vital ? ROUTE_VITAL : 0u);
            const int rc =
                router_add(router, METHOD_POST, entry->path, grpc_call_begin, entry, flags);
            if (rc < 0) {
                return rc;
            }
        }
    }
    router_set_fallback(router, grpc_call_begin, &grpc->other, ROUTE_FLAGS);
    router_set_refusal(router, grpc_refuse_head);
    return 0;
}

/* add_http adds the route of an entry over HTTP. */
static int add_http(struct grpc_entry *entry, bool is_vital, struct router *router)
{
    if (entry->http_path == NULL) {
        return 0;
    }
    grpc_route_prepare(entry);
    return router_add(router, entry->http_method, entry->http_path, grpc_route_begin, entry,
                      grpc_route_flags(entry) | (is_vital ? ROUTE_VITAL : 0u));
}

int grpc_mount_http(struct grpc *grpc, struct router *router)
{
    int rc = 0;
    for (struct grpc_mounted *mounted = grpc->first; mounted != NULL; mounted = mounted->next) {
        for (size_t i = 0; rc == 0 && i < mounted->entry_count; i++) {
            rc = add_http(&mounted->entries[i], mounted->is_vital, router);
        }
    }
    return rc;
}
