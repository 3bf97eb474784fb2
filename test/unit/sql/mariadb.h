/* SPDX-License-Identifier: MIT
 *
 * mariadb.h - for tests: a MariaDB server of their own, and a loop to run queries on.
 *
 * The server lives in a folder under /tmp, listens on a free port of 127.0.0.1 and dies with the
 * test. It takes about 3 s to make, so a test program makes one and starts it anew where it must.
 */
#ifndef TOQ_TEST_UNIT_SQL_MARIADB_H
#define TOQ_TEST_UNIT_SQL_MARIADB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/sql/sql.h"

#define MARIADB_PATH_BYTES 128
#define MARIADB_GUARD_MS   60000 /* a test that takes longer hangs */

struct mariadb {
    char dir[MARIADB_PATH_BYTES / 2];
    char socket[MARIADB_PATH_BYTES];
    uint16_t port;
    pid_t pid;    /* 0: not running */
    MYSQL *admin; /* a blocking connection, to look at the server from outside */
};

/* What a test waits on: the loop, and a guard that keeps it turning and ends a test that hangs. */
struct rig {
    struct loop *loop;
    uv_timer_t guard;
    struct sql *sql;
    bool is_closed;
};

static inline void mariadb_sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* mariadb_spawn runs a program with its output in `log`; it dies with the test. */
static inline pid_t mariadb_spawn(const char *log, char *const *argv)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char path[4096]; /* Debian's mariadbd lies in /usr/sbin, which is not on everybody's PATH */
    const char *inherited = getenv("PATH");
    (void)snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin", inherited == NULL ? "" : inherited);
    (void)setenv("PATH", path, 1);
    if (getppid() != parent || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
        _exit(126);
    }
    (void)execvp(argv[0], argv);
    _exit(127);
}

static inline uint16_t mariadb_free_port(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    (void)close(fd);
    return ntohs(addr.sin_port);
}

/* mariadb_wait blocks until the server answers, on the admin connection. */
static inline void mariadb_wait(struct mariadb *db)
{
    for (int i = 0; i < 3000; i++) {
        db->admin = mysql_init(NULL);
        assert_non_null(db->admin);
        if (mysql_real_connect(db->admin, NULL, "root", "", NULL, 0, db->socket, 0) != NULL) {
            return;
        }
        mysql_close(db->admin);
        db->admin = NULL;
        assert_int_equal(waitpid(db->pid, NULL, WNOHANG), 0);
        mariadb_sleep_ms(10);
    }
    fail_msg("%s/log: MariaDB does not answer", db->dir);
}

/* mariadb_start starts the server on its folder and port, with one more option or NULL. */
static inline void mariadb_start(struct mariadb *db, const char *option)
{
    char datadir[MARIADB_PATH_BYTES];
    char socket_option[MARIADB_PATH_BYTES + 16];
    char pid_file[MARIADB_PATH_BYTES];
    char tmpdir[MARIADB_PATH_BYTES];
    char log[MARIADB_PATH_BYTES];
    char port[32];
    (void)snprintf(datadir, sizeof(datadir), "--datadir=%s/data", db->dir);
    (void)snprintf(socket_option, sizeof(socket_option), "--socket=%s", db->socket);
    (void)snprintf(pid_file, sizeof(pid_file), "--pid-file=%s/pid", db->dir);
    (void)snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s", db->dir);
    (void)snprintf(log, sizeof(log), "%s/log", db->dir);
    (void)snprintf(port, sizeof(port), "--port=%d", db->port);
    char user[] = "--user=root"; /* ignored but for root */
    char *argv[] = {"mariadbd",
                    "--no-defaults",
                    datadir,
                    socket_option,
                    pid_file,
                    tmpdir,
                    port,
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",
                    "--performance-schema=OFF",
                    "--innodb-buffer-pool-size=16M",
                    "--innodb-flush-log-at-trx-commit=0",
                    geteuid() == 0 ? user : "--skip-slave-start",
                    (char *)(uintptr_t)option,
                    NULL};
    db->pid = mariadb_spawn(log, argv);
    mariadb_wait(db);
}

/* mariadb_stop ends the server with a signal; SIGKILL is a crash. */
static inline void mariadb_stop(struct mariadb *db, int signo)
{
    if (db->admin != NULL) {
        mysql_close(db->admin);
        db->admin = NULL;
    }
    if (db->pid != 0) {
        (void)kill(db->pid, SIGCONT);
        assert_int_equal(kill(db->pid, signo), 0);
        assert_int_equal(waitpid(db->pid, NULL, 0), db->pid);
        db->pid = 0;
    }
}

/* mariadb_execute runs a statement as root, from outside. */
static inline void mariadb_execute(struct mariadb *db, const char *text)
{
    if (mysql_query(db->admin, text) != 0) {
        fail_msg("%s: %s", text, mysql_error(db->admin));
    }
    mysql_free_result(mysql_store_result(db->admin));
}

/* mariadb_number runs a statement whose answer is one number. */
static inline long mariadb_number(struct mariadb *db, const char *text)
{
    if (mysql_query(db->admin, text) != 0) {
        fail_msg("%s: %s", text, mysql_error(db->admin));
    }
    MYSQL_RES *result = mysql_store_result(db->admin);
    MYSQL_ROW row = mysql_fetch_row(result);
    const long number = row == NULL || row[0] == NULL ? -1 : strtol(row[0], NULL, 10);
    mysql_free_result(result);
    return number;
}

/* mariadb_executing tells the id of the connection that executes this prepared statement, -1 when
 * none does. A statement that is still being prepared shows its text too, and then, for a moment,
 * nothing at all: whoever kills it in that moment finds nobody. */
static inline long mariadb_executing(struct mariadb *db, const char *statement)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "SELECT MAX(id) FROM information_schema.processlist "
                   "WHERE command = 'Execute' AND info = '%s'",
                   statement);
    return mariadb_number(db, text);
}

/* mariadb_kill kills a CONNECTION or its QUERY. */
static inline void mariadb_kill(struct mariadb *db, const char *what, long id)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "KILL %s %ld", what, id);
    mariadb_execute(db, text);
}

/* mariadb_create makes the folder and starts the server with a database `toq`. */
static inline void mariadb_create(struct mariadb *db, const char *option)
{
    char datadir[MARIADB_PATH_BYTES];
    char tmpdir[MARIADB_PATH_BYTES];
    char log[MARIADB_PATH_BYTES];
    (void)signal(SIGPIPE, SIG_IGN);
    *db = (struct mariadb){.port = mariadb_free_port()};
    (void)snprintf(db->dir, sizeof(db->dir), "/tmp/toq-mariadb-XXXXXX");
    assert_non_null(mkdtemp(db->dir));
    (void)snprintf(db->socket, sizeof(db->socket), "%s/socket", db->dir);
    (void)snprintf(datadir, sizeof(datadir), "--datadir=%s/data", db->dir);
    /* a server that starts removes the temporary tables of all others from a tmpdir they share */
    (void)snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s", db->dir);
    (void)snprintf(log, sizeof(log), "%s/log", db->dir);
    char *argv[] = {"mariadb-install-db",
                    "--no-defaults",
                    datadir,
                    tmpdir,
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    geteuid() == 0 ? "--user=root" : NULL,
                    NULL};
    int status = -1;
    assert_true(waitpid(mariadb_spawn(log, argv), &status, 0) > 0);
    if (status != 0) {
        fail_msg("%s: mariadb-install-db failed with %d", log, status);
    }
    mariadb_start(db, option);
    mariadb_execute(db, "CREATE DATABASE toq");
    mariadb_execute(db, "USE toq");
}

static inline int mariadb_delete_one(const char *path, const struct stat *st, int kind,
                                     struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* mariadb_destroy ends the server and removes its folder. */
static inline void mariadb_destroy(struct mariadb *db)
{
    mariadb_stop(db, SIGKILL);
    assert_int_equal(nftw(db->dir, mariadb_delete_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct sql_options mariadb_options(const struct mariadb *db)
{
    return (struct sql_options){
        .host = "127.0.0.1", .port = db->port, .user = "root", .database = "toq"};
}

static inline void rig_on_guard(uv_timer_t *guard)
{
    (void)guard;
    fail_msg("the test hangs");
}

/* rig_open makes a loop and a pool on it. */
static inline void rig_open(struct rig *rig, const struct sql_options *options)
{
    *rig = (struct rig){0};
    assert_int_equal(loop_create(&rig->loop), 0);
    assert_int_equal(uv_timer_init(loop_uv(rig->loop), &rig->guard), 0);
    assert_int_equal(uv_timer_start(&rig->guard, rig_on_guard, MARIADB_GUARD_MS, 0), 0);
    assert_int_equal(sql_open(rig->loop, options, &rig->sql), 0);
}

/* rig_turn runs the loop until something has happened. */
static inline void rig_turn(struct rig *rig)
{
    (void)uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
}

static inline void rig_on_closed(void *arg)
{
    struct rig *rig = arg;
    rig->is_closed = true;
    loop_stop(rig->loop); /* or the turn would go on to wait for an event */
}

/* rig_close closes the pool and then the loop, which aborts if a handle is left. */
static inline void rig_close(struct rig *rig)
{
    sql_close(rig->sql, rig_on_closed, rig);
    while (!rig->is_closed) {
        rig_turn(rig);
    }
    uv_close((uv_handle_t *)&rig->guard, NULL);
    loop_destroy(rig->loop);
}

/* A query with an arena of its own, and whether it has ended. */
struct asked {
    struct rig *rig;
    struct sql_query query;
    struct arena arena;
    unsigned done_count;
};

static inline void asked_on_done(struct sql_query *query)
{
    struct asked *asked = CONTAINER_OF(query, struct asked, query);
    asked->done_count++;
    loop_stop(asked->rig->loop);
}

/* ask_init fills in a query whose parameters may follow. */
static inline void ask_init(struct rig *rig, struct asked *asked, const char *text)
{
    *asked =
        (struct asked){.rig = rig, .query = {.text = str_from(text), .on_done = asked_on_done}};
    arena_init(&asked->arena, 64u << 20);
    asked->query.arena = &asked->arena;
}

/* ask starts a query that the pool must accept. */
static inline void ask(struct rig *rig, struct asked *asked, const char *text)
{
    ask_init(rig, asked, text);
    assert_int_equal(sql_query_start(rig->sql, &asked->query), 0);
    assert_int_equal(asked->done_count, 0);
}

static inline void await(struct rig *rig, struct asked *asked)
{
    while (asked->done_count == 0) {
        rig_turn(rig);
    }
    assert_int_equal(asked->done_count, 1);
}

static inline void forget(struct asked *asked)
{
    arena_deinit(&asked->arena);
}

/* answer_with runs a query with parameters to its end; the caller forgets it. */
static inline int answer_with(struct rig *rig, struct asked *asked, const char *text,
                              const struct sql_value *params, size_t param_count)
{
    ask_init(rig, asked, text);
    asked->query.params = params;
    asked->query.param_count = param_count;
    assert_int_equal(sql_query_start(rig->sql, &asked->query), 0);
    await(rig, asked);
    return asked->query.result.status;
}

/* execute runs a statement to its end and wants it to succeed. */
static inline void execute(struct rig *rig, const char *text)
{
    struct asked asked;
    if (answer_with(rig, &asked, text, NULL, 0) != 0) {
        fail_msg("%s: %s", text, asked.query.result.error.message.ptr);
    }
    forget(&asked);
}

#endif
