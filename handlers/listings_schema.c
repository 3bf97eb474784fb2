/* SPDX-License-Identifier: MIT
 *
 * listings_schema.c - the steps that make the tables. A step that was published never changes.
 *
 * Every list asks for one status, so each index begins with it; behind it come an equality or none,
 * then the sort column and the id, which is the order of the pages. The id is spelled out though
 * InnoDB would add it.
 *
 * Texts compare without case and accents ("sao paulo" finds São Paulo). utf8mb4_unicode_520_ci is
 * the newest collation that MariaDB and MySQL both have; older ones take all emoji for the same.
 * The ids are ASCII of fixed length, readable in any client, and grow with time.
 */
#include "handlers/listings_store.h"

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE IF NOT EXISTS listings ("
    "id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,"
    "title VARCHAR(200) NOT NULL,"
    "description TEXT NOT NULL," /* 5000 characters of 4 bytes fit */
    "kind ENUM('apartment','house','land','commercial') NOT NULL,"
    "purpose ENUM('sale','rent') NOT NULL,"
    "price_cents BIGINT NOT NULL,"
    "currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "street VARCHAR(200) NOT NULL,"
    "neighborhood VARCHAR(100) NOT NULL,"
    "city VARCHAR(100) NOT NULL,"
    "state CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "postal_code VARCHAR(9) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "bedrooms SMALLINT NOT NULL,"
    "bathrooms SMALLINT NOT NULL,"
    "area_m2 INT NOT NULL,"
    "status ENUM('draft','published','archived') NOT NULL,"
    "version BIGINT UNSIGNED NOT NULL,"
    "created_at DATETIME(6) NOT NULL,"
    "updated_at DATETIME(6) NOT NULL,"
    "KEY by_created (status, created_at, id),"
    "KEY by_price (status, price_cents, id),"
    "KEY by_area (status, area_m2, id),"
    "KEY by_city_created (status, city, created_at, id),"
    "KEY by_city_price (status, city, price_cents, id),"
    "KEY by_state_created (status, state, created_at, id)"
    ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
};

const char *const *listings_migrations(size_t *ret_count)
{
    *ret_count = ARRAY_COUNT(steps);
    return steps;
}
