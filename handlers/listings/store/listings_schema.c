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
 *
 * Each change of a listing, whoever makes it, leaves a row in listing_changes by a trigger: in the
 * same transaction, so it is there when the change is, and in the order of the changes of that
 * listing.
 */
#include "handlers/listings/store/listings_store.h"

#define INTO_LOG                                                                                   \
    "INSERT INTO listing_changes "                                                                 \
    "(id,version,kind,city,state,old_city,old_state,changed_at) VALUES "

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
    /* 2 */
    "CREATE TABLE IF NOT EXISTS listing_changes ("
    "position BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    "id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "version BIGINT UNSIGNED NOT NULL,"
    "kind ENUM('created','updated','deleted') NOT NULL,"
    "city VARCHAR(100) NOT NULL,"
    "state CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "old_city VARCHAR(100) NOT NULL," /* before an update; else as city */
    "old_state CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
    "changed_at DATETIME(6) NOT NULL,"
    "KEY by_changed (changed_at, position)"
    ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
    /* 3 */
    "CREATE TRIGGER IF NOT EXISTS listings_created AFTER INSERT ON listings FOR EACH ROW " INTO_LOG
    "(NEW.id,NEW.version,'created',NEW.city,NEW.state,NEW.city,NEW.state,UTC_TIMESTAMP(6))",
    /* 4 */
    "CREATE TRIGGER IF NOT EXISTS listings_updated AFTER UPDATE ON listings FOR EACH ROW " INTO_LOG
    "(NEW.id,NEW.version,'updated',NEW.city,NEW.state,OLD.city,OLD.state,UTC_TIMESTAMP(6))",
    /* 5 */
    "CREATE TRIGGER IF NOT EXISTS listings_deleted AFTER DELETE ON listings FOR EACH ROW " INTO_LOG
    "(OLD.id,OLD.version,'deleted',OLD.city,OLD.state,OLD.city,OLD.state,UTC_TIMESTAMP(6))",
};

const struct sql_schema listings_schema = {
    .steps = steps,
    .step_count = ARRAY_COUNT(steps),
    .probe = "DELETE FROM listings WHERE FALSE",
    .was_the_only_one = true,
};
