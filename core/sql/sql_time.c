/* SPDX-License-Identifier: MIT
 *
 * sql_time.c - microseconds since 1970 and the calendar; every session runs in UTC.
 *
 * Source: the Gregorian calendar repeats every 400 years, 146097 days; years begin in March here,
 *         so that a leap day is the last day of its year.
 */
#include "core/sql/sql_time.h"

#define US_PER_S     INT64_C(1000000)
#define US_PER_DAY   (86400 * US_PER_S)
#define DAYS_PER_ERA 146097
#define EPOCH_DAYS   719468 /* from 0000-03-01 to 1970-01-01 */

/* days_from_date counts from 1970-01-01; the year is 0 to 9999. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    const int64_t y = month > 2 ? year : year - 1;
    const int64_t era = (y + 400) / 400 - 1; /* y is -1 at least */
    const int64_t year_of_era = y - era * 400;
    const int64_t month_of_year = (month + 9) % 12; /* March is 0 */
    const int64_t day_of_year = (153 * month_of_year + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS;
}

static void date_from_days(int64_t days, MYSQL_TIME *time)
{
    const int64_t z = days + EPOCH_DAYS;
    const int64_t era = z / DAYS_PER_ERA;
    const int64_t day_of_era = z % DAYS_PER_ERA;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_of_year = (5 * day_of_year + 2) / 153;
    const int64_t month = month_of_year < 10 ? month_of_year + 3 : month_of_year - 9;
    time->day = (unsigned)(day_of_year - (153 * month_of_year + 2) / 5 + 1);
    time->month = (unsigned)month;
    time->year = (unsigned)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
}

bool sql_time_from_us(int64_t us, MYSQL_TIME *ret_time)
{
    const int64_t first_us = days_from_date(1, 1, 1) * US_PER_DAY;
    const int64_t end_us = (days_from_date(9999, 12, 31) + 1) * US_PER_DAY;
    if (us < first_us || us >= end_us) {
        return false;
    }
    const int64_t since_first_us = us - first_us;
    const int64_t in_day_us = since_first_us % US_PER_DAY;
    *ret_time = (MYSQL_TIME){
        .hour = (unsigned)(in_day_us / (3600 * US_PER_S)),
        .minute = (unsigned)(in_day_us / (60 * US_PER_S) % 60),
        .second = (unsigned)(in_day_us / US_PER_S % 60),
        .second_part = (unsigned long)(in_day_us % US_PER_S),
        .time_type = MYSQL_TIMESTAMP_DATETIME,
    };
    date_from_days(days_from_date(1, 1, 1) + since_first_us / US_PER_DAY, ret_time);
    return true;
}

bool sql_time_to_us(const MYSQL_TIME *time, int64_t *ret_us)
{
    if (time->month == 0 || time->day == 0) {
        return false;
    }
    const int64_t days = days_from_date(time->year, time->month, time->day);
    const int64_t seconds = (int64_t)time->hour * 3600 + time->minute * 60 + time->second;
    *ret_us = days * US_PER_DAY + seconds * US_PER_S + (int64_t)time->second_part;
    return true;
}
