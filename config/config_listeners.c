/* SPDX-License-Identifier: MIT
 *
 * config_listeners.c - the rows, and each row's values in a configuration.
 */
#include "config/config_listeners.h"

#include "config/config_host.h"

#define FIELD(name) offsetof(struct config, name)

const struct config_listener config_listeners[CONFIG_LISTENER_COUNT] = {
    [CONFIG_LISTENER_HTTP] =
        {
            .name = "http",
            .prefix = "HTTP",
            .host_at = FIELD(http_host),
            .port_at = FIELD(http_port),
            .max_connections_at = FIELD(max_connections),
        },
    [CONFIG_LISTENER_GRPC] =
        {
            .name = "grpc",
            .prefix = "GRPC",
            .host_at = FIELD(grpc_host),
            .port_at = FIELD(grpc_port),
            .max_connections_at = FIELD(max_connections),
            .has_grpc = true,
        },
    [CONFIG_LISTENER_METRICS] =
        {
            .name = "metrics",
            .prefix = "METRICS",
            .host_at = FIELD(metrics_host),
            .port_at = FIELD(metrics_port),
            .max_connections_at = FIELD(diagnostics_max_connections),
            .is_on_at = FIELD(enable_metrics),
            .is_diagnostics = true,
        },
    [CONFIG_LISTENER_PPROF] =
        {
            .name = "pprof",
            .prefix = "PPROF",
            .host_at = FIELD(pprof_host),
            .port_at = FIELD(pprof_port),
            .max_connections_at = FIELD(diagnostics_max_connections),
            .is_on_at = FIELD(enable_pprof),
            .token_at = FIELD(pprof_token),
            .is_diagnostics = true,
        },
};

static const void *at(const struct config *config, size_t offset)
{
    return (const char *)config + offset;
}

bool config_listener_is_on(const struct config_listener *row, const struct config *config)
{
    return row->is_on_at == 0 || *(const bool *)at(config, row->is_on_at);
}

const char *config_listener_host(const struct config_listener *row, const struct config *config)
{
    return at(config, row->host_at);
}

uint16_t config_listener_port(const struct config_listener *row, const struct config *config)
{
    return (uint16_t) * (const uint64_t *)at(config, row->port_at);
}

size_t config_listener_max_connections(const struct config_listener *row,
                                       const struct config *config)
{
    return *(const uint64_t *)at(config, row->max_connections_at);
}

bool config_listener_is_local(const struct config_listener *row, const struct config *config)
{
    const struct in6_addr address = config_host_stored(config_listener_host(row, config));
    return config_host_is_loopback(&address);
}

bool config_listener_lacks_token(const struct config_listener *row, const struct config *config)
{
    if (row->token_at == 0 || !config_listener_is_on(row, config)) {
        return false;
    }
    const char *token = at(config, row->token_at);
    return token[0] == '\0' && !config_listener_is_local(row, config);
}
