# SPDX-License-Identifier: MIT
"""Answers: their fields, their segments, streams and their backpressure, deadlines."""

import email.utils
import re
import time

import pytest

from pprof_load import is_sanitized
from server import PATIENCE_S, wait_until
from wire import Peer, request

DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def test_date_is_now(test_server):
    with Peer(test_server) as peer:
        before = time.time()
        text = peer.ask("/health/live")["Date"]
        after = time.time()
    assert DATE.fullmatch(text)
    # Made once a second by a timer that a busy machine may run late.
    assert before - 10 < email.utils.parsedate_to_datetime(text).timestamp() <= after


def test_date_follows_the_clock(test_server):
    with Peer(test_server) as peer:
        first = peer.ask("/health/live")["Date"]
        wait_until(lambda: peer.ask("/health/live")["Date"] != first, "another second")


def test_head_is_get_without_the_body(test_server):
    with Peer(test_server) as peer:
        for target in ("/health/live", "/test/params/a/b", "/nowhere"):
            get = peer.ask(target)
            head = peer.ask(target, method="HEAD")
            assert (head.status, head.body) == (get.status, b"")
            assert head["Content-Length"] == get["Content-Length"] == str(len(get.body))
            assert head["Content-Type"] == get["Content-Type"]


def test_head_of_a_stream(test_server):
    with Peer(test_server) as peer:
        head = peer.ask("/test/stream?bytes=100000", method="HEAD")
        assert (head.status, head["Content-Length"]) == (200, None)
        assert peer.ask("/health/live").status == 200


@pytest.mark.parametrize("size", [0, 1, 15, 16, 16383, 16384, 16385, 1000003])
def test_a_streamed_answer_is_chunked(test_server, size):
    with Peer(test_server) as peer:
        answer = peer.ask(f"/test/stream?bytes={size}")
        assert (answer["Transfer-Encoding"], answer["Content-Length"]) == ("chunked", None)
        assert answer.body == b"x" * size
        assert peer.ask("/health/live").status == 200


def test_head_and_body_come_in_one_segment(test_server):
    with Peer(test_server) as peer:
        for size in (3, 1000, 8000):
            peer.send(request("/test/echo", method="POST", body=b"e" * (size - 3) + b"end"))
            first = peer.socket.recv(1 << 20)
            assert first.endswith(b"end"), f"{len(first)} bytes came first"


def test_pipelined_answers_come_in_few_segments(test_server):
    with Peer(test_server) as peer:
        one = request("/test/echo", method="POST", body=b"end")
        peer.send(one * 16)
        data = peer.socket.recv(1 << 20)
        assert data.count(b"HTTP/1.1 200") == 16


@pytest.mark.parametrize("value", [
    "a%0d%0aInjected:1", "a%0aInjected:1", "a%0dInjected:1", "a%0d%0a%0d%0aHTTP/1.1 200 OK",
    "%0d%0a", "a%7f", "a%01", "a%1b[31m"])
def test_no_field_is_injected(test_server, value):
    with Peer(test_server) as peer:
        answer = peer.ask("/test/header?value=" + value.replace(" ", "%20"))
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert answer["X-Test"] is None
        assert {name for name, _ in answer.fields} == {"Date", "Content-Type", "Content-Length"}
        assert peer.ask("/health/live").status == 200


def test_a_harmless_field_is_sent(test_server):
    with Peer(test_server) as peer:
        assert peer.ask("/test/header?value=a%20b%3A%20%C3%A9")["X-Test"] == "a b: \u00c3\u00a9"


def streamed(server):
    with Peer(server) as peer:
        return int(peer.ask("/test/streamed").body)


def resident_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def wait_unchanged(read):
    """Waits until `read()` returns the same 10 times in a row, and returns it."""
    last, same = None, 0
    deadline = time.monotonic() + PATIENCE_S
    while same < 10:
        assert time.monotonic() < deadline, "it never stood still"
        value = read()
        same = same + 1 if value == last else 0
        last = value
        time.sleep(0.02)
    return last


def test_a_stream_waits_for_its_reader_and_takes_no_memory(start_server):
    # ASan keeps freed memory for a while: as little as it can, so that growth means a leak.
    server = start_server({"ASAN_OPTIONS": "quarantine_size_mb=1"})
    total = 1_000_000_000
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.ask("/test/stream?bytes=300000")  # what is allocated once is there afterwards
        base_bytes, base_kib = streamed(server), resident_kib(server)
        peer.send(request(f"/test/stream?bytes={total}"))
        peer.socket.recv(1)
        ahead = wait_unchanged(lambda: streamed(server)) - base_bytes
        assert ahead < 20_000_000, "it produced far more than sockets and its own limit hold"
        read, measured, worst_kib = 1, 0, 0
        room = bytearray(1 << 20)
        while read < total:
            count = peer.socket.recv_into(room)
            assert count > 0
            read += count
            if read - measured > 10_000_000:
                measured, worst_kib = read, max(worst_kib, resident_kib(server))
        assert worst_kib - base_kib < (128 if is_sanitized(server.binary) else 32) * 1024
        wait_until(lambda: streamed(server) - base_bytes == total, "the stream's end")


def test_a_late_reader_gets_all_pipelined_answers(start_server):
    """While the peer does not read, only the write timeout runs: no request of it is too slow."""
    server = start_server({"HEADER_TIMEOUT_MS": 300, "IDLE_TIMEOUT_MS": 300})
    body = b"b" * 200_000
    count = 200  # 40 MB: more than the sockets hold in both directions
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.socket.settimeout(0.2)
        one = request("/test/echo", method="POST", body=body)
        whole = memoryview(one * count)
        sent = 0
        try:
            while sent < len(whole):
                sent += peer.socket.send(whole[sent:])
        except TimeoutError:
            pass  # both directions are full
        assert sent < len(whole)
        time.sleep(1)  # three times the timeouts
        peer.socket.settimeout(PATIENCE_S)
        answered = 0
        while answered < sent // len(one):
            assert peer.answer().body == body
            answered += 1


def test_a_deadline_ends_a_request(start_server):
    server = start_server({"REQUEST_TIMEOUT_MS": 200})
    with Peer(server) as peer:
        answer = peer.ask("/test/sleep?ms=3600000")
        assert (answer.status, answer["Connection"]) == (503, "close")
        assert b"deadline" in answer.body
        assert peer.is_closed()
    with Peer(server) as peer:
        assert peer.ask("/test/cancelled").body == b"1"
        assert peer.ask("/test/sleep?ms=1").body == b"slept\n"


def test_a_deadline_spares_a_stream_that_asked_for_it(start_server):
    server = start_server({"REQUEST_TIMEOUT_MS": 100})
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.send(request("/test/stream?bytes=50000000"))
        time.sleep(0.5)
        assert peer.answer().body == b"x" * 50000000
