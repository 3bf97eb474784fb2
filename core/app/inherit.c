/* SPDX-License-Identifier: MIT
 *
 * inherit.c - reads each limit and signal before setting it, so that the log can tell the old
 * value.
 */
#include "core/app/inherit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/telemetry/log.h"

#define SIGNAL_NAME_BYTES 16
#define SIGNALS_BYTES     (NSIG * SIGNAL_NAME_BYTES)

/* --- descriptors --- */

/* open_standard_fds leaves none of 0 to 2 closed: the next socket would take its number, and the
 * log would be written into it. Without /dev/null, in a bare chroot, a socket without a peer
 * serves: writes fail. */
static void open_standard_fds(struct inherited *inherited)
{
    int fd = STDIN_FILENO;
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free */
        if (fd < 0) {
            fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        }
        inherited->closed_fds += fd >= 0 && fd <= STDERR_FILENO;
    }
    if (fd > STDERR_FILENO) {
        (void)close(fd);
    }
}

/* raise_fd_limit takes as many descriptors as the system lets us have: each connection is one. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: the soft limit stays */
    }
}

/* --- signals --- */

static bool is_ignored(int signo)
{
    struct sigaction action;
    return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* sigaction and sigprocmask fail only for a signal or a way that does not exist. */
static void settle_signals(struct inherited *inherited)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    inherited->is_hangup_ignored = is_ignored(SIGHUP);
    inherited->is_interrupt_ignored = is_ignored(SIGINT);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, &inherited->blocked);
}

/* list_blocked writes the names of the signals that were blocked, separated by blanks.
 *
 * text: SIGNALS_BYTES. */
static void list_blocked(const struct inherited *inherited, char *text)
{
    size_t len = 0;
    text[0] = '\0';
    for (int signo = 1; signo < NSIG; signo++) {
        if (sigismember(&inherited->blocked, signo) != 1) {
            continue;
        }
        const char *before = len > 0 ? " " : "";
        const char *name = sigabbrev_np(signo);
        const int added = name != NULL
                              ? snprintf(text + len, SIGNAL_NAME_BYTES, "%sSIG%s", before, name)
                              : snprintf(text + len, SIGNAL_NAME_BYTES, "%s%d", before, signo);
        len += (size_t)added;
    }
}

static void log_signals(const struct inherited *inherited)
{
    char blocked[SIGNALS_BYTES];
    list_blocked(inherited, blocked);
    if (blocked[0] != '\0') {
        LOG(LOG_INFO, "main", "unblocked signals that the parent had blocked",
            log_cstr("signals", blocked));
    }
    if (inherited->is_hangup_ignored) {
        LOG(LOG_INFO, "main", "SIGHUP stays ignored, as it was at the start: no reload by signal",
            log_cstr("signal", "SIGHUP"));
    }
    if (inherited->is_interrupt_ignored) {
        LOG(LOG_INFO, "main", "SIGINT stays ignored, as it was at the start: stop with SIGTERM",
            log_cstr("signal", "SIGINT"));
    }
}

/* --- what cannot be changed --- */

static void log_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        LOG(LOG_WARN, "main", "files are limited: heap profiles and a log in a file end there",
            log_cstr("limit", "RLIMIT_FSIZE"), log_u64("bytes", limit.rlim_cur));
    }
    if (access("/proc/self/maps", R_OK) != 0) {
        log_event(LOG_WARN, "main", "/proc is not readable: no profiles, fewer metrics", NULL, 0);
    }
}

/* --- the door --- */

void inherit_settle(struct inherited *ret_inherited)
{
    *ret_inherited = (struct inherited){0};
    open_standard_fds(ret_inherited);
    settle_signals(ret_inherited);
    raise_fd_limit();
}

void inherit_log(const struct inherited *inherited)
{
    if (inherited->closed_fds > 0) {
        LOG(LOG_INFO, "main", "standard descriptors were closed: opened on /dev/null",
            log_u64("count", inherited->closed_fds));
    }
    log_signals(inherited);
    log_limits();
}
