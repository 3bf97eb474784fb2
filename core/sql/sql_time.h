/* SPDX-License-Identifier: MIT
 *
 * sql_time.h - times as MySQL's client has them, and as microseconds since 1970.
 */
#ifndef TOQ_CORE_SQL_SQL_TIME_H
#define TOQ_CORE_SQL_SQL_TIME_H

#include <mysql.h>

#include "core/base/base.h"

/* sql_time_from_us splits a time into its fields.
 *
 * us:      since 1970 UTC.
 * Returns: true with *ret_time set; false outside of the years 1 to 9999.
 */
MUST_USE bool sql_time_from_us(int64_t us, MYSQL_TIME *ret_time);

/* sql_time_to_us joins a date and time of UTC.
 *
 * Returns: true with *ret_us set; false for a date of zeros.
 */
MUST_USE bool sql_time_to_us(const MYSQL_TIME *time, int64_t *ret_us);

#endif
