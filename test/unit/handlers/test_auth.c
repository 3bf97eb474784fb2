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

#include "handlers/auth.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_basic_without_memory),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
