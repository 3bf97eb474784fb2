/* SPDX-License-Identifier: MIT
 *
 * test_auth.c - which Authorization fields carry the token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/kit/auth.h"

static bool has_token(const char *value, struct str token)
{
    struct http_header header = {STR("Authorization"), str_from(value)};
    struct http_request req = {.headers = &header, .header_count = value == NULL ? 0 : 1};
    arena_init(&req.arena, 65536);
    const bool is_allowed = auth_has_token(&req, token);
    arena_deinit(&req.arena);
    return is_allowed;
}

static void test_bearer(void **state)
{
    (void)state;
    const struct str token = STR("secret");
    assert_true(has_token("Bearer secret", token));
    assert_true(has_token("bEARER   secret", token));
    assert_false(has_token(NULL, token));
    assert_false(has_token("", token));
    assert_false(has_token("Bearer", token));
    assert_false(has_token("Bearer ", token));
    assert_false(has_token("Bearer secre", token));
    assert_false(has_token("Bearer secret2", token));
    assert_false(has_token("Bearer Secret", token));
    assert_false(has_token("secret", token));
    assert_false(has_token("Token secret", token));
}

static void test_basic(void **state)
{
    (void)state;
    const struct str token = STR("secret");
    assert_true(has_token("Basic dXNlcjpzZWNyZXQ=", token));  /* user:secret */
    assert_true(has_token("basic OnNlY3JldA==", token));      /* :secret */
    assert_false(has_token("Basic c2VjcmV0", token));         /* secret, without a user */
    assert_false(has_token("Basic c2VjcmV0Og==", token));     /* secret: */
    assert_false(has_token("Basic dXNlcjpzZWNyZXR6", token)); /* user:secretz */
    assert_false(has_token("Basic ====", token));
    assert_false(has_token("Basic ", token));
    assert_true(has_token("Basic dXNlcjpzZWNyZXQ", token)); /* without its padding */
    assert_false(has_token("Basic dXNlcjpzZWNyZXQ!", token));
    assert_false(has_token("Basic dXNlcjpzZWNyZXQ=, x", token));
    assert_false(has_token("Basic dXNlcjpzZWNyZXQ==", token));
    assert_false(has_token("Basic dXNlcjpzZWNyZXQ= dXNlcjpzZWNyZXQ=", token));
    assert_true(has_token("Basic dTphOmI=", STR("a:b"))); /* a password may have colons */
}

static void test_basic_without_memory(void **state)
{
    (void)state;
    struct http_header header = {STR("Authorization"), STR("Basic dXNlcjpzZWNyZXQ=")};
    struct http_request req = {.headers = &header, .header_count = 1};
    arena_init(&req.arena, 1);
    assert_false(auth_has_token(&req, STR("secret")));
    arena_deinit(&req.arena);
}

static bool finds(const char *value, struct str list, struct str *ret_token)
{
    struct http_header header = {STR("Authorization"), str_from(value)};
    const struct http_request req = {.headers = &header, .header_count = value == NULL ? 0 : 1};
    const struct auth_tokens tokens = {.list = list};
    return auth_find_token(&tokens, &req, ret_token);
}

static void test_one_of_several_tokens(void **state)
{
    (void)state;
    const struct str list = STR("first,second,third");
    struct str token = STR("untouched");
    assert_false(finds(NULL, list, &token));
    assert_false(finds("Bearer", list, &token));
    assert_false(finds("Bearer ", list, &token));
    assert_false(finds("Bearer fourth", list, &token));
    assert_false(finds("Bearer first,second", list, &token));
    assert_false(finds("Bearer irst", list, &token));
    assert_false(finds("Basic OmZpcnN0", list, &token)); /* :first */
    assert_true(str_equal(token, STR("untouched")));
    assert_true(finds("Bearer first", list, &token));
    assert_true(str_equal(token, STR("first")));
    assert_true(finds("bearer  third ", list, &token));
    assert_true(str_equal(token, STR("third")));
}

static void test_no_tokens(void **state)
{
    (void)state;
    const struct http_request req = {.header_count = 0};
    const struct auth_tokens open = {.list = STR(""), .is_open = true};
    struct str token = STR("untouched");
    assert_false(finds(NULL, STR(""), &token));
    assert_false(finds("Bearer ", STR(""), &token));
    assert_false(finds("Bearer x", STR(""), &token));
    assert_true(auth_find_token(&open, &req, &token));
    assert_true(str_equal(token, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_basic_without_memory),
        cmocka_unit_test(test_one_of_several_tokens),
        cmocka_unit_test(test_no_tokens),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
