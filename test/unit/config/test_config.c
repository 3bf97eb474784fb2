/* SPDX-License-Identifier: MIT
 *
 * test_config.c - environment over file over defaults, secrets, and the line that refuses.
 *
 * Each test has a folder of its own for env files.
 *
 * Tests: config/config_foreign.c, config/config_print.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/config_foreign.h"
#include "config/envfile.h"

/* A module's table, beside the core's. */
struct greeting {
    char word[CONFIG_TEXT_BYTES];
    uint64_t count;
    char tokens[CONFIG_LIST_BYTES];
};

static const struct config_option greeting_options[] = {
    {.name = "GREETING_WORD",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct greeting, word),
     .value = "Hello",
     .min = 1,
     .max = 8,
     .help = "how it greets"},
    {.name = "GREETING_COUNT",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct greeting, count),
     .value = "2",
     .value_prod = "3",
     .min = 1,
     .max = 9,
     .unit = "times",
     .help = "how often it greets"},
    {.name = "GREETING_TOKENS",
     .kind = CONFIG_SECRETS,
     .offset = offsetof(struct greeting, tokens),
     .min = 16,
     .max = 32,
     .help = "who may greet"},
};

/* All that is loaded goes here. */
static struct config_set set;
static struct config loaded;
static struct greeting greeting;

struct fixture {
    char dir[32];
    char config_dir[64]; /* CONFIG_DIR=dir */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/toq-config-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->config_dir, sizeof(f->config_dir), "CONFIG_DIR=%s", f->dir);
    config_set_init(&set, &loaded);
    config_set_add(&set, greeting_options, ARRAY_COUNT(greeting_options), &greeting);
    *state = f;
    return 0;
}

static int delete_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    const int result = nftw(f->dir, delete_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return result;
}

static void write_file(const struct fixture *f, const char *name, struct str text)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static void write_env_file(const struct fixture *f, const char *text)
{
    write_file(f, "development.env", str_from(text));
}

static struct config load(const char *const *variables)
{
    char error[CONFIG_ERROR_BYTES] = "";
    if (!config_load_from(&set, variables, error)) {
        fail_msg("refused: %s", error);
    }
    return loaded;
}

/* assert_refused checks the whole line; "@" in `expected` stands for the fixture's folder. */
static void assert_refused(const struct fixture *f, const char *const *variables,
                           const char *expected)
{
    char error[CONFIG_ERROR_BYTES] = "";
    assert_false(config_load_from(&set, variables, error));
    char line[CONFIG_ERROR_BYTES] = "";
    size_t len = 0;
    for (const char *p = expected; *p != '\0'; p++) {
        const int n = *p == '@' ? snprintf(line + len, sizeof(line) - len, "%s", f->dir)
                                : snprintf(line + len, sizeof(line) - len, "%c", *p);
        len += (size_t)n;
    }
    assert_string_equal(error, line);
}

static void assert_file_refused(const struct fixture *f, const char *text, const char *expected)
{
    write_env_file(f, text);
    const char *variables[] = {f->config_dir, NULL};
    assert_refused(f, variables, expected);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "");
    write_file(f, "production.env", STR(""));
    const char *dev_variables[] = {f->config_dir, NULL};
    const struct config dev = load(dev_variables);
    assert_int_equal(dev.env, CONFIG_DEVELOPMENT);
    assert_string_equal(dev.http_host, "0.0.0.0");
    assert_int_equal(dev.http_port, 8080);
    assert_int_equal(dev.log_access_every, 1);
    assert_true(dev.enable_pprof);
    const char *prod_variables[] = {f->config_dir, "ENV=production", NULL};
    const struct config prod = load(prod_variables);
    assert_int_equal(prod.env, CONFIG_PRODUCTION);
    assert_int_equal(prod.log_access_every, 0);
    assert_false(prod.enable_pprof);
    assert_int_equal(prod.max_body_bytes, 1048576);
}

static void test_environment_over_file_over_default(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "HTTP_PORT=1111\nMETRICS_PORT=2222\n");
    const char *variables[] = {"HTTP_PORT=3333", f->config_dir, "HTTP_PORT=4444", NULL};
    const struct config config = load(variables);
    assert_int_equal(config.http_port, 3333); /* the first of two, as getenv has it */
    assert_int_equal(config.metrics_port, 2222);
    assert_int_equal(config.pprof_port, 6060);
}

static void test_empty_counts_as_unset(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "HTTP_PORT=1111\nMETRICS_PORT=\nPPROF_TOKEN=\"\"\nPPROF_TOKEN_FILE=");
    const char *variables[] = {"HTTP_PORT=", "ENV=", f->config_dir, NULL};
    const struct config config = load(variables);
    assert_int_equal(config.http_port, 1111);
    assert_int_equal(config.metrics_port, 9090);
    assert_string_equal(config.pprof_token, "");
}

static void test_environment_knows_other_things(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "");
    const char *variables[] = {"PATH=/bin", "HTTP_PROT=x", "odd", "", "=", f->config_dir, NULL};
    assert_int_equal(load(variables).http_port, 8080);
}

static void test_wrong_values(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "");
    const char *port[] = {f->config_dir, "HTTP_PORT=70000", NULL};
    assert_refused(f, port,
                   "HTTP_PORT: \"70000\" is not allowed: a port, 0 to 65535 (0 picks a free one)");
    const char *env[] = {"ENV=staging", NULL};
    assert_refused(f, env, "ENV: \"staging\" is not allowed: development or production");
    const char *host[] = {f->config_dir, "HTTP_HOST=example.org", NULL};
    assert_refused(f, host,
                   "HTTP_HOST: \"example.org\" is not allowed: an IPv4 or IPv6 address, or "
                   "localhost");
    const char *control[] = {f->config_dir, "LOG_LEVEL=a\n\033[2J", NULL};
    assert_refused(f, control, "LOG_LEVEL: \"a??[2J\" is not allowed: debug, info, warn or error");
}

static void test_a_long_value_leaves_room_for_what_is_allowed(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "");
    char variable[5000] = "LOG_LEVEL=";
    memset(variable + 10, 'x', sizeof(variable) - 11);
    const char *variables[] = {f->config_dir, variable, NULL};
    char error[CONFIG_ERROR_BYTES];
    assert_false(config_load_from(&set, variables, error));
    assert_non_null(strstr(error, "x\" is not allowed: debug, info, warn or error"));
}

static void test_file_errors_name_the_line(void **state)
{
    struct fixture *f = *state;
    assert_file_refused(f, "# x\nHTTP_PORT=x\n",
                        "@/development.env:2: HTTP_PORT: \"x\" is not allowed: a port, 0 to 65535 "
                        "(0 picks a free one)");
    assert_file_refused(
        f, "HTTP_PROT=1",
        "@/development.env:1: HTTP_PROT is not a variable; did you mean HTTP_PORT?");
    assert_file_refused(f, "COLOUR=1",
                        "@/development.env:1: COLOUR is not a variable; --help lists them");
    assert_file_refused(f, "HTTP_PORT=1\n\nHTTP_PORT=1",
                        "@/development.env:3: HTTP_PORT is set twice: first in line 1");
    assert_file_refused(f, "HTTP_PORT=\nexport HTTP_PORT=1",
                        "@/development.env:2: HTTP_PORT is set twice: first in line 1");
    assert_file_refused(f, "ENV=production",
                        "@/development.env:1: ENV is not allowed in an env file: it chooses the "
                        "file");
    assert_file_refused(f, "CONFIG_DIR=x",
                        "@/development.env:1: CONFIG_DIR is not allowed in an env file: it chooses "
                        "the file");
    assert_file_refused(f, "\nhello", "@/development.env:2: expected NAME=value");
}

static void test_a_file_may_say_whose_it_is(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "ENV=development\nHTTP_PORT=1\n");
    write_file(f, "production.env", STR("export ENV=\"production\"\nHTTP_PORT=2\n"));
    const char *dev_variables[] = {f->config_dir, NULL};
    assert_int_equal(load(dev_variables).http_port, 1);
    const char *prod_variables[] = {f->config_dir, "ENV=production", NULL};
    assert_int_equal(load(prod_variables).http_port, 2);
}

static void test_a_wrong_file_is_refused_even_if_overridden(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "HTTP_PORT=x");
    const char *variables[] = {f->config_dir, "HTTP_PORT=1", NULL};
    assert_refused(f, variables,
                   "@/development.env:1: HTTP_PORT: \"x\" is not allowed: a port, 0 to 65535 (0 "
                   "picks a free one)");
}

static void test_file_size(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(ENVFILE_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, '\n', ENVFILE_MAX_BYTES + 1);
    write_file(f, "development.env", (struct str){text, ENVFILE_MAX_BYTES});
    const char *variables[] = {f->config_dir, NULL};
    assert_int_equal(load(variables).http_port, 8080);
    write_file(f, "development.env", (struct str){text, ENVFILE_MAX_BYTES + 1});
    assert_refused(f, variables, "@/development.env: larger than 65536 bytes");
    free(text);
}

static void test_missing_file(void **state)
{
    struct fixture *f = *state;
    const char *variables[] = {f->config_dir, NULL};
    assert_refused(f, variables,
                   "CONFIG_DIR: \"@\" is not allowed: cannot read @/development.env: No such file "
                   "or directory");
    char *old = getcwd(NULL, 0);
    assert_non_null(old);
    assert_int_equal(chdir(f->dir), 0);
    const char *nothing[] = {NULL};
    assert_int_equal(load(nothing).http_port, 8080);
    assert_int_equal(chdir(old), 0);
    free(old);
}

static void test_unreadable_file(void **state)
{
    struct fixture *f = *state;
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/development.env", f->dir);
    assert_int_equal(mkdir(path, 0700), 0); /* a mode would not stop root */
    const char *variables[] = {f->config_dir, NULL};
    assert_refused(
        f, variables,
        "CONFIG_DIR: \"@\" is not allowed: cannot read @/development.env: Is a directory");
}

static void test_token_is_never_shown(void **state)
{
    struct fixture *f = *state;
    assert_file_refused(f, "PPROF_TOKEN=hunter2",
                        "@/development.env:1: PPROF_TOKEN: \"***\" is not allowed: 16 to 255 "
                        "printable ASCII characters without blanks");
    assert_file_refused(f, "PPROF_TOKEM=hunter2hunter2hunter2",
                        "@/development.env:1: PPROF_TOKEM is not a variable; did you mean "
                        "PPROF_TOKEN?");
    assert_file_refused(f, "PPROF_TOKEN=\"hunter2hunter2hunter2",
                        "@/development.env:1: the closing double quote is missing");
    write_env_file(f, "");
    const char *variables[] = {f->config_dir, "PPROF_TOKEN=hunter2", NULL};
    assert_refused(f, variables,
                   "PPROF_TOKEN: \"***\" is not allowed: 16 to 255 printable ASCII characters "
                   "without blanks");
}

static void test_token_from_a_file(void **state)
{
    struct fixture *f = *state;
    char variable[64];
    (void)snprintf(variable, sizeof(variable), "PPROF_TOKEN_FILE=%s/token", f->dir);
    const char *variables[] = {f->config_dir, variable, NULL};
    write_env_file(f, "PPROF_TOKEN=this-one-is-overridden");
    assert_refused(f, variables,
                   "PPROF_TOKEN_FILE: \"@/token\" is not allowed: cannot read it: No such file or "
                   "directory");
    const char *texts[] = {"0123456789abcdef", "0123456789abcdef\n", "0123456789abcdef\r\n"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        write_file(f, "token", str_from(texts[i]));
        assert_string_equal(load(variables).pprof_token, "0123456789abcdef");
    }
    const char *wrong = "PPROF_TOKEN_FILE: what \"@/token\" holds is not allowed: 16 to 255 "
                        "printable ASCII characters without blanks";
    write_file(f, "token", STR("0123456789abcdef\n\n"));
    assert_refused(f, variables, wrong);
    write_file(f, "token", STR(""));
    assert_refused(f, variables, wrong);
    char longer[CONFIG_TEXT_BYTES + 100];
    memset(longer, 'x', sizeof(longer));
    write_file(f, "token", (struct str){longer, sizeof(longer)});
    assert_refused(f, variables, wrong);
    write_file(f, "token", (struct str){longer, CONFIG_TEXT_BYTES - 1});
    assert_int_equal(strlen(load(variables).pprof_token), CONFIG_TEXT_BYTES - 1);
}

static void test_token_and_file_exclude_each_other(void **state)
{
    struct fixture *f = *state;
    const char *expected =
        "PPROF_TOKEN: \"***\" is not allowed: PPROF_TOKEN_FILE is set too; set one";
    assert_file_refused(f, "PPROF_TOKEN=0123456789abcdef\nPPROF_TOKEN_FILE=/nowhere", expected);
    write_env_file(f, "");
    const char *both[] = {f->config_dir, "PPROF_TOKEN_FILE=/nowhere",
                          "PPROF_TOKEN=0123456789abcdef", NULL};
    assert_refused(f, both, expected);
    /* across the two sources the environment wins */
    write_env_file(f, "PPROF_TOKEN_FILE=/nowhere");
    const char *one[] = {f->config_dir, "PPROF_TOKEN=0123456789abcdef", NULL};
    assert_string_equal(load(one).pprof_token, "0123456789abcdef");
}

static void test_rules_are_checked(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "PPROF_HOST=::");
    const char *variables[] = {f->config_dir, NULL};
    assert_refused(f, variables,
                   "PPROF_TOKEN: \"\" is not allowed: PPROF_HOST \"::\" is not a loopback address, "
                   "so set a token, or PPROF_HOST to 127.0.0.1 or ::1");
}

static char *print(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(&set, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_print_is_an_env_file(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "HTTP_PORT=1\nHTTP_HOST=::1\nLOG_LEVEL=warn\nENABLE_METRICS=false\n"
                      "MAX_BODY_BYTES=0");
    const char *variables[] = {f->config_dir, NULL};
    (void)load(variables);
    char *printed = print();
    assert_non_null(strstr(printed, "# ENV=development\n"));
    assert_non_null(strstr(printed, "\nHTTP_PORT=1\n"));
    write_env_file(f, printed);
    (void)load(variables);
    char *reprinted = print();
    assert_string_equal(printed, reprinted);
    free(printed);
    free(reprinted);
}

static void test_print_masks_secrets(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "PPROF_TOKEN=0123456789abcdef");
    const char *variables[] = {f->config_dir, NULL};
    (void)load(variables);
    char *printed = print();
    assert_non_null(strstr(printed, "\nPPROF_TOKEN=***\n"));
    assert_null(strstr(printed, "0123456789abcdef"));
    free(printed);
}

static void test_help_names_every_variable(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print_help(&set, out);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < set.count; i++) {
        char start[64];
        (void)snprintf(start, sizeof(start), "\n  %s=", set.entries[i].option->name);
        assert_non_null(strstr(text, start));
    }
    assert_non_null(strstr(text, "\n  LOG_LEVEL=debug (production: info)\n"));
    assert_non_null(strstr(text, "\n  PPROF_TOKEN_FILE="));
    free(text);
}

static void test_a_module_has_its_values_in_its_own_struct(void **state)
{
    struct fixture *f = *state;
    write_env_file(f, "GREETING_COUNT=7\nHTTP_PORT=1\n");
    write_file(f, "production.env", STR(""));
    const char *variables[] = {f->config_dir, "GREETING_TOKENS=0123456789abcdef", NULL};
    assert_int_equal(load(variables).http_port, 1);
    assert_string_equal(greeting.word, "Hello");
    assert_int_equal(greeting.count, 7);
    assert_string_equal(greeting.tokens, "0123456789abcdef");
    char *printed = print();
    assert_non_null(strstr(printed, "\nGREETING_WORD=Hello\nGREETING_COUNT=7\n"));
    assert_non_null(strstr(printed, "\nGREETING_TOKENS=***\n"));
    free(printed);
    const char *production[] = {f->config_dir, "ENV=production", NULL};
    (void)load(production);
    assert_int_equal(greeting.count, 3);
}

static void test_a_modules_values_are_refused_as_the_cores(void **state)
{
    struct fixture *f = *state;
    assert_file_refused(f, "GREETING_WROD=Hi",
                        "@/development.env:1: GREETING_WROD is not a variable; did you mean "
                        "GREETING_WORD?");
    assert_file_refused(
        f, "\nGREETING_COUNT=10",
        "@/development.env:2: GREETING_COUNT: \"10\" is not allowed: times, 1 to 9");
    write_env_file(f, "");
    const char *variables[] = {f->config_dir, "GREETING_WORD=Good_morning", NULL};
    assert_refused(f, variables,
                   "GREETING_WORD: \"Good_morning\" is not allowed: 1 to 8 printable ASCII "
                   "characters without blanks");
}

static void test_parse_file_opens_nothing(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_BYTES] = "";
    assert_true(config_parse_file(&set, "x.env", STR("PPROF_TOKEN_FILE=/nowhere\n"), error));
    assert_true(config_parse_file(&set, "x.env", STR(""), error));
    assert_false(config_parse_file(&set, "x.env", STR("A\0=b"), error));
    assert_string_equal(error, "x.env:1: a NUL byte is not allowed");
}

/* the two below go through the process's own environment, as main does */
static void clear_variables(void)
{
    for (size_t i = 0; i < set.count; i++) {
        assert_int_equal(unsetenv(set.entries[i].option->name), 0);
    }
    assert_int_equal(unsetenv("PPROF_TOKEN_FILE"), 0);
}

static void test_load_reads_the_process_environment(void **state)
{
    struct fixture *f = *state;
    clear_variables();
    write_env_file(f, "HTTP_PORT=1111");
    assert_int_equal(setenv("CONFIG_DIR", f->dir, 1), 0);
    assert_int_equal(setenv("METRICS_PORT", "2222", 1), 0);
    char error[CONFIG_ERROR_BYTES];
    assert_true(config_load(&set, error));
    assert_int_equal(loaded.http_port, 1111);
    assert_int_equal(loaded.metrics_port, 2222);
    assert_string_equal(loaded.config_dir, f->dir);
    clear_variables();
}

static void test_log_level_is_read_again(void **state)
{
    struct fixture *f = *state;
    clear_variables();
    write_env_file(f, "LOG_LEVEL=warn");
    assert_int_equal(setenv("CONFIG_DIR", f->dir, 1), 0);
    char error[CONFIG_ERROR_BYTES];
    assert_true(config_load(&set, error));
    int level = -1;
    write_env_file(f, "LOG_LEVEL=error\nPPROF_TOKEN_FILE=/gone");
    assert_true(config_read_log_level(&set, &level, error));
    assert_int_equal(level, 3);
    write_env_file(f, "LOG_LEVEL=loud");
    assert_false(config_read_log_level(&set, &level, error));
    assert_non_null(strstr(error, "LOG_LEVEL: \"loud\" is not allowed"));
    assert_int_equal(level, 3);
    write_env_file(f, "");
    assert_true(config_read_log_level(&set, &level, error));
    assert_int_equal(level, 0);
    assert_int_equal(setenv("LOG_LEVEL", "info", 1), 0);
    assert_true(config_read_log_level(&set, &level, error));
    assert_int_equal(level, 1);
    clear_variables();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* foreign_names joins the names of the variables of other programs that were seen. */
static void foreign_names(const struct config *config, char *out, size_t size)
{
    const struct config_foreign *foreign;
    out[0] = '\0';
    for (size_t i = 0; (foreign = config_foreign_at(i)) != NULL; i++) {
        if ((config->foreign & (UINT32_C(1) << i)) != 0) {
            const size_t len = strlen(out);
            (void)snprintf(out + len, size - len, "%s ", foreign->name);
        }
    }
}

static void test_variables_of_go_are_noted(void **state)
{
    struct fixture *f = *state;
    char names[256];
    write_env_file(f, "GOMAXPROCS=4\nGOGC=whatever\n");
    const char *variables[] = {f->config_dir, "GODEBUG=gctrace=1", "GOGC=", "GOPATH=/x", NULL};
    const struct config config = load(variables);
    foreign_names(&config, names, sizeof(names));
    assert_string_equal(names, "GOMAXPROCS GOGC GODEBUG ");
    assert_file_refused(f, "GOGX=4\n",
                        "@/development.env:1: GOGX is not a variable; --help lists them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_environment_over_file_over_default),
        TEST(test_empty_counts_as_unset),
        TEST(test_environment_knows_other_things),
        TEST(test_wrong_values),
        TEST(test_a_long_value_leaves_room_for_what_is_allowed),
        TEST(test_file_errors_name_the_line),
        TEST(test_a_file_may_say_whose_it_is),
        TEST(test_a_wrong_file_is_refused_even_if_overridden),
        TEST(test_file_size),
        TEST(test_missing_file),
        TEST(test_unreadable_file),
        TEST(test_token_is_never_shown),
        TEST(test_token_from_a_file),
        TEST(test_token_and_file_exclude_each_other),
        TEST(test_rules_are_checked),
        TEST(test_print_is_an_env_file),
        TEST(test_print_masks_secrets),
        TEST(test_help_names_every_variable),
        TEST(test_a_module_has_its_values_in_its_own_struct),
        TEST(test_a_modules_values_are_refused_as_the_cores),
        TEST(test_parse_file_opens_nothing),
        TEST(test_load_reads_the_process_environment),
        TEST(test_log_level_is_read_again),
        TEST(test_variables_of_go_are_noted),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
