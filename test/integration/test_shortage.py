# SPDX-License-Identifier: MIT
"""Too few descriptors: what is connected is served, the rest is turned away, and it passes."""

import contextlib
import re
import resource

import pytest

from heap import has_jemalloc
from server import wait_until
from wire import Peer, request

LIMIT = 128
KEPT = 32  # of them, for diagnostics


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def shed(peer, reason):
    text = peer.ask("/metrics").body.decode()
    name = f'toq_connections_shed_total{{listener="http",reason="{reason}"}}'
    return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M).group(1))


def is_served(server, listener="http"):
    """Whether a new connection gets an answer."""
    with Peer(server, listener) as peer:
        try:
            peer.send(request("/health/live", "Connection: close"))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return peer.rest().startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 505 "))


def fill(server, crowd, listener="http"):
    """Takes what is left for a listener."""
    wait_until(lambda: crowd.append(Peer(server, listener)) or not is_served(server, listener),
               "all descriptors to be in use")


@pytest.fixture
def crowded(start_server):
    """A server with few descriptors, a peer of each kind that came early, and peers that take the rest."""
    server = start_server(preexec=limit_descriptors)
    early, scraper = Peer(server), Peer(server, "metrics")
    assert early.ask("/health/live").status == 200
    assert scraper.ask("/metrics").status == 200
    crowd = [Peer(server) for _ in range(100)]
    wait_until(lambda: shed(scraper, "descriptors") > 0, "a shortage of descriptors")
    fill(server, crowd)
    yield server, early, scraper, crowd
    for peer in (early, scraper, *crowd):
        peer.socket.close()


def test_connections_that_are_open_are_served(crowded):
    server, early, _, crowd = crowded
    for _ in range(10):
        fill(server, crowd)
        assert early.ask("/health/live").status == 200
        assert early.ask("/test/sleep?ms=1").body == b"slept\n"
    assert server.has_line("cannot accept, shedding connections")


def test_connections_that_do_not_fit_are_closed_and_counted(crowded):
    server, _, scraper, crowd = crowded
    before = shed(scraper, "descriptors")
    wait_until(lambda: not is_served(server) or fill(server, crowd), "no room for one more")
    wait_until(lambda: shed(scraper, "descriptors") > before, "the connection to be counted")
    # Those of the crowd that were turned away know it, all others are answered.
    answered = 0
    for peer in crowd:
        try:
            peer.send(request("/health/live", "Connection: close"))
        except (BrokenPipeError, ConnectionResetError):
            continue
        answered += peer.rest().startswith(b"HTTP/1.1 200 ")
    assert 0 < answered < len(crowd)
    # The shed connections were logged once, not once each.
    assert len([line for line in server.lines if "cannot accept" in line]) == 1


def test_diagnostics_answer_all_the_same(crowded):
    server, _, scraper, crowd = crowded
    fill(server, crowd, "grpc")
    fill(server, crowd)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(Peer(server, "metrics")) for _ in range(8)]
        for listener in ("metrics", "pprof"):
            peer = stack.enter_context(Peer(server, listener))
            assert peer.ask("/health/live").status == 200
            assert b'"status":"unavailable"' in peer.ask("/health").body
            assert peer.ask("/health/ready").status == 503
        assert scraper.ask("/metrics").status == 200
        of_jemalloc = ("heap", "allocs", "mutex") if has_jemalloc() else ()
        for path in ("goroutine?debug=2", "profile?seconds=1", *of_jemalloc, "threadcreate", "symbol", ""):
            answer = peer.ask(f"/debug/pprof/{path}")
            assert answer.status == 200, (path, answer.body)
        assert all(one.ask("/health/live").status == 200 for one in idle)
    assert not is_served(server)


def test_what_is_kept_is_enough_for_diagnostics_alone(crowded):
    server, _, _, crowd = crowded
    fill(server, crowd, "grpc")
    fill(server, crowd)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server, "pprof")) for _ in range(KEPT - 2)]
        assert all(one.ask("/health/live").status == 200 for one in peers)


@pytest.mark.parametrize("taken, other", [("http", "grpc"), ("grpc", "http")])
def test_one_listener_leaves_enough_for_the_other(start_server, taken, other):
    server = start_server(preexec=limit_descriptors)
    crowd = []
    fill(server, crowd, taken)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server, other)) for _ in range(20)]
        assert all(one.ask("/health/live").status in (200, 505) for one in peers)
    for peer in crowd:
        peer.socket.close()


def test_it_recovers_by_itself(crowded):
    server, early, _, crowd = crowded
    for peer in crowd:
        peer.socket.close()
    wait_until(lambda: is_served(server), "room for new connections")
    assert early.ask("/health/live").status == 200
    # A second time, with a reserve as good as the first one.
    again = [Peer(server) for _ in range(100)]
    assert early.ask("/health/live").status == 200
    for peer in again:
        peer.socket.close()
    wait_until(lambda: is_served(server), "room for new connections, again")


def test_it_drains_while_crowded(crowded):
    server, early, _, _ = crowded
    early.send(request("/test/sleep?ms=300"))
    assert early.answer().body == b"slept\n"
    assert server.stop() == 0


def test_a_shortage_that_others_make(start_server):
    """The reserve is gone as well: the listener rests and tries again."""
    server = start_server()
    with Peer(server) as early:
        assert early.ask("/health/live").status == 200
        # The limit falls below what is in use: not even the reserve can be opened again.
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (5, 64))
        waiting = [Peer(server) for _ in range(5)]
        server.wait_line("cannot accept, shedding connections")
        assert early.ask("/health/live").status == 200
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (64, 64))
        wait_until(lambda: is_served(server), "the listener to go on")
        for peer in waiting:
            peer.socket.close()
