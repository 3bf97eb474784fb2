/* SPDX-License-Identifier: MIT
 *
 * config_rules.c - listeners against each other and against the world, and what one number cannot
 * say alone.
 */
#include "config/config_rules.h"

#include <inttypes.h>

#include "config/config_error.h"
#include "config/config_host.h"

#define MEMORY_MIN_BYTES (64u << 20) /* what the server needs itself, and its reserve */

struct listener {
    const char *prefix; /* of its variables */
    const char *host;
    uint64_t port;
    bool is_on;
};

static struct in6_addr address_of(const char *host)
{
    struct in6_addr address;
    const bool is_parsed = config_host_parse(str_from(host), &address);
    INVARIANT(is_parsed); /* nothing else is ever stored in a host field */
    return address;
}

static bool check_token(const struct config *config, char *error)
{
    const struct in6_addr address = address_of(config->pprof_host);
    if (!config->enable_pprof || config->pprof_token[0] != '\0' ||
        config_host_is_loopback(&address)) {
        return true;
    }
    return config_error_set(error,
                            "PPROF_TOKEN: \"\" is not allowed: PPROF_HOST \"%s\" is not a loopback "
                            "address, so set a token, or PPROF_HOST to 127.0.0.1 or ::1",
                            config->pprof_host);
}

static bool collides(const struct listener *a, const struct listener *b)
{
    if (!a->is_on || !b->is_on || a->port == 0 || a->port != b->port) {
        return false;
    }
    const struct in6_addr address_a = address_of(a->host);
    const struct in6_addr address_b = address_of(b->host);
    return config_host_overlaps(&address_a, &address_b);
}

static bool check_listeners(const struct config *config, char *error)
{
    const struct listener listeners[] = {
        {"HTTP", config->http_host, config->http_port, true},
        {"GRPC", config->grpc_host, config->grpc_port, true},
        {"METRICS", config->metrics_host, config->metrics_port, config->enable_metrics},
        {"PPROF", config->pprof_host, config->pprof_port, config->enable_pprof},
    };
    for (size_t i = 1; i < ARRAY_COUNT(listeners); i++) {
        for (size_t j = 0; j < i; j++) {
            if (collides(&listeners[i], &listeners[j])) {
                return config_error_set(error,
                                        "%s_PORT: \"%" PRIu64
                                        "\" is not allowed: a port of its own, or 0; "
                                        "%s_HOST and %s_PORT take %s port %" PRIu64,
                                        listeners[i].prefix, listeners[i].port, listeners[j].prefix,
                                        listeners[j].prefix, listeners[j].host, listeners[j].port);
            }
        }
    }
    return true;
}

static bool check_memory(const struct config *config, char *error)
{
    if (config->memory_max_bytes == 0 || config->memory_max_bytes >= MEMORY_MIN_BYTES) {
        return true;
    }
    return config_error_set(error,
                            "MEMORY_MAX_BYTES: \"%" PRIu64
                            "\" is not allowed: %u to 281474976710656 "
                            "bytes, or 0",
                            config->memory_max_bytes, MEMORY_MIN_BYTES);
}

static bool check_shutdown(const struct config *config, char *error)
{
    if (config->shutdown_delay_ms <= config->shutdown_timeout_ms) {
        return true;
    }
    return config_error_set(error,
                            "SHUTDOWN_DELAY_MS: \"%" PRIu64
                            "\" is not allowed: up to SHUTDOWN_TIMEOUT_MS, which is %" PRIu64,
                            config->shutdown_delay_ms, config->shutdown_timeout_ms);
}

bool config_rules_check(const struct config *config, char *error)
{
    return check_token(config, error) && check_listeners(config, error) &&
           check_shutdown(config, error) && check_memory(config, error);
}
