# SPDX-License-Identifier: MIT
"""Limits of size, number and time: each with its status, each configurable."""

import time

import pytest
from server import PATIENCE_S, wait_until
from wire import Peer, chunked, request


def status_of(server, data):
    """The status of the answer to `data`; an error closes the connection."""
    with Peer(server) as peer:
        peer.send(data)
        answer = peer.answer()
        if answer.status >= 400:
            assert answer["Connection"] == "close"
            assert peer.is_closed()
        return answer.status


def padded(total_bytes):
    """A request whose header block is so long."""
    return request("/health/live", "X-Pad: " + "p" * (total_bytes - len(request("/health/live"))
                                                      - len("X-Pad: \r\n")))


def with_fields(count):
    """A request with so many fields, Host among them."""
    return request("/health/live", *(f"X-{i}: v" for i in range(count - 1)))


def with_target(length):
    return request("/health/live?" + "q" * (length - len("/health/live?")))


# --- sizes and numbers

@pytest.mark.parametrize("settings, make, limit, status", [
    ({}, padded, 16384, 431),
    ({"MAX_HEADER_BYTES": 300}, padded, 300, 431),
    ({"MAX_HEADER_BYTES": 200000}, padded, 200000, 431),
    ({}, with_fields, 100, 431),
    ({"MAX_HEADER_COUNT": 3}, with_fields, 3, 431),
    ({}, with_target, 8192, 414),
    ({"MAX_TARGET_BYTES": 64}, with_target, 64, 414),
], ids=lambda value: value.__name__ if callable(value) else str(value))
def test_heads(start_server, settings, make, limit, status):
    server = start_server(settings)
    assert status_of(server, make(limit)) == 200
    assert status_of(server, make(limit + 1)) == status


@pytest.mark.parametrize("settings, limit", [
    ({}, 1 << 20), ({"MAX_BODY_BYTES": 10}, 10), ({"MAX_BODY_BYTES": 0}, 0)], ids=str)
def test_bodies(start_server, settings, limit):
    server = start_server(settings)
    for target in ("/test/echo", "/test/no-body"):  # also where it is only dropped
        head = request(target, "Transfer-Encoding: chunked", method="POST")
        for size, status in ((limit, 200), (limit + 1, 413)):
            body = b"b" * size
            assert status_of(server, request(target, method="POST", body=body)) == status
            assert status_of(server, head + chunked(body)) == status
            halves = body[:size // 2], body[size // 2:]
            assert status_of(server, head + chunked(*halves)) == status


@pytest.mark.parametrize("size", ["100001", "7fffffffffffffff", "ffffffffffffffff"])
def test_a_chunk_is_refused_by_its_size(test_server, size):
    data = request("/test/echo", "Transfer-Encoding: chunked", method="POST")
    assert status_of(test_server, data + size.encode() + b"\r\n") == 413


def test_a_body_is_refused_by_its_length(test_server):
    data = request("/test/echo", "Content-Length: 18446744073709551615", method="POST")
    assert status_of(test_server, data) == 413


def test_a_head_without_an_end_is_refused(test_server):
    assert status_of(test_server, b"GET /" + b"a" * 20000) == 414
    assert status_of(test_server, request("/")[:-2] + b"X: " + b"a" * 20000) == 431


def test_a_refused_body_does_not_eat_the_answer(test_server):
    """The client sends its whole body before it reads: the answer must survive that."""
    with Peer(test_server) as peer:
        try:
            peer.send(request("/test/echo", method="POST", body=b"b" * 4_000_000))
        except ConnectionError:
            pass
        assert peer.answer().status == 413


def is_served(server):
    with Peer(server) as peer:
        peer.send(request("/health/live", "Connection: close"))
        return peer.rest().startswith(b"HTTP/1.1 200 ")


def test_connections_of_a_listener(start_server):
    server = start_server({"MAX_CONNECTIONS": 3})
    with Peer(server) as first, Peer(server) as second, Peer(server, "metrics") as metrics:
        assert first.ask("/health/live").status == second.ask("/health/live").status == 200
        with Peer(server) as third:
            assert third.ask("/health/live").status == 200
            for _ in range(3):
                with Peer(server) as fourth:
                    assert fourth.is_closed()
            assert first.ask("/health/live").status == 200
            # The others have budgets of their own.
            with Peer(server, "grpc") as grpc, Peer(server, "pprof") as pprof:
                assert grpc.ask("/").status == 505
                assert pprof.ask("/health/live").status == 200
        wait_until(lambda: 'toq_connections_shed_total{listener="http",reason="limit"} 3\n' in
                   metrics.ask("/metrics").body.decode(), "three connections shed")

        wait_until(lambda: is_served(server), "room for a connection again")
    server.wait_line("cannot accept")
    assert len([line for line in server.lines if "cannot accept" in line]) == 1


@pytest.mark.parametrize("listener", ["metrics", "pprof"])
def test_connections_of_diagnostics(start_server, listener):
    server = start_server({"DIAGNOSTICS_MAX_CONNECTIONS": 1})
    with Peer(server, listener) as first:
        assert first.ask("/health/live").status == 200
        with Peer(server, listener) as second:
            assert second.is_closed()
    assert "reason=limit" in server.wait_line("cannot accept, shedding connections")


# --- times: a timeout of 300 ms, and much patience for a busy machine

def elapsed(wait):
    start = time.monotonic()
    wait()
    return time.monotonic() - start


def test_header_timeout(start_server):
    server = start_server({"HEADER_TIMEOUT_MS": 300})
    with Peer(server) as peer:
        peer.send(b"GET /health/live HTTP/1.1\r\nHost: te")
        start = time.monotonic()
        answer = peer.answer()
        assert time.monotonic() - start >= 0.25
        assert (answer.status, answer["Connection"]) == (408, "close")
        assert peer.is_closed()


def test_header_timeout_of_a_drip(start_server):
    """A byte now and then does not keep a head alive."""
    server = start_server({"HEADER_TIMEOUT_MS": 300})
    with Peer(server) as peer:
        peer.socket.settimeout(0.05)
        deadline = time.monotonic() + PATIENCE_S
        data = b""
        while not data:
            assert time.monotonic() < deadline
            peer.send(b"x")
            try:
                data = peer.socket.recv(100)
            except TimeoutError:
                pass
        assert data.startswith(b"HTTP/1.1 408 ")


def test_header_timeout_of_a_silent_peer(start_server):
    server = start_server({"HEADER_TIMEOUT_MS": 300})
    with Peer(server) as peer:
        assert elapsed(lambda: peer.is_closed()) >= 0.25


def test_header_timeout_of_a_later_request(start_server):
    server = start_server({"HEADER_TIMEOUT_MS": 300})
    with Peer(server) as peer:
        peer.send(request("/health/live") + b"GET /health")
        assert [peer.answer().status for _ in range(2)] == [200, 408]
        assert peer.is_closed()


def test_idle_timeout(start_server):
    server = start_server({"IDLE_TIMEOUT_MS": 1000})
    with Peer(server) as peer:
        for _ in range(5):  # each request starts it anew
            assert peer.ask("/health/live").status == 200
            time.sleep(0.3)
        assert peer.ask("/health/live").status == 200
        assert elapsed(lambda: peer.is_closed()) >= 0.9


def test_body_timeout(start_server):
    server = start_server({"BODY_TIMEOUT_MS": 300})
    for fields, body in ((["Content-Length: 10"], b"01234"),
                         (["Transfer-Encoding: chunked"], b"a\r\n01234")):
        with Peer(server) as peer:
            peer.send(request("/test/echo", *fields, method="POST") + body)
            answer = peer.answer()
            assert (answer.status, answer["Connection"]) == (408, "close")
            assert peer.is_closed()


def test_body_timeout_is_for_stalls(start_server):
    """A slow body is no stalled one: more than the timeout passes in all."""
    server = start_server({"BODY_TIMEOUT_MS": 1500})
    with Peer(server) as peer:
        peer.send(request("/test/echo", "Content-Length: 10", method="POST"))
        for _ in range(10):
            time.sleep(0.2)
            peer.send(b"b")
        assert peer.answer().body == b"b" * 10


def write_timeouts(server):
    with Peer(server, "metrics") as peer:
        text = peer.ask("/metrics").body.decode()
    name = 'toq_connections_write_timeouts_total{listener="http"} '
    return int(text.split(name)[1].split("\n")[0])


def test_write_timeout(start_server):
    server = start_server({"WRITE_TIMEOUT_MS": 300})
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.send(request("/test/stream?bytes=1000000000"))
        peer.socket.recv(1)
        wait_until(lambda: write_timeouts(server) == 1, "the write timeout")
        assert len(peer.rest()) < 1_000_000_000
    with Peer(server) as peer:
        assert peer.ask("/test/cancelled").body == b"1"


def test_write_timeout_is_for_stalls(start_server):
    """The peer takes so little that the kernel tells of no room within the timeout."""
    server = start_server({"WRITE_TIMEOUT_MS": 1000})
    total = 30_000_000
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.send(request(f"/test/stream?bytes={total}"))
        for _ in range(50):  # 2.5 s
            time.sleep(0.05)
            peer.received += peer.socket.recv(20_000)
        assert peer.answer().body == b"x" * total
    assert write_timeouts(server) == 0
