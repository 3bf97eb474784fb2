# SPDX-License-Identifier: MIT
"""MySQL and Redis that answer and do not work: /health says so and why, the log once each way."""

import contextlib
import json
import threading
import time

import pytest

from listings import PATH, Api, assert_problem, example
from proxy import Proxy
from redis_harm import busy, demoted, full
from scrape import Scrape
from server import wait_until
from wire import Peer


def health(server, path="/health"):
    with Peer(server) as peer:
        answer = peer.ask(path)
        return answer.status, json.loads(answer.body)


def state_of(server, name):
    one = health(server)[1]["dependencies"][name]
    return one["state"], one.get("reason", "")


def wait_state(server, name, *wanted):
    wait_until(lambda: state_of(server, name) == wanted, f"{name} to be {wanted}")


@pytest.fixture
def watched(database, start_server, server_binary):
    server = start_server({**database.variables, "MYSQL_POOL_SIZE": "4"}, binary=server_binary)
    for name in ("mysql", "redis"):
        wait_state(server, name, "up", "")
    return server


# --- ways to harm MySQL

@contextlib.contextmanager
def read_only(database):
    with database.setting(read_only=1):
        yield


@contextlib.contextmanager
def locked(database):
    """As a backup does it."""
    with contextlib.closing(database.mysql()) as connection:
        connection.cursor().execute("LOCK TABLES listings READ")
        yield


HARMS = [
    ("redis", full, "its memory is full", "server refuses"),
    ("redis", busy, "it runs a script", None),
    ("redis", demoted, "it takes no writes", "connection lost"),
    ("mysql", read_only, "it takes no writes", "database is degraded"),
    ("mysql", locked, "writes get no answer", "database is degraded"),
]


@pytest.mark.parametrize("name, harm, reason, line", HARMS, ids=[row[1].__name__ for row in HARMS])
def test_health_says_so_and_why(watched, database, name, harm, reason, line):
    with harm(database):
        wait_state(watched, name, "degraded", reason)
        status, body = health(watched)
        assert (status, body["status"]) == (200, "degraded")
        assert health(watched, "/health/ready")[0] == 200
        with Api(watched) as client:
            assert client.ask("GET", PATH).status == 200
        time.sleep(1)  # it is said once, and not with each check
    wait_state(watched, name, "up", "")
    assert health(watched)[1]["status"] == "ok"
    component = {"mysql": " sql: ", "redis": " redis: "}[name]

    def warned():
        return [one for one in list(watched.lines) if " WARN " in one and component in one
                and "statement failed" not in one and "connection=pubsub" not in one]

    back = ("database is up", "server works again", "connected")
    wait_until(lambda: any(text in one for one in warned() for text in back), "the way back")
    if line is not None:
        [first] = [one for one in warned() if line in one]
        assert "code=" in first or "error=" in first
    assert len(warned()) <= 3, warned()
    assert not any('=""' in one or "code=0" in one for one in warned())


def test_a_write_says_what_health_says(watched, database):
    with read_only(database), Api(watched) as client:
        assert assert_problem(client.post(example()), 503)["detail"] == "the database takes no writes"
    wait_state(watched, "mysql", "up", "")
    with Api(watched) as client:
        assert client.post(example()).status == 201


# --- a MySQL that says nothing

def wait_down(server):
    wait_state(server, "mysql", "down", "")


def test_a_stopped_mysql_is_known_and_refused_at_once(watched, database):
    with Api(watched) as client:
        client.create()
        with database.paused("mysql"):
            wait_down(watched)
            refusals = Scrape(watched).get("toq_sql_query_refusals_total")
            for turn in range(20):
                problem = assert_problem(client.ask("GET", f"{PATH}?min_price_cents={turn}"), 503)
                assert problem["detail"] == "the database is away"
            assert Scrape(watched).get("toq_sql_query_refusals_total") == refusals + 20
            assert health(watched)[0] == health(watched, "/health/ready")[0] == 503
        wait_state(watched, "mysql", "up", "")
        assert client.ask("GET", f"{PATH}?min_price_cents=99").status == 200
    assert len([one for one in watched.lines if "database is down" in one]) == 1


def test_one_connection_without_an_answer_takes_nothing_from_the_others(database, start_server,
                                                                        server_binary):
    proxy = Proxy(int(database.variables["MYSQL_PORT"]))
    watched = start_server({**database.variables, "MYSQL_PORT": str(proxy.port), "CACHE_TTL_MS": "0"},
                           binary=server_binary)
    wait_state(watched, "mysql", "up", "")
    with Api(watched) as client:
        known = client.create()
        proxy.hold(b"DO 1")

        def is_degraded():
            assert client.get(known["id"]).status == 200
            return state_of(watched, "mysql") == ("degraded", "a statement gets no answer")
        wait_until(is_degraded, "the ping to be given up")
        proxy.heal()
        wait_state(watched, "mysql", "up", "")
    assert not any("database is down" in one for one in watched.lines)
    assert watched.stop() == 0
    proxy.close()


def test_a_stopped_mysql_is_known_though_every_connection_waits_for_it(database, start_server,
                                                                       server_binary):
    """The ping needs none of the pool's; and who waits for one hears of it."""
    watched = start_server({**database.variables, "MYSQL_POOL_SIZE": "1"}, binary=server_binary)
    wait_state(watched, "mysql", "up", "")
    clients = [Api(watched) for _ in range(10)]
    answers = []
    with database.paused("mysql"):
        threads = [threading.Thread(target=lambda n=n, c=c: answers.append(
            c.ask("GET", f"{PATH}?min_price_cents={n}"))) for n, c in enumerate(clients)]
        for thread in threads:
            thread.start()
        wait_until(lambda: Scrape(watched).get("toq_sql_in_use_connections") == 1, "it to be used")
        wait_down(watched)
        # those that waited for a connection; the other may yet be answered
        wait_until(lambda: len(answers) >= 9, "those who wait to be refused")
        assert {one.status for one in answers} == {503}
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    wait_state(watched, "mysql", "up", "")


def test_locks_of_rows_are_not_a_stopped_mysql(watched, database):
    """Every connection of the pool waits for a lock: the ping is answered all the same."""
    with Api(watched) as client:
        made = client.create()
    clients = [Api(watched) for _ in range(4)]
    with contextlib.closing(database.mysql()) as connection:
        connection.begin()
        connection.cursor().execute("SELECT * FROM listings WHERE id=%s FOR UPDATE", made["id"])
        threads = [threading.Thread(target=client.patch, args=(made, {"bedrooms": 1}))
                   for client in clients]
        for thread in threads:
            thread.start()
        wait_until(lambda: Scrape(watched).get("toq_sql_in_use_connections") >= 4, "all in use")
        time.sleep(2.5)
        assert state_of(watched, "mysql")[0] != "down"
        connection.rollback()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    wait_state(watched, "mysql", "up", "")
    assert not watched.has_line("database is down")


def test_a_stopped_redis_is_known(watched, database):
    with database.paused("redis"):
        wait_state(watched, "redis", "down", "")
        with Api(watched) as client:
            assert client.post(example()).status == 201
    wait_state(watched, "redis", "up", "")
