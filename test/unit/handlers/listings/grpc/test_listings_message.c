/* SPDX-License-Identifier: MIT
 *
 * test_listings_message.c - listings and messages both ways, masks, queries, and details of errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "test/unit/support/failing_arena.h"
#define arena_alloc failing_arena_alloc
#define arena_copy  failing_arena_copy
#include "handlers/listings/grpc/listings_message.c"
#undef arena_alloc
#undef arena_copy
#include "test/unit/support/arena_rig.h"

#define ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static struct listing_errors errors;

static int tear_down(void **state)
{
    allocations_left = SIZE_MAX;
    return tear_down_arena(state);
}

/* valid makes a listing whose fields all differ from their fallbacks. */
static struct listing valid(void)
{
    struct listing listing = {
        .id = STR(ID), .version = 3, .created_us = 1700000000123456, .updated_us = 1};
    static const char json[] =
        "{\"title\":\"Casa\",\"description\":\"x\\ny\",\"kind\":\"house\",\"purpose\":\"rent\","
        "\"price_cents\":5,\"street\":\"Rua\",\"neighborhood\":\"Vila\",\"city\":\"Campinas\","
        "\"state\":\"SP\",\"postal_code\":\"13083970\",\"bedrooms\":1,\"bathrooms\":2,"
        "\"area_m2\":3,\"status\":\"archived\"}";
    assert_true(listing_from_json(&arena, STR(json), LISTING_WHOLE, &listing, &errors));
    return listing;
}

static bool has_error(const char *field, const char *message)
{
    for (size_t i = 0; i < errors.count; i++) {
        if (str_equal(errors.list[i].field, str_from(field))) {
            return message == NULL || strcmp(errors.list[i].message, message) == 0;
        }
    }
    return false;
}

/* as_new takes away what the server sets. */
static listing_message as_new(struct listings_message *message)
{
    listing_message new = message->message;
    new.has_id = false;
    new.has_version = false;
    new.created_at = NULL;
    new.updated_at = NULL;
    return new;
}

static void assert_same_fields(const struct listing *a, const struct listing *b)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        assert_true(str_equal(a->fields[f].text, b->fields[f].text));
        assert_int_equal(a->fields[f].number, b->fields[f].number);
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    const struct listing listing = valid();
    struct listings_message message;
    struct listing got = {0};
    listings_message_write(&listing, &message);
    assert_int_equal(message.message.version, 3);
    assert_int_equal(message.created_at.seconds, 1700000000);
    assert_int_equal(message.created_at.nanos, 123456000);
    assert_int_equal(message.updated_at.nanos, 1000);

    const listing_message new = as_new(&message);
    uint8_t bytes[1024];
    const size_t len = toq__v1__listing__pack(&new, bytes);
    listing_message *unpacked = toq__v1__listing__unpack(NULL, len, bytes);
    assert_non_null(unpacked);
    assert_true(listings_message_read(unpacked, &got, &errors));
    assert_same_fields(&got, &listing);
    toq__v1__listing__free_unpacked(unpacked, NULL);
}

static void test_what_is_absent(void **state)
{
    (void)state;
    struct listing got = {0};
    assert_false(listings_message_read(NULL, &got, &errors));
    assert_int_equal(errors.count, 6);
    assert_true(has_error("title", "is required"));
    assert_true(has_error("price_cents", "is required"));
    assert_false(has_error("status", NULL));
    assert_true(str_equal(got.fields[LISTING_STATUS].text, STR("draft")));
    assert_true(str_equal(got.fields[LISTING_CURRENCY].text, STR("BRL")));
    assert_int_equal(got.fields[LISTING_BEDROOMS].number, 0);
}

static void test_what_the_server_sets_is_refused(void **state)
{
    (void)state;
    const struct listing listing = valid();
    struct listings_message message;
    struct listing got;
    listings_message_write(&listing, &message);
    assert_false(listings_message_read(&message.message, &got, &errors));
    assert_int_equal(errors.count, 4);
    assert_true(has_error("id", "is not a field that can be set"));
    assert_true(has_error("updated_at", NULL));
}

static void test_a_text_is_as_long_as_it_says(void **state)
{
    (void)state;
    const struct listing listing = valid();
    struct listings_message message;
    struct listing got;
    listings_message_write(&listing, &message);
    listing_message new = as_new(&message);
    new.title = GRPC_BYTES(STR("a\0b"));
    assert_false(listings_message_read(&new, &got, &errors));
    assert_true(has_error("title", "must not hold control characters"));
    new.title = GRPC_BYTES(STR("\xFF"));
    assert_false(listings_message_read(&new, &got, &errors));
    assert_true(has_error("title", "must be UTF-8"));
}

/* --- patches --- */

static bool read_patch(const listing_message *message, const char *const *paths, size_t count,
                       struct listings_patch *patch)
{
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    mask.n_paths = count;
    mask.paths = (char **)(uintptr_t)paths;
    return listings_message_patch(message, &mask, patch, &errors);
}

static void test_masks(void **state)
{
    (void)state;
    static const char *const two[] = {"title", "street"};
    static const char *const all[] = {"title", "*"};
    const struct listing stored = valid();
    struct listings_message whole;
    struct listings_patch patch;
    listing_message message = TOQ__V1__LISTING__INIT;
    message.has_title = true;
    message.title = GRPC_BYTES(STR("Outra"));
    message.has_bedrooms = true;
    message.bedrooms = 9;

    assert_true(read_patch(&message, two, 2, &patch));
    struct listing got = stored;
    listings_patch_apply(&patch, &got);
    assert_true(str_equal(got.fields[LISTING_TITLE].text, STR("Outra")));
    assert_int_equal(got.fields[LISTING_STREET].text.len, 0);
    assert_int_equal(got.fields[LISTING_BEDROOMS].number, 1);

    assert_true(listings_message_patch(&message, NULL, &patch, &errors));
    assert_int_equal(patch.fields, 1U << LISTING_TITLE | 1U << LISTING_BEDROOMS);

    listings_message_write(&stored, &whole);
    assert_true(read_patch(&whole.message, all, 2, &patch));
    assert_int_equal(patch.fields, LISTINGS_PATCH_ALL);
    assert_same_fields(&patch.listing, &stored);
}

static void test_masks_that_are_refused(void **state)
{
    (void)state;
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789";
    static const char *const wrong[] = {"id", "nonsense", "kind", "city", long_name, "\xFF", ""};
    struct listings_patch patch;
    listing_message message = TOQ__V1__LISTING__INIT;
    message.has_kind = true;
    message.kind = GRPC_BYTES(STR("castle"));
    assert_false(read_patch(&message, wrong, ARRAY_COUNT(wrong), &patch));
    assert_int_equal(errors.count, 7);
    assert_true(has_error("id", "is not a field that can be set"));
    assert_true(has_error("nonsense", NULL));
    assert_true(has_error("kind", "must be apartment, house, land or commercial"));
    assert_true(has_error("city", "is required"));
    assert_true(has_error("update_mask", "names no field"));
}

static void test_many_errors_are_cut(void **state)
{
    (void)state;
    const char *paths[LISTING_ERRORS_MAX + 5];
    struct listings_patch patch;
    const listing_message message = TOQ__V1__LISTING__INIT;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        paths[i] = "nonsense";
    }
    assert_false(read_patch(&message, paths, ARRAY_COUNT(paths), &patch));
    assert_int_equal(errors.count, LISTING_ERRORS_MAX);
}

/* --- queries --- */

static void test_queries(void **state)
{
    (void)state;
    struct listings_query query;
    Toq__V1__ListListingsRequest message = TOQ__V1__LIST_LISTINGS_REQUEST__INIT;
    assert_true(listings_message_query(&arena, &message, &query, &errors));
    assert_int_equal(query.limit, LISTINGS_LIMIT_DEFAULT);
    assert_null(query.city.ptr);
    assert_int_equal(query.min_bedrooms, -1);

    message.page_size = 7;
    message.city = GRPC_BYTES(STR("Campinas"));
    message.has_max_price_cents = true;
    message.max_price_cents = 0;
    message.sort = GRPC_BYTES(STR("-area_m2"));
    message.with_total = true;
    assert_true(listings_message_query(&arena, &message, &query, &errors));
    assert_int_equal(query.limit, 7);
    assert_true(str_equal(query.city, STR("Campinas")));
    assert_int_equal(query.max_price_cents, 0);
    assert_int_equal(query.sort, LISTINGS_AREA_DOWN);
    assert_true(query.wants_total);
}

static void test_queries_that_are_refused(void **state)
{
    (void)state;
    struct listings_query query;
    Toq__V1__ListListingsRequest message = TOQ__V1__LIST_LISTINGS_REQUEST__INIT;
    message.page_size = INT32_MIN;
    message.has_min_area_m2 = true;
    message.min_area_m2 = INT64_MIN;
    message.page_token = GRPC_BYTES(STR("nonsense"));
    message.kind = GRPC_BYTES(STR("a\0b"));
    assert_false(listings_message_query(&arena, &message, &query, &errors));
    assert_int_equal(errors.count, 4);
    assert_true(has_error("page_size", NULL) && has_error("page_token", NULL));
    assert_true(has_error("min_area_m2", NULL) && has_error("kind", NULL));
}

static void test_tokens_lead_on_and_belong_to_their_query(void **state)
{
    (void)state;
    const struct listing last = valid();
    struct listings_query query;
    struct str token;
    Toq__V1__ListListingsRequest message = TOQ__V1__LIST_LISTINGS_REQUEST__INIT;
    message.city = GRPC_BYTES(STR("Campinas"));
    assert_true(listings_message_query(&arena, &message, &query, &errors));
    assert_true(listings_query_cursor(&arena, &query, &last, &token));
    message.page_token = GRPC_BYTES(token);
    assert_true(listings_message_query(&arena, &message, &query, &errors));
    assert_true(str_equal(query.cursor_id, STR(ID)));
    message.city = GRPC_BYTES(STR("Santos"));
    assert_false(listings_message_query(&arena, &message, &query, &errors));
    assert_true(has_error("page_token", NULL));
}

/* --- details --- */

static void test_details(void **state)
{
    (void)state;
    const Google__Rpc__Status *status = NULL;
    errors = (struct listing_errors){.count = 2};
    errors.list[0] = (struct field_error){STR("title"), "must not be empty"};
    errors.list[1] = (struct field_error){STR("kind"), "is required"};
    for (size_t n = 0; status == NULL; n++) {
        allocations_left = n;
        status = listings_message_details(&arena, 3, "not valid", &errors);
        assert_true(n < 100);
    }
    assert_int_equal(status->code, 3);
    assert_string_equal(status->message, "not valid");
    assert_int_equal(status->n_details, 1);
    const Google__Protobuf__Any *any = status->details[0];
    Google__Rpc__BadRequest *bad =
        google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(bad);
    assert_int_equal(bad->n_field_violations, 2);
    assert_string_equal(bad->field_violations[1]->field, "kind");
    assert_string_equal(bad->field_violations[1]->description, "is required");
    google__rpc__bad_request__free_unpacked(bad, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_arena, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_what_is_absent),
        TEST(test_what_the_server_sets_is_refused),
        TEST(test_a_text_is_as_long_as_it_says),
        TEST(test_masks),
        TEST(test_masks_that_are_refused),
        TEST(test_many_errors_are_cut),
        TEST(test_queries),
        TEST(test_queries_that_are_refused),
        TEST(test_tokens_lead_on_and_belong_to_their_query),
        TEST(test_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
