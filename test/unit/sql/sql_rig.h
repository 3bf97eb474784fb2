/* SPDX-License-Identifier: MIT
 *
 * sql_rig.h - for tests of SQL: one server for all tests of a program, and a pool for each.
 */
#ifndef TOQ_TEST_UNIT_SQL_SQL_RIG_H
#define TOQ_TEST_UNIT_SQL_SQL_RIG_H

#include "test/unit/sql/mariadb.h"

static struct mariadb db;
static struct rig rig;

/* set_up_plain_server makes a server with nothing but an empty database. */
static inline int set_up_plain_server(void **state)
{
    (void)state;
    mariadb_create(&db, NULL);
    return 0;
}

static inline int tear_down_server(void **state)
{
    (void)state;
    mariadb_destroy(&db);
    return 0;
}

static inline int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#endif
