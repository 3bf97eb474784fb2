/* SPDX-License-Identifier: MIT
 *
 * test_encode.c - samples of stacks as a profile: labels by their names, and what is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/task/label.h"
#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"
#include "profiling/write/encode.h"
#include "test/unit/support/profile_message.h"

static const struct profile_spec spec = {
    .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
    .type_count = 2,
    .period_type = {"cpu", "nanoseconds"},
    .period = 10000000,
};

static struct stacks stacks;
static struct maps *maps;

static int set_up(void **state)
{
    (void)state;
    return maps_create(&maps);
}

static int tear_down(void **state)
{
    (void)state;
    stacks_deinit(&stacks);
    memset(&stacks, 0, sizeof(stacks));
    maps_destroy(maps);
    symbol_stop();
    return 0;
}

static void add(const struct stacks_labels *labels, int64_t count, int64_t ns)
{
    const uint64_t frame = synthetic_route(labels->label);
    const int64_t values[STACKS_VALUES_MAX] = {count, ns};
    (void)stacks_add(&stacks, &frame, 1, labels, values);
}

static Pprof__Profile *encode(const char *comment)
{
    char *data;
    size_t len;
    assert_int_equal(encode_profile(&stacks, &spec, maps, comment, &data, &len), 0);
    Pprof__Profile *message = profile_message_unpack(data, len);
    free(data);
    return message;
}

static void assert_label(const struct profile_label *label, const char *key, const char *text)
{
    assert_string_equal(label->key, key);
    assert_string_equal(label->text, text);
}

static void test_labels_by_their_names(void **state)
{
    (void)state;
    struct profile_label labels[ENCODE_LABELS_MAX];
    const struct stacks_labels route = {.label = label_intern(STR("/a/:b"), "PUT"),
                                        .thread = stacks_name(&stacks, STR("toq-log")),
                                        .state = "mysql",
                                        .size_bytes = 64};
    assert_int_equal(encode_labels(&stacks, &route, labels), 5);
    assert_label(&labels[0], "route", "/a/:b");
    assert_label(&labels[1], "method", "PUT");
    assert_label(&labels[2], "thread", "toq-log");
    assert_label(&labels[3], "state", "mysql");
    assert_string_equal(labels[4].key, "bytes");
    assert_null(labels[4].text);
    assert_int_equal(labels[4].number, 64);
    const struct stacks_labels rpc = {.label = label_intern_rpc(STR("p.S/M"))};
    assert_int_equal(encode_labels(&stacks, &rpc, labels), 1);
    assert_label(&labels[0], "rpc", "p.S/M");
    const struct stacks_labels own = {.label = LABEL_PROFILER};
    assert_int_equal(encode_labels(&stacks, &own, labels), 1);
    assert_label(&labels[0], "toq", "profiler");
    const struct stacks_labels none = {.label = LABEL_NONE};
    assert_int_equal(encode_labels(&stacks, &none, labels), 0);
}

/* A difference of two profiles has samples that are nothing any more. */
static void test_samples_of_nothing_are_left_out(void **state)
{
    (void)state;
    const struct stacks_labels kept = {.label = label_intern(STR("/kept"), "GET")};
    const struct stacks_labels gone = {.label = label_intern(STR("/gone"), "GET")};
    const struct stacks_labels less = {.label = label_intern(STR("/less"), "GET")};
    add(&kept, 0, 10);
    add(&gone, 0, 0);
    add(&less, -1, -20);
    Pprof__Profile *message = encode("a comment");
    assert_int_equal(message->n_sample, 2);
    assert_int_equal(message->sample[0]->value[1], 10);
    assert_int_equal(message->sample[1]->value[0], -1);
    assert_int_equal(message->sample[1]->value[1], -20);
    assert_int_equal(message->n_comment, 1);
    assert_string_equal(profile_message_text(message, message->comment[0]), "a comment");
    pprof__profile__free_unpacked(message, NULL);
    message = encode(NULL);
    assert_int_equal(message->n_comment, 0);
    pprof__profile__free_unpacked(message, NULL);
}

/* Go's name for it, so that readers of Go's profiles know it. */
static void test_samples_that_were_lost(void **state)
{
    (void)state;
    encode_add_lost(&stacks, 0, 10000000);
    Pprof__Profile *message = encode(NULL);
    assert_int_equal(message->n_sample, 0);
    pprof__profile__free_unpacked(message, NULL);
    encode_add_lost(&stacks, 3, 10000000);
    message = encode(NULL);
    assert_int_equal(message->n_sample, 1);
    assert_int_equal(message->sample[0]->value[0], 3);
    assert_int_equal(message->sample[0]->value[1], 30000000);
    const Pprof__Location *location = message->location[message->sample[0]->location_id[0] - 1];
    const Pprof__Function *function = message->function[location->line[0]->function_id - 1];
    assert_string_equal(profile_message_text(message, function->name), "lostProfileEvent");
    pprof__profile__free_unpacked(message, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_labels_by_their_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_samples_of_nothing_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_samples_that_were_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
