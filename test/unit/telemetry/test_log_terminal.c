/* SPDX-License-Identifier: MIT
 *
 * test_log_terminal.c - lines for a person: what they show, in which colours, and that they fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/telemetry/log_format.h"

#define WALL_NS UINT64_C(1795391999123456789) /* 2026-11-22T23:59:59.123456789Z */
#define TRACE   "4b000000000000000000000000000036"

static const struct trace_context trace = {.trace_id = {[0] = 0x4b, [15] = 0x36},
                                           .span_id = {[7] = 0xb7}};
static const struct log_context context = {.trace = &trace};

static char line[LOG_LINE_MAX_BYTES + 1];

static const char *format(enum log_format format, const char *component,
                          const struct log_field *fields, size_t count)
{
    const struct log_record record = {
        .wall_ns = WALL_NS,
        .level = LOG_WARN,
        .component = component,
        .message = "it happened",
        .fields = fields,
        .count = count,
        .context = &context,
    };
    line[log_format_line(format, &record, line)] = '\0';
    return line;
}

/* assert_fits checks that no line but one of a single word is wider than the terminal. */
static void assert_fits(const char *text)
{
    for (const char *at = text; *at != '\0';) {
        const size_t len = strcspn(at, "\n");
        assert_true(len <= LOG_TERMINAL_COLUMNS);
        at += len + 1;
    }
}

static void test_an_event_on_one_line(void **state)
{
    (void)state;
    const struct log_field fields[] = {log_cstr("name", "a b"), log_u64("wait_ms", 7)};
    assert_string_equal(format(LOG_TERMINAL, "http", fields, 2),
                        "23:59:59.123 WARN  http: it happened name=\"a b\" wait_ms=7 " TRACE "\n");
}

static void test_an_event_in_colours(void **state)
{
    (void)state;
    assert_string_equal(format(LOG_TERMINAL_COLOUR, "http", NULL, 0),
                        "\033[2m23:59:59.123\033[0m \033[33mWARN \033[0m http: it happened "
                        "\033[2m" TRACE "\033[0m\n");
}

/* access is the line of a request for a target that is answered with a status. */
static const char *access(enum log_format wanted, const char *target, int status)
{
    const struct log_field fields[] = {
        log_show(LOG_SHOW_NOT, log_cstr("server", "http")),
        log_show(LOG_SHOW_VALUE, log_cstr("method", "GET")),
        log_show(LOG_SHOW_CLIP, log_cstr("target", target)),
        log_show(LOG_SHOW_VALUE, log_i64("status", status)),
        log_show(LOG_SHOW_VALUE, log_u64("duration_us", 1234)),
    };
    return format(wanted, "access", fields, ARRAY_COUNT(fields));
}

static void test_an_access_line_fits_and_shows_what_counts(void **state)
{
    (void)state;
    assert_string_equal(access(LOG_TERMINAL, "/v1/listings?limit=2", 200),
                        "23:59:59.123 WARN  GET /v1/listings?limit=2 200 1234us " TRACE "\n");
    const char *id = "/v1/listings/0192f0c4-1111-7111-8111-111111111111";
    assert_non_null(strstr(access(LOG_TERMINAL, id, 200), id));
    assert_fits(line);
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1); /* one line */
}

static void test_a_long_target_is_clipped(void **state)
{
    (void)state;
    char target[1000];
    memset(target, 'x', sizeof(target));
    target[sizeof(target) - 1] = '\0';
    assert_non_null(strstr(access(LOG_TERMINAL, target, 200), "xxx... 200 1234us " TRACE "\n"));
    assert_fits(line);
    /* what could command the terminal is written as JSON writes it */
    assert_non_null(strstr(access(LOG_TERMINAL, "/\033[2J", 200), "\"/\\u001b[2J\""));
}

static void test_the_status_has_the_colour_of_its_class(void **state)
{
    (void)state;
    assert_non_null(strstr(access(LOG_TERMINAL_COLOUR, "/", 204), "\033[32m204\033[0m"));
    assert_non_null(strstr(access(LOG_TERMINAL_COLOUR, "/", 304), "\033[36m304\033[0m"));
    assert_non_null(strstr(access(LOG_TERMINAL_COLOUR, "/", 404), "\033[33m404\033[0m"));
    assert_non_null(strstr(access(LOG_TERMINAL_COLOUR, "/", 503), "\033[31m503\033[0m"));
    assert_non_null(strstr(access(LOG_TERMINAL_COLOUR, "/", 0), " 0 "));
}

static void test_a_long_event_goes_on_below(void **state)
{
    (void)state;
    char text[400];
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        text[i] = i % 10 == 9 ? ' ' : 'y';
    }
    text[sizeof(text) - 1] = '\0';
    const struct log_field fields[] = {log_cstr("error", text), log_u64("n", 1)};
    assert_non_null(strstr(format(LOG_TERMINAL, "http", fields, 2), "\n    yyyyyyyyy "));
    assert_fits(line);
    assert_non_null(strstr(line, " n=1"));
}

static void test_a_huge_value_is_cut_and_the_trace_stays(void **state)
{
    (void)state;
    static char text[2 * LOG_LINE_MAX_BYTES];
    memset(text, 'z', sizeof(text) - 1);
    const struct log_field fields[] = {log_cstr("error", text), log_u64("n", 1)};
    const char *end = strstr(format(LOG_TERMINAL_COLOUR, "http", fields, 2), " n=1 cut=true");
    assert_non_null(end);
    assert_non_null(strstr(end, TRACE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_on_one_line),
        cmocka_unit_test(test_an_event_in_colours),
        cmocka_unit_test(test_an_access_line_fits_and_shows_what_counts),
        cmocka_unit_test(test_a_long_target_is_clipped),
        cmocka_unit_test(test_the_status_has_the_colour_of_its_class),
        cmocka_unit_test(test_a_long_event_goes_on_below),
        cmocka_unit_test(test_a_huge_value_is_cut_and_the_trace_stays),
    };
    return cmocka_run_group_tests_name("log_terminal", tests, NULL, NULL);
}
