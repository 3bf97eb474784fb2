/* SPDX-License-Identifier: MIT
 *
 * test_heap.c - known amounts of memory, allocated, kept and freed: the profile of this process
 * finds them, under the function that called malloc and the label of the task it worked for.
 *
 * A sanitizer has its own malloc; there the profile says that it cannot be had, and nothing else of
 * this can be tested.
 *
 * Tests: profiling/heap/heap_ctl.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/symbol.h"
#include "profiling/heap/heap.h"
#include "profiling/heap/heap_ctl.h"
#include "profiling/profiler.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

#define TEST_TIMEOUT_NS (60 * NS_PER_S)

#define MIB         (1024 * 1024)
#define BLOCKS_MAX  4096
#define BIG_BYTES   ((size_t)8 * MIB) /* missed once in ten million */
#define BIG_COUNT   8
#define SMALL_BYTES ((size_t)16 * 1024) /* sampled with 0.0308 */
#define SMALL_COUNT 4096
#define PATH_DEPTH  10
#define PATH_COUNT  1024 /* four times as many as the profiler may have */

enum { ALLOC_OBJECTS, ALLOC_BYTES, IN_USE_OBJECTS, IN_USE_BYTES };

static struct loop *loop;
static void *volatile blocks[BLOCKS_MAX];

struct look {
    struct source_take take;
    int calls;
    int status;
};

static void on_taken(struct source_take *take, int status)
{
    struct look *look = CONTAINER_OF(take, struct look, take);
    look->calls++;
    look->status = status;
}

static struct look look_at(const struct source *source, bool is_raw)
{
    static struct look look;
    look = (struct look){.take = {.done = on_taken, .is_raw = is_raw, .is_purging = true}};
    assert_int_equal(source->take(loop, pool_rig_get(), &look.take), 0);
    assert_int_equal(look.calls, 0);
    while (look.calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(look.calls, 1);
    return look;
}

/* The sum of all samples whose innermost frame is in `function`; with ret_sample, of the only
 * one. */
static int64_t sum_of(const struct stacks *stacks, const char *function, size_t value,
                      struct stacks_sample *ret_sample)
{
    int64_t sum = 0;
    for (size_t i = 0; i < stacks->sample_count; i++) {
        uint64_t frame;
        struct symbol_result symbol;
        assert_int_equal(stacks_read(stacks, stacks->samples[i].leaf, &frame, 1), 1);
        symbol_lookup(frame, &symbol);
        if (strcmp(symbol.frames[0].function, function) == 0) {
            sum += stacks->samples[i].values[value];
            if (ret_sample != NULL) {
                *ret_sample = stacks->samples[i];
            }
        }
    }
    return sum;
}

static __attribute__((noinline)) void keep_blocks(size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(bytes);
        assert_non_null(blocks[i]);
    }
}

static __attribute__((noinline)) void free_blocks(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

static __attribute__((noinline)) void churn_zeroed(size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        blocks[0] = calloc(1, bytes);
        free(blocks[0]);
    }
}

static __attribute__((noinline)) void grow_block(size_t count, size_t bytes)
{
    void *block = NULL;
    for (size_t i = 1; i <= count; i++) {
        void *larger = realloc(block, i * bytes);
        assert_non_null(larger);
        blocks[0] = block = larger;
    }
    free(block);
}

static __attribute__((noinline)) void align_blocks(size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        void *block = NULL;
        assert_int_equal(posix_memalign(&block, 4096, bytes), 0);
        blocks[0] = block;
        free(block);
    }
}

/* churn_along allocates below one of 2^depth stacks. */
static __attribute__((noinline)) void churn_along(size_t path, size_t depth)
{
    if (depth == 0) {
        blocks[0] = malloc(BIG_BYTES);
        free(blocks[0]);
    } else if (path % 2 == 0) {
        churn_along(path / 2, depth - 1);
        blocks[1] = NULL; /* no tail call, and not the same code as below */
    } else {
        churn_along(path / 2, depth - 1);
        blocks[2] = NULL;
    }
}

static int start(void **state)
{
    (void)state;
    assert_int_equal(loop_create(&loop), 0);
    assert_false(heap_ctl_bool("prof.active")); /* without the profiler nothing is sampled */
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    while (heap_ctl_exists() && !heap_ctl_bool("prof.active")) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    profiler_stop();
    assert_false(heap_ctl_bool("prof.active"));
    (void)uv_run(loop_uv(loop), UV_RUN_DEFAULT);
    loop_destroy(loop);
    return 0;
}

/* is_near: within `permille` of what was expected. */
static bool is_near(int64_t value, int64_t wanted, int64_t permille)
{
    const int64_t error = value > wanted ? value - wanted : wanted - value;
    return error <= wanted / 1000 * permille;
}

static void test_a_build_without_jemalloc_says_so(void **state)
{
    (void)state;
    assert_string_equal(source_heap.check(),
                        "heap profiles need jemalloc, and this build has its sanitizer's malloc");
    assert_ptr_equal(source_allocs.check(), source_heap.check());
}

static void test_what_is_kept_is_in_use_until_it_is_freed(void **state)
{
    (void)state;
    assert_null(source_heap.check());
    const uint32_t label = label_intern(STR("/kept"), "GET");
    const uint32_t previous = task_swap_label(label);
    keep_blocks(BIG_COUNT, BIG_BYTES);
    (void)task_swap_label(previous);
    struct look look = look_at(&source_heap, false);
    assert_int_equal(look.status, 0);
    struct stacks_sample sample;
    const int64_t bytes = BIG_COUNT * BIG_BYTES;
    assert_true(is_near(sum_of(&look.take.stacks, "test_heap.keep_blocks", IN_USE_BYTES, &sample),
                        bytes, 10));
    assert_true(is_near(sample.values[ALLOC_BYTES], bytes, 10));
    assert_int_equal(sample.values[IN_USE_OBJECTS], sample.values[ALLOC_OBJECTS]);
    assert_in_range(sample.values[ALLOC_OBJECTS], BIG_COUNT - 1, BIG_COUNT);
    assert_int_equal(sample.labels.label, label);
    assert_in_range(sample.labels.size_bytes, BIG_BYTES, BIG_BYTES + 65536);
    stacks_deinit(&look.take.stacks);

    free_blocks(BIG_COUNT);
    look = look_at(&source_allocs, false);
    assert_int_equal(sum_of(&look.take.stacks, "test_heap.keep_blocks", IN_USE_BYTES, NULL), 0);
    assert_int_equal(sum_of(&look.take.stacks, "test_heap.keep_blocks", ALLOC_BYTES, NULL),
                     sample.values[ALLOC_BYTES]);
    stacks_deinit(&look.take.stacks);
}

/* The estimate's standard deviation is sqrt(n (1 - p) / p) of n blocks that are each sampled with
 * p: 355 blocks. Six of them are 52 %. */
static void test_small_blocks_are_estimated(void **state)
{
    (void)state;
    churn_zeroed(SMALL_COUNT, SMALL_BYTES);
    struct look look = look_at(&source_allocs, false);
    struct stacks_sample sample;
    const int64_t bytes = SMALL_COUNT * SMALL_BYTES;
    assert_true(is_near(sum_of(&look.take.stacks, "test_heap.churn_zeroed", ALLOC_BYTES, &sample),
                        bytes, 520));
    assert_true(is_near(sample.values[ALLOC_OBJECTS], SMALL_COUNT, 520));
    assert_int_equal(sample.values[IN_USE_BYTES], 0);
    assert_true(is_near(sample.labels.size_bytes, SMALL_BYTES, 1));
    assert_int_equal(sample.labels.label, LABEL_NONE);
    stacks_deinit(&look.take.stacks);
}

static void test_raw_values_are_what_was_sampled(void **state)
{
    (void)state;
    churn_zeroed(SMALL_COUNT, SMALL_BYTES);
    struct look look = look_at(&source_heap, true);
    const int64_t raw = sum_of(&look.take.stacks, "test_heap.churn_zeroed", ALLOC_OBJECTS, NULL);
    assert_true(is_near(sum_of(&look.take.stacks, "test_heap.churn_zeroed", ALLOC_BYTES, NULL),
                        raw * (int64_t)SMALL_BYTES, 1));
    stacks_deinit(&look.take.stacks);
    look = look_at(&source_heap, false);
    /* 1 / (1 - e^(-1/32)) = 32.503 */
    assert_true(is_near(sum_of(&look.take.stacks, "test_heap.churn_zeroed", ALLOC_OBJECTS, NULL),
                        raw * 32503 / 1000, 1));
    stacks_deinit(&look.take.stacks);
}

/* A scraper knows a sample by its labels: this one's average has changed, its label must not. */
static void test_the_size_of_a_stack_never_changes(void **state)
{
    (void)state;
    struct stacks_sample samples[2];
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
        grow_block(4 + 4 * i, BIG_BYTES);
        struct look look = look_at(&source_heap, false);
        assert_true(sum_of(&look.take.stacks, "test_heap.grow_block", ALLOC_BYTES, &samples[i]) >
                    0);
        stacks_deinit(&look.take.stacks);
    }
    const int64_t objects = samples[1].values[ALLOC_OBJECTS] - samples[0].values[ALLOC_OBJECTS];
    const int64_t bytes = samples[1].values[ALLOC_BYTES] - samples[0].values[ALLOC_BYTES];
    assert_true(objects > 0 && bytes / objects > samples[0].labels.size_bytes);
    assert_int_equal(samples[1].labels.size_bytes, samples[0].labels.size_bytes);
}

static void *align_on_thread(void *arg)
{
    (void)arg;
    (void)task_swap_label(label_intern(STR("/aligned"), "GET"));
    align_blocks(BIG_COUNT, BIG_BYTES);
    return NULL;
}

static void test_other_threads_count_and_their_stacks_are_whole(void **state)
{
    (void)state;
    const struct heap_stats before = heap_get_stats();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, align_on_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    struct look look = look_at(&source_heap, false);
    struct stacks_sample sample;
    assert_true(is_near(sum_of(&look.take.stacks, "test_heap.align_blocks", ALLOC_BYTES, &sample),
                        BIG_COUNT * BIG_BYTES, 10));
    assert_string_equal(label_get(sample.labels.label).route, "/aligned");
    uint64_t frames[STACKS_FRAMES_MAX];
    struct symbol_result symbol;
    assert_true(stacks_read(&look.take.stacks, sample.leaf, frames, STACKS_FRAMES_MAX) >= 3);
    symbol_lookup(frames[1], &symbol);
    assert_string_equal(symbol.frames[0].function, "test_heap.align_on_thread");
    stacks_deinit(&look.take.stacks);
    const struct heap_stats after = heap_get_stats();
    assert_true(after.samples >= before.samples + BIG_COUNT - 1);
    assert_int_equal(after.failures, before.failures);
    assert_int_equal(after.truncated, before.truncated);
    assert_int_equal(after.dumps, before.dumps + 1);
    assert_true(after.hook_ns > before.hook_ns && after.dump_ns > before.dump_ns);
}

/* Those of others are all kept. */
static void test_the_profilers_own_stacks_are_few(void **state)
{
    (void)state;
    const struct heap_stats before = heap_get_stats();
    const uint64_t none = source_heap.count();
    for (size_t i = 0; i < PATH_COUNT; i++) {
        churn_along(i, PATH_DEPTH);
    }
    const uint64_t others = source_heap.count();
    assert_in_range(others - none, PATH_COUNT * 9 / 10, PATH_COUNT);
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    for (size_t i = 0; i < PATH_COUNT; i++) {
        churn_along(i, PATH_DEPTH);
    }
    (void)task_swap_label(label);
    assert_in_range(source_heap.count() - others, 1, PATH_COUNT / 2);
    struct look look = look_at(&source_allocs, false);
    const int64_t named = sum_of(&look.take.stacks, "test_heap.churn_along", ALLOC_BYTES, NULL);
    const int64_t unnamed = sum_of(&look.take.stacks, "[profiler]", ALLOC_BYTES, NULL);
    assert_true(unnamed > PATH_COUNT / 4 * (int64_t)BIG_BYTES);
    assert_true(is_near(named + unnamed, 2 * PATH_COUNT * (int64_t)BIG_BYTES, 10));
    stacks_deinit(&look.take.stacks);
    assert_int_equal(heap_get_stats().failures, before.failures);
}

static void test_a_dump_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct look look = look_at(&source_heap, false);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(look.status, UV_EMFILE);
    assert_int_equal(look.take.stacks.sample_count, 0);
    stacks_deinit(&look.take.stacks);
}

static void test_the_sources_describe_themselves_as_go_does(void **state)
{
    (void)state;
    struct profile_spec heap = {.type_count = 0};
    struct profile_spec allocs = {.type_count = 0};
    source_heap.describe(&heap);
    source_allocs.describe(&allocs);
    assert_int_equal(heap.type_count, 4);
    assert_string_equal(heap.types[0].type, "alloc_objects");
    assert_string_equal(heap.types[3].type, "inuse_space");
    assert_int_equal(heap.period, 524288);
    assert_null(heap.default_type);
    assert_string_equal(allocs.default_type, "alloc_space");
    assert_true(source_heap.count() > 0);
}

static void test_facts_are_in_gos_order(void **state)
{
    (void)state;
    static const char *const names[] = {"# Alloc = ",     "# TotalAlloc = ",
                                        "# Sys = ",       "# Mallocs = ",
                                        "# HeapInuse = ", "# Stack = 0 / 0",
                                        "# OtherSys = ",  "# NumForcedGC = ",
                                        "# MaxRSS = ",    "# jemalloc.stats.retained = "};
    struct buf facts;
    buf_init(&facts, 65536);
    source_heap.append_facts(&facts);
    buf_append_char(&facts, '\0');
    const char *at = facts.data;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        at = strstr(at, names[i]);
        assert_non_null(at);
    }
    uint64_t alloc;
    assert_int_equal(sscanf(facts.data, "# runtime.MemStats\n# Alloc = %lu", &alloc), 1);
    assert_true(alloc > 0);
    buf_deinit(&facts);
}

/* fact is one of the numbers at the end of the text, as they are after a look. */
static int64_t fact(const char *name)
{
    char line[64];
    int64_t value;
    struct buf facts;
    buf_init(&facts, 65536);
    struct look look = look_at(&source_heap, true);
    stacks_deinit(&look.take.stacks);
    source_heap.append_facts(&facts);
    buf_append_char(&facts, '\0');
    (void)snprintf(line, sizeof(line), "\n# %s = ", name);
    const char *at = strstr(facts.data, line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(line), "%ld", &value), 1);
    buf_deinit(&facts);
    return value;
}

/* The looks themselves allocate some hundred times; what was sampled takes 16 KiB of its own. */
static void test_facts_count_requests(void **state)
{
    (void)state;
    const int64_t count = 1000000;
    const int64_t few = 10000;
    const int64_t mallocs = fact("Mallocs");
    const int64_t frees = fact("Frees");
    const int64_t total = fact("TotalAlloc");
    churn_zeroed((size_t)count, 64);
    assert_in_range(fact("Mallocs") - mallocs, count, count + few);
    assert_in_range(fact("Frees") - frees, count - few, count + few);
    assert_in_range(fact("TotalAlloc") - total, count * 64, count * 64 + 16 * MIB);
    const int64_t objects = fact("HeapObjects");
    keep_blocks(BLOCKS_MAX, 4096);
    assert_in_range(fact("HeapObjects") - objects, BLOCKS_MAX - 1000, BLOCKS_MAX + 1000);
    free_blocks(BLOCKS_MAX);
    assert_in_range(fact("Frees") - frees, count + BLOCKS_MAX - few, count + BLOCKS_MAX + few);
}

/* count_free_pages counts what jemalloc has in store for an arena. */
static size_t count_free_pages(unsigned arena)
{
    const uint64_t epoch = 1;
    char name[64];
    (void)snprintf(name, sizeof(name), "stats.arenas.%u.pdirty", arena);
    assert_true(heap_ctl_write("epoch", &epoch, sizeof(epoch)));
    return heap_ctl_size(name);
}

/* Without a thread that does it they would stay until somebody allocates. */
static void test_free_pages_are_given_back_while_nobody_allocates(void **state)
{
    (void)state;
    unsigned arena;
    unsigned own;
    assert_true(heap_ctl_read("arenas.create", &arena, sizeof(arena)));
    assert_true(heap_ctl_read("thread.arena", &own, sizeof(own)));
    assert_true(heap_ctl_write("thread.arena", &arena, sizeof(arena)));
    keep_blocks(64, MIB);
    free_blocks(64);
    const size_t most = count_free_pages(arena);
    assert_true(most > 0);
    const uint64_t end_ns =
        clock_now_ns() + TEST_TIMEOUT_NS; /* jemalloc does it over ten seconds */
    while (count_free_pages(arena) > most / 2) {
        assert_true(clock_now_ns() < end_ns);
        (void)poll(NULL, 0, 10);
    }
    assert_true(heap_ctl_write("thread.arena", &own, sizeof(own)));
}

static void test_no_stack_is_taken_after_the_stop(void **state)
{
    assert_int_equal(stop(state), 0);
    const struct heap_stats before = heap_get_stats();
    churn_zeroed(BIG_COUNT, BIG_BYTES);
    assert_int_equal(heap_get_stats().samples, before.samples);
    assert_int_equal(start(state), 0);
    churn_zeroed(BIG_COUNT, BIG_BYTES);
    assert_true(heap_get_stats().samples > before.samples);
}

int main(void)
{
    const struct CMUnitTest sanitized[] = {
        cmocka_unit_test(test_a_build_without_jemalloc_says_so),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept_is_in_use_until_it_is_freed),
        cmocka_unit_test(test_small_blocks_are_estimated),
        cmocka_unit_test(test_raw_values_are_what_was_sampled),
        cmocka_unit_test(test_the_size_of_a_stack_never_changes),
        cmocka_unit_test(test_other_threads_count_and_their_stacks_are_whole),
        cmocka_unit_test(test_a_dump_that_cannot_be_made_is_an_error),
        cmocka_unit_test(test_the_sources_describe_themselves_as_go_does),
        cmocka_unit_test(test_facts_are_in_gos_order),
        cmocka_unit_test(test_facts_count_requests),
        cmocka_unit_test(test_free_pages_are_given_back_while_nobody_allocates),
        cmocka_unit_test(test_the_profilers_own_stacks_are_few),
        cmocka_unit_test(test_no_stack_is_taken_after_the_stop),
    };
    return heap_ctl_exists() ? cmocka_run_group_tests(tests, start, stop)
                             : cmocka_run_group_tests(sanitized, start, stop);
}
