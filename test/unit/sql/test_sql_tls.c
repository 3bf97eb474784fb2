/* SPDX-License-Identifier: MIT
 *
 * test_sql_tls.c - encrypted connections: demanded, checked, and as good as plain ones.
 */
#include "test/unit/sql/sql_rig.h"

static char dir[32];
static char cert[64]; /* with its key in the same file */

static void make_certificate(void)
{
    char log[64];
    (void)snprintf(dir, sizeof(dir), "/tmp/toq-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    (void)snprintf(log, sizeof(log), "%s/log", dir);
    /* one shell line, because openssl writes the two parts into files of their own */
    char command[512];
    (void)snprintf(command, sizeof(command),
                   "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem "
                   "-out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost && "
                   "cat key.pem >>cert.pem",
                   dir);
    char *argv[] = {"sh", "-c", command, NULL};
    int status = -1;
    assert_true(waitpid(mariadb_spawn(log, argv), &status, 0) > 0);
    assert_int_equal(status, 0);
}

static int set_up_server(void **state)
{
    (void)state;
    char option[96];
    make_certificate();
    (void)snprintf(option, sizeof(option), "--ssl-cert=%s", cert);
    mariadb_create(&db, option);
    mariadb_execute(&db, "INSTALL SONAME 'auth_ed25519'");
    mariadb_execute(&db,
                    "CREATE USER ed@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('secret')");
    mariadb_execute(&db, "GRANT ALL ON toq.* TO ed@'127.0.0.1'");
    return 0;
}

static int tear_down_server_and_files(void **state)
{
    (void)tear_down_server(state);
    return nftw(dir, mariadb_delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_pool(enum sql_tls tls, const char *host, const char *ca)
{
    struct sql_options options = mariadb_options(&db);
    options.tls = tls;
    options.host = host;
    options.tls_ca = ca;
    options.max_connections = 1;
    rig_open(&rig, &options);
}

static void assert_encrypted(bool is_encrypted)
{
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SHOW STATUS LIKE 'Ssl_cipher'", NULL, 0), 0);
    assert_int_equal(asked.query.result.rows->values[1].str.len > 0, is_encrypted);
    forget(&asked);
}

static void assert_refused(void)
{
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SELECT 1", NULL, 0), UV_ENOTCONN);
    assert_int_equal(asked.query.result.error.code, 2026);
    forget(&asked);
}

static void test_off(void **state)
{
    (void)state;
    open_pool(SQL_TLS_OFF, "127.0.0.1", NULL);
    assert_encrypted(false);
}

static void test_required(void **state)
{
    (void)state;
    open_pool(SQL_TLS_REQUIRED, "127.0.0.1", NULL);
    assert_encrypted(true);
}

static void test_verified(void **state)
{
    (void)state;
    open_pool(SQL_TLS_VERIFY, "localhost", cert);
    assert_encrypted(true);
}

static void test_an_unknown_authority(void **state)
{
    (void)state;
    open_pool(SQL_TLS_VERIFY, "localhost", "/etc/ssl/certs/ca-certificates.crt");
    assert_refused();
}

static void test_a_certificate_of_another_name(void **state)
{
    (void)state;
    open_pool(SQL_TLS_VERIFY, "127.0.0.1", cert);
    assert_refused();
}

static void test_large_values_both_ways(void **state)
{
    (void)state;
    open_pool(SQL_TLS_REQUIRED, "127.0.0.1", NULL);
    const size_t len = 3u << 20;
    char *text = malloc(len);
    memset(text, 'x', len);
    const struct sql_value param = sql_text((struct str){text, len});
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SELECT ?", &param, 1), 0);
    assert_true(str_equal(asked.query.result.rows->values[0].str, param.str));
    forget(&asked);
    free(text);
}

static void test_a_cancel_and_a_deadline(void **state)
{
    (void)state;
    open_pool(SQL_TLS_REQUIRED, "127.0.0.1", NULL);
    execute(&rig, "SELECT 1");
    struct asked asked;
    ask(&rig, &asked, "SELECT SLEEP(1000)");
    sql_query_cancel(&asked.query);
    forget(&asked);
    execute(&rig, "SELECT 1");
    ask_init(&rig, &asked, "SELECT SLEEP(1000)");
    asked.query.timeout_ms = 200;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_ETIMEDOUT);
    forget(&asked);
    execute(&rig, "SELECT 1");
}

static void test_an_idle_connection_is_kept(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.tls = SQL_TLS_REQUIRED;
    options.ping_ms = 100;
    rig_open(&rig, &options);
    execute(&rig, "SELECT 1");
    while (sql_get_health(rig.sql).latency_ns == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
    assert_int_equal(sql_get_stats(rig.sql).connects, 1);
}

static void test_a_login_plugin_from_disk(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.user = "ed";
    options.password = "secret";
    rig_open(&rig, &options);
    execute(&rig, "SELECT 1");
}

#define TEST(name) cmocka_unit_test_teardown(name, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off),
        TEST(test_required),
        TEST(test_verified),
        TEST(test_an_unknown_authority),
        TEST(test_a_certificate_of_another_name),
        TEST(test_large_values_both_ways),
        TEST(test_a_cancel_and_a_deadline),
        TEST(test_an_idle_connection_is_kept),
        TEST(test_a_login_plugin_from_disk),
    };
    return cmocka_run_group_tests_name("sql_tls", tests, set_up_server, tear_down_server_and_files);
}
