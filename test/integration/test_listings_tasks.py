# SPDX-License-Identifier: MIT
"""Requests that wait for MySQL: given up by a drain, a deadline or a client, and seen by the profile."""

import contextlib
import os
import signal
import socket
import subprocess
import time

import pytest

import server as server_module
from listings import PATH, Api
from pprof_load import capture, load
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

POOL_SIZE = 2
SETTINGS = {"MYSQL_POOL_SIZE": POOL_SIZE, "CACHE_TTL_MS": 0}


def begun(server):
    """Reads that went past the cache."""
    return Scrape(server, at_once=True).get("toq_cache_requests_total", result="bypass")


@contextlib.contextmanager
def waiting(database, server, kind, count=10):
    """Peers that each wait for another listing, or page, while MySQL is paused: some on a
    connection, the others for one."""
    with Api(server) as client:
        made = [client.create() for _ in range(count)]
    targets = {"listing": [f"{PATH}/{one['id']}" for one in made],
               "page": [f"{PATH}?min_price_cents={number}" for number in range(count)]}[kind]
    with contextlib.ExitStack() as stack:
        stack.enter_context(database.paused("mysql"))
        peers = [stack.enter_context(Peer(server)) for _ in targets]
        for peer, target in zip(peers, targets):
            before = begun(server)
            peer.send(request(target))
            wait_until(lambda: begun(server) > before, "it to wait")
        yield peers


kinds = pytest.mark.parametrize("kind", ["listing", "page"])


def pool(server, what):
    return Scrape(server).get(f"toq_sql_{what}")


@pytest.fixture
def small(database, start_server, server_binary):
    """start(settings) starts a server with few connections and no cache."""
    def start(**settings):
        return start_server({**database.variables, **SETTINGS, **settings}, binary=server_binary)
    return start


def test_the_registry_names_what_waits_for_mysql(database, start_server, test_server_binary):
    server = start_server({**database.variables, **SETTINGS}, binary=test_server_binary)
    with waiting(database, server, "listing") as peers:
        with Peer(server) as peer:
            tasks = peer.ask("/test/tasks").body.decode().splitlines()
        seen = [task for task in tasks if task.startswith(f"GET {PATH}/:id ")]
        assert len(seen) == len(peers)
        # Connections that were open when it was paused are busy; the rest waits for one.
        assert set(seen) == {f"GET {PATH}/:id {state} listings_handle_get"
                             for state in ("mysql", "mysql pool")}


@kinds
def test_a_drain_gives_up_what_waits_for_mysql(database, small, kind):
    server = small(SHUTDOWN_TIMEOUT_MS=700)
    with waiting(database, server, kind) as peers:
        begin = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for peer in peers:
            answer = peer.answer()
            assert (answer.status, answer["Connection"]) == (503, "close")
        assert server.wait_exit() == 0
        assert time.monotonic() - begin >= 0.7  # it has waited for them
    assert server.has_line("shutdown timed out")


@kinds
def test_a_drain_waits_for_mysql(database, small, kind):
    server = small()
    with waiting(database, server, kind) as peers:
        server.send_signal(signal.SIGTERM)
        server.wait_line("shutting down")
        database.signal("mysql", signal.SIGCONT)
        assert [peer.answer().status for peer in peers] == [200] * len(peers)
    assert server.wait_exit() == 0
    assert not server.has_line("shutdown timed out")


@kinds
def test_clients_that_leave_free_their_places(database, small, kind):
    server = small()
    with waiting(database, server, kind, 12) as peers:
        for peer in peers:
            peer.reset()
        wait_until(lambda: pool(server, "waiting_queries") == 0, "the queue to be empty")
        assert Scrape(server).get("toq_listings_gather_waiting") == 0
        wait_until(lambda: Scrape(server).get("http_server_active_requests") <= 1, "none in flight")
    wait_until(lambda: pool(server, "in_use_connections") == 0, "the connections to be free")
    with Api(server) as client:
        assert client.read(client.create()["id"])["version"] == 1


@kinds
def test_a_deadline_frees_the_place(database, small, kind):
    server = small(REQUEST_TIMEOUT_MS=700)
    with waiting(database, server, kind) as peers:
        for peer in peers:
            answer = peer.answer()
            assert (answer.status, answer["Content-Type"]) == (503, "application/problem+json")
            assert int(answer["Retry-After"]) >= 1
        wait_until(lambda: pool(server, "waiting_queries") == 0, "the queue to be empty")
    with Api(server) as client:
        wait_until(lambda: client.ask("GET", PATH).status == 200, "it to serve again")


def is_full(server):
    """The queue has 1024 places, one of which the pool's own check may have."""
    scrape = Scrape(server, at_once=True)
    return (scrape.get("toq_sql_waiting_queries") >= 1023
            and scrape.get("toq_sql_query_refusals_total") >= 50)


def test_a_full_queue_is_503_at_once(database, small):
    """More wait than the queue takes: the others hear so while these wait."""
    server = small()
    with Api(server) as client:
        target = f"{PATH}/{client.create()['id']}"
    many = 1024 + POOL_SIZE + 50
    with contextlib.ExitStack() as stack:
        stack.enter_context(database.locked("listings"))
        peer = stack.enter_context(Peer(server))
        # Each asks for another page, so that no load is shared.
        links = [stack.enter_context(socket.create_connection(("127.0.0.1", server.ports["http"])))
                 for _ in range(many)]
        for number, link in enumerate(links):
            link.sendall(request(f"{PATH}?min_price_cents={number}"))
        wait_until(lambda: is_full(server), "the queue to be full, and some to be refused")
        answer = peer.ask(target)
        assert (answer.status, answer["Content-Type"]) == (503, "application/problem+json")
        assert int(answer["Retry-After"]) >= 1
    wait_until(lambda: pool(server, "waiting_queries") == 0, "the queue to be empty")


def test_the_cpu_profile_separates_the_routes(database, server_binary):
    server = server_module.start(server_binary, {**database.variables, **SETTINGS})
    try:
        with Api(server) as client:
            made = client.create()
        with load(server, f"{PATH}/{made['id']}", 4), load(server, f"{PATH}?limit=50", 4):
            profile = capture(server, 2)
        of_one = profile.total(lambda s: s.labels.get("route") == "/v1/listings/:id")
        of_list = profile.total(lambda s: s.labels.get("route") == "/v1/listings")
        assert of_one > 0 and of_list > 0
        assert of_one + of_list > profile.total() / 3
    finally:
        server.close()
