/* SPDX-License-Identifier: MIT
 *
 * main.c - the command line: options, configuration, and the process's exit code.
 *
 * Failure: before the loop runs, one line on stderr and an exit code of sysexits.h: 64 usage, 69 a
 * port is taken, 71 the system refuses, 74 output that could not be written, 78 configuration.
 * Nothing has been served then.
 */
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/app/app.h"
#include "core/app/app_migrate.h"
#include "core/app/inherit.h"
#include "handlers/diagnostics/pprof/pprof.h"
#include "handlers/modules.h"

static void print_help(const struct config_set *set)
{
    (void)puts(
        "usage: toq_server [--check-config | --print-config | --migrate | --version | --help]\n"
        "   or: toq_server --symbolize FRAME...\n\n"
        "Serves until SIGINT or SIGTERM; a second one ends it at once. SIGHUP reads the\n"
        "log level again; SIGQUIT prints what it does to stderr. --migrate brings the schema in\n"
        "MySQL up to date and ends. --symbolize names frames of a crash report.\n\n"
        "It is configured by environment variables, over the file\n"
        "CONFIG_DIR/$ENV.env, over these defaults:\n");
    config_print_help(set, stdout);
}

/* end_output is the exit code of an option whose answer went to stdout. */
static int end_output(void)
{
    return ferror(stdout) == 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* run_option does what a command line option asks for.
 *
 * Returns: the exit code. */
static int run_option(const struct config *config, const struct config_set *set, const char *option)
{
    if (strcmp(option, "--migrate") == 0) {
        return app_migrate(config, modules_list());
    }
    if (strcmp(option, "--print-config") == 0) {
        config_print(set, stdout);
    } else {
        (void)puts("toq: the configuration is valid");
    }
    return end_output();
}

static bool is_option(const char *text)
{
    static const char *const options[] = {"--check-config", "--print-config", "--migrate",
                                          "--version", "--help"};
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        if (strcmp(text, options[i]) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    /* big, and alive as long as the process */
    static struct config config;
    static struct config_set set;
    static struct app_modules modules;
    struct inherited inherited;
    inherit_settle(&inherited);
    const char *option = argc > 1 ? argv[1] : "";
    if (strcmp(option, "--symbolize") == 0) {
        const int code = pprof_symbolize(argv + 2);
        return code == EX_OK ? end_output() : code;
    }
    if (argc > 2 || (argc == 2 && !is_option(option))) {
        (void)fprintf(stderr, "toq: unknown option \"%s\"; --help lists them\n", argv[argc - 1]);
        return EX_USAGE;
    }
    if (strcmp(option, "--version") == 0) {
        (void)puts("toq " TOQ_VERSION);
        return end_output();
    }
    if (app_modules_create(&modules, modules_list()) < 0) {
        (void)fputs("toq: out of memory\n", stderr);
        return EX_OSERR;
    }
    config_set_init(&set, &config);
    app_modules_add_options(&modules, &set);
    if (strcmp(option, "--help") == 0) {
        print_help(&set);
        return end_output();
    }
    char error[CONFIG_ERROR_BYTES];
    if (!config_load(&set, error)) {
        (void)fprintf(stderr, "toq: %s\n", error);
        return EX_CONFIG;
    }
    if (argc > 1) {
        return run_option(&config, &set, option);
    }
    /* A build without the profiler serves all else, and says at start that it has none. */
    config.enable_pprof = config.enable_pprof && pprof_is_built();
    const struct app_options options = {
        .config = &config,
        .inherited = &inherited,
        .program = argv[0],
        .version = TOQ_VERSION,
        .set = &set,
        .modules = &modules,
    };
    bool is_clean;
    const int code = app_serve(&options, &is_clean);
    if (!is_clean) {
        _exit(code);
    }
    return code;
}
