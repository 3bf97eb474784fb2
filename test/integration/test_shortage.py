# SPDX-License-Identifier: MIT
"""Too few descriptors: what is connected is served, the rest is turned away, and it passes."""

import os
import re
import resource

import pytest
from server import wait_until
from wire import Peer, request


LIMIT = 64


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def shed(peer, reason):
    text = peer.ask("/metrics").body.decode()
    name = f'toq_connections_shed_total{{listener="http",reason="{reason}"}}'
    return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M).group(1))


def is_served(server):
    """Whether a new connection gets an answer."""
    with Peer(server) as peer:
        try:
            peer.send(request("/health/live", "Connection: close"))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return peer.rest().startswith(b"HTTP/1.1 200 ")


def fill(server, crowd):
    """Takes what is left, and what the profiler gives back, which reads files while the server starts."""
    wait_until(lambda: crowd.append(Peer(server)) or descriptors(server) == LIMIT,
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
    lines = [line for line in server.lines if "cannot accept" in line]
    assert len(lines) < 10


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
