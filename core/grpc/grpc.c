/* SPDX-License-Identifier: MIT
 *
 * grpc.c - the services that are mounted, and their routes.
 */
#include "core/grpc/grpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/grpc/grpc_internal.h"

#define ROUTE_FLAGS                                                                                \
    (ROUTE_STREAM | ROUTE_RPC | ROUTE_NO_DEADLINE) /* calls have deadlines of their own */

/* --- making and taking down --- */

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

static void destroy_mounted(struct grpc_mounted *mounted)
{
    for (size_t i = 0; i < mounted->entry_count; i++) {
        free(mounted->entries[i].path);
    }
    free(mounted);
}

void grpc_destroy(struct grpc *grpc)
{
    if (grpc == NULL) {
        return;
    }
    REQUIRE(list_is_empty(&grpc->calls));
    while (grpc->first != NULL) {
        struct grpc_mounted *next = grpc->first->next;
        destroy_mounted(grpc->first);
        grpc->first = next;
    }
    grpc_gzip_destroy(grpc->gzip);
    buf_deinit(&grpc->packed);
    buf_deinit(&grpc->deflated);
    buf_deinit(&grpc->inflated);
    free(grpc);
}

void grpc_add_interceptor(struct grpc *grpc, const struct grpc_interceptor *interceptor)
{
    REQUIRE(grpc->interceptor_count < GRPC_INTERCEPTORS_MAX);
    grpc->interceptors[grpc->interceptor_count++] = *interceptor;
}

/* --- services --- */

static char *make_path(const char *service, const char *method)
{
    const size_t size = strlen(service) + strlen(method) + 3; /* two slashes and a NUL */
    char *path = malloc(size);
    if (path != NULL) {
        (void)snprintf(path, size, "/%s/%s", service, method);
    }
    return path;
}

static int fill_entry(struct grpc *grpc, const struct grpc_service *service,
                      const struct grpc_method *method, struct grpc_entry *entry)
{
    const ProtobufCMethodDescriptor *found =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method->name);
    REQUIRE(found != NULL);
    *entry = (struct grpc_entry){
        .grpc = grpc,
        .path = make_path(service->descriptor->name, method->name),
        .kind = method->kind & GRPC_BIDI_STREAM,
        .is_long = method->kind == GRPC_SERVER_WATCH,
        .handler = method->handler,
        .arg = service->arg,
        .input = found->input,
        .output = found->output,
    };
    if (entry->path == NULL) {
        return UV_ENOMEM;
    }
    entry->name = entry->path + 1;
    entry->label = label_intern_rpc(str_from(entry->name));
    grpc_metrics_add(&grpc->metrics, (int)entry->kind, entry->name, &entry->series);
    return 0;
}

int grpc_add_service(struct grpc *grpc, const struct grpc_service *service)
{
    const size_t count = service->method_count;
    struct grpc_mounted *mounted =
        calloc(1, sizeof(*mounted) + count * sizeof(mounted->entries[0]));
    if (mounted == NULL) {
        return UV_ENOMEM;
    }
    mounted->name = service->descriptor->name;
    mounted->is_vital = service->is_vital;
    for (size_t i = 0; i < count; i++) {
        mounted->entry_count = i + 1;
        if (fill_entry(grpc, service, &service->methods[i], &mounted->entries[i]) < 0) {
            destroy_mounted(mounted);
            return UV_ENOMEM;
        }
    }
    struct grpc_mounted **last = &grpc->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = mounted;
    return 0;
}

int grpc_mount(struct grpc *grpc, struct router *router)
{
    for (struct grpc_mounted *mounted = grpc->first; mounted != NULL; mounted = mounted->next) {
        for (size_t i = 0; i < mounted->entry_count; i++) {
            struct grpc_entry *entry = &mounted->entries[i];
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

const char *grpc_service_at(const struct grpc *grpc, size_t index)
{
    const struct grpc_mounted *mounted = grpc->first;
    while (mounted != NULL && index > 0) {
        mounted = mounted->next;
        index--;
    }
    return mounted == NULL ? NULL : mounted->name;
}
