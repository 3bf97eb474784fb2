/* SPDX-License-Identifier: MIT
 *
 * crash.c - writes the parts of the report, those first that can fail least.
 */
#include "core/crash/crash.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/alt_stack.h"
#include "core/base/clock.h"
#include "core/crash/crash_code.h"
#include "core/crash/crash_events.h"
#include "core/crash/crash_names.h"
#include "core/crash/crash_tasks.h"

#define BUILD_ID_BYTES_MAX 64
#define THREAD_NAME_BYTES  16 /* the kernel's */

extern const char __executable_start[];

static struct crash_options options = {.dir = "", .version = ""};
static uint64_t start_ns;
static uint8_t build_id[BUILD_ID_BYTES_MAX];
static size_t build_id_len;
static atomic_int reporter; /* the thread that reports; 0: none has crashed */
static struct crash_out report_out;

/* --- what is read at the start --- */

/* find_build_id finds the note of the linker in a segment of notes. */
static void find_build_id(const char *notes, size_t len)
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= len;) {
        const ElfW(Nhdr) *note = (const void *)(notes + at);
        const size_t name_bytes = (note->n_namesz + 3) & ~(size_t)3;
        const char *desc = (const char *)(note + 1) + name_bytes;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz <= sizeof(build_id)) {
            build_id_len = note->n_descsz;
            memcpy(build_id, desc, build_id_len);
            return;
        }
        at += sizeof(*note) + name_bytes + ((note->n_descsz + 3) & ~(size_t)3);
    }
}

static void read_build_id(void)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    const size_t count = headers == NULL ? 0 : getauxval(AT_PHNUM);
    for (size_t i = 0; i < count && build_id_len == 0; i++) {
        if (headers[i].p_type == PT_NOTE) {
            find_build_id(__executable_start + headers[i].p_vaddr, headers[i].p_memsz);
        }
    }
}

/* check_dir: whether a report could be written there. */
static int check_dir(const char *dir)
{
    const int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    (void)close(fd);
    return access(dir, W_OK | X_OK) == 0 ? 0 : -errno;
}

int crash_install(const struct crash_options *crash_options)
{
    const int rc = crash_options->dir[0] == '\0' ? 0 : check_dir(crash_options->dir);
    if (rc < 0) {
        return rc;
    }
    options = *crash_options;
    start_ns = clock_now_ns();
    read_build_id();
    alt_stack_start();
    crash_hook_install();
    return 0;
}

/* --- the file --- */

/* open_file makes a file that is not there yet: crash-PID-TIME.txt. Returns: -1 on failure. */
static int open_file(struct crash_out *out)
{
    static struct crash_out path; /* a buffer that is never written */
    if (options.dir[0] == '\0') {
        return -1;
    }
    crash_out_text(&path, options.dir);
    crash_out_text(&path, "/crash-");
    crash_out_number(&path, (uint64_t)getpid());
    crash_out_text(&path, "-");
    crash_out_number(&path, clock_wall_ns() / NS_PER_S);
    crash_out_bytes(&path, ".txt", sizeof(".txt"));
    const int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        out->file_error = errno;
    }
    return fd;
}

static void put_file_error(struct crash_out *out)
{
    if (out->file_error != 0) {
        crash_out_text(out, "file: in CRASH_DIR the report is not whole, errno ");
        crash_out_number(out, (uint64_t)out->file_error);
        crash_out_text(out, out->file_error == ENOSPC ? " (no space left)\n" : "\n");
    }
}

/* --- the parts --- */

static const char *signal_name(int signo)
{
    switch (signo) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case SIGABRT:
        return "SIGABRT";
    default:
        return "signal";
    }
}

static const char *code_name(int signo, int code)
{
    switch (code) {
    case SI_USER:
    case SI_TKILL:
    case SI_QUEUE:
        return "sent by a process";
    case SI_KERNEL:
        return "from the kernel";
    default:
        break;
    }
    if (signo == SIGSEGV) {
        return code == SEGV_MAPERR ? "nothing is mapped there" : "no right to the address";
    }
    if (signo == SIGBUS) {
        return code == BUS_ADRERR ? "behind the end of a mapped file" : "no such memory";
    }
    if (signo == SIGFPE) {
        return code == FPE_INTDIV ? "division by zero" : "arithmetic";
    }
    return "code";
}

static void put_signal(struct crash_out *out, int signo, const siginfo_t *info)
{
    crash_out_text(out, "toq: crash: ");
    crash_out_text(out, signal_name(signo));
    crash_out_text(out, ", ");
    crash_out_text(out, code_name(signo, info->si_code));
    crash_out_text(out, " (si_code ");
    if (info->si_code < 0) {
        crash_out_text(out, "-");
    }
    crash_out_number(out, (uint64_t)(info->si_code < 0 ? -(int64_t)info->si_code : info->si_code));
    if (info->si_code > 0 && info->si_code != SI_KERNEL) {
        crash_out_text(out, "), address ");
        crash_out_hex(out, (uintptr_t)info->si_addr);
        crash_out_text(out, "\n");
    } else {
        crash_out_text(out, "), sender pid ");
        crash_out_number(out, (uint64_t)info->si_pid);
        crash_out_text(out, " uid ");
        crash_out_number(out, info->si_uid);
        crash_out_text(out, "\n");
    }
    if (signo == SIGABRT && base_abort_reason()[0] != '\0') {
        crash_out_text(out, "reason: ");
        crash_out_foreign(out, base_abort_reason());
        crash_out_text(out, "\n");
    }
}

static void put_process(struct crash_out *out, uint64_t now_ns)
{
    char name[THREAD_NAME_BYTES + 1] = "";
    (void)prctl(PR_GET_NAME, name);
    crash_out_text(out, "process: pid ");
    crash_out_number(out, (uint64_t)getpid());
    crash_out_text(out, " thread ");
    crash_out_number(out, (uint64_t)gettid());
    crash_out_text(out, " ");
    crash_out_foreign(out, name);
    crash_out_text(out, " version ");
    crash_out_text(out, options.version);
    crash_out_text(out, " up_ms ");
    crash_out_ms(out, clock_elapsed_ns(start_ns, now_ns));
    crash_out_text(out, " unix_time_s ");
    crash_out_number(out, clock_wall_ns() / NS_PER_S);
    crash_out_text(out, "\nbuild id: ");
    crash_out_id(out, build_id, build_id_len);
    crash_out_text(out, "\n");
}

static void put_stack(struct crash_out *out, const uint64_t *frames, size_t count, bool is_walked)
{
    crash_out_text(out, "stack, innermost first, by ");
    crash_out_text(out, is_walked ? "unwind tables:\n" : "frame pointers:\n");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && frames[i] == frames[i - 1]) {
            continue; /* a function that calls itself */
        }
        crash_out_text(out, "  #");
        crash_out_number(out, i);
        crash_out_text(out, " ");
        crash_out_hex(out, frames[i]);
        crash_out_text(out, " ");
        crash_code_put(out, frames[i]);
        crash_out_text(out, "\n");
    }
    if (count == CRASH_FRAMES_MAX) {
        crash_out_text(out, "  ... up to #");
        crash_out_number(out, count - 1);
        crash_out_text(out, ", and its callers\n");
    }
}

static void report(struct crash_out *out, int signo, const siginfo_t *info,
                   const ucontext_t *context)
{
    static uint64_t frames[CRASH_FRAMES_MAX];
    const uint64_t now_ns = clock_now_ns();
    bool is_walked;
    out->fd = STDERR_FILENO;
    out->file = open_file(out);
    put_signal(out, signo, info);
    put_process(out, now_ns);
    crash_out_text(out, "registers:");
    crash_regs_put(out, context);
    crash_out_text(out, "\n");
    crash_out_flush(out);
    crash_code_read();
    const void *handler = crash_tasks_put_current(out, now_ns);
    crash_out_flush(out);
    const size_t count = crash_stack_take(context, frames, &is_walked);
    put_stack(out, frames, count, is_walked);
    crash_out_flush(out);
    crash_tasks_put_all(out, now_ns);
    crash_events_put(out);
    crash_out_flush(out);
    crash_tasks_put_trace(out);
    crash_names_put(out, frames, count, handler);
    put_file_error(out);
    crash_out_text(out, "toq: end of the crash report\n");
    crash_out_flush(out);
}

/* --- the handler --- */

/* end_by_default has the signal end the process as if it had never been handled: it waits until
 * this handler returns. */
static void end_by_default(int signo, siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signo, &action, NULL);
    (void)syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signo, info);
}

static _Noreturn void wait_for_the_end(void)
{
    for (;;) {
        const struct timespec second = {.tv_sec = 1};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL);
    }
}

void crash_handle(int signo, siginfo_t *info, void *context)
{
    int none = 0;
    const int self = gettid();
    if (!atomic_compare_exchange_strong(&reporter, &none, self)) {
        if (none != self) {
            wait_for_the_end();
        }
        end_by_default(signo, info); /* abort() in the report itself */
        return;
    }
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(CRASH_REPORT_MS / 1000);
    report(&report_out, signo, info, context);
    (void)alarm(0);
    end_by_default(signo, info);
}

void crash_put_tasks(void)
{
    struct crash_out out = {.fd = STDERR_FILENO, .file = -1};
    crash_code_read();
    crash_tasks_put_all(&out, clock_now_ns());
    crash_out_flush(&out);
}
