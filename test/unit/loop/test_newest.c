/* SPDX-License-Identifier: MIT
 *
 * test_newest.c - a folder with files of a kind, of others, and what cannot be removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/loop/newest.h"

static char folder[] = "/tmp/toq-newest-XXXXXX";
static int folder_fd;

static void make(const char *name, time_t changed_s)
{
    const struct timespec times[] = {{.tv_sec = changed_s}, {.tv_sec = changed_s}};
    const int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(utimensat(folder_fd, name, times, 0), 0);
}

static bool is_there(const char *name)
{
    return faccessat(folder_fd, name, F_OK, 0) == 0;
}

static void test_the_oldest_go(void **state)
{
    (void)state;
    make("one-c.txt", 10);
    make("one-b.txt", 20);
    make("one-a.txt", 30);
    make("two-a.txt", 1);
    make("one-a.pdf", 1);
    make("one.txt", 1); /* prefix and suffix would overlap */
    assert_int_equal(mkdirat(folder_fd, "one-0.txt", 0700), 0);
    newest_keep(folder, "one-", ".txt", 3);
    assert_true(is_there("one-c.txt"));
    newest_keep(folder, "one-", ".txt", 2);
    assert_false(is_there("one-c.txt"));
    assert_true(is_there("one-b.txt"));
    newest_keep(folder, "one-", ".txt", 0);
    assert_false(is_there("one-b.txt") || is_there("one-a.txt"));
    assert_true(is_there("two-a.txt") && is_there("one-a.pdf") && is_there("one.txt"));
    assert_true(is_there("one-0.txt"));
    newest_keep("/nowhere/at/all", "one-", ".txt", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_go),
    };
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int failed = cmocka_run_group_tests_name("newest", tests, NULL, NULL);
    static const char *const names[] = {"two-a.txt", "one-a.pdf", "one.txt"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        (void)unlinkat(folder_fd, names[i], 0);
    }
    (void)unlinkat(folder_fd, "one-0.txt", AT_REMOVEDIR);
    (void)rmdir(folder);
    return failed;
}
