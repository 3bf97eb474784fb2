/* SPDX-License-Identifier: MIT
 *
 * config_options.c - the table, and finding names in it.
 */
#include "config/config_options.h"

#define TIMEOUT_MAX_MS   3600000    /* an hour: longer is a unit mistaken for another */
#define KEEPALIVE_MAX_MS 2592000000 /* 30 days */
#define NAME_MAX_BYTES   64
#define FILE_SUFFIX      "_FILE"
#define NEAREST_CHANGES  3 /* and no more than a third of what was typed */

/* the order is that of the enums: config_env here, log_level and log_format in core/telemetry,
 * sql_tls in core/sql */
static const char *const env_names[] = {"development", "production", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_names[] = {"text", "json", NULL};
static const char *const misuse_names[] = {"abort", "log", NULL};
static const char *const loop_names[] = {"own", "shared", NULL};
static const char *const tls_names[] = {"off", "required", "verify", NULL};

#define FIELD(name) offsetof(struct config, name)

/* clang-format would put each field on a line of its own and make three screens of these two */
/* clang-format off */
const struct config_option config_options[CONFIG_OPTION_COUNT] = {
    {.name = "ENV", .kind = CONFIG_CHOICE, .offset = FIELD(env), .is_env_only = true,
     .value = "development", .choices = env_names,
     .help = "chooses the env file and the defaults"},
    {.name = "CONFIG_DIR", .kind = CONFIG_FOLDER, .offset = FIELD(config_dir), .is_env_only = true,
     .value = "config",
     .help = "where $ENV.env lies"},

    {.name = "LOG_LEVEL", .kind = CONFIG_CHOICE, .offset = FIELD(log_level),
     .value = "debug", .value_prod = "info", .choices = level_names,
     .help = "events below it are not logged; read again on SIGHUP"},
    {.name = "LOG_FORMAT", .kind = CONFIG_CHOICE, .offset = FIELD(log_format),
     .value = "text", .value_prod = "json", .choices = format_names,
     .help = "how an event is written"},
    {.name = "LOG_ACCESS_EVERY", .kind = CONFIG_NUMBER, .offset = FIELD(log_access_every),
     .value = "1", .value_prod = "0", .max = 1000000, .unit = "requests per line",
     .zero = "logs none",
     .help = "how rare access lines are"},

    {.name = "HTTP_HOST", .kind = CONFIG_HOST, .offset = FIELD(http_host),
     .value = "0.0.0.0",
     .help = "address of the public listener"},
    {.name = "HTTP_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(http_port),
     .value = "8080", .max = 65535, .unit = "a port", .zero = "picks a free one",
     .help = "port of the public listener"},
    {.name = "GRPC_HOST", .kind = CONFIG_HOST, .offset = FIELD(grpc_host),
     .value = "0.0.0.0",
     .help = "address of the gRPC listener"},
    {.name = "GRPC_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(grpc_port),
     .value = "50051", .max = 65535, .unit = "a port", .zero = "picks a free one",
     .help = "port of the gRPC listener"},
    {.name = "GRPC_MAX_RECEIVE_BYTES", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_max_receive_bytes),
     .value = "4194304", .min = 1, .max = 1073741824, .unit = "bytes",
     .help = "a message of a client, also inflated; more is RESOURCE_EXHAUSTED"},
    {.name = "GRPC_MAX_SEND_BYTES", .kind = CONFIG_NUMBER, .offset = FIELD(grpc_max_send_bytes),
     .value = "0", .max = 1073741824, .unit = "bytes", .zero = "sets no limit",
     .help = "a message to a client; more is RESOURCE_EXHAUSTED"},
    {.name = "GRPC_KEEPALIVE_TIME_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_keepalive_time_ms),
     .value = "7200000", .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .zero = "sends none",
     .help = "without a byte from a client before it is asked by PING"},
    {.name = "GRPC_KEEPALIVE_TIMEOUT_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_keepalive_timeout_ms),
     .value = "20000", .min = 1, .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .help = "how long it has to answer"},
    {.name = "GRPC_KEEPALIVE_MIN_TIME_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_keepalive_min_time_ms),
     .value = "300000", .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .zero = "takes any number",
     .help = "between PINGs of a client; the third that is early ends it"},
    {.name = "GRPC_KEEPALIVE_PERMIT_WITHOUT_STREAM", .kind = CONFIG_BOOL,
     .offset = FIELD(grpc_keepalive_permit_without_stream),
     .value = "false",
     .help = "whether a client without a call may send PINGs as often"},
    {.name = "GRPC_MAX_CONNECTION_IDLE_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_max_connection_idle_ms),
     .value = "0", .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .zero = "sets no limit",
     .help = "how long a connection may have no call"},
    {.name = "GRPC_MAX_CONNECTION_AGE_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_max_connection_age_ms),
     .value = "0", .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .zero = "sets no limit",
     .help = "how long a connection takes new calls, a tenth more or less"},
    {.name = "GRPC_MAX_CONNECTION_AGE_GRACE_MS", .kind = CONFIG_NUMBER,
     .offset = FIELD(grpc_max_connection_age_grace_ms),
     .value = "0", .max = KEEPALIVE_MAX_MS, .unit = "milliseconds",
     .zero = "sets no limit",
     .help = "how long its calls may go on after that"},
    {.name = "ALLOWED_HOSTS", .kind = CONFIG_TEXT, .offset = FIELD(allowed_hosts),
     .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "host names accepted by metrics and pprof, beside addresses and localhost"},
    {.name = "ENABLE_METRICS", .kind = CONFIG_BOOL, .offset = FIELD(enable_metrics),
     .value = "true",
     .help = "whether /metrics is served"},
    {.name = "METRICS_HOST", .kind = CONFIG_HOST, .offset = FIELD(metrics_host),
     .value = "127.0.0.1",
     .help = "address of the metrics listener"},
    {.name = "METRICS_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(metrics_port),
     .value = "9090", .max = 65535, .unit = "a port", .zero = "picks a free one",
     .help = "port of the metrics listener"},
    {.name = "ENABLE_PPROF", .kind = CONFIG_BOOL, .offset = FIELD(enable_pprof),
     .value = "true", .value_prod = "false",
     .help = "whether /debug/pprof/ is served"},
    {.name = "PPROF_HOST", .kind = CONFIG_HOST, .offset = FIELD(pprof_host),
     .value = "127.0.0.1",
     .help = "address of the pprof listener"},
    {.name = "PPROF_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(pprof_port),
     .value = "6060", .max = 65535, .unit = "a port", .zero = "picks a free one",
     .help = "port of the pprof listener"},
    {.name = "PPROF_TOKEN", .kind = CONFIG_SECRET, .offset = FIELD(pprof_token),
     .min = 16, .max = CONFIG_TEXT_BYTES - 1,
     .help = "what a profiler must present; required when PPROF_HOST is not loopback"},
    {.name = "PPROF_MAX_SECONDS", .kind = CONFIG_NUMBER, .offset = FIELD(pprof_max_seconds),
     .value = "300", .min = 1, .max = 3600, .unit = "seconds",
     .help = "longest capture"},
    {.name = "PPROF_MUTEX_FRACTION", .kind = CONFIG_NUMBER, .offset = FIELD(pprof_mutex_fraction),
     .value = "1", .value_prod = "0", .max = 1000000, .unit = "contentions per sample",
     .zero = "samples none",
     .help = "how rare samples of the mutex profile are"},
    {.name = "PPROF_HISTORY_WINDOWS", .kind = CONFIG_NUMBER, .offset = FIELD(pprof_history_windows),
     .value = "60", .max = 360, .unit = "windows", .zero = "keeps none",
     .help = "10 s each of the CPU profile that is always taken, for /debug/pprof/profile?ago="},
    {.name = "PPROF_BLOCK_MS", .kind = CONFIG_NUMBER, .offset = FIELD(pprof_block_ms),
     .value = "20", .max = 60000, .unit = "milliseconds", .zero = "looks for none",
     .help = "a callback that holds the loop for so long is in the block profile"},

    {.name = "MYSQL_HOST", .kind = CONFIG_TEXT, .offset = FIELD(mysql_host),
     .value = "localhost", .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "name or address of MySQL, or the path of its Unix socket"},
    {.name = "MYSQL_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(mysql_port),
     .value = "3306", .min = 1, .max = 65535, .unit = "a port",
     .help = "port of MySQL"},
    {.name = "MYSQL_USER", .kind = CONFIG_TEXT, .offset = FIELD(mysql_user),
     .value = "toq", .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "who logs in to MySQL"},
    {.name = "MYSQL_PASSWORD", .kind = CONFIG_SECRET, .offset = FIELD(mysql_password),
     .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "the user's password in MySQL"},
    {.name = "MYSQL_DATABASE", .kind = CONFIG_TEXT, .offset = FIELD(mysql_database),
     .value = "toq", .min = 1, .max = 64,
     .help = "the database that holds the tables"},
    {.name = "MYSQL_POOL_SIZE", .kind = CONFIG_NUMBER, .offset = FIELD(mysql_pool_size),
     .value = "16", .min = 1, .max = 1000, .unit = "connections",
     .help = "open to MySQL at once"},
    {.name = "MYSQL_TLS", .kind = CONFIG_CHOICE, .offset = FIELD(mysql_tls),
     .value = "off", .choices = tls_names,
     .help = "whether connections to MySQL are encrypted, and the server's certificate checked"},
    {.name = "MYSQL_TLS_CA", .kind = CONFIG_TEXT, .offset = FIELD(mysql_tls_ca),
     .value = "/etc/ssl/certs/ca-certificates.crt", .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "file of the authorities that MYSQL_TLS=verify trusts"},

    {.name = "REDIS_HOST", .kind = CONFIG_TEXT, .offset = FIELD(redis_host),
     .value = "localhost", .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "name or address of Redis"},
    {.name = "REDIS_PORT", .kind = CONFIG_NUMBER, .offset = FIELD(redis_port),
     .value = "6379", .min = 1, .max = 65535, .unit = "a port",
     .help = "port of Redis"},
    {.name = "REDIS_PASSWORD", .kind = CONFIG_SECRET, .offset = FIELD(redis_password),
     .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "what Redis asks for, if it asks"},
    {.name = "REDIS_DB", .kind = CONFIG_NUMBER, .offset = FIELD(redis_db),
     .value = "0", .max = 1000000, .unit = "a number", .zero = "is the one that is always there",
     .help = "the database that is used in Redis"},

    {.name = "API_TOKENS", .kind = CONFIG_SECRETS, .offset = FIELD(api_tokens),
     .min = 16, .max = CONFIG_TEXT_BYTES - 1,
     .help = "who may write listings; unset: anybody in development, nobody in production"},
    {.name = "CACHE_TTL_MS", .kind = CONFIG_NUMBER, .offset = FIELD(cache_ttl_ms),
     .value = "60000", .max = 86400000, .unit = "milliseconds", .zero = "keeps none",
     .help = "how long Redis keeps a listing; the same in every process that shares it"},
    {.name = "CACHE_PAGE_TTL_MS", .kind = CONFIG_NUMBER, .offset = FIELD(cache_page_ttl_ms),
     .value = "5000", .max = 86400000, .unit = "milliseconds", .zero = "keeps none",
     .help = "how long Redis keeps a page of listings"},
    {.name = "CACHE_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(cache_timeout_ms),
     .value = "50", .min = 1, .max = 60000, .unit = "milliseconds",
     .help = "what Redis may take before MySQL is asked instead, to the next 100 ms"},

    {.name = "MISUSE", .kind = CONFIG_CHOICE, .offset = FIELD(misuse),
     .value = "abort", .value_prod = "log", .choices = misuse_names,
     .help = "what a handler's second answer to a request does, which is dropped either way"},

    {.name = "DIAGNOSTICS_LOOP", .kind = CONFIG_CHOICE, .offset = FIELD(diagnostics_loop),
     .value = "own", .choices = loop_names,
     .help = "whether metrics and pprof have a thread, and answer while a handler holds the loop"},
    {.name = "HELD_LOOP_WARN_MS", .kind = CONFIG_NUMBER, .offset = FIELD(held_loop_warn_ms),
     .value = "1000", .max = TIMEOUT_MAX_MS, .unit = "milliseconds", .zero = "never warns",
     .help = "how long a handler may hold the loop before the log says so"},
    {.name = "HELD_LOOP_FAIL_MS", .kind = CONFIG_NUMBER, .offset = FIELD(held_loop_fail_ms),
     .value = "60000", .max = TIMEOUT_MAX_MS, .unit = "milliseconds", .zero = "never does",
     .help = "how long before /health/live of the diagnostic ports turns 503"},

    {.name = "SHUTDOWN_DELAY_MS", .kind = CONFIG_NUMBER, .offset = FIELD(shutdown_delay_ms),
     .value = "0", .value_prod = "5000", .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .zero = "closes at once",
     .help = "from readiness 503 to closing, within SHUTDOWN_TIMEOUT_MS"},
    {.name = "SHUTDOWN_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(shutdown_timeout_ms),
     .value = "30000", .value_prod = "25000", .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .zero = "cancels at once",
     .help = "from the signal until requests in flight are cancelled"},
    {.name = "REQUEST_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(request_timeout_ms),
     .value = "30000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long a handler may take"},
    {.name = "HEADER_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(header_timeout_ms),
     .value = "10000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long a request's header block may take"},
    {.name = "IDLE_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(idle_timeout_ms),
     .value = "60000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long a connection may wait between requests"},
    {.name = "BODY_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(body_timeout_ms),
     .value = "30000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long no byte of a body may arrive"},
    {.name = "WRITE_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = FIELD(write_timeout_ms),
     .value = "30000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long a peer may take no byte of an answer, or less than 1 KiB of a stream"},

    {.name = "MAX_HEADER_BYTES", .kind = CONFIG_NUMBER, .offset = FIELD(max_header_bytes),
     .value = "16384", .min = 256, .max = 1048576, .unit = "bytes",
     .help = "request line and fields; more is 431, four times as many end HTTP/2"},
    {.name = "MAX_HEADER_COUNT", .kind = CONFIG_NUMBER, .offset = FIELD(max_header_count),
     .value = "100", .min = 1, .max = 10000, .unit = "fields",
     .help = "fields of a request; more is 431"},
    {.name = "MAX_TARGET_BYTES", .kind = CONFIG_NUMBER, .offset = FIELD(max_target_bytes),
     .value = "8192", .min = 16, .max = 1048576, .unit = "bytes",
     .help = "path and query of a request; more is 414"},
    {.name = "MAX_BODY_BYTES", .kind = CONFIG_NUMBER, .offset = FIELD(max_body_bytes),
     .value = "1048576", .max = 1073741824, .unit = "bytes", .zero = "refuses every body",
     .help = "body of a request; more is 413"},
    {.name = "MAX_CONNECTIONS", .kind = CONFIG_NUMBER, .offset = FIELD(max_connections),
     .value = "16384", .min = 1, .max = 1048576, .unit = "connections",
     .help = "open at once on the HTTP port, and as many on the gRPC port"},
    {.name = "DIAGNOSTICS_MAX_CONNECTIONS", .kind = CONFIG_NUMBER,
     .offset = FIELD(diagnostics_max_connections),
     .value = "256", .min = 1, .max = 65536, .unit = "connections",
     .help = "open at once on the metrics port, and as many on the pprof port"},
    {.name = "LISTEN_BACKLOG", .kind = CONFIG_NUMBER, .offset = FIELD(listen_backlog),
     .value = "1024", .min = 1, .max = 65535, .unit = "connections",
     .help = "waiting to be accepted, by listener"},

    {.name = "MEMORY_MAX_BYTES", .kind = CONFIG_NUMBER, .offset = FIELD(memory_max_bytes),
     .value = "0", .max = UINT64_C(1) << 48, .unit = "bytes",
     .zero = "takes 3/4 of what the system allows",
     .help = "of the process; bodies wait at 80 %, new requests are refused at 100 %"},
    {.name = "CONN_OUTPUT_MAX_BYTES", .kind = CONFIG_NUMBER,
     .offset = FIELD(conn_output_max_bytes),
     .value = "4194304", .min = 65536, .max = 2147483647, .unit = "bytes",
     .help = "of a connection's answers that wait for their reader; then its requests wait"},

    {.name = "HTTP2_MAX_CONCURRENT_STREAMS", .kind = CONFIG_NUMBER,
     .offset = FIELD(http2_max_concurrent_streams),
     .value = "256", .min = 1, .max = 65536, .unit = "streams",
     .help = "open on a connection, handlers of reset ones included; more are refused"},
    {.name = "HTTP2_STREAM_WINDOW_BYTES", .kind = CONFIG_NUMBER,
     .offset = FIELD(http2_stream_window_bytes),
     .value = "1048576", .min = 65535, .max = 2147483647, .unit = "bytes",
     .help = "of a body on its way or unused by its handler"},
    {.name = "HTTP2_CONNECTION_WINDOW_BYTES", .kind = CONFIG_NUMBER,
     .offset = FIELD(http2_connection_window_bytes),
     .value = "8388608", .min = 65535, .max = 2147483647, .unit = "bytes",
     .help = "of all bodies of a connection"},
    {.name = "HTTP2_MAX_CONTINUATIONS", .kind = CONFIG_NUMBER,
     .offset = FIELD(http2_max_continuations),
     .value = "8", .min = 1, .max = 65536, .unit = "frames",
     .help = "behind the first of a header block; more end the connection"},
    {.name = "HTTP2_CONTROL_BURST", .kind = CONFIG_NUMBER, .offset = FIELD(http2_control_burst),
     .value = "1000", .min = 10, .max = 1000000, .unit = "frames",
     .help = "PING, SETTINGS and others without content at once; more end the connection"},
    {.name = "HTTP2_CONTROL_RATE", .kind = CONFIG_NUMBER, .offset = FIELD(http2_control_rate),
     .value = "100", .min = 1, .max = 1000000, .unit = "frames",
     .help = "of those that are forgiven in a second"},
    {.name = "HTTP2_RESET_BURST", .kind = CONFIG_NUMBER, .offset = FIELD(http2_reset_burst),
     .value = "1000", .min = 10, .max = 1000000, .unit = "streams",
     .help = "reset at once; more end the connection"},
    {.name = "HTTP2_RESET_RATE", .kind = CONFIG_NUMBER, .offset = FIELD(http2_reset_rate),
     .value = "33", .min = 1, .max = 1000000, .unit = "streams",
     .help = "of those that are forgiven in a second"},
};
/* clang-format on */

static struct str cut_file_suffix(struct str name)
{
    const struct str suffix = STR(FILE_SUFFIX);
    if (name.len <= suffix.len) {
        return (struct str){name.ptr, 0};
    }
    const size_t len = name.len - suffix.len;
    const bool has_suffix = memcmp(name.ptr + len, suffix.ptr, suffix.len) == 0;
    return (struct str){name.ptr, has_suffix ? len : 0};
}

bool config_options_find(struct str name, struct config_name *ret_name)
{
    const struct str stem = cut_file_suffix(name);
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        const struct str option_name = str_from(option->name);
        if (str_equal(name, option_name)) {
            *ret_name = (struct config_name){option, false};
            return true;
        }
        if (config_option_is_secret(option) && str_equal(stem, option_name)) {
            *ret_name = (struct config_name){option, true};
            return true;
        }
    }
    return false;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* count_changes is the Levenshtein distance: letters to insert, drop or replace. */
static size_t count_changes(struct str typed, struct str name)
{
    size_t row[NAME_MAX_BYTES + 1]; /* row[j]: distance of what is typed so far to name[0..j) */
    for (size_t j = 0; j <= name.len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < typed.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < name.len; j++) {
            const size_t replaced = diagonal + (to_upper(typed.ptr[i]) == name.ptr[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = min_of(replaced, 1 + min_of(row[j], row[j + 1]));
        }
    }
    return row[name.len];
}

bool config_options_nearest(struct str name, struct config_name *ret_name)
{
    if (name.len > NAME_MAX_BYTES) {
        return false;
    }
    const size_t too_many = min_of(NEAREST_CHANGES, name.len / 3) + 1;
    size_t best = too_many;
    for (size_t i = 0; i < 2 * CONFIG_OPTION_COUNT; i++) {
        const struct config_name candidate = {&config_options[i / 2], i % 2 == 1};
        if (candidate.is_file && !config_option_is_secret(candidate.option)) {
            continue;
        }
        char full[NAME_MAX_BYTES + 1];
        (void)snprintf(full, sizeof(full), "%s%s", candidate.option->name,
                       candidate.is_file ? FILE_SUFFIX : "");
        const size_t changes = count_changes(name, str_from(full));
        if (changes < best) {
            best = changes;
            *ret_name = candidate;
        }
    }
    return best < too_many;
}

bool config_option_is_secret(const struct config_option *option)
{
    return option->kind == CONFIG_SECRET || option->kind == CONFIG_SECRETS;
}

const char *config_options_default(const struct config_option *option, enum config_env env)
{
    const bool is_prod = env == CONFIG_PRODUCTION && option->value_prod != NULL;
    return is_prod ? option->value_prod : option->value;
}
