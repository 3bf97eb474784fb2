/* SPDX-License-Identifier: MIT
 *
 * sql_conn.c - one connection: connected by a worker thread, then polled by the loop.
 *
 * Connecting blocks in any case: the name is resolved, the TLS handshake polls by itself and login
 * plugins are loaded from disk. So it runs on a worker, and a connection is switched to the
 * non-blocking calls when it is open. Nothing is left for the loop to load or to wait for.
 *
 * The poll handle uses a duplicate of the library's descriptor. The library closes its own in the
 * middle of an operation that fails; thanks to the duplicate the kernel does not reuse the number
 * before libuv has closed its handle.
 */
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/sql/sql_conn.h"
#include "core/sql/sql_dial.h"

/* From errmsg.h: CR_CONNECTION_ERROR to CR_UNKNOWN_HOST, CR_OUT_OF_MEMORY, CR_SERVER_LOST,
 * CR_SSL_CONNECTION_ERROR. */
#define CANNOT_CONNECT_FIRST 2002
#define CANNOT_CONNECT_LAST  2005
#define OUT_OF_MEMORY        2008
#define LOST_CONNECTION      2013
#define TLS_ERROR            2026

/* None of these sends the password itself; without this list the library would obey a server that
 * asks for the password in clear text. */
#define AUTH_PLUGINS "mysql_native_password,caching_sha2_password,client_ed25519,sha256_password"

#define EXPLAIN_MS 1000

#define INIT_COMMAND                                                                               \
    "SET SESSION time_zone='+00:00',sql_mode='STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"     \
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

void sql_conn_forget_tls_errors(const struct sql_conn *conn)
{
    if (conn->dialer->options->tls != SQL_TLS_OFF) {
        ERR_clear_error();
    }
}

/* --- connecting, on a worker --- */

static void set_options(MYSQL *mysql, const struct sql_options *options)
{
    /* these fail only for want of memory, and then connecting does, too */
    const my_bool yes = 1;
    const my_bool no = 0;
    const unsigned off = 0;
    const unsigned tcp = MYSQL_PROTOCOL_TCP; /* "localhost" would mean the Unix socket */
    const unsigned timeout_s = (unsigned)((options->connect_timeout_ms + 999) / 1000);
    const unsigned long max_packet_bytes = options->max_packet_bytes;
    (void)mysql_options(mysql, MYSQL_OPT_RECONNECT, &no); /* it would lose session and statements */
    (void)mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off); /* a server could ask for our files */
    (void)mysql_options(mysql, MYSQL_REPORT_DATA_TRUNCATION, &no);
    (void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    (void)mysql_options(mysql, MYSQL_INIT_COMMAND, INIT_COMMAND);
    (void)mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, AUTH_PLUGINS);
    (void)mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet_bytes);
    (void)mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    /* the handshake is read and written with these two; they do nothing once it is non-blocking */
    (void)mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    (void)mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    if (options->host[0] != '/') {
        (void)mysql_options(mysql, MYSQL_OPT_PROTOCOL, &tcp);
    }
    if (options->tls != SQL_TLS_OFF) {
        (void)mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
        (void)mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
                            options->tls == SQL_TLS_VERIFY ? &yes : &no);
    }
    if (options->tls == SQL_TLS_VERIFY) {
        (void)mysql_options(mysql, MYSQL_OPT_SSL_CA, options->tls_ca);
    }
}

static bool dial(MYSQL *mysql, const struct sql_options *options)
{
    set_options(mysql, options);
    const bool is_socket = options->host[0] == '/';
    return mysql_real_connect(mysql, is_socket ? NULL : options->host, options->user,
                              options->password, options->database, options->port,
                              is_socket ? options->host : NULL, 0) != NULL;
}

/* ask_packet_bytes reads the server's max_allowed_packet; 0: it does not tell. */
static size_t ask_packet_bytes(MYSQL *mysql)
{
    if (mysql_query(mysql, "SELECT @@max_allowed_packet") != 0) {
        return 0;
    }
    MYSQL_RES *result = mysql_store_result(mysql);
    MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
    uint64_t bytes = 0;
    if (row == NULL || row[0] == NULL || !str_parse_u64(str_from(row[0]), UINT32_MAX, &bytes)) {
        bytes = 0;
    }
    mysql_free_result(result);
    return (size_t)bytes;
}

/* explain fills conn->why where the library's text misleads: when the server cannot be reached, or
 * does not answer. */
static void explain(struct sql_conn *conn)
{
    const struct sql_options *options = conn->dialer->options;
    const unsigned code = mysql_errno(conn->mysql);
    if (code == LOST_CONNECTION) {
        (void)snprintf(conn->why, sizeof(conn->why),
                       "%s port %u took the connection and did not complete the handshake",
                       options->host, (unsigned)options->port);
        return;
    }
    if (code < CANNOT_CONNECT_FIRST || code > CANNOT_CONNECT_LAST ||
        !sql_dial_explain(options->host, options->port, EXPLAIN_MS, conn->why, sizeof(conn->why))) {
        conn->why[0] = '\0';
    }
}

static void work(struct pool_job *job)
{
    struct sql_conn *conn = CONTAINER_OF(job, struct sql_conn, job);
    atomic_store_explicit(&conn->dial_start_ns, clock_now_ns(), memory_order_relaxed);
    if (mysql_thread_init() != 0) {
        return;
    }
    sql_conn_forget_tls_errors(conn);
    conn->mysql = mysql_init(NULL);
    conn->is_dialed = conn->mysql != NULL && dial(conn->mysql, conn->dialer->options);
    if (conn->is_dialed) {
        conn->packet_bytes = ask_packet_bytes(conn->mysql);
        conn->is_dialed = mysql_options(conn->mysql, MYSQL_OPT_NONBLOCK, NULL) == 0;
    }
    /* even with MYSQL_OPT_SSL_ENFORCE the library goes on in clear text if the server has no TLS */
    conn->is_in_clear = conn->is_dialed && conn->dialer->options->tls != SQL_TLS_OFF &&
                        mysql_get_ssl_cipher(conn->mysql) == NULL;
    if (conn->mysql != NULL && !conn->is_dialed) {
        explain(conn);
    }
    mysql_thread_end();
}

/* --- the socket on the loop --- */

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct sql_conn *conn = handle->data;
    int ready = 0;
    if (status < 0) {
        /* a socket error: libuv has stopped the handle, and the library will find the error */
        conn->poll_mask = 0;
        ready = MYSQL_WAIT_READ | MYSQL_WAIT_WRITE;
    }
    ready |= (events & UV_READABLE) != 0 ? MYSQL_WAIT_READ : 0;
    ready |= (events & UV_WRITABLE) != 0 ? MYSQL_WAIT_WRITE : 0;
    conn->dialer->events->ready(conn, ready);
}

void sql_conn_wait(struct sql_conn *conn, int wait)
{
    /* Reading stays armed from one query to the next, since each change of the mask is a system
     * call. It is disarmed only while the library waits to write, when an answer that is already
     * there would wake us again and again. */
    int mask = UV_READABLE;
    if ((wait & MYSQL_WAIT_WRITE) != 0) {
        mask = (wait & MYSQL_WAIT_READ) != 0 ? UV_READABLE | UV_WRITABLE : UV_WRITABLE;
    }
    if (mask != conn->poll_mask) {
        conn->poll_mask = mask;
        (void)uv_poll_start(&conn->poll, mask, on_poll); /* fails on a closing handle alone */
    }
}

/* open_poll also makes the socket non-blocking, which the TLS library relies on. */
static int open_poll(struct sql_conn *conn)
{
    conn->poll_fd = fcntl(mysql_get_socket(conn->mysql), F_DUPFD_CLOEXEC, 0);
    if (conn->poll_fd < 0) {
        return UV_EMFILE;
    }
    const int rc = uv_poll_init(loop_uv(conn->dialer->loop), &conn->poll, conn->poll_fd);
    if (rc < 0) {
        (void)close(conn->poll_fd);
        return rc;
    }
    conn->poll.data = conn;
    sql_conn_wait(conn, 0);
    return 0;
}

/* tell_failed runs `failed` with the most specific text. */
static void tell_failed(struct sql_conn *conn, int rc)
{
    void (*const failed)(struct sql_conn *, unsigned, const char *) = conn->dialer->events->failed;
    if (rc < 0) {
        failed(conn, 0, uv_strerror(rc));
    } else if (conn->mysql == NULL) {
        failed(conn, OUT_OF_MEMORY, "out of memory");
    } else if (conn->is_in_clear) {
        failed(conn, TLS_ERROR, "the server offers no TLS");
    } else {
        failed(conn, mysql_errno(conn->mysql),
               conn->why[0] != '\0' ? conn->why : mysql_error(conn->mysql));
    }
}

static void on_dialed(struct pool_job *job, int status)
{
    struct sql_conn *conn = CONTAINER_OF(job, struct sql_conn, job);
    const bool is_good = status == 0 && conn->is_dialed && !conn->is_in_clear;
    const int rc = is_good ? open_poll(conn) : 0;
    if (is_good && rc == 0) {
        conn->dialer->events->opened(conn);
        return;
    }
    tell_failed(conn, rc);
    mysql_close(conn->mysql);
    free(conn);
}

int sql_conn_dial(struct sql_dialer *dialer, struct sql_conn **ret_conn)
{
    struct sql_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return UV_ENOMEM;
    }
    conn->dialer = dialer;
    conn->job.work = work;
    conn->job.done = on_dialed;
    list_init(&conn->link);
    list_init(&conn->stmts);
    const int rc = pool_submit(dialer->threads, dialer->loop, &conn->job);
    if (rc < 0) {
        free(conn);
        return rc;
    }
    *ret_conn = conn;
    return 0;
}

/* --- the end --- */

static void free_conn(uv_handle_t *handle)
{
    struct sql_conn *conn = handle->data;
    struct sql_dialer *dialer = conn->dialer;
    list_unlink(&conn->link);
    free(conn);
    dialer->events->gone(dialer);
}

void sql_conn_close(struct sql_conn *conn)
{
    int wait = mysql_close_start(conn->mysql); /* sends COM_QUIT if the connection is still good */
    while (wait != 0) {
        (void)mariadb_cancel(conn->mysql); /* the socket has no room for its five bytes */
        wait = mysql_close_cont(conn->mysql, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);
    }
    uv_close((uv_handle_t *)&conn->poll, free_conn);
    (void)close(conn->poll_fd);
}
