# SPDX-License-Identifier: MIT
"""The modules of docs/examples, which the test server has."""

import os
import re
import signal
import threading

import grpc
import pytest

import rpc
import server as server_module
from listings import migrate
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRIMES = ((0, 0), (10, 4), (100000, 9592))
LONG = "/primes?below=10000000"  # some seconds of a thread


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def test_what_the_guide_quotes_is_in_the_example():
    """Up to the next "of", each block of C that stands behind "of `name.c`:" is from there."""
    quoted = 0
    for name, text in re.findall(r"[Oo]f `(\w+\.c)`:\n(.*?)(?=[Oo]f `\w+\.c`:\n|\nThe rules:\n)",
                                 read("docs/HACKING.md"), re.S):
        blocks = re.findall(r"^```c\n(.*?)^```$", text, re.M | re.S)
        assert blocks
        for block in blocks:
            assert block in read(f"docs/examples/{name}")
            quoted += 1
    assert quoted >= 3


def test_what_the_guide_quotes_of_a_module_is_in_it():
    [(path, block)] = re.findall(r"^[^\n]*Of `(test/modules/[\w/]+\.c)`:\n\n```c\n(.*?)^```$", read("docs/HACKING.md"), re.M | re.S)
    assert block in read(path)


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
    server = start_server({"REQUEST_TIMEOUT_MS": 300000})  # a sanitizer makes it slow
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


# --- visits.c and transfer.c: MySQL and Redis


@pytest.fixture(scope="module")
def stored(services, test_server_binary):
    """A server of the examples with their tables, all empty but for what the schema puts there."""
    services.clear()
    done = migrate(test_server_binary, services.variables)
    assert done.returncode == 0, done.stderr
    assert "visits has 1" in done.stdout and "transfer has 2" in done.stdout
    shared = server_module.start(test_server_binary, services.variables)
    shared.services = services
    yield shared
    shared.close()
    services.clear()


def ask(server, path, method="GET"):
    with Peer(server) as peer:
        answer = peer.ask(path, *(["Content-Length: 0"] if method == "POST" else []), method=method)
        return answer.status, answer.body.decode().rstrip()


def test_visits_are_counted_and_cached(stored):
    assert ask(stored, "/visits/a%20page") == (200, "0")
    for _ in range(3):
        assert ask(stored, "/visits/a%20page", "POST") == (200, "visited")
    assert ask(stored, "/visits/a%20page") == (200, "3")
    stored.services.query("UPDATE visits SET count = 9")
    assert ask(stored, "/visits/a%20page") == (200, "3")  # which Redis has
    assert ask(stored, "/visits/a%20page", "POST") == (200, "visited")
    assert ask(stored, "/visits/a%20page") == (200, "10")


def test_visits_without_a_cache(services, stored, start_server):
    """Redis is away: MySQL is asked each time."""
    server = start_server({**services.variables, "REDIS_PORT": server_module.free_port()})
    services.query("REPLACE INTO visits VALUES ('b', 5)")
    assert ask(server, "/visits/b") == (200, "5")
    services.query("UPDATE visits SET count = 6 WHERE page = 'b'")
    assert ask(server, "/visits/b") == (200, "6")


def test_visits_while_mysql_is_away(start_server):
    assert ask(start_server(), "/visits/c") == (503, "503 Service Unavailable: the database is away")


def balances(services):
    return dict(services.query("SELECT name, cents FROM accounts"))


def test_a_transfer_is_made_whole_or_not_at_all(stored):
    assert ask(stored, "/transfers/Ana/Bia?cents=250", "POST") == (200, "750 left")
    assert ask(stored, "/transfers/Ana/Bia?cents=751", "POST")[0] == 409
    assert ask(stored, "/transfers/Ana/Caio?cents=1", "POST")[0] == 404  # taken from Ana, and given back
    assert ask(stored, "/transfers/Caio/Ana?cents=1", "POST")[0] == 404
    assert ask(stored, "/transfers/Ana/Bia?cents=x", "POST")[0] == 400
    assert balances(stored.services) == {"Ana": 750, "Bia": 250}


def test_transfers_that_meet(stored):
    """Both ways at once, from many: a deadlock is run anew, and no cent is lost."""
    before = balances(stored.services)
    said = []

    def move(path):
        said.extend(ask(stored, path, "POST")[0] for _ in range(10))
    movers = [threading.Thread(target=move, args=(f"/transfers/{way}?cents=1",))
              for way in ("Ana/Bia", "Bia/Ana") for _ in range(4)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    after = balances(stored.services)
    moved = 40 - sum(1 for status in said if status != 200)
    assert len(said) == 80 and set(said) <= {200, 503} and moved > 0
    assert sum(after.values()) == sum(before.values())


def test_a_client_that_leaves_a_transfer(stored):
    """The account is locked by another; the client's departure undoes the transaction and ends the request."""
    with stored.services.locked("accounts"):
        with Peer(stored) as peer:
            peer.send(request("/transfers/Ana/Bia?cents=1", "Content-Length: 0", method="POST"))
            wait_until(lambda: tasks(stored).count(b"/transfers/:from/:to mysql") == 1, "it to wait")
            peer.reset()
        wait_until(lambda: b"/transfers/" not in tasks(stored), "it to end")
    assert "request forgotten" not in "".join(stored.lines)


def tasks(server):
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body


# --- bells.c and clock.c: gRPC

BELLS = rpc.module("toq/example/v1/bells.proto")


def stub(client, name):
    return rpc.Stub(client.channel, BELLS.DESCRIPTOR.services_by_name[name])


def test_bells_of_each_kind(test_server):
    with rpc.Client(test_server) as client:
        bells = stub(client, "Bells")
        ropes = [BELLS.Rope(pulls=number) for number in (1, 2, 3)]
        assert bells.Ring(ropes[1], timeout=PATIENCE_S).text == "ding x 2"
        assert bells.Count(iter(ropes), timeout=PATIENCE_S).pulls == 6
        sounds = bells.Chime(iter(ropes), timeout=PATIENCE_S)
        assert [sound.text for sound in sounds] == ["ding x 1", "ding x 2", "ding x 3"]
        assert bells.Count(iter([]), timeout=PATIENCE_S).pulls == 0
    assert ask(test_server, "/bells/3") == (200, '{"text":"ding x 3"}')
    assert ask(test_server, "/bells/many")[0] == 400


def test_a_client_that_leaves_a_stream(test_server):
    """Count has no on_cancel: the call ends by itself all the same."""
    hung_up = threading.Event()

    def endless():
        yield BELLS.Rope(pulls=1)
        hung_up.wait(PATIENCE_S)
    with rpc.Client(test_server) as client:
        call = stub(client, "Bells").Count.future(endless(), timeout=PATIENCE_S)
        wait_until(lambda: b"Bells/Count" in tasks(test_server), "the call")
        call.cancel()
        wait_until(lambda: b"Bells/Count" not in tasks(test_server), "it to end")
        hung_up.set()


def test_a_clock_ticks_until_its_client_leaves_or_the_server_stops(start_server):
    server = start_server({"ENABLE_PPROF": "true"})
    with rpc.Client(server) as client, rpc.Client(server) as other:
        ticks = stub(client, "Clock").Listen(BELLS.Start(), timeout=PATIENCE_S)
        assert [next(ticks).number for _ in range(3)] == [1, 2, 3]
        left = stub(other, "Clock").Listen(BELLS.Start(), timeout=PATIENCE_S)
        assert next(left).number == 1
        wait_until(lambda: tasks(server).count(b"Clock/Listen clock ") == 2, "both")
        left.cancel()
        wait_until(lambda: tasks(server).count(b"Clock/Listen clock ") == 1, "one to be gone")
        server.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as raised:
            for _ in ticks:
                pass
        assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the server stops")
    assert server.wait_exit() == 0
