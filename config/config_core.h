/* SPDX-License-Identifier: MIT
 *
 * config_core.h - the values of the core's options, and the table of these.
 */
#ifndef TOQ_CONFIG_CONFIG_CORE_H
#define TOQ_CONFIG_CONFIG_CORE_H

#include "config/config_tracing.h"

/* The values of the core's options. */
struct config {
    enum config_env env;
    uint32_t foreign; /* variables of other programs that are set: config_foreign.h's bits */
    char config_dir[CONFIG_TEXT_BYTES]; /* CONFIG_DIR: where $ENV.env lies */

    int log_level;                 /* LOG_LEVEL: enum log_level */
    int log_format;                /* LOG_FORMAT: enum log_format */
    uint64_t log_access_every;     /* LOG_ACCESS_EVERY: 1 = each request, N = one in N, 0 = none */
    uint64_t log_access_max_per_s; /* LOG_ACCESS_MAX_PER_S: 0 = all of them */

    char http_host[CONFIG_TEXT_BYTES];
    uint64_t http_port;
    char grpc_host[CONFIG_TEXT_BYTES];
    uint64_t grpc_port;
    uint64_t grpc_max_receive_bytes; /* of a message, also inflated */
    uint64_t grpc_max_send_bytes;    /* 0: unlimited */
    uint64_t grpc_keepalive_time_ms; /* 0: no PINGs of ours */
    uint64_t grpc_keepalive_timeout_ms;
    uint64_t grpc_keepalive_min_time_ms; /* 0: any number of the client's */
    bool grpc_keepalive_permit_without_stream;
    uint64_t grpc_max_connection_idle_ms; /* 0: no limit, as for the two below */
    uint64_t grpc_max_connection_age_ms;
    uint64_t grpc_max_connection_age_grace_ms;
    char allowed_hosts[CONFIG_TEXT_BYTES]; /* names with commas between them; empty: none */
    bool enable_metrics;
    char metrics_host[CONFIG_TEXT_BYTES];
    uint64_t metrics_port;
    bool enable_pprof;
    char pprof_host[CONFIG_TEXT_BYTES];
    uint64_t pprof_port;
    char pprof_token[CONFIG_TEXT_BYTES]; /* secret; required when pprof_host is not loopback */

    char mysql_host[CONFIG_TEXT_BYTES]; /* a name is resolved at each connect */
    uint64_t mysql_port;
    char mysql_user[CONFIG_TEXT_BYTES];
    char mysql_password[CONFIG_TEXT_BYTES]; /* secret; empty: none */
    char mysql_database[CONFIG_TEXT_BYTES];
    uint64_t mysql_pool_size;
    int mysql_tls; /* MYSQL_TLS: enum sql_tls */
    char mysql_tls_ca[CONFIG_TEXT_BYTES];

    char redis_host[CONFIG_TEXT_BYTES]; /* a name is resolved at each connect */
    uint64_t redis_port;
    char redis_password[CONFIG_TEXT_BYTES]; /* secret; empty: none */
    uint64_t redis_db;

    char crash_dir[CONFIG_TEXT_BYTES]; /* where crash reports go; empty: to stderr alone */
    uint64_t crash_files;              /* that are kept there */

    int misuse; /* MISUSE: what a handler's mistake does; 0: it aborts, 1: it is logged */

    int diagnostics_loop; /* DIAGNOSTICS_LOOP; 0: own, 1: shared with all else */

    uint64_t shutdown_delay_ms; /* of shutdown_timeout_ms */
    uint64_t shutdown_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t header_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t body_timeout_ms;  /* no byte of a body for so long */
    uint64_t write_timeout_ms; /* no byte of an answer taken for so long */

    uint64_t max_header_bytes; /* request line and fields together */
    uint64_t max_header_count;
    uint64_t max_target_bytes;
    uint64_t max_body_bytes;
    uint64_t max_connections;             /* of HTTP, and as many of gRPC */
    uint64_t diagnostics_max_connections; /* of metrics, and as many of pprof */
    uint64_t listen_backlog;

    uint64_t memory_max_bytes; /* of the process; 0: three quarters of what the system allows */
    uint64_t conn_output_max_bytes;

    uint64_t http2_max_concurrent_streams; /* of a connection: open, or running though reset */
    uint64_t http2_stream_window_bytes;
    uint64_t http2_connection_window_bytes;
    uint64_t http2_max_continuations; /* of a header block */
    uint64_t http2_control_burst;     /* frames that carry nothing of a request */
    uint64_t http2_control_rate;      /* ... by which the burst refills in a second */
    uint64_t http2_reset_burst;
    uint64_t http2_reset_rate;

    uint64_t slow_request_ms; /* 0: none is slow */
    bool server_timing;       /* answers tell where their time went */
    struct config_tracing tracing;
};

/* The core's table; offsets are of struct config. */
extern const struct config_option config_core_options[];
extern const size_t config_core_option_count;

#endif
