# SPDX-License-Identifier: MIT
"""Requests that their handlers have forgotten: one line, a count, and a state of their own."""

import re
import time

import pytest
from http2_wire import Http2Peer
from server import wait_until
from wire import Peer

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
def test_a_request_that_its_deadline_ended_alone(start_server, name, protocol):
    route = f"/test/misuse/{name}"
    server = start_server({"REQUEST_TIMEOUT_MS": 300, "ENABLE_PPROF": "true", "SHUTDOWN_TIMEOUT_MS": 500})
    with protocol(server) as peer:
        assert peer.ask(route).status == 503  # the peer hears of its deadline as ever
    [line] = wait_until(lambda: lines_of(server, route), "the line about it")
    assert "WARN" in line and "state=cancelled" in line and re.search(r"handler=\+0x[0-9a-f]+", line)
    assert int(re.search(r"age_ms=(\d+)", line).group(1)) >= 300
    assert metric(server, route) == 1
    assert re.search(rf'goroutine \d+ \[forgotten\] {{method: GET, route: "?{route}"?}}', dump(server))
    time.sleep(2.5)  # two more looks, which must say nothing
    assert len(lines_of(server, route)) == 1 and metric(server, route) == 1
    assert server.stop() == 0


def test_a_query_that_is_pending_is_no_oversight(start_server):
    """A handler that ends late, but holds its request, is not told of."""
    server = start_server({"REQUEST_TIMEOUT_MS": 100, "ENABLE_PPROF": "true"})
    with Peer(server) as peer:
        assert peer.ask("/test/sleep?ms=3000").status == 503
    time.sleep(2.5)
    assert not [line for line in server.lines if LINE in line]
