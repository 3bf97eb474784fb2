# SPDX-License-Identifier: MIT
"""Both loops under traffic at once; built with TSan, a race between them ends the server."""

import concurrent.futures

from heap import has_jemalloc
from wire import Peer

ROUNDS = 40
ASKED = {
    "http": ("/health", "/test/params/a/b", "/test/sleep?ms=1", "/test/hold/offload?ms=1", "/test/cancelled"),
    "metrics": ("/metrics", "/health/live", "/health"),
    "pprof": ("/debug/pprof/goroutine?debug=2", "/debug/pprof/block?debug=1", "/debug/pprof/threadcreate?debug=1",
              "/health/live"),
}


def ask(server, listener, paths):
    """The statuses of all of them, over and over on one connection."""
    statuses = set()
    with Peer(server, listener) as peer:
        for i in range(ROUNDS):
            statuses.add(peer.ask(paths[i % len(paths)]).status)
    return statuses


def test_traffic_and_diagnostics_at_once(start_server):
    server = start_server({"ENABLE_PPROF": "true", "LOG_LEVEL": "debug"})
    asked = [(listener, paths[i:] + paths[:i]) for listener, paths in ASKED.items() for i in range(2)]
    with concurrent.futures.ThreadPoolExecutor(len(asked) + 1) as pool:
        capture = pool.submit(ask_once, server, "/debug/pprof/profile?seconds=1")
        answers = [pool.submit(ask, server, *one) for one in asked]
        for (listener, _), answer in zip(asked, answers):
            assert answer.result() == ({200} if listener == "pprof" else {200, 503}), listener
        assert capture.result() == 200
    if has_jemalloc():
        assert ask_once(server, "/debug/pprof/heap") == 200
    assert server.stop() == 0


def ask_once(server, path):
    with Peer(server, "pprof") as peer:
        return peer.ask(path).status
