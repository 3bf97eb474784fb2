# SPDX-License-Identifier: MIT
"""A gibibyte through each kind of stream, with somebody slow at one end: the server holds no more of it
than windows and queues do."""

import itertools
import re
import time

import pytest

from pprof_load import is_sanitized
from rpc import Client, Request

PIECE = 100_000
SLACK_KIB = 32 * 1024  # windows, queues, and what the allocator keeps of them


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def total(server):
    """How many bytes; less where each takes ten times as long."""
    return (1 << 27 if is_sanitized(server.binary) else 1 << 30) // PIECE * PIECE


def peak_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))


@pytest.fixture(autouse=True)
def flat(server):
    """The peak stays where one round of everything has left it."""
    with Client(server) as client:
        list(client.echo.Spread(Request(count=20, size=PIECE)))
        client.echo.Collect(Request(payload=bytes(PIECE)) for _ in range(20))
    before = peak_kib(server)
    yield
    # A sanitizer keeps what was freed: 256 MiB, by default.
    assert peak_kib(server) - before < (600 * 1024 if is_sanitized(server.binary) else SLACK_KIB)


def slowly(pieces, size):
    """Yields them with a pause at every hundredth of `size` bytes."""
    for at, piece in zip(itertools.count(0, PIECE), pieces):
        if at % (size // 100) < PIECE:
            time.sleep(0.01)
        yield piece


def test_a_slow_reader_of_a_server_stream(server, total):
    with Client(server) as client:
        replies = client.echo.Spread(Request(count=total // PIECE, size=PIECE))
        assert sum(len(reply.payload) for reply in slowly(replies, total)) == total


def test_a_slow_handler_of_a_client_stream(server, total):
    payload = bytes(PIECE)
    with Client(server) as client:
        requests = (Request(payload=payload, sleep_ms=100 if n % 1000 == 0 else 0)
                    for n in range(total // PIECE))
        assert client.echo.Collect(requests).total == total


def test_a_slow_reader_of_both_ways(server, total):
    payload = bytes(PIECE)
    with Client(server) as client:
        replies = client.echo.Chat(Request(payload=payload) for _ in range(total // PIECE))
        assert sum(len(reply.payload) for reply in slowly(replies, total)) == total
