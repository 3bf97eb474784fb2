/* SPDX-License-Identifier: MIT
 *
 * test_sql_faults.c - a server that is down, crashes, restarts, is paused, full, or talks nonsense.
 *
 * Tests: core/sql/sql_health.c
 */
#include "test/unit/sql/sql_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

static int set_up_server(void **state)
{
    (void)state;
    mariadb_create(&db, "--max-connections=10");
    mariadb_execute(&db, "CREATE USER toq@'127.0.0.1' IDENTIFIED BY 'secret'");
    mariadb_execute(&db, "GRANT ALL ON toq.* TO toq@'127.0.0.1'");
    mariadb_execute(&db, "CREATE TABLE t (v INT)");
    return 0;
}

static struct sql_options options_of_test(void)
{
    struct sql_options options = mariadb_options(&db);
    options.user = "toq"; /* root would get in where others do not */
    options.password = "secret";
    options.max_connections = 2;
    options.connect_timeout_ms = 1000;
    options.query_timeout_ms = 20000;
    options.ping_ms = 500;
    return options;
}

static int set_up(void **state)
{
    (void)state;
    const struct sql_options options = options_of_test();
    rig_open(&rig, &options);
    return 0;
}

static void restart(void)
{
    mariadb_start(&db, "--max-connections=10");
    mariadb_execute(&db, "USE toq");
}

/* try_query runs a query to its end, also one that the pool refuses. */
static int try_query(const char *text)
{
    struct asked asked;
    ask_init(&rig, &asked, text);
    const int rc = sql_query_start(rig.sql, &asked.query);
    if (rc < 0) {
        return rc;
    }
    await(&rig, &asked);
    forget(&asked);
    return asked.query.result.status;
}

static void turn_until_state(enum sql_state state)
{
    while (sql_get_health(rig.sql).state != state) {
        rig_turn(&rig);
    }
}

/* turn_until_running turns the loop until the server executes the statement; on which
 * connection. */
static long turn_until_running(const char *text)
{
    long id = -1;
    while (id < 0) {
        (void)uv_run(loop_uv(rig.loop), UV_RUN_NOWAIT);
        id = mariadb_executing(&db, text);
    }
    return id;
}

static void test_down_at_the_start_up_later(void **state)
{
    (void)state;
    mariadb_stop(&db, SIGTERM);
    set_up(state);
    struct asked first;
    ask(&rig, &first, "SELECT 1"); /* nobody knows yet that the server is down */
    assert_int_equal(sql_get_health(rig.sql).state, SQL_CONNECTING);
    await(&rig, &first);
    assert_int_equal(first.query.result.status, UV_ENOTCONN);
    assert_int_equal(first.query.result.error.code, 2002);
    char wanted[64]; /* the library's text would be "(115)", which is EINPROGRESS */
    (void)snprintf(wanted, sizeof(wanted),
                   "cannot connect to 127.0.0.1 port %u: connection refused", (unsigned)db.port);
    assert_true(str_equal(first.query.result.error.message, str_from(wanted)));
    forget(&first);
    assert_int_equal(sql_get_health(rig.sql).state, SQL_DOWN);
    assert_int_equal(try_query("SELECT 1"), UV_ENOTCONN); /* now they do */
    assert_int_equal(sql_get_stats(rig.sql).refusals, 1);
    restart();
    turn_until_state(SQL_UP); /* without being asked */
    assert_int_equal(try_query("SELECT 1"), 0);
    rig_close(&rig);
}

static void test_a_crash_and_a_restart(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0);
    struct asked running;
    ask(&rig, &running, "INSERT INTO t SELECT SLEEP(1000)");
    (void)turn_until_running("INSERT INTO t SELECT SLEEP(1000)");
    mariadb_stop(&db, SIGKILL);
    await(&rig, &running);
    assert_int_equal(running.query.result.status, UV_ECONNRESET);
    forget(&running);
    turn_until_state(SQL_DOWN);
    assert_int_equal(try_query("SELECT 1"), UV_ENOTCONN);
    restart();
    turn_until_state(SQL_UP);
    assert_int_equal(try_query("SELECT 1"), 0);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM t"), 0);
}

static void test_idle_connections_notice_a_crash(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0);
    mariadb_stop(&db, SIGKILL);
    while (sql_get_stats(rig.sql).open != 0) {
        rig_turn(&rig);
    }
    restart();
    while (try_query("SELECT 1") != 0) {
        rig_turn(&rig);
    }
}

static void test_a_read_survives_a_restart(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0);
    mariadb_stop(&db, SIGKILL);
    restart(); /* the pool has not turned since: it still believes in its connection */
    struct asked asked;
    ask_init(&rig, &asked, "SELECT 2");
    asked.query.is_read = true;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, 0);
    assert_int_equal(asked.query.result.row_count, 1);
    assert_int_equal(sql_get_stats(rig.sql).lost, 1);
    forget(&asked);
}

static void test_a_killed_connection(void **state)
{
    (void)state;
    struct asked running;
    ask(&rig, &running, "SELECT SLEEP(1000)");
    mariadb_kill(&db, "CONNECTION", turn_until_running("SELECT SLEEP(1000)"));
    await(&rig, &running);
    assert_int_equal(running.query.result.status, UV_ECONNRESET);
    forget(&running);
    assert_int_equal(try_query("SELECT 1"), 0);
}

static void test_a_killed_query_keeps_its_connection(void **state)
{
    (void)state;
    static const char *const text = "SELECT SUM(a.seq) FROM seq_1_to_1000000 a, seq_1_to_1000000 b";
    struct asked running;
    ask(&rig, &running, text);
    mariadb_kill(&db, "QUERY", turn_until_running(text));
    await(&rig, &running);
    assert_int_equal(running.query.result.status, UV_EBUSY);
    forget(&running);
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
}

static void test_a_paused_server(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0);
    assert_int_equal(kill(db.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(db.pid, NULL, WUNTRACED), db.pid); /* every thread of it stands */
    struct asked asked;
    ask_init(&rig, &asked, "SELECT 1");
    asked.query.timeout_ms = 300;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_ETIMEDOUT);
    forget(&asked);
    turn_until_state(SQL_DOWN); /* neither its old connections answer nor do new ones */
    while (sql_get_stats(rig.sql).open != 0) {
        rig_turn(&rig);
    }
    assert_int_equal(try_query("SELECT 1"), UV_ENOTCONN);
    assert_int_equal(kill(db.pid, SIGCONT), 0);
    turn_until_state(SQL_UP);
    assert_int_equal(try_query("SELECT 1"), 0);
}

static void test_a_server_without_room(void **state)
{
    (void)state;
    MYSQL *others[10];
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        others[i] = mysql_init(NULL);
        (void)mysql_real_connect(others[i], "127.0.0.1", "toq", "secret", "toq", db.port, NULL, 0);
    }
    struct asked asked;
    ask(&rig, &asked, "SELECT 1");
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_EBUSY);
    assert_int_equal(asked.query.result.error.code, 1040);
    forget(&asked);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        mysql_close(others[i]);
    }
    turn_until_state(SQL_UP);
    assert_int_equal(try_query("SELECT 1"), 0);
}

static void test_room_for_one_is_enough(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0); /* has a connection, and gets no second one */
    MYSQL *others[10];
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        others[i] = mysql_init(NULL);
        (void)mysql_real_connect(others[i], "127.0.0.1", "toq", "secret", "toq", db.port, NULL, 0);
    }
    struct asked asked[4];
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        ask(&rig, &asked[i], "SELECT SLEEP(0.1)");
    }
    await(&rig, &asked[3]);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        assert_int_equal(asked[i].query.result.status, 0);
        forget(&asked[i]);
    }
    assert_int_equal(sql_get_stats(rig.sql).open, 1);
    assert_true(sql_get_stats(rig.sql).connect_failures > 0);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        mysql_close(others[i]);
    }
}

static void test_a_wrong_password(void **state)
{
    (void)state;
    struct sql_options options = options_of_test();
    options.password = "wrong";
    rig_open(&rig, &options);
    struct asked asked;
    ask(&rig, &asked, "SELECT 1");
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_EACCES);
    assert_int_equal(asked.query.result.error.code, 1045);
    forget(&asked);
    rig_close(&rig);
}

static void test_a_host_that_does_not_exist(void **state)
{
    (void)state;
    struct sql_options options = options_of_test();
    options.host = "host.invalid";
    rig_open(&rig, &options);
    assert_int_equal(try_query("SELECT 1"), UV_ENOTCONN);
    rig_close(&rig);
}

static void test_a_unix_socket(void **state)
{
    (void)state;
    struct sql_options options = options_of_test();
    options.host = db.socket;
    options.user = "root";
    options.password = NULL;
    rig_open(&rig, &options);
    assert_int_equal(try_query("SELECT 1"), 0);
    rig_close(&rig);
}

static void test_a_read_only_server_is_left(void **state)
{
    (void)state;
    assert_int_equal(try_query("SELECT 1"), 0);
    mariadb_execute(&db, "SET GLOBAL read_only = 1");
    assert_int_equal(try_query("INSERT INTO t VALUES (1)"), UV_EROFS);
    assert_int_equal(sql_get_stats(rig.sql).lost, 1);
    mariadb_execute(&db, "SET GLOBAL read_only = 0");
    assert_int_equal(try_query("INSERT INTO t VALUES (1)"), 0);
}

static void test_tls_that_the_server_has_not(void **state)
{
    (void)state;
    struct sql_options options = options_of_test();
    options.tls = SQL_TLS_REQUIRED;
    rig_open(&rig, &options);
    struct asked asked;
    ask(&rig, &asked, "SELECT 1");
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_ENOTCONN);
    assert_int_equal(asked.query.result.error.code, 2026);
    forget(&asked);
    rig_close(&rig);
}

static void test_health_is_checked_unasked(void **state)
{
    (void)state;
    while (sql_get_health(rig.sql).latency_ns == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(sql_get_health(rig.sql).state, SQL_UP);
    assert_int_equal(sql_get_stats(rig.sql).queries, 0); /* checks are not counted as queries */
}

/* --- a server that is none --- */

/* What the fake says to everyone who connects, before it hangs up or falls silent. */
struct fake {
    pthread_t thread;
    int fd;
    uint16_t port;
    struct str greeting;
    bool must_hang_up;
};

static void *serve(void *arg)
{
    struct fake *fake = arg;
    int silent[64];
    size_t count = 0;
    for (;;) {
        const int fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            break; /* shut down by the test */
        }
        (void)!write(fd, fake->greeting.ptr, fake->greeting.len);
        if (fake->must_hang_up || count == ARRAY_COUNT(silent)) {
            (void)close(fd);
        } else {
            silent[count++] = fd;
        }
    }
    while (count > 0) {
        (void)close(silent[--count]);
    }
    return NULL;
}

static void fake_start(struct fake *fake)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fake->fd, 16), 0);
    assert_int_equal(getsockname(fake->fd, (struct sockaddr *)&addr, &len), 0);
    fake->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

static void fake_stop(struct fake *fake)
{
    (void)shutdown(fake->fd, SHUT_RDWR);
    assert_int_equal(pthread_join(fake->thread, NULL), 0);
    (void)close(fake->fd);
}

static void assert_refused(struct fake *fake)
{
    fake_start(fake);
    struct sql_options options = options_of_test();
    options.port = fake->port;
    rig_open(&rig, &options);
    struct asked asked;
    ask(&rig, &asked, "SELECT 1");
    await(&rig, &asked);
    assert_true(asked.query.result.status < 0);
    assert_true(asked.query.result.status != UV_ETIMEDOUT); /* it did not wait for its deadline */
    forget(&asked);
    assert_int_equal(try_query("SELECT 1"), UV_ENOTCONN);
    rig_close(&rig);
    fake_stop(fake);
}

static void test_nonsense_in_place_of_a_greeting(void **state)
{
    (void)state;
    static const struct str greetings[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
        {"SSH-2.0-OpenSSH_9.2\r\n", 21},
        {"\x05\0\0\0\x0A"
         "5.5",
         8},                   /* cut off */
        {"\x01\0\0\0\x0A", 5}, /* version 10 and nothing behind it */
        {"\x08\0\0\0\x0A"
         "8.0.0\0\1",
         12},                                               /* ... a thread id of one byte */
        {"\xFF\xFF\xFF\0garbage", 11},                      /* a packet of 16 MiB */
        {"\x17\0\0\0\xFF\x10\x04Too many connections", 27}, /* an error, and an honest one */
        {"\0\0\0\0", 4},                                    /* an empty packet */
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(greetings); i++) {
        struct fake fake = {.greeting = greetings[i], .must_hang_up = true};
        assert_refused(&fake);
    }
}

static void test_a_server_that_says_nothing(void **state)
{
    (void)state;
    struct fake fake = {.greeting = {"", 0}};
    assert_refused(&fake); /* after connect_timeout_ms */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_down_at_the_start_up_later),
        TEST(test_a_crash_and_a_restart),
        TEST(test_idle_connections_notice_a_crash),
        TEST(test_a_read_survives_a_restart),
        TEST(test_a_killed_connection),
        TEST(test_a_killed_query_keeps_its_connection),
        TEST(test_a_paused_server),
        TEST(test_a_server_without_room),
        TEST(test_room_for_one_is_enough),
        cmocka_unit_test(test_a_wrong_password),
        cmocka_unit_test(test_a_host_that_does_not_exist),
        cmocka_unit_test(test_a_unix_socket),
        TEST(test_a_read_only_server_is_left),
        cmocka_unit_test(test_tls_that_the_server_has_not),
        TEST(test_health_is_checked_unasked),
        cmocka_unit_test(test_nonsense_in_place_of_a_greeting),
        cmocka_unit_test(test_a_server_that_says_nothing),
    };
    return cmocka_run_group_tests_name("sql_faults", tests, set_up_server, tear_down_server);
}
