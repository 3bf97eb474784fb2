# SPDX-License-Identifier: MIT
"""Load for a server that is profiled, and its CPU time by the kernel's account."""

import bisect
import contextlib
import re
import subprocess
import threading
import time

import httpx

import server as server_module
from pprof_decode import decode_cpu

BUSY = "Could not enable CPU profiling: cpu profiling already in use\n"  # Go's words
PROCESS_CPU_CLOCK = 2  # kernel ABI: the low bits of a clock id, beside the complement of the pid
MARK_INTERVAL_S = 0.005


def is_deferring(binary):
    """Whether signals reach the program late: ThreadSanitizer keeps one back until the thread next
    calls the C library. Its stack is another one then, so a sample may show a wrong or a short one.
    """
    with open(binary, "rb") as file:
        return b"__tsan_init" in file.read()


def is_sanitized(binary):
    """Whether it has a sanitizer's malloc and mutexes: heap, allocs and mutex cannot be taken then."""
    with open(binary, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


@contextlib.contextmanager
def load(server, path, connections=64):
    """Connections that ask for `path` as fast as they are answered."""
    command = ["wrk", "-t1", f"-c{connections}", "-d120s", server.url(path)]
    wrk = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        before = answered(server)
        server_module.wait_until(lambda: answered(server) > before + 2 * connections, "load to arrive")
        yield
    finally:
        wrk.kill()
        wrk.wait()


def metric(server, name):
    """The sum of a metric over its labels."""
    text = httpx.get(server.url("/metrics", "metrics"), timeout=server_module.PATIENCE_S).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def answered(server):
    return metric(server, "http_server_request_duration_seconds_count")


def wait_captured(server, others=0):
    """Waits until a request is in flight beside `others` and the one that asks for the metrics."""
    server_module.wait_until(lambda: metric(server, "http_server_active_requests") >= 2 + others,
                             "a capture to begin")


class CpuClock:
    """The CPU time of a process, noted often while in a `with`; ended threads count, too."""

    def __init__(self, pid):
        self._clock = ~pid << 3 | PROCESS_CPU_CLOCK
        self._marks = []
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._is_ended.wait(MARK_INTERVAL_S):
            before_ns = time.time_ns()
            cpu_ns = time.clock_gettime_ns(self._clock)
            self._marks.append(((before_ns + time.time_ns()) // 2, cpu_ns))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._is_ended.set()
        self._thread.join()

    def at(self, wall_ns):
        """The CPU time that had been used at a time of the wall clock, between two notes."""
        i = bisect.bisect(self._marks, (wall_ns, 0))
        (low_ns, low_cpu), (high_ns, high_cpu) = self._marks[i - 1], self._marks[i]
        return low_cpu + (high_cpu - low_cpu) * (wall_ns - low_ns) / (high_ns - low_ns)

    def used_between(self, start_ns, end_ns):
        return self.at(end_ns) - self.at(start_ns)

    def used_in(self, profile):
        """What the process used in the window that a profile covers."""
        start_ns = profile.message.time_nanos
        return self.used_between(start_ns, start_ns + profile.message.duration_nanos)


def get_profile(server, seconds, **options):
    return httpx.get(server.url(f"/debug/pprof/profile?seconds={seconds}", "pprof"),
                     timeout=seconds + server_module.PATIENCE_S, **options)


def capture_when_free(server, seconds):
    """A profile as soon as the profiler has noticed that the one before was given up."""
    def ask():
        answer = get_profile(server, seconds)
        assert answer.status_code == 200 or answer.text == BUSY, answer.text
        return answer if answer.status_code == 200 else None

    answer = server_module.wait_until(ask, "the capture before to end")
    return decode_cpu(answer.content, seconds)


def capture(server, seconds):
    """A decoded and checked CPU profile."""
    answer = get_profile(server, seconds)
    assert answer.status_code == 200, answer.text
    return decode_cpu(answer.content, seconds)
