/* SPDX-License-Identifier: MIT
 *
 * goroutine_threads.c - lists /proc/self/task, with an id and the stack of each thread.
 */
#include "profiling/task/goroutine_threads.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/lookup.h"
#include "core/base/str.h"
#include "core/task/task.h"
#include "profiling/cpu/thread_facts.h"
#include "profiling/cpu/thread_stack.h"

#define STAT_BYTES  1024
#define WAIT_MS     100 /* for the answer of one thread */
#define WAIT_MS_MAX 500 /* for all threads that do not answer, together */

/* Fields of /proc/.../stat behind the name, counted from 0; man 5 proc. */
#define FIELD_STATE   0
#define FIELD_START   19
#define FIELD_BLOCKED 29
#define FIELD_COUNT   30

/* An id and whose it is: a thread id may be used again, the time of its start tells. */
struct known {
    pid_t tid;
    uint64_t start_ticks;
    uint64_t id;
    bool is_seen;
};

static struct {
    pthread_mutex_t lock;
    struct known *items;
    size_t count;
    size_t cap;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- what the kernel says of a thread --- */

struct stat_line {
    struct str name;
    struct str fields[FIELD_COUNT];
};

static bool parse_stat(struct str text, struct stat_line *ret_line)
{
    const char *open = memchr(text.ptr, '(', text.len);
    const char *close = memrchr(text.ptr, ')', text.len);
    if (open == NULL || close == NULL || close < open) {
        return false;
    }
    const size_t before = (size_t)(close - text.ptr) + 2; /* ") " */
    if (before >= text.len) {
        return false;
    }
    struct str rest = {text.ptr + before, text.len - before};
    ret_line->name = (struct str){open + 1, (size_t)(close - open) - 1};
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!str_next_field(&rest, ' ', &ret_line->fields[i])) {
            return false;
        }
    }
    return true;
}

static bool read_stat(pid_t tid, char *out, struct stat_line *ret_line)
{
    return thread_facts_read(tid, "stat", out, STAT_BYTES) && parse_stat(str_from(out), ret_line);
}

static uint64_t read_number(struct str field)
{
    uint64_t value = 0;
    return str_parse_u64(field, UINT64_MAX, &value) ? value : 0;
}

/* --- ids --- */

static void forget_unseen(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < known.count; i++) {
        if (known.items[i].is_seen) {
            known.items[kept++] = known.items[i];
        }
    }
    known.count = kept;
}

/* id_of gives a thread that is new an id; the table holds no more threads than are listed. */
static bool id_of(pid_t tid, uint64_t start_ticks, uint64_t *ret_id)
{
    for (size_t i = 0; i < known.count; i++) {
        struct known *one = &known.items[i];
        if (one->tid == tid && one->start_ticks == start_ticks) {
            one->is_seen = true;
            *ret_id = one->id;
            return true;
        }
    }
    if (!array_grow(&known.items, known.count, &known.cap, sizeof(*known.items),
                    (size_t)2 * GOROUTINE_THREADS_MAX)) {
        return false;
    }
    *ret_id = tid == getpid() ? 1 : task_new_id();
    known.items[known.count++] = (struct known){tid, start_ticks, *ret_id, true};
    return true;
}

/* --- the list --- */

static int add_thread(struct goroutine_threads *threads, pid_t tid)
{
    char text[STAT_BYTES];
    struct stat_line line;
    if (!read_stat(tid, text, &line) || threads->count >= GOROUTINE_THREADS_MAX) {
        return 0; /* it has ended, or there are too many */
    }
    uint64_t id;
    if (!array_grow(&threads->items, threads->count, &threads->cap, sizeof(*threads->items),
                    GOROUTINE_THREADS_MAX) ||
        !id_of(tid, read_number(line.fields[FIELD_START]), &id)) {
        return UV_ENOMEM;
    }
    struct goroutine_thread *thread = &threads->items[threads->count++];
    thread->id = id;
    thread->tid = tid;
    thread->is_running = str_equal(line.fields[FIELD_STATE], STR("R"));
    thread->has_blocked = (read_number(line.fields[FIELD_BLOCKED]) >> (SIGPROF - 1) & 1) != 0;
    memset(thread->name, 0, sizeof(thread->name));
    memcpy(thread->name, line.name.ptr,
           line.name.len < sizeof(thread->name) ? line.name.len : sizeof(thread->name) - 1);
    return 0;
}

static int list_threads(struct goroutine_threads *threads)
{
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL) {
        return -errno;
    }
    int status = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL && status == 0;
         entry = readdir(dir)) {
        uint64_t tid;
        if (str_parse_u64(str_from(entry->d_name), INT32_MAX, &tid)) {
            status = add_thread(threads, (pid_t)tid);
        }
    }
    (void)closedir(dir);
    return status;
}

/* One question per thread and list: it may come as a signal. */
static void take_stack(struct goroutine_thread *thread, uint64_t end_ns)
{
    thread->stack.owner = (struct ring_owner){.label = LABEL_NONE};
    thread->stack.frame_count = 0;
    if (!thread->has_blocked && clock_now_ns() < end_ns &&
        thread_stack_take(thread->tid, WAIT_MS * NS_PER_MS, &thread->stack) != 0) {
        thread->stack.frame_count = 0;
    }
}

/* The main thread, which is the first, comes last: by then it no longer begins this look. */
static void take_stacks(struct goroutine_threads *threads)
{
    const uint64_t end_ns = clock_now_ns() + WAIT_MS_MAX * NS_PER_MS;
    for (size_t i = threads->count; i > 0; i--) {
        take_stack(&threads->items[i - 1], end_ns);
    }
}

int goroutine_threads_take(struct goroutine_threads *threads)
{
    (void)pthread_mutex_lock(&known.lock);
    for (size_t i = 0; i < known.count; i++) {
        known.items[i].is_seen = false;
    }
    const int status = list_threads(threads);
    forget_unseen();
    (void)pthread_mutex_unlock(&known.lock);
    take_stacks(threads);
    return status;
}

void goroutine_threads_deinit(struct goroutine_threads *threads)
{
    free(threads->items);
    *threads = (struct goroutine_threads){0};
}

uint64_t goroutine_threads_count(void)
{
    struct stat status;
    /* a directory's links: ".", ".." and one per folder in it, which are the threads */
    return stat("/proc/self/task", &status) == 0 && status.st_nlink > 2 ? status.st_nlink - 2 : 1;
}
