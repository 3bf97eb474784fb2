# SPDX-License-Identifier: MIT
"""toq_server --migrate: makes the tables, once, whoever runs it and however often."""

import os
import re
import subprocess
import tempfile

import pytest

from listings import Api, migrate
from proxy import Proxy
from server import PATIENCE_S, environment, free_port

EX_UNAVAILABLE = 69
EX_CONFIG = 78
SYSEXITS = range(64, 79)


@pytest.fixture
def empty(services):
    """The services with nothing in them; afterwards as well."""
    services.clear()
    yield services
    services.clear()


def complaint(done):
    """The one line that says why; what is logged comes before it."""
    *_, last = done.stderr.splitlines()
    assert last.startswith("toq: cannot migrate ")
    return last


def schema(services):
    tables = [row[0] for row in services.query("SHOW TABLES")]
    return {table: services.query(f"SHOW CREATE TABLE {table}") for table in tables}


def applied(services):
    return services.query("SELECT * FROM schema_steps ORDER BY module, step")


def test_an_empty_database(empty, server_binary, start_server):
    done = migrate(server_binary, empty.variables)
    assert done.returncode == 0
    assert re.fullmatch(r"toq: .*applied: [1-9]\d*; listings has [1-9]\d*(, .*)?\n", done.stdout)
    assert "listings" in schema(empty)
    with Api(start_server(empty.variables, binary=server_binary)) as client:
        made = client.create()
        assert client.page()["items"] == [made]


def test_again_changes_nothing(empty, server_binary, start_server):
    assert migrate(server_binary, empty.variables).returncode == 0
    with Api(start_server(empty.variables, binary=server_binary)) as client:
        made = client.create()
        before = schema(empty), applied(empty)
        for _ in range(2):
            done = migrate(server_binary, empty.variables)
            assert done.returncode == 0
            assert re.fullmatch(r"toq: .*applied: 0; listings has [1-9]\d*(, .*)?\n", done.stdout)
            assert (schema(empty), applied(empty)) == before
        assert client.page()["items"] == [made]


def migrate_at_once(services, server_binary, count):
    """Runs several, and returns what each says."""
    running = [subprocess.Popen([os.path.abspath(server_binary), "--migrate"], text=True,
                                env=environment(services.variables), cwd=tempfile.gettempdir(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(count)]
    said = [one.communicate(timeout=PATIENCE_S) for one in running]
    assert [one.returncode for one in running] == [0] * count, said
    return [out for out, _ in said]


def test_several_at_once(empty, server_binary):
    migrate_at_once(empty, server_binary, 4)
    steps = [row[:2] for row in applied(empty) if row[0] == "listings"]
    assert steps == [("listings", number) for number in range(1, len(steps) + 1)]
    assert "listings" in schema(empty)


def test_a_run_that_was_killed_is_finished_by_the_next(empty, server_binary):
    """As if it had died between a step and the note that it was made."""
    assert migrate(server_binary, empty.variables).returncode == 0
    before = schema(empty)
    empty.query("DELETE FROM schema_steps")
    assert migrate(server_binary, empty.variables).returncode == 0
    assert schema(empty) == before and applied(empty)


def test_an_older_server_leaves_a_newer_schema_alone(empty, server_binary, start_server):
    assert migrate(server_binary, empty.variables).returncode == 0
    empty.query("INSERT INTO schema_steps VALUES ('listings', 9999, NOW(6))")
    before = schema(empty), applied(empty)
    assert migrate(server_binary, empty.variables).returncode == 0
    assert (schema(empty), applied(empty)) == before
    with Api(start_server(empty.variables, binary=server_binary)) as client:
        assert client.read(client.create()["id"])["version"] == 1


def test_a_database_from_before_modules_had_numbers(empty, server_binary, start_server):
    """It has its tables, rows in them and the numbers of its steps, all in one row. Nothing of it is made anew, by four
    at once, and servers go on with it. Modules that came later have their steps again, which do no harm."""
    assert migrate(server_binary, empty.variables).returncode == 0
    with Api(start_server(empty.variables, binary=server_binary)) as client:
        made = client.create()
        empty.query("CREATE TABLE schema_migrations (version INT UNSIGNED NOT NULL PRIMARY KEY,"
                    " applied_at DATETIME(6) NOT NULL) ENGINE=InnoDB")
        empty.query("INSERT INTO schema_migrations SELECT step, '2020-02-02' FROM schema_steps"
                    " WHERE module = 'listings'")
        empty.query("DROP TABLE schema_steps")
        before = schema(empty)
        for done in migrate_at_once(empty, server_binary, 4):
            assert re.fullmatch(r"toq: .*applied: \d+; listings has 5(, .*)?\n", done)
        steps = [(module, number, at.year) for module, number, at in applied(empty) if module == "listings"]
        assert steps == [("listings", number, 2020) for number in range(1, 6)]
        after = schema(empty)
        assert after.pop("schema_steps") and after == before
        assert client.page()["items"] == [made]
        assert client.read(client.create()["id"])["version"] == 1


@pytest.mark.parametrize("fault", ["closed", "cut", "garble"])
def test_a_server_that_is_not_there(services, server_binary, fault):
    proxy = Proxy(int(services.variables["MYSQL_PORT"]))
    try:
        port = free_port() if fault == "closed" else proxy.port
        if fault != "closed":
            getattr(proxy, fault)()
        done = migrate(server_binary, {**services.variables, "MYSQL_PORT": port})
    finally:
        proxy.close()
    assert done.returncode == EX_UNAVAILABLE
    assert done.stdout == "" and f"127.0.0.1 port {port}: " in complaint(done)


@pytest.mark.parametrize("settings, word", [
    ({"MYSQL_PASSWORD": "wrong-and-secret"}, "denied"), ({"MYSQL_DATABASE": "nowhere"}, "nowhere")])
def test_a_server_that_does_not_let_us_in(services, server_binary, settings, word):
    done = migrate(server_binary, {**services.variables, **settings})
    assert done.returncode in SYSEXITS and done.stdout == ""
    assert word in complaint(done)
    assert "secret" not in done.stderr + done.stdout


def test_a_configuration_that_is_wrong(services, server_binary):
    done = migrate(server_binary, {**services.variables, "MYSQL_PORT": "x"})
    assert done.returncode == EX_CONFIG
    assert "MYSQL_PORT" in done.stderr


def test_the_schema_cannot_be_made(empty, server_binary):
    """Something else has the table's name: it says what MySQL said, and leaves it there."""
    empty.query("CREATE VIEW schema_steps AS SELECT 'not' AS ours")
    done = migrate(server_binary, empty.variables)
    assert done.returncode in SYSEXITS
    assert "step" in complaint(done)
    assert empty.query("SELECT ours FROM schema_steps") == (("not",),)


def test_redis_is_not_needed(empty, server_binary):
    assert migrate(server_binary, {**empty.variables, "REDIS_PORT": free_port()}).returncode == 0
