# SPDX-License-Identifier: MIT
"""Who may write listings: bearer tokens, from a variable or a file; anybody, or nobody, without."""

import subprocess

import pytest

import server as server_module
from listings import EXAMPLE, JSON, PATCH_JSON, PATH, Api, assert_problem, if_match

TOKEN = "a-token-of-the-first-kind"
OTHER = "0123456789abcdef"
MAY_WRITE, MAY_NOT = "anybody may write", "nobody may write"


@pytest.fixture(scope="module")
def known(listings_server):
    """A listing to write over: without tokens, in development, it may be made."""
    with Api(listings_server) as client:
        return client.create()


@pytest.fixture(scope="module")
def tokened(database, server_binary):
    one = server_module.start(server_binary, {**database.variables, "API_TOKENS": f"{TOKEN},{OTHER}"})
    yield one
    one.close()


@pytest.fixture
def start(database, start_server, server_binary):
    def start_with(**settings):
        return start_server({**database.variables, **settings}, binary=server_binary)
    return start_with


def attempts(client, known, *fields):
    """The answers to each kind of write."""
    target = f"{PATH}/{known['id']}"
    return [client.post(EXAMPLE, *fields), client.put(known, EXAMPLE, *fields),
            client.patch(known, {"title": "Roubada"}, *fields), client.delete(known, *fields),
            client.ask("POST", PATH, f"Content-Type: {JSON}", *fields, body=b"{"),
            client.ask("PATCH", target, f"Content-Type: {PATCH_JSON}", *fields, body=b"{}")]


def assert_refused(server, known, *fields):
    with Api(server) as client:
        for answer in attempts(client, known, *fields):
            assert_problem(answer, 401)
            assert answer["WWW-Authenticate"].startswith("Bearer")
        assert client.read(known["id"]) == known
        assert client.ask("GET", PATH).status == 200


def assert_writes(server, token=None):
    with Api(server, token) as client:
        made = client.create()
        changed = client.update(made, bedrooms=0)
        assert client.put(changed, EXAMPLE).status == 200
        target = f"{PATH}/{made['id']}"
        assert client.ask("DELETE", target, if_match({"version": 3})).status == 204


def test_development_without_tokens_lets_anybody_write_and_says_so(start):
    server = start()
    assert server.has_line(MAY_WRITE)
    assert_writes(server)


def test_production_without_tokens_lets_nobody_write(start, known):
    server = start(ENV="production")
    assert server.has_line(MAY_NOT)
    assert_refused(server, known)
    assert_refused(server, known, "Authorization: Bearer ")
    assert_refused(server, known, f"Authorization: Bearer {TOKEN}")


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_token_is_asked_for_where_there_is_one(start, known, environment):
    server = start(ENV=environment, API_TOKENS=f"{TOKEN},{OTHER}")
    assert not server.has_line(MAY_WRITE) and not server.has_line(MAY_NOT)
    assert_refused(server, known)
    for token in (TOKEN, OTHER):
        assert_writes(server, token)
    assert not server.has_line(TOKEN)


@pytest.mark.parametrize("value", [
    "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}",
    f"Bearer {TOKEN},{OTHER}", f"Bearer {TOKEN} {OTHER}", "Bearer ,", "Bearer", "Bearer  ", TOKEN,
    f"Basic {TOKEN}", "Basic eDphLXRva2VuLW9mLXRoZS1maXJzdC1raW5k", f"Token {TOKEN}",
    f'Bearer "{TOKEN}"'])
def test_what_is_no_token(tokened, known, value):
    assert_refused(tokened, known, f"Authorization: {value}")


def test_the_scheme_may_be_in_any_case(tokened):
    for scheme in ("bearer", "BEARER", "Bearer "):
        with Api(tokened) as client:
            answer = client.post(EXAMPLE, f"Authorization: {scheme} {TOKEN}")
            assert answer.status == 201


def test_tokens_come_from_a_file(start, known, tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n{OTHER}\n", encoding="ascii")
    server = start(ENV="production", API_TOKENS_FILE=str(path))
    assert_refused(server, known)
    for token in (TOKEN, OTHER):
        assert_writes(server, token)


@pytest.mark.parametrize("value", [f"{TOKEN},,{OTHER}", f",{TOKEN}", f"{TOKEN},", ","])
def test_an_empty_token_is_refused(server_binary, tmp_path, value):
    """It would let in whoever sends none."""
    done = subprocess.run([server_binary, "--check-config"], capture_output=True, text=True, check=False,
                          cwd=tmp_path, env=server_module.environment({"API_TOKENS": value}))
    assert done.returncode == 78
    assert "API_TOKENS" in done.stderr and TOKEN not in done.stderr


def test_reading_needs_no_token(tokened, known):
    with Api(tokened) as client:
        assert client.read(known["id"]) == known
        assert client.get(known["id"], "Authorization: Bearer wrong").status == 200
        assert client.page("?limit=1")["items"]
