/* SPDX-License-Identifier: MIT
 *
 * test_sql_migrate.c - each step once and in order, whoever else is at it, and after any failure.
 */
#include "test/unit/sql/sql_rig.h"

#include "core/sql/sql_migrate.h"

#define LOCK "CONCAT('toq_migrate.', SHA1('toq'))"

/* None of these can be run twice. */
static const char *const good[] = {
    "CREATE TABLE a (n INT)",
    "INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN m INT",
};

struct run {
    struct sql_migrate migrate;
    struct sql_schema schemas[2];
    struct sql_migrate_part parts[2];
    struct rig *rig;
    unsigned done_count;
};

static int set_up(void **state)
{
    (void)state;
    mariadb_execute(&db, "DROP DATABASE toq");
    mariadb_execute(&db, "CREATE DATABASE toq");
    mariadb_execute(&db, "USE toq");
    return 0;
}

static void on_done(struct sql_migrate *migrate)
{
    struct run *run = migrate->arg;
    run->done_count++;
    loop_stop(run->rig->loop);
}

/* init_run makes a run of one module, "one". */
static void init_run(struct run *run, struct rig *pool, const char *const *steps, size_t count)
{
    *run = (struct run){
        .schemas = {{.steps = steps, .step_count = count}},
        .parts = {{.module = "one", .schema = &run->schemas[0]}},
        .rig = pool,
        .migrate = {.parts = run->parts, .part_count = 1, .on_done = on_done, .arg = run},
    };
}

static void start(struct run *run, struct rig *pool, const char *const *steps, size_t count)
{
    init_run(run, pool, steps, count);
    assert_int_equal(sql_migrate_start(pool->sql, &run->migrate), 0);
    assert_int_equal(run->done_count, 0);
}

static void finish(struct run *run)
{
    while (run->done_count == 0) {
        rig_turn(run->rig);
    }
    assert_int_equal(run->done_count, 1);
    /* Of a connection that broke the server learns in its own time. */
    while (mariadb_number(&db, "SELECT IS_FREE_LOCK(" LOCK ")") != 1) {
    }
}

/* migrate_by runs steps to their end on a pool of their own. */
static struct run migrate_by(const struct sql_options *options, const char *const *steps,
                             size_t count)
{
    struct rig pool;
    struct run run;
    rig_open(&pool, options);
    start(&run, &pool, steps, count);
    finish(&run);
    rig_close(&pool);
    return run;
}

static struct run migrate(const char *const *steps, size_t count)
{
    const struct sql_options options = mariadb_options(&db);
    return migrate_by(&options, steps, count);
}

static void assert_well(const struct run *run, size_t applied, size_t version)
{
    if (run->migrate.status != 0) {
        fail_msg("%d: %s", run->migrate.status, run->migrate.error);
    }
    assert_int_equal(run->migrate.applied_count, applied);
    assert_int_equal(run->parts[0].version, version);
    assert_string_equal(run->migrate.error, "");
}

static void test_each_step_once(void **state)
{
    (void)state;
    struct run run = migrate(good, 2);
    assert_well(&run, 2, 2);
    run = migrate(good, 2);
    assert_well(&run, 0, 2);
    run = migrate(good, 3);
    assert_well(&run, 1, 3);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM a"), 1);
    assert_int_equal(mariadb_number(&db, "SELECT GROUP_CONCAT(step ORDER BY step SEPARATOR "
                                         "'') FROM schema_steps"),
                     123);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM schema_steps WHERE applied_at "
                                         "BETWEEN UTC_TIMESTAMP - INTERVAL 1 HOUR AND "
                                         "UTC_TIMESTAMP(6)"),
                     3);
}

static void test_a_database_that_is_ahead(void **state)
{
    (void)state;
    struct run run = migrate(good, 3);
    run = migrate(good, 1);
    assert_well(&run, 0, 3);
}

static void test_two_at_once(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run a;
    struct run b;
    rig_open(&pool, &options);
    start(&a, &pool, good, 3);
    start(&b, &pool, good, 3);
    while (a.done_count == 0 || b.done_count == 0) {
        rig_turn(&pool);
    }
    assert_int_equal(a.migrate.status, 0);
    assert_int_equal(b.migrate.status, 0);
    assert_int_equal(a.migrate.applied_count + b.migrate.applied_count, 3);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM a"), 1);
    rig_close(&pool);
}

static void test_a_step_that_fails_is_tried_again(void **state)
{
    (void)state;
    static const char *const bad[] = {"CREATE TABLE a (n INT)", "CREATE TABLE a (n INT)"};
    struct run run = migrate(bad, 2);
    assert_int_equal(run.migrate.status, UV_EIO);
    assert_int_equal(run.migrate.applied_count, 1);
    assert_int_equal(run.parts[0].version, 1);
    assert_string_equal(run.migrate.error, "one, step 2: Table 'a' already exists");
    run = migrate(good, 3);
    assert_well(&run, 2, 3);
}

static void test_a_step_that_cannot_be_prepared(void **state)
{
    (void)state; /* MySQL answers CREATE TRIGGER with 1295, as MariaDB does this */
    static const char *const steps[] = {"EXECUTE IMMEDIATE 'CREATE TABLE a (n INT)'"};
    const struct run run = migrate(steps, 1);
    assert_well(&run, 1, 1);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM a"), 0);
}

static void test_a_step_that_has_rows(void **state)
{
    (void)state;
    static const char *const bad[] = {"CREATE TABLE a (n INT)", "SELECT 1"};
    struct run run = migrate(bad, 2);
    assert_int_equal(run.migrate.status, UV_EPROTO);
    assert_int_equal(run.parts[0].version, 1);
    run = migrate(good, 3);
    assert_well(&run, 2, 3);
}

/* A user with some rights is told what it lacks. */
static void assert_no_trigger(const char *rights, const char *said)
{
    static const char *const steps[] = {"CREATE TABLE IF NOT EXISTS a (n INT)",
                                        "CREATE TRIGGER b AFTER INSERT ON a FOR EACH ROW SET @n=1"};
    char grant[128];
    (void)snprintf(grant, sizeof(grant), "GRANT %s ON toq.* TO weak@'127.0.0.1'", rights);
    mariadb_execute(&db, "CREATE OR REPLACE USER weak@'127.0.0.1' IDENTIFIED BY 'x'");
    mariadb_execute(&db, grant);
    struct sql_options options = mariadb_options(&db);
    options.user = "weak";
    options.password = "x";
    const struct run run = migrate_by(&options, steps, ARRAY_COUNT(steps));
    assert_int_equal(run.migrate.status, UV_EACCES);
    assert_int_equal(run.parts[0].version, 1);
    if (strstr(run.migrate.error, said) == NULL) {
        fail_msg("%s", run.migrate.error);
    }
}

static void test_triggers_that_the_user_may_not_make(void **state)
{
    (void)state;
    assert_no_trigger("SELECT,INSERT,CREATE", "one, step 2: TRIGGER command denied to user 'weak'");
    mariadb_stop(&db, SIGKILL);
    mariadb_start(&db, "--log-bin=binlog");
    mariadb_execute(&db, "USE toq");
    assert_no_trigger("SELECT,INSERT,CREATE,TRIGGER", "log_bin_trust_function_creators");
    mariadb_stop(&db, SIGKILL);
    mariadb_start(&db, NULL);
    mariadb_execute(&db, "USE toq");
}

static void test_a_step_whose_number_was_not_noted(void **state)
{
    (void)state;
    static const char *const steps[] = {"CREATE TABLE IF NOT EXISTS a (n INT)"};
    struct run run = migrate(steps, 1);
    mariadb_execute(&db, "DELETE FROM schema_steps");
    run = migrate(steps, 1);
    assert_well(&run, 1, 1);
}

static void test_another_process_does_not_end(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    init_run(&run, &pool, good, 3);
    run.migrate.timeout_ms = 1999; /* less than two seconds: no wait */
    mariadb_execute(&db, "SELECT GET_LOCK(" LOCK ", 0)");
    rig_open(&pool, &options);
    assert_int_equal(sql_migrate_start(pool.sql, &run.migrate), 0);
    while (run.done_count == 0) {
        rig_turn(&pool);
    }
    assert_int_equal(run.migrate.status, UV_EBUSY);
    assert_string_equal(run.migrate.error, "another process migrates this database");
    mariadb_execute(&db, "SELECT RELEASE_ALL_LOCKS()");
    rig_close(&pool);
}

static void test_a_connection_that_breaks(void **state)
{
    (void)state;
    static const char *const steps[] = {"CREATE TABLE a (n INT)", "KILL CONNECTION_ID()"};
    struct run run = migrate(steps, 2);
    assert_true(run.migrate.status < 0);
    assert_int_equal(run.migrate.applied_count, 1);
    assert_int_equal(strncmp(run.migrate.error, "one, step 2: ", 13), 0);
    run = migrate(good, 3);
    assert_well(&run, 2, 3);
}

static void test_the_pool_is_closed_meanwhile(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    rig_open(&pool, &options);
    start(&run, &pool, good, 3);
    rig_close(&pool);
    assert_int_equal(run.done_count, 1);
    assert_int_equal(run.migrate.status, UV_ECANCELED);
}

static void test_a_server_that_is_down(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    mariadb_stop(&db, SIGKILL);
    rig_open(&pool, &options);
    start(&run, &pool, good, 3);
    while (run.done_count == 0) {
        rig_turn(&pool);
    }
    assert_int_equal(run.migrate.status, UV_ENOTCONN);
    rig_close(&pool);
    mariadb_start(&db, NULL);
    mariadb_execute(&db, "USE toq");
}

static void start_two(struct run *run, struct rig *pool, const char *const *second, size_t count)
{
    init_run(run, pool, good, 3);
    run->schemas[1] = (struct sql_schema){.steps = second, .step_count = count};
    run->parts[1] = (struct sql_migrate_part){.module = "two", .schema = &run->schemas[1]};
    run->migrate.part_count = 2;
    assert_int_equal(sql_migrate_start(pool->sql, &run->migrate), 0);
}

static void test_each_module_has_numbers_of_its_own(void **state)
{
    (void)state;
    static const char *const second[] = {"CREATE TABLE b (n INT)", "INSERT INTO b VALUES (1)"};
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run = migrate(good, 2);
    assert_well(&run, 2, 2);
    rig_open(&pool, &options);
    start_two(&run, &pool, second, 1);
    finish(&run);
    assert_well(&run, 2, 3);
    assert_int_equal(run.parts[1].version, 1);
    start_two(&run, &pool, second, 2);
    finish(&run);
    assert_well(&run, 1, 3);
    assert_int_equal(run.parts[1].version, 2);
    rig_close(&pool);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM schema_steps"), 5);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM b"), 1);
}

static void test_a_module_that_fails_leaves_those_before_it(void **state)
{
    (void)state;
    static const char *const bad[] = {"CREATE TABLE a (n INT)"};
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    rig_open(&pool, &options);
    start_two(&run, &pool, bad, 1);
    finish(&run);
    rig_close(&pool);
    assert_int_equal(run.migrate.status, UV_EIO);
    assert_string_equal(run.migrate.error, "two, step 1: Table 'a' already exists");
    assert_int_equal(run.parts[0].version, 3);
    assert_int_equal(run.parts[1].version, 0);
}

/* Numbers were a database's before they were a module's. */
static void test_numbers_of_a_database_are_the_only_modules(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    mariadb_execute(&db, "CREATE TABLE schema_migrations (version INT UNSIGNED NOT NULL PRIMARY "
                         "KEY, applied_at DATETIME(6) NOT NULL) ENGINE=InnoDB");
    mariadb_execute(&db, "CREATE TABLE a (n INT)");
    mariadb_execute(&db, "INSERT INTO schema_migrations VALUES (1, '2020-02-02')");
    rig_open(&pool, &options);
    for (size_t i = 0; i < 2; i++) {
        init_run(&run, &pool, good, 3);
        run.schemas[0].was_the_only_one = true;
        assert_int_equal(sql_migrate_start(pool.sql, &run.migrate), 0);
        finish(&run);
        assert_well(&run, i == 0 ? 2 : 0, 3);
    }
    rig_close(&pool);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM schema_steps WHERE step = 1 AND "
                                         "module = 'one' AND applied_at = '2020-02-02'"),
                     1);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM schema_steps"), 3);
}

static void test_a_new_database_has_no_old_numbers(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    struct rig pool;
    struct run run;
    rig_open(&pool, &options);
    init_run(&run, &pool, good, 3);
    run.schemas[0].was_the_only_one = true;
    assert_int_equal(sql_migrate_start(pool.sql, &run.migrate), 0);
    finish(&run);
    assert_well(&run, 3, 3);
    rig_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_step_once, set_up),
        cmocka_unit_test_setup(test_a_database_that_is_ahead, set_up),
        cmocka_unit_test_setup(test_two_at_once, set_up),
        cmocka_unit_test_setup(test_a_step_that_fails_is_tried_again, set_up),
        cmocka_unit_test_setup(test_a_step_that_cannot_be_prepared, set_up),
        cmocka_unit_test_setup(test_a_step_that_has_rows, set_up),
        cmocka_unit_test_setup(test_triggers_that_the_user_may_not_make, set_up),
        cmocka_unit_test_setup(test_a_step_whose_number_was_not_noted, set_up),
        cmocka_unit_test_setup(test_another_process_does_not_end, set_up),
        cmocka_unit_test_setup(test_a_connection_that_breaks, set_up),
        cmocka_unit_test_setup(test_the_pool_is_closed_meanwhile, set_up),
        cmocka_unit_test_setup(test_a_server_that_is_down, set_up),
        cmocka_unit_test_setup(test_each_module_has_numbers_of_its_own, set_up),
        cmocka_unit_test_setup(test_a_module_that_fails_leaves_those_before_it, set_up),
        cmocka_unit_test_setup(test_numbers_of_a_database_are_the_only_modules, set_up),
        cmocka_unit_test_setup(test_a_new_database_has_no_old_numbers, set_up),
    };
    return cmocka_run_group_tests_name("sql_migrate", tests, set_up_plain_server, tear_down_server);
}
