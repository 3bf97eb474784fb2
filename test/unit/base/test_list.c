/* SPDX-License-Identifier: MIT
 *
 * test_list.c - order, unlinking while walking, splicing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/list.h"

struct item {
    int id;
    struct list link;
};

/* ids spells the ids of a list as one decimal number, first item first. */
static int ids(struct list *head)
{
    int number = 0;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, head)
    {
        number = number * 10 + CONTAINER_OF(pos, struct item, link)->id;
    }
    return number;
}

static void test_push_keeps_order(void **state)
{
    (void)state;
    struct list head;
    struct item a = {.id = 1}, b = {.id = 2}, c = {.id = 3};
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    assert_int_equal(ids(&head), 123);
    assert_ptr_equal(head.prev, &c.link);
}

static void test_many_are_more_than_one(void **state)
{
    (void)state;
    struct list head;
    struct list nodes[2];
    list_init(&head);
    assert_false(list_has_many(&head));
    list_push_back(&head, &nodes[0]);
    assert_false(list_has_many(&head));
    list_push_back(&head, &nodes[1]);
    assert_true(list_has_many(&head));
}

static void test_unlink_twice_is_harmless(void **state)
{
    (void)state;
    struct list head;
    struct item a = {.id = 1}, b = {.id = 2};
    list_init(&head);
    list_push_back(&head, &a.link);
    list_push_back(&head, &b.link);
    list_unlink(&a.link);
    list_unlink(&a.link);
    assert_true(list_is_empty(&a.link));
    assert_int_equal(ids(&head), 2);
    list_push_back(&head, &a.link);
    assert_int_equal(ids(&head), 21);
}

static void test_walk_survives_unlinking_each(void **state)
{
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].id = i;
        list_push_back(&head, &items[i].link);
    }
    int seen = 0;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &head)
    {
        list_unlink(pos);
        seen++;
    }
    assert_int_equal(seen, 4);
    assert_true(list_is_empty(&head));
}

static void test_splice_moves_all(void **state)
{
    (void)state;
    struct list to, from;
    struct item a = {.id = 1}, b = {.id = 2}, c = {.id = 3};
    list_init(&to);
    list_init(&from);
    list_splice(&to, &from);
    assert_true(list_is_empty(&to));
    list_push_back(&from, &b.link);
    list_push_back(&from, &c.link);
    list_splice(&to, &from);
    assert_true(list_is_empty(&from));
    list_push_back(&from, &a.link);
    list_splice(&from, &to);
    assert_int_equal(ids(&from), 123);
    assert_true(list_is_empty(&to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_keeps_order),
        cmocka_unit_test(test_many_are_more_than_one),
        cmocka_unit_test(test_unlink_twice_is_harmless),
        cmocka_unit_test(test_walk_survives_unlinking_each),
        cmocka_unit_test(test_splice_moves_all),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
