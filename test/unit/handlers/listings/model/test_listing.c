/* SPDX-License-Identifier: MIT
 *
 * test_listing.c - what is taken from JSON, what is refused and how it is named, and JSON out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "handlers/listings/model/listing.h"
#include "test/unit/support/arena_rig.h"

#define REQUIRED                                                                                   \
    "\"title\":\"Casa\",\"kind\":\"house\",\"purpose\":\"rent\",\"price_cents\":250000,"           \
    "\"city\":\"Campinas\",\"state\":\"SP\""

static struct listing listing;
static struct listing_errors errors;

static int set_up(void **state)
{
    listing = (struct listing){.version = 7};
    return set_up_arena(state);
}

static bool read_whole(const char *json)
{
    return listing_from_json(&arena, str_from(json), LISTING_WHOLE, &listing, &errors);
}

static bool read_patch(const char *json)
{
    return listing_from_json(&arena, str_from(json), LISTING_PATCH, &listing, &errors);
}

static void assert_text(enum listing_field field, const char *text)
{
    const struct str got = listing.fields[field].text;
    if (!str_equal(got, str_from(text))) {
        fail_msg("%s: \"%" STR_FMT "\"", listing_field_info(field)->name, STR_ARG(got));
    }
}

/* assert_refused wants a patch to be refused for one field, and for it alone. */
static void assert_refused(const char *json, const char *field, const char *message)
{
    if (read_patch(json)) {
        fail_msg("taken: %s", json);
    }
    assert_int_equal(errors.count, 1);
    assert_false(errors.is_malformed);
    assert_string_equal(errors.list[0].message, message);
    assert_true(str_equal(errors.list[0].field, str_from(field)));
}

static void assert_malformed(struct str json)
{
    if (listing_from_json(&arena, json, LISTING_PATCH, &listing, &errors)) {
        fail_msg("taken: %" STR_FMT, STR_ARG(json));
    }
    assert_true(errors.is_malformed);
    assert_int_equal(errors.count, 1);
    assert_int_equal(errors.list[0].field.len, 0);
    assert_true(strlen(errors.list[0].message) > 0);
}

static void test_whole_listing_takes_its_fallbacks(void **state)
{
    (void)state;
    assert_true(read_whole("{" REQUIRED "}"));
    assert_int_equal(errors.count, 0);
    assert_text(LISTING_TITLE, "Casa");
    assert_text(LISTING_KIND, "house");
    assert_int_equal(listing.fields[LISTING_PRICE_CENTS].number, 250000);
    assert_text(LISTING_DESCRIPTION, "");
    assert_text(LISTING_CURRENCY, "BRL");
    assert_text(LISTING_STATUS, "draft");
    assert_int_equal(listing.fields[LISTING_BEDROOMS].number, 0);
    assert_int_equal(listing.version, 7);
}

static void test_whole_listing_names_all_that_is_missing(void **state)
{
    (void)state;
    static const char *const names[] = {"title", "kind", "purpose", "price_cents", "city", "state"};
    assert_false(read_whole("{}"));
    assert_false(errors.is_malformed);
    assert_int_equal(errors.count, ARRAY_COUNT(names));
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(str_equal(errors.list[i].field, str_from(names[i])));
        assert_string_equal(errors.list[i].message, "is required");
    }
}

static void test_patch_changes_what_it_names(void **state)
{
    (void)state;
    assert_true(read_whole("{" REQUIRED ",\"bedrooms\":3,\"street\":\"Rua A\"}"));
    assert_true(read_patch("{\"price_cents\":0,\"street\":null,\"bedrooms\":null}"));
    assert_int_equal(listing.fields[LISTING_PRICE_CENTS].number, 0);
    assert_text(LISTING_STREET, "");
    assert_int_equal(listing.fields[LISTING_BEDROOMS].number, 0);
    assert_text(LISTING_TITLE, "Casa");
    assert_true(read_patch("{}"));
    assert_text(LISTING_CITY, "Campinas");
}

static void test_null_for_what_is_required(void **state)
{
    (void)state;
    assert_refused("{\"title\":null}", "title", "must not be null");
    assert_refused("{\"price_cents\":null}", "price_cents", "must not be null");
}

static void test_unknown_fields(void **state)
{
    (void)state;
    static const char message[] = "is not a field that can be set";
    assert_refused("{\"colour\":\"blue\"}", "colour", message);
    assert_refused("{\"Title\":\"a\"}", "Title", message);
    assert_refused("{\"\":1}", "", message);
    assert_refused("{\"id\":\"a\"}", "id", message);
    assert_refused("{\"version\":1}", "version", message);
    assert_refused("{\"created_at\":\"now\"}", "created_at", message);
}

static void test_a_long_unknown_name_is_cut_at_a_character(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 4096);
    buf_append_cstr(&json, "{\"x");
    for (int i = 0; i < 500; i++) {
        buf_append_cstr(&json, "\xC3\xA3");
    }
    buf_append_cstr(&json, "\":1}");
    assert_false(listing_from_json(&arena, buf_str(&json), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 1);
    assert_int_equal(errors.list[0].field.len, 63); /* 64 would split a character */
    buf_deinit(&json);
}

static void test_many_errors_are_cut_short(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 1 << 20);
    buf_append_char(&json, '{');
    for (int i = 0; i < 10000; i++) {
        buf_printf(&json, "%s\"unknown%d\":0", i == 0 ? "" : ",", i);
    }
    buf_append_char(&json, '}');
    assert_false(listing_from_json(&arena, buf_str(&json), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, LISTING_ERRORS_MAX);
    assert_true(arena.used_bytes < 16384); /* only those that are shown take memory */
    buf_deinit(&json);
}

static void test_wrong_types(void **state)
{
    (void)state;
    assert_refused("{\"title\":1}", "title", "must be a string");
    assert_refused("{\"title\":[\"a\"]}", "title", "must be a string");
    assert_refused("{\"kind\":true}", "kind", "must be a string");
    assert_refused("{\"price_cents\":\"1\"}", "price_cents", "must be an integer");
    assert_refused("{\"price_cents\":1.0}", "price_cents", "must be an integer");
    assert_refused("{\"price_cents\":1e3}", "price_cents", "must be an integer");
    assert_refused("{\"bedrooms\":{}}", "bedrooms", "must be an integer");
    assert_refused("{\"bedrooms\":false}", "bedrooms", "must be an integer");
}

static void test_numbers_out_of_bounds(void **state)
{
    (void)state;
    assert_refused("{\"price_cents\":-1}", "price_cents", "is too small");
    assert_refused("{\"price_cents\":-9223372036854775808}", "price_cents", "is too small");
    assert_refused("{\"price_cents\":10000000000001}", "price_cents", "is too big");
    assert_refused("{\"price_cents\":9223372036854775807}", "price_cents", "is too big");
    assert_refused("{\"bedrooms\":101}", "bedrooms", "is too big");
    assert_true(read_patch("{\"price_cents\":10000000000000}"));
    assert_true(read_patch("{\"price_cents\":-0}"));
    assert_refused("{\"price_cents\":9223372036854775808}", "price_cents", "is too big");
    assert_refused("{\"price_cents\":-9223372036854775809}", "price_cents", "is too small");
    assert_refused("{\"price_cents\":1e999}", "price_cents", "must be an integer");
    assert_malformed(STR("{\"price_cents\":01}"));
    assert_malformed(STR("{\"price_cents\":NaN}"));
}

static void test_choices(void **state)
{
    (void)state;
    static const char kind[] = "must be apartment, house, land or commercial";
    static const char region[] = "must be a state such as SP";
    assert_refused("{\"kind\":\"castle\"}", "kind", kind);
    assert_refused("{\"kind\":\"House\"}", "kind", kind);
    assert_refused("{\"kind\":\"\"}", "kind", kind);
    assert_refused("{\"state\":\"sp\"}", "state", region);
    assert_refused("{\"state\":\"XX\"}", "state", region);
    assert_refused("{\"status\":\"published \"}", "status", "must be draft, published or archived");
    assert_refused("{\"currency\":\"USD\"}", "currency", "must be BRL");
    assert_refused("{\"purpose\":\"lease\"}", "purpose", "must be sale or rent");
}

static void test_lengths_count_characters(void **state)
{
    (void)state;
    char json[1024] = "{\"title\":\"";
    for (size_t i = 0; i < 200; i++) {
        memcpy(json + 10 + 4 * i, "\xF0\x9F\x8F\xA0", 4); /* U+1F3E0 */
    }
    memcpy(json + 810, "\"}", 3);
    assert_true(read_patch(json));
    assert_int_equal(listing.fields[LISTING_TITLE].text.len, 800);
    memcpy(json + 810, "a\"}", 4);
    assert_refused(json, "title", "is too long");
    assert_refused("{\"title\":\"\"}", "title", "must not be empty");
}

static void test_a_huge_text_is_refused_without_a_copy(void **state)
{
    (void)state;
    const size_t len = 1 << 20;
    struct buf json;
    buf_init(&json, 2 << 20);
    buf_append_cstr(&json, "{\"title\":\"");
    for (size_t i = 0; i < len; i++) {
        buf_append_char(&json, 'a');
    }
    buf_append_cstr(&json, "\"}");
    assert_false(listing_from_json(&arena, buf_str(&json), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.list[0].message, "is too long");
    assert_int_equal(arena.used_bytes, 0);
    buf_deinit(&json);
}

static void test_escapes_of_a_huge_text_take_no_memory(void **state)
{
    (void)state;
    const size_t count = 1 << 17;
    struct buf json;
    buf_init(&json, 2 << 20);
    buf_append_cstr(&json, "{\"title\":\"");
    for (size_t i = 0; i < count; i++) {
        buf_append_cstr(&json, "\\u00e3");
    }
    buf_append_cstr(&json, "\"}");
    assert_false(listing_from_json(&arena, buf_str(&json), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.list[0].message, "is too long");
    assert_true(arena.used_bytes <= 2 * ARENA_BLOCK_BYTES);
    buf_deinit(&json);
}

static void test_values_of_unknown_fields_take_no_memory(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 2 << 20);
    buf_append_cstr(&json, "{\"x\":[");
    for (size_t i = 0; i < 1 << 18; i++) {
        buf_append_cstr(&json, "{},");
    }
    buf_append_cstr(&json, "{}]}");
    assert_false(listing_from_json(&arena, buf_str(&json), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 1);
    assert_true(arena.used_bytes <= ARENA_BLOCK_BYTES);
    buf_deinit(&json);
}

static void test_control_characters(void **state)
{
    (void)state;
    static const char message[] = "must not hold control characters";
    assert_refused("{\"title\":\"a\\nb\"}", "title", message);
    assert_refused("{\"city\":\"a\\u007fb\"}", "city", message);
    assert_refused("{\"description\":\"a\\u0001\"}", "description", message);
    assert_refused("{\"description\":\"a\\u001b[2J\"}", "description", message);
    assert_true(read_patch("{\"description\":\"a\\r\\n\\tb\"}"));
    assert_text(LISTING_DESCRIPTION, "a\r\n\tb");
    assert_malformed(STR("{\"title\":\"a\\u0000b\"}"));
    assert_malformed(STR("{\"title\":\"a\0b\"}"));
    assert_malformed(STR("{\"ti\\u0000tle\":\"a\"}"));
    assert_malformed(STR("{\"title\":\"a\nb\"}"));
}

static void test_what_is_not_utf8(void **state)
{
    (void)state;
    assert_malformed(STR("{\"title\":\"\xFF\"}"));
    assert_malformed(STR("{\"title\":\"\xC0\x80\"}"));
    assert_malformed(STR("{\"title\":\"\xED\xA0\x80\"}"));
    assert_malformed(STR("{\"title\":\"\\ud800\"}"));
    /* whoever does not come through JSON */
    const struct listing_value value = {.text = STR("a\xC3")};
    assert_string_equal(listing_check(LISTING_TITLE, &value), "must be UTF-8");
}

static void test_four_byte_utf8_both_ways(void **state)
{
    (void)state;
    assert_true(read_patch("{\"title\":\"\\ud83c\\udfe0 S\xC3\xA3o \xF0\x9F\x8F\xA0\"}"));
    assert_text(LISTING_TITLE, "\xF0\x9F\x8F\xA0 S\xC3\xA3o \xF0\x9F\x8F\xA0");
}

static void test_postal_codes(void **state)
{
    (void)state;
    static const char message[] = "must be a CEP such as 13083-970";
    assert_true(read_patch("{\"postal_code\":\"13083-970\"}"));
    assert_true(read_patch("{\"postal_code\":\"13083970\"}"));
    assert_true(read_patch("{\"postal_code\":\"\"}"));
    assert_refused("{\"postal_code\":\"1308397\"}", "postal_code", message);
    assert_refused("{\"postal_code\":\"130839700\"}", "postal_code", message);
    assert_refused("{\"postal_code\":\"13083-97a\"}", "postal_code", message);
    assert_refused("{\"postal_code\":\"1308-3970\"}", "postal_code", message);
}

static void test_doubled_keys_are_named(void **state)
{
    (void)state;
    assert_malformed(STR("{\"title\":\"a\",\"title\":\"b\"}"));
    assert_non_null(strstr(errors.list[0].message, "title"));
    assert_malformed(STR("{\"title\":\"a\",\"titl\\u0065\":\"b\"}"));
}

static void test_what_is_no_object(void **state)
{
    (void)state;
    assert_malformed((struct str){NULL, 0});
    assert_malformed(STR("   "));
    assert_malformed(STR("[]"));
    assert_malformed(STR("null"));
    assert_malformed(STR("\"title\""));
    assert_malformed(STR("{\"title\":\"a\"} {}"));
    assert_malformed(STR("{\"title\":\"a\"}x"));
    assert_malformed(STR("{\"title\":\"a\",}"));
    assert_malformed(STR("{'title':'a'}"));
    assert_malformed(STR("{\"title\":\"a\""));
    assert_malformed(STR("\xEF\xBB\xBF{}"));
}

static void test_deep_nesting(void **state)
{
    (void)state;
    const size_t depth = 200000;
    char *json = malloc(depth);
    assert_non_null(json);
    memset(json, '[', depth);
    assert_malformed((struct str){json, depth});
    free(json);
}

static void test_no_memory_is_no_error_of_the_client(void **state)
{
    (void)state;
    struct arena none;
    arena_init(&none, 0);
    assert_false(listing_from_json(&none, STR("{\"title\":\"a\",\"x\":1}"), LISTING_PATCH, &listing,
                                   &errors));
    assert_int_equal(errors.count, 0);
    assert_false(listing_from_json(&none, STR("{\"x\":1}"), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 0);
    assert_false(listing_from_json(&none, STR("{"), LISTING_PATCH, &listing, &errors));
    assert_int_equal(errors.count, 0);
    arena_deinit(&none);
}

static void test_json_out(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(read_whole("{" REQUIRED ",\"description\":\"\\\"a\\\\\\n\xF0\x9F\x8F\xA0\"}"));
    listing.id = STR("01a205b3-cc93-7fff-bfff-0123456789ab");
    listing.created_us = UINT64_C(1795391999123456);
    listing.updated_us = 0;
    listing_to_json(&listing, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(
        out.data,
        "{\"id\":\"01a205b3-cc93-7fff-bfff-0123456789ab\",\"title\":\"Casa\","
        "\"description\":\"\\\"a\\\\\\n\xF0\x9F\x8F\xA0\",\"kind\":\"house\",\"purpose\":\"rent\","
        "\"price_cents\":250000,\"currency\":\"BRL\",\"street\":\"\",\"neighborhood\":\"\","
        "\"city\":\"Campinas\",\"state\":\"SP\",\"postal_code\":\"\",\"bedrooms\":0,"
        "\"bathrooms\":0,\"area_m2\":0,\"status\":\"draft\",\"version\":7,"
        "\"created_at\":\"2026-11-22T23:59:59.123456Z\","
        "\"updated_at\":\"1970-01-01T00:00:00.000000Z\"}");
    buf_deinit(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_arena)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_listing_takes_its_fallbacks),
        TEST(test_whole_listing_names_all_that_is_missing),
        TEST(test_patch_changes_what_it_names),
        TEST(test_null_for_what_is_required),
        TEST(test_unknown_fields),
        TEST(test_a_long_unknown_name_is_cut_at_a_character),
        TEST(test_many_errors_are_cut_short),
        TEST(test_wrong_types),
        TEST(test_numbers_out_of_bounds),
        TEST(test_choices),
        TEST(test_lengths_count_characters),
        TEST(test_a_huge_text_is_refused_without_a_copy),
        TEST(test_escapes_of_a_huge_text_take_no_memory),
        TEST(test_values_of_unknown_fields_take_no_memory),
        TEST(test_control_characters),
        TEST(test_what_is_not_utf8),
        TEST(test_four_byte_utf8_both_ways),
        TEST(test_postal_codes),
        TEST(test_doubled_keys_are_named),
        TEST(test_what_is_no_object),
        TEST(test_deep_nesting),
        TEST(test_no_memory_is_no_error_of_the_client),
        TEST(test_json_out),
    };
    return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
