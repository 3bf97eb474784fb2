/* SPDX-License-Identifier: MIT
 *
 * test_listing.c - a profile in the formats of other tools, and profiles that are none.
 *
 * Tests: profiling/write/gzip.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the first four */
#include <cmocka.h>

#include <uv.h>

#include "profiling/write/gunzip.h"
#include "profiling/write/gzip.h"
#include "profiling/write/listing.h"
#include "profiling/write/profile.pb-c.h"

enum { NONE, CPU, NS, MAIN, ODD, FILE_NAME, ROUTE, PATH, COMMENT };

static char *strings[] = {"",       "cpu",   "nanoseconds", "main",  "a;b \"c\"\n<i>",
                          "main.c", "route", "/x",          "a note"};

/* Two samples: main, and main -> the odd one with itself inlined; with numbers that are in no
 * table. */
static void make(char **ret_data, size_t *ret_len)
{
    Pprof__ValueType type = PPROF__VALUE_TYPE__INIT;
    Pprof__Function functions[2] = {PPROF__FUNCTION__INIT, PPROF__FUNCTION__INIT};
    Pprof__Line lines[3] = {PPROF__LINE__INIT, PPROF__LINE__INIT, PPROF__LINE__INIT};
    Pprof__Location locations[2] = {PPROF__LOCATION__INIT, PPROF__LOCATION__INIT};
    Pprof__Sample samples[3] = {PPROF__SAMPLE__INIT, PPROF__SAMPLE__INIT, PPROF__SAMPLE__INIT};
    Pprof__Label label = PPROF__LABEL__INIT;
    Pprof__Profile profile = PPROF__PROFILE__INIT;
    uint64_t outer[] = {1};
    uint64_t inner[] = {2, 99, 1};
    int64_t values[3][1] = {{3000000}, {1000000}, {-5}};
    int64_t comments[] = {COMMENT, 1000};
    type.type = CPU;
    type.unit = NS;
    functions[0] = (Pprof__Function){.base = functions[0].base, .id = 1, .name = MAIN};
    functions[0].filename = FILE_NAME;
    functions[1] = (Pprof__Function){.base = functions[1].base, .id = 2, .name = ODD};
    functions[1].filename = 1000;
    lines[0].function_id = 1;
    lines[0].line = 7;
    lines[1].function_id = lines[2].function_id = 2;
    locations[0].line = (Pprof__Line *[]){&lines[0]};
    locations[0].n_line = 1;
    locations[1].line = (Pprof__Line *[]){&lines[1], &lines[2]};
    locations[1].n_line = 2;
    locations[0].id = 1;
    locations[1].id = 2;
    label.key = ROUTE;
    label.str = PATH;
    for (size_t i = 0; i < 3; i++) {
        samples[i].location_id = i == 1 ? inner : outer;
        samples[i].n_location_id = i == 1 ? 3 : 1;
        samples[i].value = values[i];
        samples[i].n_value = 1;
    }
    samples[1].label = (Pprof__Label *[]){&label};
    samples[1].n_label = 1;
    profile.n_sample_type = 1;
    profile.sample_type = (Pprof__ValueType *[]){&type};
    profile.n_function = 2;
    profile.function = (Pprof__Function *[]){&functions[0], &functions[1]};
    profile.n_location = 2;
    profile.location = (Pprof__Location *[]){&locations[0], &locations[1]};
    profile.n_sample = 3;
    profile.sample = (Pprof__Sample *[]){&samples[0], &samples[1], &samples[2]};
    profile.n_string_table = ARRAY_COUNT(strings);
    profile.string_table = strings;
    profile.n_comment = 2;
    profile.comment = comments;
    profile.duration_nanos = 2000000000;

    uint8_t packed[1024];
    assert_true(pprof__profile__get_packed_size(&profile) <= sizeof(packed));
    const size_t len = pprof__profile__pack(&profile, packed);
    struct gzip gzip;
    gzip_open(&gzip, sizeof(packed));
    gzip_write(&gzip, packed, len);
    assert_int_equal(gzip_finish(&gzip, ret_data, ret_len), 0);
    gzip_close(&gzip);
}

/* The profile in a format, a NUL behind it; the caller frees the buffer. */
static struct buf list(enum listing_format format)
{
    char *data;
    size_t len;
    struct buf out;
    make(&data, &len);
    buf_init(&out, LISTING_BYTES_MAX);
    assert_int_equal(listing_make(data, len, format, &out), 0);
    buf_append_char(&out, '\0');
    free(data);
    return out;
}

static void test_collapsed_stacks_have_one_line_each(void **state)
{
    (void)state;
    struct buf out = list(LISTING_COLLAPSED);
    /* What went away, as below 0, is in no flame graph. */
    assert_string_equal(out.data, "main 3000000\n"
                                  "main;a_b_\"c\"_<i>;a_b_\"c\"_<i> 1000000\n");
    buf_deinit(&out);
}

static void test_the_table_counts_a_function_once_a_stack(void **state)
{
    (void)state;
    struct buf out = list(LISTING_TEXT);
    assert_non_null(strstr(out.data, "a note\n\nType: cpu\n"));
    assert_non_null(strstr(out.data, "Duration: 2.00s\nTotal:       4.000ms\n"));
    const char *first =
        strstr(out.data, "       3.000ms  75.00%  75.00%        4.000ms 100.00%  main\n");
    const char *second =
        strstr(out.data, "       1.000ms  25.00% 100.00%        1.000ms  25.00%  a;b");
    assert_true(first != NULL && second > first);
    buf_deinit(&out);
}

static void test_json_is_whole(void **state)
{
    (void)state;
    struct buf out = list(LISTING_JSON);
    assert_string_equal(
        out.data,
        "{\"types\":[{\"type\":\"cpu\",\"unit\":\"nanoseconds\"}],\"default_type\":0,\"time_ns\":0,"
        "\"duration_ns\":2000000000,\"period\":0,\"comments\":[\"a note\",\"\"],\n\"functions\":[\n"
        "{\"name\":\"main\",\"file\":\"main.c\"},\n"
        "{\"name\":\"a;b \\\"c\\\"\\n<i>\",\"file\":\"\"}],\n\"samples\":[\n"
        "{\"stack\":[[0,7]],\"values\":[3000000],\"labels\":{}},\n"
        "{\"stack\":[[0,7],[1,0],[1,0]],\"values\":[1000000],\"labels\":{\"route\":\"/x\"}},\n"
        "{\"stack\":[[0,7]],\"values\":[-5],\"labels\":{}}]}\n");
    buf_deinit(&out);
}

static void test_what_is_no_profile_has_no_listing(void **state)
{
    (void)state;
    char *data;
    size_t len;
    struct buf out;
    make(&data, &len);
    buf_init(&out, LISTING_BYTES_MAX);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(listing_make(data, cut, LISTING_TEXT, &out), UV_EINVAL);
    }
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
    /* An empty file is a profile without a type. */
    struct gzip gzip;
    char *empty;
    gzip_open(&gzip, 100);
    assert_int_equal(gzip_finish(&gzip, &empty, &len), 0);
    gzip_close(&gzip);
    buf_init(&out, LISTING_BYTES_MAX);
    assert_int_equal(listing_make(empty, len, LISTING_JSON, &out), UV_EINVAL);
    buf_deinit(&out);
    free(empty);
    free(data);
}

static void test_a_text_that_is_too_long_is_none(void **state)
{
    (void)state;
    char *data;
    size_t len;
    make(&data, &len);
    for (int format = LISTING_COLLAPSED; format <= LISTING_JSON; format++) {
        struct buf out;
        buf_init(&out, 20);
        assert_int_equal(listing_make(data, len, (enum listing_format)format, &out), UV_ENOMEM);
        buf_deinit(&out);
    }
    free(data);
}

static void test_names_of_formats(void **state)
{
    (void)state;
    enum listing_format format;
    assert_true(listing_parse(STR("collapsed"), &format) && format == LISTING_COLLAPSED);
    assert_true(listing_parse(STR("text"), &format) && format == LISTING_TEXT);
    assert_true(listing_parse(STR("json"), &format) && format == LISTING_JSON);
    assert_true(listing_parse(STR("pprof"), &format) && format == LISTING_NONE);
    assert_true(listing_parse(STR(""), &format) && format == LISTING_NONE);
    assert_false(listing_parse(STR("JSON"), &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collapsed_stacks_have_one_line_each),
        cmocka_unit_test(test_the_table_counts_a_function_once_a_stack),
        cmocka_unit_test(test_json_is_whole),
        cmocka_unit_test(test_what_is_no_profile_has_no_listing),
        cmocka_unit_test(test_a_text_that_is_too_long_is_none),
        cmocka_unit_test(test_names_of_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
