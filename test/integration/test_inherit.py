# SPDX-License-Identifier: MIT
"""What a server has from the process that started it: descriptors, signals, limits, the umask."""

import os
import re
import resource
import signal

import httpx
import pytest

import server as server_module
from heap import has_jemalloc
from pprof_decode import has_frame
from pprof_load import CpuClock, capture, is_deferring, is_sanitized, load, metric

BLOCKED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPROF, signal.SIGRTMIN)


def heap(server):
    return httpx.get(server.url("/debug/pprof/heap", "pprof"), timeout=60)


@pytest.fixture
def unblocked(start_server):
    return start_server(preexec=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED))


def test_blocked_signals_are_unblocked(unblocked):
    line = unblocked.wait_line("unblocked signals that the parent had blocked")
    for name in ("SIGHUP", "SIGINT", "SIGTERM", "SIGPROF", " 34"):
        assert name in line
    unblocked.send_signal(signal.SIGHUP)
    unblocked.wait_line("log level reloaded")
    assert unblocked.stop(signal.SIGINT) == 0


def test_a_profile_under_a_blocked_sigprof(unblocked):
    with load(unblocked, "/test/burn?ms=23", connections=2), CpuClock(unblocked.pid) as clock:
        profile = capture(unblocked, 2)
    assert profile.total() > clock.used_in(profile) / 2
    assert unblocked.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("signo", [signal.SIGHUP, signal.SIGINT])
def test_an_ignored_signal_stays_ignored(start_server, signo):
    server = start_server(preexec=lambda: signal.signal(signo, signal.SIG_IGN))
    server.wait_line(f"{signo.name} stays ignored")
    server.send_signal(signo)
    server.send_signal(signo)
    assert httpx.get(server.url("/health/live")).status_code == 200
    assert not server.has_line("log level reloaded") and not server.has_line("shutting down")
    assert server.stop(signal.SIGTERM) == 0


def test_ignored_signals_that_must_not_be(start_server):
    def ignore():
        for signo in (signal.SIGTERM, signal.SIGPROF):
            signal.signal(signo, signal.SIG_IGN)

    assert start_server(preexec=ignore).stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("closed", [(0,), (2,), (0, 2)])
def test_closed_descriptors_are_opened(start_server, closed):
    server = start_server(preexec=lambda: [os.close(fd) for fd in closed])
    server.wait_line("standard descriptors were closed")
    for fd in closed:
        assert os.readlink(f"/proc/{server.pid}/fd/{fd}") == "/dev/null"
    assert httpx.get(server.url("/health/live")).status_code == 200


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_umask_does_not_matter(start_server, umask):
    server = start_server(preexec=lambda: os.umask(umask))
    assert heap(server).status_code in (200, 500)  # 500: a sanitizer's malloc has no profile
    assert httpx.get(server.url("/health/live")).status_code == 200


def test_the_soft_limit_of_descriptors_is_raised(start_server):
    hard = 4000
    server = start_server(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)))
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize("bytes_max", [0, 100])
def test_heap_where_files_are_limited(start_server, bytes_max):
    """jemalloc writes its dump into a file, though one in memory: it ends there, the server does not."""
    limits = (bytes_max, bytes_max)
    server = start_server(preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    assert "RLIMIT_FSIZE" in server.wait_line("files are limited")
    for path in ("heap", "allocs?debug=1", "heap?seconds=1"):
        answer = httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=60)
        assert answer.status_code == 500
        assert "file too large" in answer.text or "sanitizer" in answer.text
    assert httpx.get(server.url("/health/live")).status_code == 200


# Without jemalloc there is no heap profile; and ThreadSanitizer writes a file at its start.
test_heap_where_files_are_limited.__test__ = has_jemalloc()


@pytest.fixture(scope="module")
def timerless(test_server_binary):
    """A server for which timer_create fails, and its profile of requests that burn CPU."""
    none = (0, 0)
    server = server_module.start(
        test_server_binary,
        preexec=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, none))
    try:
        with load(server, "/test/burn?ms=23", connections=2), CpuClock(server.pid) as clock:
            profile = capture(server, 10)
        yield server, profile, clock.used_in(profile)
        assert server.stop(signal.SIGTERM) == 0
    finally:
        server.close()


def test_a_profile_without_timers_has_the_stacks_and_the_cpu_time(timerless, test_server_binary):
    _, profile, used_ns = timerless
    assert profile.total() == pytest.approx(used_ns, rel=0.1)
    stackless = sum(s.values[1] for s in profile.samples if has_frame(s, "[no timer]"))
    assert stackless < 0.1 * profile.total()
    if not is_deferring(test_server_binary):
        three, one = (profile.total_of(name) for name in ("burn_three_parts", "burn_one_part"))
        assert three + one > 0.7 * profile.total()
        assert three == pytest.approx(3 * one, rel=0.5)


def test_a_profile_without_timers_says_so(timerless):
    server, profile, _ = timerless
    comment = profile.text[profile.message.comment[0]]
    threads = re.search(r"(\d+) threads without a timer", comment)
    assert int(threads.group(1)) >= 1
    assert comment.endswith("; timer_create: resource temporarily unavailable, "
                            "so the process's CPU timer paced the samples")
    assert "RLIMIT_SIGPENDING" in server.wait_line("the process's paces the samples")
    assert metric(server, "toq_profiler_untimed_threads_total") >= 1


def test_threads_give_their_stacks_where_signals_lose_their_content(timerless, test_server_binary):
    server, _, _ = timerless
    if is_deferring(test_server_binary):
        return  # a thread that waits never hears of the signal

    def has_stacks():
        answer = httpx.get(server.url("/debug/pprof/goroutine?debug=2", "pprof"), timeout=60)
        entries = [entry for entry in answer.text.split("\n\n") if "locked to thread" in entry]
        deaf = [entry for entry in entries if "stack unavailable" in entry]
        # jemalloc's and a sanitizer's own threads block all signals.
        return len(entries) > 2 and len(deaf) <= 1 and all("toq-" not in entry for entry in deaf)

    server_module.wait_until(has_stacks, "the stacks of all threads")


CAPTURES = {
    "profile?seconds=1": "Could not enable CPU profiling",
    "profile?ago=1s": "",
    "goroutine": "failed to collect profile",
    "goroutine?debug=2": "failed to collect profile",
    "heap": "failed to collect profile",
    "block?seconds=1": "failed to collect profile",
    "wall": "failed to collect profile",
    "mutex": "failed to collect profile",
    "threadcreate": "failed to collect profile",
}


def test_every_profile_says_that_proc_is_missing(start_server, test_server_binary, tmp_path):
    if is_sanitized(test_server_binary):
        return  # its own start-up reads /proc/self/maps
    wrapper = tmp_path / "without_proc"
    wrapper.write_text("#!/bin/sh\nexec unshare --map-root-user --mount sh -c "
                       f"'mount -t tmpfs none /proc && exec {test_server_binary}'\n")
    wrapper.chmod(0o755)
    server = start_server({"PPROF_HISTORY_WINDOWS": "2"}, binary=str(wrapper))
    server.wait_line("/proc is not readable")
    for path, what in CAPTURES.items():
        answer = httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=60)
        assert answer.status_code == (500 if what else 404), path
        if what:
            assert answer.text == f"{what}: no such file or directory: /proc is not mounted\n", path
    assert httpx.get(server.url("/health/live")).status_code == 200
    assert httpx.get(server.url("/metrics", "metrics")).status_code == 200
