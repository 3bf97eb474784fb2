/* SPDX-License-Identifier: MIT
 *
 * test_host.c - which hosts a stranger cannot have made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/http/host.h"

static void test_hosts(void **state)
{
    (void)state;
    static const char *const local[] = {
        "",      "localhost",  "LocalHost:6060", "127.0.0.1", "127.0.0.1:6060",   "10.1.2.3",
        "[::1]", "[::1]:6060", "[fe80::1]",      "box",       "Box.Example:6060",
    };
    static const char *const foreign[] = {
        "evil.example",
        "evil.example:6060",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::1",
        "[evil.example]",
        "::1",
        "[]",
        "box.example.evil",
        ":6060",
        "xlocalhost",
        "evil.example,localhost",
    };
    const struct str allowed = STR("box, box.example");
    for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
        if (!host_is_local(str_from(local[i]), allowed)) {
            fail_msg("%s", local[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(foreign); i++) {
        if (host_is_local(str_from(foreign[i]), allowed)) {
            fail_msg("%s", foreign[i]);
        }
    }
    assert_false(host_is_local(STR("box"), STR("")));
    assert_false(host_is_local(STR(":1"), STR("")));
}

static void test_pages_of_other_sites(void **state)
{
    (void)state;
    const struct str none = STR("");
    assert_false(host_is_foreign(none, none)); /* curl, scrapers */
    assert_false(host_is_foreign(STR("same-origin"), STR("cors")));
    assert_false(host_is_foreign(STR("none"), STR("navigate"))); /* typed */
    assert_false(host_is_foreign(STR("same-site"), STR("navigate")));
    assert_true(host_is_foreign(STR("same-site"), STR("no-cors"))); /* another port of localhost */
    assert_true(host_is_foreign(STR("cross-site"), STR("no-cors")));
    assert_true(host_is_foreign(STR("cross-site"), STR("navigate")));
    assert_true(host_is_foreign(STR("something-new"), none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_pages_of_other_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
