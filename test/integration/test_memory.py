# SPDX-License-Identifier: MIT
"""Memory has a bound, whatever peers do: it is charged, it runs short in steps, and others are served."""

import gzip

import pytest

import http2_wire as wire
from http2_wire import DATA, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, Http2Peer, frame
from rpc import call_fields, message, status_of
from server import wait_until

MIB = 1 << 20
OK, RESOURCE_EXHAUSTED = 0, 8
CHECK = "/grpc.health.v1.Health/Check"


def resident_bytes(server):
    with open(f"/proc/{server.pid}/status") as file:
        line = next(line for line in file if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


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
        assert resident_bytes(server) - before < 64 * MIB
