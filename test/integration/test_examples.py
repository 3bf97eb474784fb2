# SPDX-License-Identifier: MIT
"""The modules of docs/examples, which the test server has."""

import pytest

from scrape import Scrape
from server import wait_until
from wire import Peer, request

PRIMES = ((0, 0), (10, 4), (100000, 9592))
LONG = "/primes?below=10000000"  # some seconds of a thread


def test_hello(test_server):
    with Peer(test_server) as peer:
        answer = peer.ask("/hello/Ana%20Maria")
        assert (answer.status, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert answer.body == b"Hello, Ana Maria!\n"
        assert peer.ask("/hello/x", method="POST").status == 405


@pytest.mark.parametrize("below, count", PRIMES)
def test_primes(test_server, below, count):
    with Peer(test_server) as peer:
        assert peer.ask(f"/primes?below={below}").body == f"{count}\n".encode()


@pytest.mark.parametrize("query", ["", "?below=", "?below=x", "?below=10000001"])
def test_primes_below_nonsense(test_server, query):
    with Peer(test_server) as peer:
        assert peer.ask(f"/primes{query}").status == 400


def offloading(server):
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body.count(b"GET /primes offload ")


def test_work_on_threads_holds_nobody_up(start_server):
    server = start_server()
    with Peer(server) as first, Peer(server) as second, Peer(server) as third, Peer(server) as other:
        for peer in (first, second, third):
            peer.send(request(LONG))
        wait_until(lambda: offloading(server) == 3, "three requests to wait")
        for _ in range(20):
            assert other.ask("/hello/x").status == 200
        scrape = Scrape(server, at_once=True)
        assert scrape.get("toq_threadpool_active_jobs", pool="offload") == 3
        third.reset()  # its work waits for a thread, and is called off
        wait_until(lambda: offloading(server) <= 2, "it to be forgotten")
        assert first.answer().body == second.answer().body == b"664579\n"
    assert Scrape(server).get("toq_threadpool_active_jobs", pool="offload") == 0


def test_a_full_pool_is_503_at_once(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request(LONG) * 64)  # those of one connection wait for each other
        peers = [Peer(server) for _ in range(140)]
        try:
            for one in peers:
                one.send(request(LONG))
            wait_until(lambda: Scrape(server, at_once=True).requests("/primes", 503) > 0, "some refused")
        finally:
            for one in peers:
                one.reset()
    server.stop()
