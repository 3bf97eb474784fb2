/* SPDX-License-Identifier: MIT
 *
 * test_profile.c - what a reader of profile.proto demands of the bytes: unpacked, message by
 * message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "profiling/code/symbol.h"
#include "profiling/write/profile.h"
#include "profiling/write/stacks.h"
#include "test/unit/support/profile_message.h"

static const struct profile_spec spec = {
    .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
    .type_count = 2,
    .period_type = {"cpu", "nanoseconds"},
    .period = 10000000,
    .time_ns = 1700000000000000000,
    .duration_ns = 2000000000,
};

static struct maps *maps;

static int create_maps(void **state)
{
    (void)state;
    return maps_create(&maps);
}

static int destroy_maps(void **state)
{
    (void)state;
    maps_destroy(maps);
    symbol_stop();
    return 0;
}

static uint64_t address_of(void (*function)(void **))
{
    return (uint64_t)(uintptr_t)function;
}

static Pprof__Profile *encode(struct profile *profile)
{
    char *data;
    size_t len;
    assert_int_equal(profile_encode(profile, &data, &len), 0);
    Pprof__Profile *message = profile_message_unpack(data, len);
    free(data);
    profile_destroy(profile);
    return message;
}

static void assert_tables(const Pprof__Profile *message)
{
    assert_string_equal(message->string_table[0], "");
    for (size_t i = 0; i < message->n_mapping; i++) {
        assert_int_equal(message->mapping[i]->id, i + 1);
    }
    for (size_t i = 0; i < message->n_function; i++) {
        assert_int_equal(message->function[i]->id, i + 1);
        assert_true(strlen(profile_message_text(message, message->function[i]->name)) > 0);
    }
    for (size_t i = 0; i < message->n_location; i++) {
        const Pprof__Location *location = message->location[i];
        assert_int_equal(location->id, i + 1);
        assert_int_not_equal(location->address, 0);
        assert_true(location->mapping_id <= message->n_mapping);
        assert_true(location->n_line > 0);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(message->location[k]->address, location->address);
        }
        for (size_t k = 0; k < location->n_line; k++) {
            assert_in_range(location->line[k]->function_id, 1, message->n_function);
        }
    }
    for (size_t i = 0; i < message->n_sample; i++) {
        const Pprof__Sample *sample = message->sample[i];
        assert_int_equal(sample->n_value, message->n_sample_type);
        assert_true(sample->n_location_id > 0);
        for (size_t k = 0; k < sample->n_location_id; k++) {
            assert_in_range(sample->location_id[k], 1, message->n_location);
        }
    }
}

static struct profile *create(void)
{
    struct profile *profile;
    assert_int_equal(profile_create(&spec, maps, &profile), 0);
    return profile;
}

static void test_the_head_says_what_was_measured(void **state)
{
    (void)state;
    Pprof__Profile *message = encode(create());
    assert_tables(message);
    assert_int_equal(message->n_sample_type, 2);
    assert_string_equal(profile_message_text(message, message->sample_type[0]->type), "samples");
    assert_string_equal(profile_message_text(message, message->sample_type[0]->unit), "count");
    assert_string_equal(profile_message_text(message, message->sample_type[1]->type), "cpu");
    assert_string_equal(profile_message_text(message, message->period_type->type), "cpu");
    assert_string_equal(profile_message_text(message, message->period_type->unit), "nanoseconds");
    assert_int_equal(message->period, spec.period);
    assert_int_equal(message->time_nanos, spec.time_ns);
    assert_int_equal(message->duration_nanos, spec.duration_ns);
    assert_int_equal(message->default_sample_type, 0);
    pprof__profile__free_unpacked(message, NULL);
}

static void test_samples_share_locations_and_functions(void **state)
{
    (void)state;
    struct profile *profile = create();
    uint64_t here = address_of(test_samples_share_locations_and_functions);
    uint64_t stack[] = {here + 1, here, here};
    int64_t values[] = {3, 30000000};
    profile_add_sample(profile, stack, 3, values, NULL, 0);
    profile_add_sample(profile, stack + 1, 1, values, NULL, 0);
    Pprof__Profile *message = encode(profile);
    assert_tables(message);
    assert_int_equal(message->n_sample, 2);
    assert_int_equal(message->n_location, 2);
    assert_int_equal(message->sample[0]->n_location_id, 3);
    assert_int_equal(message->sample[0]->location_id[1], message->sample[1]->location_id[0]);
    assert_int_equal(message->sample[0]->value[1], 30000000);
    const Pprof__Location *location = message->location[0];
    const Pprof__Line *outermost = location->line[location->n_line - 1];
    assert_string_equal(
        profile_message_text(message, message->function[outermost->function_id - 1]->name),
        "test_profile.test_samples_share_locations_and_functions");
    pprof__profile__free_unpacked(message, NULL);
}

static void test_labels_are_texts_or_numbers(void **state)
{
    (void)state;
    struct profile *profile = create();
    uint64_t here = address_of(test_labels_are_texts_or_numbers);
    int64_t values[] = {1, 1};
    struct profile_label labels[] = {
        {.key = "route", .text = "/v1/listings/:id"},
        {.key = "bytes", .number = 4096, .unit = "bytes"},
    };
    profile_add_sample(profile, &here, 1, values, labels, 2);
    Pprof__Profile *message = encode(profile);
    assert_int_equal(message->sample[0]->n_label, 2);
    const Pprof__Label *route = message->sample[0]->label[0];
    const Pprof__Label *bytes = message->sample[0]->label[1];
    assert_string_equal(profile_message_text(message, route->key), "route");
    assert_string_equal(profile_message_text(message, route->str), "/v1/listings/:id");
    assert_int_equal(bytes->str, 0);
    assert_int_equal(bytes->num, 4096);
    assert_string_equal(profile_message_text(message, bytes->num_unit), "bytes");
    pprof__profile__free_unpacked(message, NULL);
}

static void test_the_main_binary_has_the_addresses_of_its_file(void **state)
{
    (void)state;
    struct profile *profile = create();
    uint64_t here = address_of(test_the_main_binary_has_the_addresses_of_its_file);
    int64_t values[] = {1, 1};
    profile_add_sample(profile, &here, 1, values, NULL, 0);
    Pprof__Profile *message = encode(profile);
    const Pprof__Mapping *mapping = message->mapping[0];
    assert_string_equal(profile_message_text(message, mapping->filename), maps->items[0].path);
    assert_string_equal(profile_message_text(message, mapping->build_id), maps->items[0].build_id);
    assert_int_equal(message->location[0]->mapping_id, 1);
    assert_int_equal(message->location[0]->address, here - maps->items[0].bias);
    assert_true(mapping->memory_start <= message->location[0]->address &&
                message->location[0]->address < mapping->memory_limit);
    assert_true(mapping->has_functions && mapping->has_filenames && mapping->has_line_numbers);
    assert_false(message->mapping[1]->has_functions); /* nobody asked */
    pprof__profile__free_unpacked(message, NULL);
}

/* A mapping with one frame that has no name is left for others to name. */
static void test_an_unnamed_frame_takes_the_flag_from_its_mapping(void **state)
{
    (void)state;
    struct profile *profile = create();
    const struct map *libuv = maps_find(maps, (uint64_t)(uintptr_t)uv_version_string);
    struct symbol_result symbol = {.is_named = true};
    uint64_t unnamed = libuv->start;
    for (; symbol.is_named && unnamed < libuv->end; unnamed += 64) {
        symbol_lookup(unnamed + 64, &symbol);
    }
    uint64_t stack[] = {(uint64_t)(uintptr_t)uv_version_string, unnamed};
    int64_t values[] = {1, 1};
    profile_add_sample(profile, stack, 2, values, NULL, 0);
    Pprof__Profile *message = encode(profile);
    assert_tables(message);
    assert_false(message->mapping[message->location[1]->mapping_id - 1]->has_functions);
    pprof__profile__free_unpacked(message, NULL);
}

static void test_an_address_of_no_mapping_is_kept(void **state)
{
    (void)state;
    struct profile *profile = create();
    uint64_t nowhere = 0x10;
    int64_t values[] = {1, 1};
    profile_add_sample(profile, &nowhere, 1, values, NULL, 0);
    Pprof__Profile *message = encode(profile);
    assert_tables(message);
    assert_int_equal(message->location[0]->mapping_id, 0);
    pprof__profile__free_unpacked(message, NULL);
}

static void test_comments_are_kept(void **state)
{
    (void)state;
    struct profile *profile = create();
    profile_add_comment(profile, "first");
    profile_add_comment(profile, "second");
    Pprof__Profile *message = encode(profile);
    assert_int_equal(message->n_comment, 2);
    assert_string_equal(profile_message_text(message, message->comment[1]), "second");
    pprof__profile__free_unpacked(message, NULL);
}

static void test_a_profile_of_a_moment_has_a_default_type_and_no_duration(void **state)
{
    (void)state;
    struct profile_spec heap = spec;
    heap.duration_ns = 0;
    heap.default_type = "samples";
    struct profile *profile;
    assert_int_equal(profile_create(&heap, maps, &profile), 0);
    Pprof__Profile *message = encode(profile);
    assert_int_equal(message->duration_nanos, 0);
    assert_string_equal(profile_message_text(message, message->default_sample_type), "samples");
    pprof__profile__free_unpacked(message, NULL);
}

/* As many samples as a struct stacks has, each of a stack of its own and as deep as one can be. */
static void test_as_many_deep_stacks_as_there_can_be_are_encoded(void **state)
{
    (void)state;
    struct profile *profile = create();
    static uint64_t stack[STACKS_FRAMES_MAX];
    const int64_t values[] = {1, 1};
    const struct profile_label label = {.key = "thread", .text = "main"};
    for (size_t i = 0; i < STACKS_SAMPLES_MAX; i++) {
        for (size_t f = 0; f < ARRAY_COUNT(stack); f++) {
            stack[f] = 0x10 + 16 * ((i >> f % 16) % 1000 + f);
        }
        profile_add_sample(profile, stack, ARRAY_COUNT(stack), values, &label, 1);
    }
    Pprof__Profile *message = encode(profile);
    assert_int_equal(message->n_sample, STACKS_SAMPLES_MAX);
    const Pprof__Sample *last = message->sample[STACKS_SAMPLES_MAX - 1];
    assert_int_equal(last->n_location_id, ARRAY_COUNT(stack));
    assert_int_equal(message->location[last->location_id[0] - 1]->address, stack[0]);
    pprof__profile__free_unpacked(message, NULL);
}

static void test_past_its_maximum_a_profile_fails(void **state)
{
    (void)state;
    struct profile *profile = create();
    char text[4096];
    memset(text, 'x', sizeof(text));
    for (size_t bytes = 0; bytes <= PROFILE_BYTES_MAX; bytes += sizeof(text)) {
        (void)snprintf(text, sizeof(text), "%zu", bytes);
        text[strlen(text)] = 'x';
        text[sizeof(text) - 1] = '\0';
        profile_add_comment(profile, text);
    }
    char *data;
    size_t len;
    assert_int_equal(profile_encode(profile, &data, &len), UV_ENOMEM);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_head_says_what_was_measured),
        cmocka_unit_test(test_samples_share_locations_and_functions),
        cmocka_unit_test(test_labels_are_texts_or_numbers),
        cmocka_unit_test(test_the_main_binary_has_the_addresses_of_its_file),
        cmocka_unit_test(test_an_unnamed_frame_takes_the_flag_from_its_mapping),
        cmocka_unit_test(test_an_address_of_no_mapping_is_kept),
        cmocka_unit_test(test_comments_are_kept),
        cmocka_unit_test(test_a_profile_of_a_moment_has_a_default_type_and_no_duration),
        cmocka_unit_test(test_as_many_deep_stacks_as_there_can_be_are_encoded),
        cmocka_unit_test(test_past_its_maximum_a_profile_fails),
    };
    return cmocka_run_group_tests(tests, create_maps, destroy_maps);
}
