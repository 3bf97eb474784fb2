# SPDX-License-Identifier: MIT
"""/health with MySQL and Redis: states, latencies, readiness; starting without them."""

import contextlib
import json

import pytest

from listings import PATH, Api, assert_problem, example, migrate
from proxy import Proxy
from server import free_port, wait_until
from wire import Peer


def health(server, path="/health"):
    with Peer(server) as peer:
        answer = peer.ask(path)
        return answer.status, json.loads(answer.body)


def states(server):
    return {name: one["state"] for name, one in health(server)[1]["dependencies"].items()}


def wait_states(server, **wanted):
    wait_until(lambda: states(server) == wanted, f"{wanted}")


@pytest.fixture
def proxied(database, start_server, server_binary):
    """A server behind proxies that are cut: for it, both are down."""
    proxies = {name: Proxy(int(database.variables[f"{name.upper()}_PORT"]))
               for name in ("mysql", "redis")}
    for proxy in proxies.values():
        proxy.cut()
    server = start_server({**database.variables, "MYSQL_PORT": proxies["mysql"].port,
                           "REDIS_PORT": proxies["redis"].port}, binary=server_binary)
    yield server, proxies
    for proxy in proxies.values():
        proxy.close()


def test_both_are_up(listings_server):
    wait_states(listings_server, mysql="up", redis="up")
    status, body = health(listings_server)
    assert (status, body["status"]) == (200, "ok")
    wait_until(lambda: all(one["latency_ms"] for one in
                           health(listings_server)[1]["dependencies"].values()), "latencies")
    for one in health(listings_server)[1]["dependencies"].values():
        assert 0 < one["latency_ms"] < 60000
    assert health(listings_server, "/health/ready") == (200, {"status": "ok"})
    assert health(listings_server, "/health/live") == (200, {"status": "ok"})


def test_a_server_starts_without_them_and_recovers(proxied):
    server, proxies = proxied
    wait_states(server, mysql="down", redis="down")
    status, body = health(server)
    assert (status, body["status"]) == (503, "unavailable")
    assert all(one["latency_ms"] is None for one in body["dependencies"].values())
    assert health(server, "/health/live")[0] == 200
    with Api(server) as client:
        for answer in (client.ask("GET", PATH), client.get("01890000-0000-7000-8000-000000000000"),
                       client.post(example())):
            assert_problem(answer, 503)
            assert int(answer["Retry-After"]) >= 1
        assert_problem(client.post({}), 422, "title", "kind", "purpose", "price_cents", "city", "state")
        proxies["mysql"].heal()
        wait_states(server, mysql="up", redis="down")
        made = client.create()
        assert client.read(made["id"]) == made
        proxies["redis"].heal()
        wait_states(server, mysql="up", redis="up")
        assert client.update(client.read(made["id"]), bedrooms=1)["version"] == 2


def test_a_port_where_nobody_listens_is_named(start_server, server_binary):
    """localhost is a socket's file to MySQL's library, which says nothing of the port."""
    port = free_port()
    server = start_server({"MYSQL_HOST": "localhost", "MYSQL_PORT": port}, binary=server_binary)
    line = server.wait_line("database is down")
    assert f'error="cannot connect to 127.0.0.1 port {port}: connection refused"' in line
    assert '=""' not in line and "code=0" not in line


def test_readiness_depends_on_mysql_alone(proxied):
    server, proxies = proxied
    wait_states(server, mysql="down", redis="down")
    assert health(server, "/health/ready")[0] == 503
    proxies["redis"].heal()
    wait_states(server, mysql="down", redis="up")
    assert health(server, "/health/ready")[0] == 503
    assert health(server)[0] == 503
    proxies["mysql"].heal()
    wait_states(server, mysql="up", redis="up")
    assert health(server, "/health/ready")[0] == 200
    proxies["redis"].cut()
    wait_states(server, mysql="up", redis="down")
    assert health(server, "/health/ready")[0] == 200
    assert health(server)[0] == 200
    proxies["mysql"].cut()
    wait_states(server, mysql="down", redis="down")
    assert health(server, "/health/ready")[0] == 503


def test_a_wrong_password_is_not_repeated(database, start_server, server_binary):
    server = start_server({**database.variables, "MYSQL_PASSWORD": "wrong-and-secret",
                           "REDIS_PASSWORD": "wrong-and-secret"}, binary=server_binary)
    wait_states(server, mysql="down", redis="down")
    said = health(server)[1]
    with Api(server) as client:
        said = json.dumps(said) + client.ask("GET", PATH).body.decode()
    assert server.stop() == 0
    assert "secret" not in said and not server.has_line("wrong-and-secret")


def test_a_database_without_tables_is_503_until_it_is_migrated(services, database, start_server,
                                                               server_binary):
    services.clear()
    with contextlib.ExitStack() as stack:
        stack.callback(migrate, server_binary, services.variables)  # for the tests that follow
        server = start_server(services.variables, binary=server_binary)
        wait_states(server, mysql="up", redis="up")
        with Api(server) as client:
            assert client.ask("GET", PATH).status in (500, 503)
            assert client.post(example()).status in (500, 503)
            assert migrate(server_binary, services.variables).returncode == 0
            made = client.create()
            assert client.read(made["id"]) == made
