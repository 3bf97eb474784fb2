/* SPDX-License-Identifier: MIT
 *
 * config_listeners.h - the table of listeners: the properties of each. It drives the rules between
 * variables (config_rules.c), what is opened (core/app/app_servers.c), and in which phase of the
 * drain each closes.
 */
#ifndef TOQ_CONFIG_CONFIG_LISTENERS_H
#define TOQ_CONFIG_CONFIG_LISTENERS_H

#include "config/config_core.h"

enum config_listener_id {
    CONFIG_LISTENER_HTTP,
    CONFIG_LISTENER_GRPC,
    CONFIG_LISTENER_METRICS,
    CONFIG_LISTENER_PPROF,
    CONFIG_LISTENER_COUNT
};

/* A row. Columns that end in _at are offsets into struct config. */
struct config_listener {
    const char *name;   /* in logs and metrics */
    const char *prefix; /* of its variables: _HOST, _PORT, and _TOKEN where it has one */
    size_t host_at;
    size_t port_at;
    size_t max_connections_at;
    size_t is_on_at; /* 0: always on */
    size_t token_at; /* required where the host is no loopback address; 0: none */
    /* Diagnostics run on the loop of diagnostics, take from the reserve of memory, refuse foreign
     * Hosts while they listen on a loopback address, and close in the last phase of the drain. The
     * others are traffic: work loop, its share of memory and descriptors, closed first. */
    bool is_diagnostics;
    bool has_grpc; /* services are mounted, and connections follow the GRPC_ variables */
};

extern const struct config_listener config_listeners[CONFIG_LISTENER_COUNT];

/* config_listener_is_on tells whether the configuration wants it. */
bool config_listener_is_on(const struct config_listener *row, const struct config *config);

/* config_listener_host is the address to listen on. */
const char *config_listener_host(const struct config_listener *row, const struct config *config);

/* config_listener_port is the port to listen on; 0 takes a free one. */
uint16_t config_listener_port(const struct config_listener *row, const struct config *config);

/* config_listener_max_connections is how many it may have open. */
size_t config_listener_max_connections(const struct config_listener *row,
                                       const struct config *config);

/* config_listener_is_local tells whether it listens on a loopback address. */
bool config_listener_is_local(const struct config_listener *row, const struct config *config);

/* config_listener_lacks_token tells whether other machines reach it without the token that it
 * needs for that. */
bool config_listener_lacks_token(const struct config_listener *row, const struct config *config);

#endif
