# SPDX-License-Identifier: MIT
"""Memory has a bound, whatever peers do: it is charged, it runs short in steps, and others are served."""

import contextlib
import gzip
import resource
import threading

import pytest

import driver
from heap import has_jemalloc
from http2_wire import (DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, PREFACE,
                        RST_STREAM, Http2Peer, fields, frame, settings, window_update)
from rpc import call_fields, message, status_of
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

MIB = 1 << 20
OK, RESOURCE_EXHAUSTED = 0, 8
CHECK = "/grpc.health.v1.Health/Check"
ECHO = "/toq.test.v1.Echo/Unary"
BUDGET = {"MEMORY_MAX_BYTES": 256 * MIB}
CROWD = 500


def status_bytes(server, name):
    """VmRSS: resident now; VmHWM: at most so far."""
    with open(f"/proc/{server.pid}/status") as file:
        line = next(line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def resident_bytes(server):
    return status_bytes(server, "VmRSS")


# 300,000 fields that no message has: 600,000 bytes, of which gzip makes 624. Unpacked, each takes 48.
BOMB = message(gzip.compress(b"\x78\x00" * 300_000, 9), flag=1)


def bomb_fields():
    return call_fields(("grpc-encoding", "gzip"), path=CHECK)


# --- messages that are small on the wire

def test_messages_are_unpacked_when_they_are_used(start_server):
    server = start_server()
    with Http2Peer(server, "grpc") as peer:
        before = resident_bytes(server)
        for i in range(100):
            peer.send(peer.headers(1 + 2 * i, bomb_fields(), end=False), frame(DATA, 0, 1 + 2 * i, BOMB))
        peer.assert_alive()
        assert resident_bytes(server) - before < 64 * MIB


def test_what_unpacking_takes_goes_back(start_server):
    server = start_server()
    with Http2Peer(server, "grpc") as peer:
        before = resident_bytes(server)
        for i in range(100):
            stream = 1 + 2 * i
            peer.send(peer.headers(stream, bomb_fields(), end=False),
                      frame(DATA, END_STREAM, stream, BOMB))
            assert status_of(peer.answer(stream))[0] in (OK, RESOURCE_EXHAUSTED)
        if has_jemalloc():  # a sanitizer keeps for a while what is freed
            assert resident_bytes(server) - before < 32 * MIB
            assert status_bytes(server, "VmHWM") - before < 64 * MIB


# --- loads of a crowd, within a budget

def plain_block(pairs):
    """A header block without a table: the same bytes on each connection."""
    return b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                    for name, value in pairs)


@pytest.fixture
def crowd(request):
    """crowd(server, listener, data, ...) opens connections that send `data` each and read nothing."""
    sockets = []

    def gather(server, listener, data, count=CROWD):
        for _ in range(count):
            peer = server.connect(listener, receive_buffer_bytes=4096)
            peer.settimeout(0.2)
            sockets.append(peer)
            # what the server does not take any more need not be sent
            with contextlib.suppress(OSError):
                peer.sendall(data)
        return sockets[-count:]

    yield gather
    for peer in sockets:
        peer.close()


class Other:
    """Another client, who asks for little while the crowd is there; each of its requests is answered."""

    def __init__(self, server):
        self.server, self.statuses, self.error = server, [], None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join(PATIENCE_S)

    def _run(self):
        try:
            while not self.is_over.is_set():
                self._ask("/test/params/a/b")
                self._ask("/test/echo", method="POST", body=b"x" * 1000)
                with Peer(self.server) as peer:
                    assert peer.ask("/health/live").status == 200  # always
        except Exception as error:
            self.error = error

    def _ask(self, target, **options):
        with Peer(self.server) as peer:
            answer = peer.ask(target, **options)
        self.statuses.append(answer.status)
        assert answer.status == 200 or answer["Retry-After"] == "1"

    def check(self):
        """What it has seen so far, and that it goes on."""
        before = len(self.statuses)
        wait_until(lambda: self.error or 200 in self.statuses[before + 4:], "another client's answers")
        assert self.error is None, self.error
        assert set(self.statuses) <= {200, 503}


def assert_bounded(server):
    if has_jemalloc():  # a sanitizer takes some times as much
        assert status_bytes(server, "VmHWM") < 384 * MIB
    # What is charged to nobody is found by a look a second; what it finds too much then goes.
    wait_until(lambda: Scrape(server).get("toq_memory_used_bytes") <= 256 * MIB, "the budget to be kept")


def assert_recovers(server):
    wait_until(lambda: Scrape(server).get("toq_memory_level") == 0, "memory to be there again")
    with Peer(server) as peer:
        assert peer.ask("/test/big?bytes=5000000").status == 200
    for step in ("memory is short", "out of memory"):
        told = [line for line in server.lines if f"memory: {step}" in line]
        assert len(told) < 20, told


def test_a_crowd_that_sends_small_messages(start_server, crowd):
    server = start_server(BUDGET)
    block = plain_block(call_fields(("grpc-encoding", "gzip"), path=ECHO))
    calls = [frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, 0, stream, BOMB)
             for stream in range(1, 201, 2)]
    with Other(server) as other:
        peers = crowd(server, "grpc", PREFACE + settings() + b"".join(calls))
        other.check()
        ends = b"".join(frame(DATA, END_STREAM, stream) for stream in range(1, 201, 2))
        with contextlib.suppress(OSError):
            peers[0].sendall(ends)
        other.check()
    assert_bounded(server)
    for peer in peers:
        peer.close()
    assert_recovers(server)


def test_a_crowd_that_sends_bodies(start_server, crowd):
    server = start_server(BUDGET)
    body = b'{"x":[' + b"[]," * 340_000 + b"1]}"
    assert len(body) < MIB
    with Other(server) as other:
        # all but the last byte: none of them goes away by itself
        peers = crowd(server, "http", request("/v1/listings", "Content-Type: application/json",
                                              method="POST", body=body)[:-1])
        other.check()
        with Peer(server) as peer:
            text = peer.ask("/health").body
        assert b"version" in text
    assert_bounded(server)
    assert Scrape(server).get("toq_memory_steps_total", step="bodies") >= 1
    assert server.has_line("memory: memory is short")
    for peer in peers:
        peer.close()
    assert_recovers(server)


def test_a_crowd_that_does_not_read(start_server, crowd):
    server = start_server(BUDGET)
    block = plain_block([(":method", "GET"), (":scheme", "http"), (":path", "/test/big?bytes=1000000"),
                         (":authority", "test")])
    asks = [frame(HEADERS, END_HEADERS | END_STREAM, stream, block) for stream in range(1, 201, 2)]
    with Other(server) as other:
        peers = crowd(server, "http", PREFACE + settings((INITIAL_WINDOW_SIZE, 1 << 20)) +
                      window_update(0, 1 << 30) + b"".join(asks), count=40)
        other.check()
        peers += crowd(server, "http", request("/test/big?bytes=2000000") * 5)
        other.check()
        if has_jemalloc():
            assert Scrape(server).get("toq_memory_steps_total", step="bodies") >= 1
    assert_bounded(server)
    for peer in peers:
        peer.close()
    assert_recovers(server)


def test_the_connection_that_holds_most_is_cut(start_server, crowd):
    """Answers that fill the budget while it is at ease, each of the longest."""
    server = start_server({"MEMORY_MAX_BYTES": 64 * MIB, "WRITE_TIMEOUT_MS": 3_600_000})
    peers = crowd(server, "http", request("/test/big?bytes=8000000"), count=8)
    # small ones, until nothing is left
    wait_until(lambda: crowd(server, "http", request("/test/big?bytes=60000"), count=20) and
               Scrape(server).get("toq_memory_level") == 2, "the budget to be full")
    line = server.wait_line("cutting off a stalled connection that holds memory")
    assert int(line.split("held_bytes=")[1].split()[0]) > 4 * MIB
    wait_until(lambda: Scrape(server).get("toq_memory_level") < 2, "room for new requests")
    assert Scrape(server).get("toq_memory_cut_connections_total") >= 1
    assert len(peers) == 8
    with Peer(server) as peer:
        assert peer.ask("/test/params/a/b").status == 200


# What a sanitizer's malloc has in use is not known, so what is charged to nobody is missing here.
test_the_connection_that_holds_most_is_cut.__test__ = has_jemalloc()


@pytest.mark.parametrize("window", [0, (1 << 31) - 1])
def test_a_handler_hears_that_its_answer_was_broken_off(start_server, window):
    """There is no memory for more of it; the frame that says so leaves at once, or waits behind what the peer does
    not read, while the handler goes on and ends."""
    server = start_server({"MEMORY_MAX_BYTES": 64 * MIB, "REQUEST_TIMEOUT_MS": 3_600_000})
    count = 3_000_000 if window == 0 else 1000  # pieces, one each millisecond
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, window)]) as peer:
        ask = peer.headers(1, fields(f"/test/drip?count={count}&bytes=65536&ms=1"))
        peer.send(window_update(0, (1 << 31) - 65536), ask)
        server.wait_line("out of memory: new requests are refused")
        if window == 0:
            assert peer.await_frame(RST_STREAM, stream=1).code == INTERNAL_ERROR
            peer.assert_alive()
        wait_until(lambda: Scrape(server).get("toq_memory_level") == 0, "memory for others")
        wait_until(lambda: driver.in_flight(server)[0] <= 1, "the handler to end")


# --- memory that malloc has not

def limit_address_space():
    resource.setrlimit(resource.RLIMIT_AS, (400 * MIB, 400 * MIB))


def test_too_little_address_space(start_server, crowd):
    server = start_server(preexec=limit_address_space)
    body = b'{"x":[' + b"{}," * 340_000 + b"1]}"
    post = request("/v1/listings", "Content-Type: application/json", method="POST", body=body)
    with Other(server) as other:
        for _ in range(20):
            with Peer(server) as peer:
                peer.send(post)
                assert peer.answer().status in (422, 503)
        crowd(server, "http", post[:-1], count=300)
        crowd(server, "http", request("/test/big?bytes=2000000"), count=300)
        other.check()
    assert server.is_running()
    told = [line for line in server.lines if "out of memory: new requests are refused" in line]
    assert len(told) < 20, told


# A sanitizer maps more than that at its start.
test_too_little_address_space.__test__ = has_jemalloc()
