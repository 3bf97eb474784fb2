/* SPDX-License-Identifier: MIT
 *
 * test_log.c - the log as the server uses it: levels, threads, and descriptors that do not take
 * its lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/telemetry/log.h"

#define LONG_TIME_MS 60000 /* never waited for in a test that passes */
#define THREADS      4
#define THREAD_LINES 2000
#define BURST_LINES  1000
#define SMALL_QUEUE  4096

static void start(int fd, size_t queue_bytes)
{
    const struct log_options options = {
        .fd = fd, .level = LOG_INFO, .format = LOG_TEXT, .queue_bytes = queue_bytes};
    assert_int_equal(log_start(&options), 0);
}

/* fill_pipe makes a pipe that takes no more bytes; its write end blocks if `is_blocking`. */
static size_t fill_pipe(int ends[2], bool is_blocking)
{
    static const char filler[4096];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    size_t len = 0;
    for (size_t chunk = sizeof(filler); chunk > 0;) {
        const ssize_t n = write(ends[1], filler, chunk);
        if (n > 0) {
            len += (size_t)n;
        } else {
            chunk /= 2; /* to the last byte */
        }
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, is_blocking ? 0 : O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, 0), 0);
    return len;
}

static void read_exactly(int fd, size_t len)
{
    char data[4096];
    while (len > 0) {
        const ssize_t n = read(fd, data, len < sizeof(data) ? len : sizeof(data));
        assert_true(n > 0);
        len -= (size_t)n;
    }
}

/* read_line reads up to the next newline, byte by byte; false at the end. */
static bool read_line(int fd, char *out, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && read(fd, out + len, 1) == 1) {
        if (out[len] == '\n') {
            out[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

static void test_before_the_start_lines_go_to_stderr(void **state)
{
    (void)state;
    int ends[2];
    char line[256];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const int saved = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    LOG(LOG_WARN, "config", "early", log_u64("n", 1));
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_non_null(strstr(line, "Z WARN  config: early n=1"));
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_what_is_queued_is_written_at_the_stop(void **state)
{
    (void)state;
    int ends[2];
    char line[256];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct log_stats before = log_get_stats();
    start(ends[1], 0);
    LOG(LOG_INFO, "http", "listening", log_cstr("address", "127.0.0.1:8080"));
    LOG(LOG_ERROR, "http", "bare");
    log_stop(LONG_TIME_MS);
    (void)close(ends[1]);
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_non_null(strstr(line, "Z INFO  http: listening address=127.0.0.1:8080"));
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_non_null(strstr(line, "Z ERROR http: bare"));
    assert_false(read_line(ends[0], line, sizeof(line)));
    assert_int_equal(log_get_stats().written_lines - before.written_lines, 2);
    assert_int_equal(log_get_stats().dropped_lines - before.dropped_lines, 0);
    (void)close(ends[0]);
}

static pthread_t traced_thread;

static void format_peer(const void *owner, char *out)
{
    (void)snprintf(out, LOG_PEER_BYTES, "%s", (const char *)owner);
}

static bool get_context(struct log_context *ret_context)
{
    static const struct trace_context trace = {.trace_id = {1}, .span_id = {2}};
    *ret_context = (struct log_context){.trace = &trace,
                                        .route = "/a/:b",
                                        .task = 7,
                                        .format_peer = format_peer,
                                        .owner = "127.0.0.1:5"};
    return pthread_equal(pthread_self(), traced_thread) != 0;
}

static void *log_elsewhere(void *arg)
{
    LOG(LOG_INFO, "test", "elsewhere");
    return arg;
}

static void test_lines_say_what_their_thread_works_for(void **state)
{
    (void)state;
    int ends[2];
    char line[256];
    pthread_t thread;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start(ends[1], 0);
    traced_thread = pthread_self();
    log_set_context(get_context);
    LOG(LOG_INFO, "test", "here");
    assert_int_equal(pthread_create(&thread, NULL, log_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    log_set_context(NULL);
    log_stop(LONG_TIME_MS);
    (void)close(ends[1]);
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_non_null(strstr(
        line,
        ": here route=/a/:b task=7 peer=127.0.0.1:5 trace_id=01000000000000000000000000000000 "
        "span_id=0200000000000000"));
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_null(strstr(line, "trace_id"));
    (void)close(ends[0]);
}

static int evaluations;

static struct log_field costly_field(void)
{
    evaluations++;
    return log_u64("n", 1);
}

static void test_the_level_changes_from_the_next_event_on(void **state)
{
    (void)state;
    const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct log_stats before = log_get_stats();
    start(fd, 0);
    assert_false(log_is_on(LOG_DEBUG));
    assert_true(log_is_on(LOG_INFO));
    LOG(LOG_DEBUG, "test", "too low", costly_field());
    log_event(LOG_DEBUG, "test", "too low", NULL, 0);
    assert_int_equal(evaluations, 0);
    log_set_level(LOG_DEBUG);
    LOG(LOG_DEBUG, "test", "now", costly_field());
    assert_int_equal(evaluations, 1);
    log_set_level(LOG_ERROR);
    LOG(LOG_WARN, "test", "too low again", costly_field());
    assert_int_equal(evaluations, 1);
    log_stop(LONG_TIME_MS);
    assert_int_equal(log_get_stats().written_lines - before.written_lines, 1);
    (void)close(fd);
}

static void *log_many(void *arg)
{
    for (uint64_t i = 0; i < THREAD_LINES; i++) {
        LOG(LOG_INFO, "test", "line", log_u64("thread", (uintptr_t)arg), log_u64("n", i));
    }
    return NULL;
}

static void test_lines_of_many_threads_stay_whole_and_in_order(void **state)
{
    (void)state;
    const int fd = memfd_create("log", MFD_CLOEXEC);
    pthread_t threads[THREADS];
    start(fd, (size_t)1 << 22);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    log_stop(LONG_TIME_MS);
    uint64_t next[THREADS] = {0};
    char line[256];
    FILE *file = fdopen(fd, "r");
    assert_non_null(file);
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t thread;
        uint64_t n;
        assert_int_equal(
            sscanf(line, "%*s INFO test: line thread=%" SCNu64 " n=%" SCNu64 "\n", &thread, &n), 2);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(n, next[thread]++);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(next[i], THREAD_LINES);
    }
    (void)fclose(file);
}

/* burst logs more than queue and batch can hold. */
static void burst(void)
{
    for (uint64_t i = 0; i < BURST_LINES; i++) {
        LOG(LOG_INFO, "test", "burst", log_u64("n", i));
    }
}

static void test_a_full_pipe_drops_counts_and_tells(void **state)
{
    for (int is_blocking = 0; is_blocking <= 1; is_blocking++) {
        (void)state;
        int ends[2];
        const size_t filler_len = fill_pipe(ends, is_blocking);
        const struct log_stats before = log_get_stats();
        start(ends[1], SMALL_QUEUE);
        burst();
        read_exactly(ends[0], filler_len); /* now there is room for all that is queued */
        log_stop(LONG_TIME_MS);
        (void)close(ends[1]);
        const uint64_t written = log_get_stats().written_lines - before.written_lines;
        const uint64_t dropped = log_get_stats().dropped_lines - before.dropped_lines;
        assert_true(dropped > 0);
        assert_int_equal(written + dropped, BURST_LINES);
        uint64_t lines = 0;
        uint64_t told = 0;
        char line[256];
        while (read_line(ends[0], line, sizeof(line))) {
            uint64_t count = 0;
            if (sscanf(line, "%*s WARN log: log lines dropped count=%" SCNu64, &count) == 1) {
                told += count;
            } else {
                assert_non_null(strstr(line, "Z INFO  test: burst n="));
                lines++;
            }
        }
        assert_int_equal(lines, written);
        assert_int_equal(told, dropped);
        (void)close(ends[0]);
    }
}

/* assert_all_dropped logs three lines to a descriptor that fails, and still stops in time. */
static void assert_all_dropped(int fd)
{
    const struct log_stats before = log_get_stats();
    start(fd, 0);
    for (int i = 0; i < 3; i++) {
        LOG(LOG_INFO, "test", "lost");
    }
    log_stop(LONG_TIME_MS);
    assert_int_equal(log_get_stats().written_lines - before.written_lines, 0);
    assert_int_equal(log_get_stats().dropped_lines - before.dropped_lines, 3);
    (void)close(fd);
}

static void test_a_lost_reader_drops(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    assert_all_dropped(ends[1]);
}

static void test_a_full_disk_drops(void **state)
{
    (void)state;
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_all_dropped(fd);
}

/* read_writer_signals finds the thread named toq-log and reads the mask of its blocked signals. */
static bool read_writer_signals(uint64_t *ret_blocked)
{
    bool is_found = false;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[300];
        char line[256];
        bool is_writer = false;
        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            is_writer = is_writer || strcmp(line, "Name:\ttoq-log\n") == 0;
            if (is_writer && sscanf(line, "SigBlk: %" SCNx64, ret_blocked) == 1) {
                is_found = true;
            }
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(dir);
    return is_found;
}

static void test_the_writer_is_named_and_takes_only_the_profilers_signal(void **state)
{
    (void)state;
    int ends[2];
    char line[256];
    uint64_t blocked = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start(ends[1], 0);
    LOG(LOG_INFO, "test", "the writer runs when this is read");
    assert_true(read_line(ends[0], line, sizeof(line)));
    assert_true(read_writer_signals(&blocked));
    assert_true((blocked & UINT64_C(1) << (SIGTERM - 1)) != 0);
    assert_true((blocked & UINT64_C(1) << (SIGHUP - 1)) != 0);
    assert_true((blocked & UINT64_C(1) << (SIGPROF - 1)) == 0);
    log_stop(LONG_TIME_MS);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_a_stuck_reader_does_not_hold_up_the_stop(void **state)
{
    (void)state;
    int ends[2];
    (void)fill_pipe(ends, true);
    const struct log_stats before = log_get_stats();
    start(ends[1], SMALL_QUEUE);
    burst();
    log_stop(1);
    const struct log_stats after = log_get_stats();
    assert_int_equal(after.written_lines, before.written_lines);
    assert_true(after.dropped_lines > before.dropped_lines);
    LOG(LOG_INFO, "test", "after the stop");
    assert_int_equal(log_get_stats().dropped_lines, after.dropped_lines + 1);
    log_stop(1);
    (void)close(ends[0]); /* sets the writer free, which frees its memory */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_start_lines_go_to_stderr), /* must be the first */
        cmocka_unit_test(test_what_is_queued_is_written_at_the_stop),
        cmocka_unit_test(test_lines_say_what_their_thread_works_for),
        cmocka_unit_test(test_the_level_changes_from_the_next_event_on),
        cmocka_unit_test(test_lines_of_many_threads_stay_whole_and_in_order),
        cmocka_unit_test(test_a_full_pipe_drops_counts_and_tells),
        cmocka_unit_test(test_a_lost_reader_drops),
        cmocka_unit_test(test_a_full_disk_drops),
        cmocka_unit_test(test_the_writer_is_named_and_takes_only_the_profilers_signal),
        cmocka_unit_test(
            test_a_stuck_reader_does_not_hold_up_the_stop), /* leaves a thread behind */
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
