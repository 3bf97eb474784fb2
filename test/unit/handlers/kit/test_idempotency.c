/* SPDX-License-Identifier: MIT
 *
 * test_idempotency.c - who is first, who comes again, and what remains of attempts that were given
 * up.
 */
#include "test/unit/handlers/listings/cache/cache_rig.h"

#include "handlers/kit/idempotency.h"

#define ID_1 "01a205b3-cc93-7fff-bfff-000000000001"
#define ID_2 "01a205b3-cc93-7fff-bfff-000000000002"

static struct node node;
static struct idempotency idempotency;

/* One request with a key. */
struct request {
    struct idempotency_call call;
    struct str answer;
    int status;
    bool is_done;
};

static int set_up_node(void **state)
{
    (void)set_up(state);
    node_open(&node, NODE_TTL_MS, NODE_TIMEOUT_MS);
    idempotency_init(&idempotency, node.redis, NODE_TIMEOUT_MS);
    const struct str args[] = {STR("FLUSHALL")};
    (void)say(&node, args, 1);
    return 0;
}

static int tear_down_node(void **state)
{
    node_close(&node);
    return tear_down(state);
}

static void on_begun(struct idempotency_call *call, int status)
{
    struct request *request = CONTAINER_OF(call, struct request, call);
    request->is_done = true;
    request->status = status;
    if (status == 0) {
        assert_true(arena_copy(&arena, call->answer, &request->answer));
    }
}

static void start(struct request *request, const char *id, const struct idempotency_scope *scope)
{
    *request = (struct request){.call = {.on_begun = on_begun}};
    memcpy(request->call.id, id, UUID_TEXT_LEN);
    assert_int_equal(idempotency_begin(&idempotency, &request->call, scope), 0);
    assert_false(request->is_done);
}

static enum idempotency_state begin(struct request *request, const char *id,
                                    const struct idempotency_scope *scope)
{
    start(request, id, scope);
    while (!request->is_done) {
        rig_turn(&rig);
    }
    assert_int_equal(request->status, 0);
    return request->call.state;
}

static bool has_id(const struct request *request, const char *id)
{
    return memcmp(request->call.id, id, UUID_TEXT_LEN) == 0;
}

static const struct idempotency_scope scope = {STR("token"), STR("/v1/listings"), STR("key"),
                                               STR("body")};

static void test_the_first_goes_on_alone(void **state)
{
    (void)state;
    struct request first;
    struct request second;
    assert_int_equal(begin(&first, ID_1, &scope), IDEMPOTENCY_NEW);
    assert_true(has_id(&first, ID_1));
    assert_int_equal(begin(&second, ID_2, &scope), IDEMPOTENCY_RUNNING);
    idempotency_finish(&first.call, STR("the answer"));
    assert_int_equal(begin(&second, ID_2, &scope), IDEMPOTENCY_DONE);
    assert_true(str_equal(second.answer, STR("the answer")));
}

static void test_another_body_is_refused(void **state)
{
    (void)state;
    struct request request;
    struct idempotency_scope other = scope;
    other.body = STR("other");
    assert_int_equal(begin(&request, ID_1, &scope), IDEMPOTENCY_NEW);
    assert_int_equal(begin(&request, ID_2, &other), IDEMPOTENCY_OTHER);
}

static void test_what_a_key_belongs_to(void **state)
{
    (void)state;
    static const struct idempotency_scope others[] = {
        {STR("token2"), STR("/v1/listings"), STR("key"), STR("body")},
        {STR("token"), STR("/v1/others"), STR("key"), STR("body")},
        {STR("token"), STR("/v1/listings"), STR("key2"), STR("body")},
        {STR("token/"), STR("v1/listings"), STR("key"), STR("body")},
        {STR(""), STR("/v1/listings"), STR("key"), STR("body")},
    };
    struct request request;
    assert_int_equal(begin(&request, ID_1, &scope), IDEMPOTENCY_NEW);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        assert_int_equal(begin(&request, ID_2, &others[i]), IDEMPOTENCY_NEW);
    }
}

static void test_who_gave_up_leaves_the_id(void **state)
{
    (void)state;
    struct request first;
    struct request second;
    assert_int_equal(begin(&first, ID_1, &scope), IDEMPOTENCY_NEW);
    idempotency_release(&first.call);
    assert_int_equal(begin(&second, ID_2, &scope), IDEMPOTENCY_NEW);
    assert_true(has_id(&second, ID_1)); /* what the first may have made, the second finds */
}

static void test_a_lease_ends(void **state)
{
    (void)state;
    struct request first;
    struct request second;
    idempotency.lease_ms = 0; /* the first one is dead at once */
    assert_int_equal(begin(&first, ID_1, &scope), IDEMPOTENCY_NEW);
    assert_int_equal(begin(&second, ID_2, &scope), IDEMPOTENCY_NEW);
    assert_true(has_id(&second, ID_1));
}

static void test_a_request_that_is_cancelled_holds_nothing(void **state)
{
    (void)state;
    struct request first;
    struct request second;
    start(&first, ID_1, &scope);
    idempotency_cancel(&first.call);
    assert_int_equal(begin(&second, ID_2, &scope), IDEMPOTENCY_NEW);
    assert_true(has_id(&second, ID_1));
    assert_false(first.is_done);
}

static void test_no_secret_lies_in_redis(void **state)
{
    (void)state;
    struct request request;
    const struct str args[] = {STR("EVAL"),
                               STR("return table.concat(redis.call('KEYS', '*'), ' ')"), STR("0")};
    assert_int_equal(begin(&request, ID_1, &scope), IDEMPOTENCY_NEW);
    const struct str keys = say(&node, args, ARRAY_COUNT(args));
    assert_true(has_text(keys, IDEMPOTENCY_PREFIX));
    assert_false(has_text(keys, "token"));
    assert_false(has_text(keys, "key"));
}

static void test_a_record_lives_a_day(void **state)
{
    (void)state;
    struct request request;
    const struct str args[] = {
        STR("EVAL"), STR("return tostring(redis.call('TTL', redis.call('KEYS', '*')[1]))"),
        STR("0")};
    uint64_t left_s;
    assert_int_equal(begin(&request, ID_1, &scope), IDEMPOTENCY_NEW);
    assert_true(str_parse_u64(say(&node, args, ARRAY_COUNT(args)), 86400, &left_s));
    assert_true(left_s > 86000);
}

static void test_keys_that_may_be(void **state)
{
    (void)state;
    char longest[IDEMPOTENCY_KEY_MAX_BYTES + 1];
    memset(longest, 'x', sizeof(longest));
    assert_true(idempotency_key_is_valid(STR("8e03978e-40d5-43dd-bc93-6894a57f9324")));
    assert_true(idempotency_key_is_valid(STR("\"quoted one\"")));
    assert_true(idempotency_key_is_valid((struct str){longest, sizeof(longest) - 1}));
    assert_false(idempotency_key_is_valid((struct str){longest, sizeof(longest)}));
    assert_false(idempotency_key_is_valid(STR("")));
    assert_false(idempotency_key_is_valid(STR("a\tb")));
    assert_false(idempotency_key_is_valid(STR("caf\xC3\xA9")));
}

static void test_without_redis_nobody_can_tell(void **state)
{
    (void)state;
    struct request request = {.call = {.on_begun = on_begun}};
    redis_stop();
    while (redis_get_health(node.redis).is_ready) {
        rig_turn(&rig);
    }
    assert_int_equal(idempotency_begin(&idempotency, &request.call, &scope), UV_ENOTCONN);
    redis_start();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_node, tear_down_node)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_goes_on_alone),
        TEST(test_another_body_is_refused),
        TEST(test_what_a_key_belongs_to),
        TEST(test_who_gave_up_leaves_the_id),
        TEST(test_a_lease_ends),
        TEST(test_a_request_that_is_cancelled_holds_nothing),
        TEST(test_no_secret_lies_in_redis),
        TEST(test_a_record_lives_a_day),
        TEST(test_without_redis_nobody_can_tell),
        cmocka_unit_test(test_keys_that_may_be),
    };
    return cmocka_run_group_tests_name("idempotency", tests, set_up_servers, tear_down_servers);
}
