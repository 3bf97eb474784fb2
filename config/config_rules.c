/* SPDX-License-Identifier: MIT
 *
 * config_rules.c - rules between variables: ports of their own, a token where others can connect,
 * a delay within its timeout.
 */
#include "config/config_rules.h"

#include <inttypes.h>

#include "config/config_host.h"
#include "config/config_listeners.h"

#define MEMORY_MIN_BYTES (64u << 20) /* what the server needs itself, and its reserve */

static bool check_tokens(const struct config *config, char *error)
{
    for (size_t i = 0; i < CONFIG_LISTENER_COUNT; i++) {
        const struct config_listener *row = &config_listeners[i];
        if (config_listener_lacks_token(row, config)) {
            return config_error_set(error,
                                    "%s_TOKEN: \"\" is not allowed: %s_HOST \"%s\" is not a "
                                    "loopback address, so set a token, or %s_HOST to 127.0.0.1 or "
                                    "::1",
                                    row->prefix, row->prefix, config_listener_host(row, config),
                                    row->prefix);
        }
    }
    return true;
}

static bool collides(const struct config *config, const struct config_listener *a,
                     const struct config_listener *b)
{
    const uint16_t port = config_listener_port(a, config);
    if (!config_listener_is_on(a, config) || !config_listener_is_on(b, config) || port == 0 ||
        port != config_listener_port(b, config)) {
        return false;
    }
    const struct in6_addr address_a = config_host_stored(config_listener_host(a, config));
    const struct in6_addr address_b = config_host_stored(config_listener_host(b, config));
    return config_host_overlaps(&address_a, &address_b);
}

static bool check_ports(const struct config *config, char *error)
{
    for (size_t i = 1; i < CONFIG_LISTENER_COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct config_listener *later = &config_listeners[i];
            const struct config_listener *earlier = &config_listeners[j];
            if (collides(config, later, earlier)) {
                return config_error_set(
                    error,
                    "%s_PORT: \"%u\" is not allowed: a port of its own, or 0; %s_HOST and %s_PORT "
                    "take %s port %u",
                    later->prefix, (unsigned)config_listener_port(later, config), earlier->prefix,
                    earlier->prefix, config_listener_host(earlier, config),
                    (unsigned)config_listener_port(earlier, config));
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
    return check_tokens(config, error) && check_ports(config, error) &&
           check_shutdown(config, error) && check_memory(config, error) &&
           config_tracing_check(&config->tracing, error);
}
