# SPDX-License-Identifier: MIT
"""Peers that keep a legal state and break one rule in ten, for a short while; driver.py plays them for longer.

TOQ_DRIVER_SEED repeats a run, as far as the server's timing lets it.
"""

import os
import random
import socket

import pytest

import driver
import rpc
import server as server_module
from http2_wire import (CANCEL, DATA, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM, Http2Peer,
                        fields, frame, rst, window_update)
from wire import reset_on_close

SECONDS = 20
DRAIN_SECONDS = 3


def test_no_step_breaks_the_server(sanitized_server_binary):
    """No report, nothing in flight in the end, and a drain that ends."""
    seed = int(os.environ.get("TOQ_DRIVER_SEED", random.SystemRandom().randrange(1 << 32)))
    lines = driver.play(sanitized_server_binary, seed, SECONDS, DRAIN_SECONDS)
    print("\n".join(lines))
    for protocol in ("http1", "http2", "grpc"):
        assert any(f"{protocol} !" in line for line in lines), f"{protocol} has broken no rule"
        assert any(f"{protocol}: " in line and " answered 200" in line for line in lines), protocol


# --- what the driver has found, alone

LATE = [("http", fields("/test/stubborn?ms=50")), ("http", fields("/test/drip?late=50&count=9&ms=60")),
        ("pprof", fields("/debug/pprof/symbol?0x1", method="POST"))]
LEAVE = [window_update(1, 0x7FFFFFFF), window_update(1, 0), rst(1)]


@pytest.mark.parametrize("listener, pairs", LATE, ids=["stubborn", "drip", "symbol"])
def test_a_handler_that_ends_after_its_connection(sanitized_server_binary, listener, pairs):
    """The peer resets the stream, or makes the server do it, and is gone when the handler ends."""
    server = server_module.start(sanitized_server_binary)
    for turn in range(30):
        with Http2Peer(server, listener) as peer:
            peer.send(peer.headers(1, pairs), LEAVE[turn % len(LEAVE)])
            if turn % 2:
                reset_on_close(peer.socket)
    server_module.wait_until(lambda: driver.in_flight(server)[0] <= 1, "the requests to end")
    server.close()


# What waits, and whether the client may still be there, and hears of the end by its status.
WAITING = {
    "a call that has an hour": ("Unary", [("grpc-timeout", "1H")], True),
    "a stream that has an hour": ("Spread", [("grpc-timeout", "1H")], True),
    "a stream": ("Spread", [], False),
}


@pytest.mark.parametrize("case", WAITING)
def test_a_call_does_not_wait_for_a_client_that_is_gone(start_server, case):
    """A client that is gone has sent FIN, and nothing else tells of it."""
    method, timeout, is_told = WAITING[case]
    server = start_server({"REQUEST_TIMEOUT_MS": "500"})
    body = rpc.message(rpc.Request(is_stuck=True).SerializeToString())
    with rpc.Peer(server) as peer:
        pairs = rpc.call_fields(*timeout, path=f"/toq.test.v1.Echo/{method}")
        peer.send(peer.headers(1, pairs, end=False), frame(DATA, END_STREAM, 1, body))
        peer.assert_alive()
        peer.socket.shutdown(socket.SHUT_WR)
        ends = [dict(one.pairs) for one in peer.frames() if one.kind == HEADERS and one.is_end]
    assert [one["grpc-status"] for one in ends] == (["4"] if is_told else [])
    server_module.wait_until(lambda: driver.in_flight(server)[0] <= 1, "the call to end")


# What is asked for, and the window that it gets: none, or one that is used up when the end is due.
NOT_TAKEN = [("GET", "/test/params/a/b", 0), ("GET", "/test/stream?bytes=100", 0),
             ("GET", "/test/drip?count=3", 0), ("GET", "/test/drip?count=3", 30),
             ("HEAD", "/test/drip?count=3", 0), ("POST", "/test/drip?count=3", 30)]


@pytest.mark.parametrize("has_left", [False, True])
@pytest.mark.parametrize("method, target, window", NOT_TAKEN)
def test_an_answer_that_is_not_taken_is_given_up(start_server, method, target, window, has_left):
    """Whether its handler has ended it or writes, and whether bytes are left of it or its end alone; the
    connection of a client that is gone ends with it."""
    server = start_server({"WRITE_TIMEOUT_MS": "1000"})
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, window)]) as peer:
        peer.send(peer.headers(1, fields(target, method=method)))
        peer.await_frame(HEADERS, stream=1)
        if has_left:
            peer.socket.shutdown(socket.SHUT_WR)
        assert peer.await_frame(RST_STREAM, stream=1).code == CANCEL
        if has_left:
            assert not any(one.stream for one in peer.frames())  # until it closes
        else:
            peer.assert_alive()
