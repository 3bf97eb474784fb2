/* SPDX-License-Identifier: MIT
 *
 * grpc_services.c - the tables of services and of interceptors.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/grpc/grpc_internal.h"

static void destroy_mounted(struct grpc_mounted *mounted)
{
    for (size_t i = 0; i < mounted->entry_count; i++) {
        free(mounted->entries[i].path);
    }
    free(mounted);
}

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
        .http_method = method->http_method,
        .http_path = method->http_path,
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

void grpc_services_free(struct grpc *grpc)
{
    while (grpc->first != NULL) {
        struct grpc_mounted *next = grpc->first->next;
        destroy_mounted(grpc->first);
        grpc->first = next;
    }
}

void grpc_add_interceptor(struct grpc *grpc, const struct grpc_interceptor *interceptor)
{
    REQUIRE(grpc->interceptor_count < GRPC_INTERCEPTORS_MAX);
    grpc->interceptors[grpc->interceptor_count++] = *interceptor;
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
