# SPDX-License-Identifier: MIT
"""Captures while connections break, threads come and go, and over and over."""

import signal
import threading
import time

import httpx
import pytest

from pprof_decode import has_frame
from pprof_load import capture, capture_when_free, is_deferring, load, wait_captured
from wire import reset



@pytest.fixture
def in_background():
    """in_background(step) calls `step` again and again on a thread until the test ends."""
    is_ended = threading.Event()
    threads, errors = [], []

    def run(step):
        try:
            while not is_ended.is_set():
                step()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    def start(step):
        threads.append(threading.Thread(target=run, args=(step,)))
        threads[-1].start()

    yield start
    is_ended.set()
    for thread in threads:
        thread.join()
    assert errors == []


def break_connection(server, listener, request):
    peer = server.connect(listener)
    peer.sendall(request)
    reset(peer)


def test_connections_that_break_during_captures(start_server, in_background):
    shaken = start_server()
    in_background(lambda: break_connection(
        shaken, "http", b"GET /test/burn?ms=1 HTTP/1.1\r\nHost: t\r\n\r\nGET /test/sl"))
    in_background(lambda: break_connection(
        shaken, "http", b"GET /test/stream?bytes=100000 HTTP/1.1\r\nHost: t\r\n\r\n"))
    for _ in range(2):
        profile = capture(shaken, 1)
        assert has_route(profile, "/test/burn")


def has_route(profile, route):
    return any(sample.labels.get("route") == route for sample in profile.samples)


def test_captures_that_are_left_at_any_time(start_server):
    left = start_server()
    request = b"GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: t\r\n\r\n"
    with load(left, "/health/live", 8):
        # The window lasts 1 s and the encoding behind it some milliseconds.
        for delay_s in [0] * 20 + [0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 1.005, 1.01, 1.02]:
            with left.connect("pprof") as peer:
                peer.sendall(request)
                time.sleep(delay_s)
        capture_when_free(left, 1)
    assert left.stop() == 0


def test_threads_that_come_and_go_are_sampled(start_server, in_background, test_server_binary):
    threaded = start_server()

    def start_thread():
        assert httpx.get(threaded.url("/test/thread?ms=50")).status_code == 200
        time.sleep(0.1)

    in_background(start_thread)
    profile = capture(threaded, 2)
    burners = [s for s in profile.samples if s.labels["thread"] == "burner"]
    assert burners
    assert [s for s in burners if "route" in s.labels] == []
    if not is_deferring(test_server_binary):
        # A thread that begins or ends is sampled, too, and does not burn then.
        burning = [s for s in burners if has_frame(s, "burn_on_thread")]
        assert sum(s.values[0] for s in burning) >= 0.8 * sum(s.values[0] for s in burners)
        # Where the C library starts a thread, under one of its names.
        assert all(s.frames[-1].function.startswith(("clone", "__clone", "start_thread"))
                   for s in burning)


def rss_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1])


def test_captures_leave_no_memory_behind(start_server):
    steady = start_server()
    with load(steady, "/health/live"):
        for _ in range(3):  # symbols, slots of threads and the heap's own reserves
            capture(steady, 1)
        before = rss_kib(steady)
        for _ in range(5):
            capture(steady, 1)
        grown = rss_kib(steady) - before
    # One capture's rings and tables are above 1 MiB. A sanitizer keeps what is freed for a while.
    with open(steady.binary, "rb") as binary:
        image = binary.read()
    is_sanitized = b"__asan_init" in image or b"__tsan_init" in image
    assert grown < (65536 if is_sanitized else 4096)


def test_labels_are_templates_whatever_is_asked_for(start_server, in_background):
    asked = start_server()
    numbers = iter(range(10**9))

    def ask_for_another_path():
        with httpx.Client(base_url=asked.url("")) as client:
            for number in [next(numbers) for _ in range(50)]:
                client.get(f"/test/params/{number}/{'x' * 4000}")
                client.get(f"/nothing/{number}")
                client.request(f"M{number}", "/health/live")

    in_background(ask_for_another_path)
    in_background(ask_for_another_path)
    profile = capture(asked, 2)
    labels = {tuple(sorted(sample.labels.items())) for sample in profile.samples}
    routes = {sample.labels.get("route") for sample in profile.samples}
    assert routes <= {None, "", "/test/params/:a/:b", "/health/live", "/metrics",
                      "/debug/pprof/profile"}
    assert len(labels) < 20


def test_a_second_signal_during_a_capture_ends_at_once(start_server):
    ended = start_server()
    with ended.connect("pprof") as peer:
        peer.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_captured(ended)
        ended.send_signal(signal.SIGTERM)
        ended.wait_line("shutting down")
        ended.send_signal(signal.SIGTERM)
        assert ended.wait_exit() in (143, -signal.SIGTERM)
