# SPDX-License-Identifier: MIT
"""SIGTERM while calls of gRPC come in: each that the server accepted is answered.

A call is accepted when the GOAWAY that ends the connection names its stream, or a later one. A client
that is told so may safely repeat the others elsewhere; most do so by themselves.
"""

import re
import signal
import subprocess
import threading
import time

import grpc
import pytest

from http2_wire import DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, frame, window_update
from rpc import HEALTH, UNARY, Client, Peer, Request, call_fields, message, refusal
from server import PATIENCE_S, wait_until

Code = grpc.StatusCode
CLIENTS = 8
AT_ONCE = 16  # calls of each client made of frames
CALLS_BEFORE = 20  # of each client, before the signal
SLOW_MS = 20  # to the next tick of the server's timers
LAST_STREAM_OF_ALL = 2 ** 31 - 1
H2LOAD_CALLS = 1_000_000  # more than there is time for


class Loader(threading.Thread):
    """A client of its own that calls until it is told to stop; what goes wrong fails the test."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server = server
        self.request = Request(payload=b"%d" % number, sleep_ms=SLOW_MS if number % 2 else 0)
        self.answered = 0
        self.error = None

    def run(self):
        try:
            self.load()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


class Frames(Loader):
    """Keeps AT_ONCE calls open on a connection, and goes on until the last GOAWAY."""

    def load(self):
        body = message(self.request.SerializeToString())
        statuses, stream = {}, 1
        last_stream = LAST_STREAM_OF_ALL
        with Peer(self.server) as peer:
            for _ in range(AT_ONCE):
                stream = self.call(peer, stream, body)
            for one in peer.frames():
                assert one.kind != RST_STREAM, one
                if one.kind == GOAWAY:
                    assert one.code == 0
                    last_stream = one.last_stream
                if one.kind == DATA:
                    peer.send(window_update(0, len(one.payload)))
                if one.kind != HEADERS or not one.is_end:
                    continue
                assert one.stream not in statuses
                statuses[one.stream] = dict(one.pairs)["grpc-status"]
                self.answered += 1
                if last_stream == LAST_STREAM_OF_ALL:
                    stream = self.call(peer, stream, body)
            assert not peer.is_reset
        assert last_stream != LAST_STREAM_OF_ALL
        accepted = [number for number in range(1, stream, 2) if number <= last_stream]
        assert statuses == {number: "0" for number in accepted}

    @staticmethod
    def call(peer, stream, body):
        peer.send(peer.headers(stream, call_fields(), end=False),
                  frame(DATA, END_STREAM, stream, body))
        return stream + 2


class Grpcio(Loader):
    """One call after the other on a channel, until the server cannot be reached."""

    def load(self):
        with Client(self.server) as client:
            while True:
                try:
                    reply = client.echo.Unary(self.request, timeout=PATIENCE_S)
                except grpc.RpcError as error:
                    assert error.code() == Code.UNAVAILABLE, error
                    return
                assert reply.payload == self.request.payload
                self.answered += 1


def ended_well(server):
    """How many calls the server has ended with OK, by its log."""
    assert not server.has_line("log lines dropped")
    calls = [line for line in server.lines if " access: request server=grpc " in line]
    assert all(" rpc_status=OK " in line for line in calls)
    return len(calls)


@pytest.mark.parametrize("kind", [Frames, Grpcio])
def test_no_accepted_call_is_lost(start_server, kind):
    server = start_server({"LOG_LEVEL": "debug"})
    loaders = [kind(server, number) for number in range(CLIENTS)]
    for loader in loaders:
        loader.start()
    wait_until(lambda: all(loader.answered >= CALLS_BEFORE or loader.error for loader in loaders),
               "calls")
    server.send_signal(signal.SIGTERM)
    for loader in loaders:
        loader.join(PATIENCE_S)
        assert not loader.is_alive()
    assert [loader.error for loader in loaders] == [None] * CLIENTS
    assert server.wait_exit() == 0
    assert ended_well(server) == sum(loader.answered for loader in loaders)
    assert "requests_left=0" in server.wait_line("main: stopped")


def test_no_call_of_h2load_is_lost(start_server, tmp_path):
    """What h2load calls started it may not have sent, but what it has sent is answered."""
    server = start_server({"LOG_LEVEL": "debug"})
    body = tmp_path / "call"
    body.write_bytes(message(Request(sleep_ms=SLOW_MS).SerializeToString()))
    with subprocess.Popen(
            ["h2load", "-t1", f"-c{CLIENTS}", f"-m{AT_ONCE}", f"-n{H2LOAD_CALLS}", f"-d{body}",
             "-Hcontent-type: application/grpc", "-Hte: trailers",
             f"http://127.0.0.1:{server.ports['grpc']}{UNARY}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as h2load:
        wait_until(lambda: len(server.lines) > CLIENTS * AT_ONCE * 4, "calls")
        server.send_signal(signal.SIGTERM)
        text = h2load.communicate(timeout=PATIENCE_S)[0]
    assert server.wait_exit() == 0
    succeeded = int(re.search(r" (\d+) succeeded", text).group(1))
    assert (ended_well(server), f"{succeeded} 2xx, 0 3xx, 0 4xx, 0 5xx" in text) == (succeeded, True)


def test_health_turns_before_the_goaway(start_server, services):
    """A client that watches can go elsewhere before it is told that it must."""
    server = start_server(services.variables)
    with Client(server) as client:
        wait_until(lambda: client.health.Check(HEALTH.HealthCheckRequest(), timeout=PATIENCE_S)
                   .status == HEALTH.HealthCheckResponse.SERVING, "MySQL to be up")
    with Peer(server) as peer:
        peer.send(peer.headers(1, call_fields(path="/grpc.health.v1.Health/Watch"), end=False),
                  frame(DATA, END_STREAM, 1, message(b"")))
        peer.await_frame(DATA, stream=1)
        server.send_signal(signal.SIGTERM)
        seen = [one for one in peer.frames() if one.kind in (DATA, GOAWAY, HEADERS)]
        assert not peer.is_reset
    assert server.wait_exit() == 0
    said = HEALTH.HealthCheckResponse.FromString(seen[0].payload[5:])
    assert (seen[0].kind, said.status) == (DATA, HEALTH.HealthCheckResponse.NOT_SERVING)
    assert seen[1].kind in (GOAWAY, HEADERS)


def test_streams_under_load_end_with_unavailable_after_the_grace(start_server):
    """Calls end well until the grace is over; streams without an end of their own go on, and hear why."""
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 1000})
    loaders = [Grpcio(server, number) for number in range(CLIENTS)]
    with Client(server) as client:
        streams = [client.echo.Spread(Request(count=3, is_stuck=True)) for _ in range(CLIENTS)]
        for stream in streams:
            assert next(stream).total == 0
        for loader in loaders:
            loader.start()
        wait_until(lambda: all(loader.answered > 0 or loader.error for loader in loaders), "calls")
        start_s = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for stream in streams:
            assert [next(stream).total for _ in range(2)] == [1, 2]
            error = refusal(lambda: next(stream))  # pylint: disable=cell-var-from-loop
            assert (error.code(), error.details()) == (Code.UNAVAILABLE,
                                                       "the server is shutting down")
        assert time.monotonic() - start_s > 0.9  # not before the grace was over
    for loader in loaders:
        loader.join(PATIENCE_S)
    assert [loader.error for loader in loaders] == [None] * CLIENTS
    assert server.wait_exit() == 0
    assert f"cancelled_requests={CLIENTS}" in server.wait_line("shutdown timed out")
