/* SPDX-License-Identifier: MIT
 *
 * test_memory_limit.c - the limits of cgroups, found in a tree of files that is made for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/loop/memory_limit.h"

static char root[64];

/* put writes a file below the root, with the folders above it. */
static void put(const char *path, const char *text)
{
    char full[PATH_MAX];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(full, 0700); /* it may be there */
            *p = '/';
        }
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "%s", "/tmp/toq-cgroup-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

#define V2_MOUNT                                                                                   \
    "36 25 0:31 / /sys/fs/cgroup rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT                                                                                   \
    "32 31 0:29 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu\n"                                    \
    "35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory\n"

static void test_nothing_limits(void **state)
{
    (void)state;
    assert_true(memory_limit_cgroup(root) == SIZE_MAX);
    put("/proc/self/cgroup", "0::/\n");
    assert_true(memory_limit_cgroup(root) == SIZE_MAX);
    put("/proc/self/mountinfo", V2_MOUNT);
    assert_true(memory_limit_cgroup(root) == SIZE_MAX);
    put("/sys/fs/cgroup/memory.max", "max\n");
    assert_true(memory_limit_cgroup(root) == SIZE_MAX);
}

static void test_each_level_of_version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a.slice/b.service\n");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" V2_MOUNT);
    put("/sys/fs/cgroup/a.slice/b.service/memory.max", "300000000\n");
    assert_int_equal(memory_limit_cgroup(root), 300000000);
    put("/sys/fs/cgroup/a.slice/memory.max", "200000000\n");
    assert_int_equal(memory_limit_cgroup(root), 200000000);
    put("/sys/fs/cgroup/a.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/memory.max", "100000000\n");
    assert_int_equal(memory_limit_cgroup(root), 100000000);
}

static void test_each_level_of_version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpu:/a\n4:memory:/a/b\n1:name=systemd:/\n0::/\n");
    put("/proc/self/mountinfo", V1_MOUNT);
    put("/cg/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* no limit */
    put("/cg/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(memory_limit_cgroup(root) == SIZE_MAX);
    put("/cg/memory/a/memory.limit_in_bytes", "536870912\n");
    assert_int_equal(memory_limit_cgroup(root), 536870912);
}

static void test_both_versions_at_once(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/a\n0::/x\n");
    put("/proc/self/mountinfo", V1_MOUNT V2_MOUNT);
    put("/cg/memory/a/memory.limit_in_bytes", "2000\n");
    put("/sys/fs/cgroup/x/memory.max", "1000\n");
    assert_int_equal(memory_limit_cgroup(root), 1000);
}

static void test_a_part_of_the_tree_is_mounted(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/docker/abc/x\n");
    put("/proc/self/mountinfo", "35 31 0:32 /docker/abc /cg/memory rw - cgroup cgroup rw,memory\n");
    put("/cg/memory/x/memory.limit_in_bytes", "5000\n");
    assert_int_equal(memory_limit_cgroup(root), 5000);
    put("/cg/memory/memory.limit_in_bytes", "4000\n");
    assert_int_equal(memory_limit_cgroup(root), 4000);
    put("/proc/self/cgroup", "4:memory:/elsewhere\n"); /* another namespace's path */
    assert_int_equal(memory_limit_cgroup(root), 4000);
    put("/proc/self/cgroup", "4:memory:/docker/abcd\n"); /* a sibling of the mounted one */
    assert_int_equal(memory_limit_cgroup(root), 4000);
}

static void test_what_is_no_cgroup_file(void **state)
{
    (void)state;
    static const char *const texts[] = {"\n", "::\n", "0:\n", "0::", "4:memory\n", "x", "0:::::\n"};
    put("/proc/self/mountinfo", "1\n\n - \n1 2 3 4 5 6 7 8 9\n- - - - - - - - cgroup2 - -\n");
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        put("/proc/self/cgroup", texts[i]);
        assert_true(memory_limit_cgroup(root) == SIZE_MAX);
    }
}

static void test_the_least_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    const size_t machine = memory_limit_find(root);
    assert_true(machine > 1 << 20);
    put("/sys/fs/cgroup/memory.max", "1048576\n");
    assert_int_equal(memory_limit_find(root), 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_level_of_version_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_level_of_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both_versions_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_part_of_the_tree_is_mounted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_cgroup_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_least_counts, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("memory_limit", tests, NULL, NULL);
}
