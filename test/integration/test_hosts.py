# SPDX-License-Identifier: MIT
"""The Host of requests for diagnostics on loopback: a web page may give its own name that address."""

import pytest
from wire import Peer

EVIL = "Host: evil.example:6060"
LISTENERS = {"metrics": "/metrics", "pprof": "/debug/pprof/cmdline"}


def status(server, listener, host, target=None):
    with Peer(server, listener) as peer:
        return peer.ask(target or LISTENERS[listener], host=host).status


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_strange_host_is_refused(start_server, listener):
    server = start_server({"ENABLE_PPROF": "true", "ALLOWED_HOSTS": None})
    for host in ("evil.example", "evil.example:6060", "localhost.evil.example", "127.0.0.1.evil.example", "test"):
        assert status(server, listener, f"Host: {host}") == 403
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:6060", "[::1]:6060", ""):
        assert status(server, listener, f"Host: {host}") == 200
    target = LISTENERS[listener]
    assert status(server, listener, "Host: localhost", f"http://evil.example{target}") == 403
    assert status(server, listener, EVIL, f"http://localhost{target}") == 200
    assert status(server, listener, EVIL, "/nowhere") == 403


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_host_may_be_allowed(start_server, listener):
    server = start_server({"ENABLE_PPROF": "true", "ALLOWED_HOSTS": "box,Box.Example"})
    assert status(server, listener, "Host: box:6060") == 200
    assert status(server, listener, "Host: box.example") == 200
    assert status(server, listener, EVIL) == 403


def test_other_listeners_take_any_host(start_server):
    server = start_server({"METRICS_HOST": "0.0.0.0", "ALLOWED_HOSTS": None})
    assert status(server, "http", EVIL, "/health/live") == 200
    assert status(server, "metrics", EVIL) == 200
