/* SPDX-License-Identifier: MIT
 *
 * crash_names.c - starts a child with one descriptor, its pipe, with no signal blocked, and with an
 * alarm.
 */
#include "core/crash/crash_names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/crash/crash_code.h"
#include "core/crash/crash_stack.h"

#define NUMBER_BYTES 32
#define ARG_BYTES    (CRASH_PATH_BYTES + NUMBER_BYTES)
#define ARGS_FIRST   2
#define ARGS_MAX     (ARGS_FIRST + CRASH_FRAMES_MAX + 1)
#define FIRST_OTHER  3 /* descriptor behind stderr */

extern char **environ;

static char texts[ARGS_MAX][ARG_BYTES];
static char *args[ARGS_MAX + 1];
static size_t arg_count;

/* add_arg adds "#3=/usr/bin/toq_server+0x1a2b"; nothing where no file has the code. */
static void add_arg(const char *tag, const uint64_t *number, uint64_t address)
{
    static struct crash_out text; /* a buffer that is never written */
    const struct crash_object *object = crash_code_find(address);
    if (object == NULL || object->path[0] != '/' || arg_count == ARGS_MAX) {
        return;
    }
    text.len = 0;
    crash_out_text(&text, tag);
    if (number != NULL) {
        crash_out_number(&text, *number);
    }
    crash_out_text(&text, "=");
    crash_code_put(&text, address);
    if (text.len < ARG_BYTES) {
        memcpy(texts[arg_count], text.data, text.len);
        texts[arg_count][text.len] = '\0';
        args[arg_count] = texts[arg_count];
        arg_count++;
    }
}

static void fill_args(const uint64_t *frames, size_t count, const void *handler)
{
    static char program[] = "toq_server";
    static char option[] = "--symbolize";
    args[0] = program;
    args[1] = option;
    arg_count = ARGS_FIRST;
    for (uint64_t i = 0; i < count; i++) {
        if (i == 0 || frames[i] != frames[i - 1]) {
            add_arg("#", &i, frames[i]);
        }
    }
    if (handler != NULL) {
        add_arg("handler", NULL, (uintptr_t)handler);
    }
    args[arg_count] = NULL;
}

static _Noreturn void run_child(int pipe_end)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    const int nowhere = open("/dev/null", O_RDWR);
    (void)dup2(nowhere, STDIN_FILENO);
    (void)dup2(nowhere, STDERR_FILENO);
    (void)dup2(pipe_end, STDOUT_FILENO);
    (void)syscall(SYS_close_range, FIRST_OTHER, ~0U, 0);
    (void)alarm(CRASH_NAMES_MS / 1000 + 1);
    (void)execve("/proc/self/exe", args, environ);
    _exit(127);
}

/* copy_lines copies what the child says until it ends, or the time is up. */
static void copy_lines(struct crash_out *out, int fd)
{
    static char data[1024];
    const uint64_t start_ns = clock_now_ns();
    for (;;) {
        const uint64_t used_ms = (clock_now_ns() - start_ns) / NS_PER_MS;
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        const int left_ms = used_ms < CRASH_NAMES_MS ? (int)(CRASH_NAMES_MS - used_ms) : 0;
        const int ready = poll(&poller, 1, left_ms);
        if (ready == 0) {
            crash_out_text(out, "  not in time\n");
            return;
        }
        const ssize_t count = ready < 0 ? -1 : read(fd, data, sizeof(data));
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return;
        }
        crash_out_bytes(out, data, count < 0 ? 0 : (size_t)count);
    }
}

void crash_names_put(struct crash_out *out, const uint64_t *frames, size_t count,
                     const void *handler)
{
    int ends[2];
    fill_args(frames, count, handler);
    crash_out_text(out, "names:\n");
    crash_out_flush(out); /* should all end here, the rest is written */
    if (pipe2(ends, O_CLOEXEC) != 0) {
        crash_out_text(out, "  no pipe\n");
        return;
    }
    const pid_t child = _Fork(); /* runs no handler of fork's, which take locks */
    if (child == 0) {
        run_child(ends[1]);
    }
    (void)close(ends[1]);
    if (child > 0) {
        copy_lines(out, ends[0]);
        (void)kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    } else {
        crash_out_text(out, "  no process\n");
    }
    (void)close(ends[0]);
}
