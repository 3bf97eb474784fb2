# SPDX-License-Identifier: MIT
"""Requests that their handlers leave alone: when they were cancelled they end, else they are seen waiting."""

import re
import time

import pytest
from http2_wire import Http2Peer
from server import wait_until
from wire import Peer, request

LINE = "request forgotten"


def metric(server, route):
    with Peer(server, "metrics") as peer:
        text = peer.ask("/metrics").body.decode()
    found = re.search(rf'^toq_forgotten_requests_total{{route="{route}"}} (\d+)$', text, re.M)
    return int(found.group(1)) if found else 0


def lines_of(server, route):
    return [line for line in list(server.lines) if LINE in line and f"route={route} " in line]


def dump(server):
    with Peer(server, "pprof") as peer:
        return peer.ask("/debug/pprof/goroutine?debug=2").body.decode()


@pytest.mark.parametrize("protocol", [Peer, Http2Peer], ids=["http1", "http2"])
@pytest.mark.parametrize("name", ["forget", "forget-cancel"])
def test_a_cancelled_request_needs_nobody_to_end_it(start_server, name, protocol):
    """Its handler does nothing about the cancel; as nobody holds it, it is gone at once."""
    route = f"/test/misuse/{name}"
    server = start_server({"REQUEST_TIMEOUT_MS": 300, "ENABLE_PPROF": "true", "SHUTDOWN_TIMEOUT_MS": 500})
    with protocol(server) as peer:
        assert peer.ask(route).status == 503  # the peer hears of its deadline as ever
        assert route not in dump(server)
    time.sleep(2.5)  # two looks
    assert not lines_of(server, route) and metric(server, route) == 0
    assert server.stop() == 0


@pytest.mark.leaks("/test/misuse/forget")
def test_a_handler_that_returns_without_a_word_is_seen_waiting(start_server):
    server = start_server({"ENABLE_PPROF": "true", "SHUTDOWN_TIMEOUT_MS": 100})
    with Peer(server) as peer:
        peer.send(request("/test/misuse/forget"))
        found = wait_until(lambda: re.search(
            r"goroutine \d+ \[waiting[^\]]*\] \{method: GET, route: [^}]*forget[^}]*\}:\n(.*?)\n\n", dump(server), re.S),
            "it to wait")
    assert "handle_forget" in found.group(1)


def test_a_query_that_is_pending_is_no_oversight(start_server):
    """A handler that ends late, but holds its request, is not told of."""
    server = start_server({"REQUEST_TIMEOUT_MS": 100, "ENABLE_PPROF": "true"})
    with Peer(server) as peer:
        assert peer.ask("/test/sleep?ms=3000").status == 503
    time.sleep(2.5)
    assert not [line for line in server.lines if LINE in line]
