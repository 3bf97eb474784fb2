# SPDX-License-Identifier: MIT
"""What MySQL may answer: each row of core/sql/sql_error.c, put in by a proxy, and what it leads to.

For each: what the client hears, whether the statement is tried again, whether its connection is used on, and
that the next request is served.
"""

import os
import re
import threading

import grpc
import pytest

import server as server_module
from listings import PATH, Api, assert_problem, example
from mysql_proxy import MysqlProxy
from rpc import refusal
from rpc_listings import Rpc
from rpc_listings import example as rpc_example
from server import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'\{(?:(\d+),\s*(\d+)|"(\w+)"),\s*\{UV_(\w+), (\w+), (\w+)\}\}')
TRIES = 3
READ = "SELECT id,"  # of a listing; a new connection asks for other things

# What a client is told: HTTP's status and detail, gRPC's code. All others are INTERNAL.
HEARD = {
    "ECONNRESET": ("the database went away", grpc.StatusCode.UNAVAILABLE),
    "ENOTCONN": ("the database is away", grpc.StatusCode.UNAVAILABLE),
    "EROFS": ("the database takes no writes", grpc.StatusCode.UNAVAILABLE),
    "EBUSY": ("the database is busy", grpc.StatusCode.RESOURCE_EXHAUSTED),
    "ECONNABORTED": ("the database is busy", grpc.StatusCode.ABORTED),
    "ETIMEDOUT": ("the database is slow", grpc.StatusCode.UNAVAILABLE),
    "ENOMEM": ("out of memory", grpc.StatusCode.RESOURCE_EXHAUSTED),
}


def rows():
    """(number, SQLSTATE, status, is dropped, again) of each row that a server may answer."""
    with open(os.path.join(ROOT, "core/sql/sql_error.c"), encoding="utf-8") as file:
        found = ROW.findall(file.read())
    assert len(found) > 90
    for first, last, prefix, status, keep, again in found:
        if prefix:
            yield 6999, prefix.ljust(5, "0"), status, keep == "DROP", again
        elif not 2000 <= int(first) < 3000:  # those are the client library's
            for number in sorted({int(first), int(last)}):
                yield number, "HY000", status, keep == "DROP", again


def name_of(row):
    return f"{row[0]}-{row[1]}"


@pytest.fixture(scope="module")
def proxied(database, server_binary):
    proxy = MysqlProxy(int(database.variables["MYSQL_PORT"]))
    server = server_module.start(server_binary, {
        **database.variables, "MYSQL_PORT": proxy.port, "CACHE_TTL_MS": "0"})
    try:
        yield server, proxy
    finally:
        proxy.heal()
        server.close()
        proxy.close()


@pytest.fixture
def client(proxied):
    server, proxy = proxied
    proxy.heal()
    with Api(server) as one:
        yield one
    proxy.heal()


def tries_of(again, is_read):
    if again == "ALL":
        return TRIES
    return 2 if again == "READ" and is_read else 1


def check(proxy, client, row, statement, ask):
    """A statement is refused as often as it is tried; then once, and the rest is well."""
    number, sqlstate, status, is_dropped, again = row
    tries = tries_of(again, statement == READ)
    proxy.refuse(statement, number, sqlstate, times=TRIES + 1)
    answer = ask()
    proxy.heal()
    assert proxy.refused == tries
    if status in HEARD:
        problem = assert_problem(answer, 503)
        assert problem["detail"] == HEARD[status][0]
        assert int(answer["Retry-After"]) >= 1
    else:
        assert_problem(answer, 500)
    if is_dropped:
        wait_until(lambda: all(proxy.dropped()), "the connection to be closed")
    else:
        assert not any(proxy.dropped())
    assert client.ask("GET", PATH + "?limit=1").status == 200


@pytest.mark.parametrize("row", rows(), ids=name_of)
def test_a_read_and_a_write(proxied, client, row):
    _, proxy = proxied
    made = client.create()
    check(proxy, client, row, READ, lambda: client.get(made["id"]))
    check(proxy, client, row, "INSERT", lambda: client.post(example()))
    assert client.delete(made).status == 204


@pytest.mark.parametrize("number, sqlstate", [(1213, "40001"), (1020, "HY000"), (1614, "XA102")])
def test_what_was_undone_is_done_in_the_end(proxied, client, number, sqlstate):
    """Twice in a row, and nobody notices."""
    _, proxy = proxied
    made = client.create()
    proxy.refuse("UPDATE", number, sqlstate, times=TRIES - 1)
    changed = client.update(made, title="Outro")
    assert (proxy.refused, changed["version"]) == (TRIES - 1, 2)
    assert client.read(made["id"]) == changed


@pytest.mark.parametrize("number, sqlstate, status", [
    (1213, "40001", "ECONNABORTED"), (1020, "HY000", "ECONNABORTED"), (1205, "HY000", "EBUSY"),
    (1047, "08S01", "ENOTCONN"), (1792, "25006", "EROFS"), (1158, "08S01", "ECONNRESET")])
def test_what_a_grpc_client_hears(proxied, client, number, sqlstate, status):
    server, proxy = proxied
    with Rpc(server) as rpc:
        for call in (lambda: rpc.create(rpc_example()), lambda: rpc.load([rpc_example()])):
            proxy.refuse("INSERT", number, sqlstate, times=TRIES)
            error = refusal(call)
            assert error.code() == HEARD[status][1], error
            proxy.heal()


def test_an_import_that_is_undone_is_done_in_the_end(proxied):
    server, proxy = proxied
    with Rpc(server) as rpc:
        proxy.refuse("INSERT", 1020, "HY000", times=TRIES - 1)
        assert rpc.load([rpc_example()] * 3).imported_count == 3
        assert proxy.refused == TRIES - 1


# --- the log

@pytest.fixture
def logged(proxied, database, start_server, server_binary):
    """A server of one test's own: what was said before is not said again for a while."""
    _, proxy = proxied
    server = start_server({**database.variables, "MYSQL_PORT": proxy.port}, binary=server_binary)
    with Api(server) as one:
        yield server, proxy, one
    proxy.heal()


def test_the_log_says_what_failed_and_nobodys_data(logged):
    server, proxy, client = logged
    trace = "0af7651916cd43dd8448eb211c80319c"
    proxy.refuse("INSERT", 1364, "HY000", "Field 'owner' doesn't have a default value for 'Maria'")
    answer = client.post(example(), f"traceparent: 00-{trace}-b7ad6b7169203331-01")
    assert_problem(answer, 500)
    line = server.wait_line("errno=1364")
    assert "ERROR sql: statement failed statement=listings.create status=EIO errno=1364 " \
           "sqlstate=HY000 error=\"Field '?' doesn't have a default value for '?'\"" in line
    assert f"trace_id={trace}" in line
    assert trace in server.wait_line("listings: request failed")


def test_a_text_with_quotes_in_it_is_told_by_nothing(logged):
    server, proxy, client = logged
    proxy.refuse("INSERT", 1062, "23000", "Duplicate entry 'O'Neill, 12' for key 'title'")
    client.post(example(title="O'Neill, 12"))
    proxy.refuse("INSERT", 1366, "22007", "Incorrect string value: 'O'Neill, 12' for column 'title'")
    client.post(example(title="O'Neill, 12"))
    line = server.wait_line("errno=1366")
    assert "Incorrect string value: '?'" in line and "Neill" not in line
    assert not server.has_line("Neill")


def test_a_column_that_is_missing(database, start_server, server_binary):
    """As an operator sees it: somebody has altered the table. Under load it is one line, and a count."""
    server = start_server(database.variables, binary=server_binary)
    database.query("ALTER TABLE listings ADD COLUMN owner INT NOT NULL")
    try:
        with Api(server) as api:
            for _ in range(200):
                assert_problem(api.post(example()), 500)
    finally:
        database.query("ALTER TABLE listings DROP COLUMN owner")
    assert server.stop() == 0
    for line in ("statement failed statement=listings.create status=EIO errno=1364", "request failed"):
        found = [one for one in server.lines if line in one]
        counts = [int(one) for text in found for one in re.findall(r"repeated=(\d+)", text)]
        written = len(found) - len(counts)
        assert written + sum(counts) == 200 and len(found) <= 20, found


# --- the server's own ways, without a proxy

def test_a_primary_that_was_read_only_for_its_sessions(database, start_server, server_binary):
    """Sessions that began under tx_read_only would refuse for as long as they live."""
    with database.setting(tx_read_only=1):
        server = start_server({**database.variables, "MYSQL_POOL_SIZE": "1"}, binary=server_binary)
        with Api(server) as api:
            wait_until(lambda: api.ask("GET", PATH).status == 200, "reads")
            assert_problem(api.post(example()), 503)
    with Api(server) as api:
        # the first one may still find the session that was made in those days
        assert 201 in [api.post(example()).status for _ in range(2)]


def test_patches_of_one_listing_under_serializable(database, start_server, server_binary):
    """1020 is what innodb_snapshot_isolation makes of a conflict: nobody hears 500 of it."""
    with database.setting(innodb_snapshot_isolation=1, tx_isolation="SERIALIZABLE"):
        server = start_server({**database.variables, "CACHE_TTL_MS": "0"}, binary=server_binary)
        with Api(server) as api:
            made = api.create()
        seen = []

        def patch():
            with Api(server) as one:
                for turn in range(30):
                    seen.append(one.send("PATCH", f"{PATH}/{made['id']}", {"bedrooms": turn},
                                         "If-Match: *").status)

        threads = [threading.Thread(target=patch) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(seen) <= {200, 503} and seen.count(200) > 0, seen
        with Api(server) as api:
            assert api.read(made["id"])["version"] == 1 + seen.count(200)
