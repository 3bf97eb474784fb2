# SPDX-License-Identifier: MIT
"""POST with an Idempotency-Key: made once, however often it is sent."""

import collections
import threading
import uuid

import pytest

from listings import EXAMPLE, PATH, Api, assert_problem, decoded, example, without
from server import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def redis_is_up(listings_server):
    """Without it nobody can tell, so the first request may come too early."""
    with Api(listings_server) as client:
        wait_until(lambda: post(client, new_key()).status == 201, "Redis to be in use")


def new_key():
    return str(uuid.uuid4())


def post(client, key, content=EXAMPLE):
    return client.post(content, f"Idempotency-Key: {key}")


def keys(database):
    """How many keys Redis knows."""
    return len(database.redis().keys("toq:once:*"))


def count(database):
    return database.query("SELECT COUNT(*) FROM listings")[0][0]


def test_the_same_request_is_answered_again(api, database):
    key = new_key()
    first = post(api, key)
    before = count(database)
    again = post(api, key)
    assert (first.status, again.status) == (201, 201)
    assert (again.body, again["Location"], again["ETag"]) == (first.body, first["Location"],
                                                              first["ETag"])
    assert (first["Idempotency-Replayed"], again["Idempotency-Replayed"]) == (None, "true")
    assert count(database) == before


def test_without_a_key_each_is_another(api):
    assert api.create()["id"] != api.create()["id"]
    assert decoded(post(api, new_key()))["id"] != decoded(post(api, new_key()))["id"]


def test_another_body_is_refused(api, database):
    key = new_key()
    first = post(api, key)
    before = count(database)
    assert_problem(post(api, key, example(title="Outra")), 422)
    assert count(database) == before
    assert post(api, key).body == first.body


def test_what_was_refused_takes_no_key(api):
    key = new_key()
    assert_problem(post(api, key, without(EXAMPLE, "title")), 422, "title")
    assert post(api, key).status == 201


def test_the_answer_stays_that_of_then(api):
    key = new_key()
    first = decoded(post(api, key))
    changed = api.update(first, title="Mudou")
    assert decoded(post(api, key)) == first
    assert api.delete(changed).status == 204
    assert decoded(post(api, key)) == first
    assert api.get(first["id"]).status == 404


@pytest.mark.parametrize("key", ["x" * 256, "\u00e9", "a b", '""', ""])
def test_a_key_that_is_none_is_refused(api, database, key):
    before = count(database)
    answer = post(api, key)
    if answer.status != 201:  # a blank and quotes may be part of a key
        assert_problem(answer, 400)
        assert count(database) == before
    assert answer.status == 400 or key in ("a b", '""')


def test_a_key_may_hold_what_is_printable(api):
    key = "!'; DROP--%00{}[]<>" + "y" * 200 + new_key()[:20]
    assert post(api, key).body == post(api, key).body


def test_tokens_keep_their_keys_apart(database, start_server, server_binary):
    server = start_server({**database.variables, "API_TOKENS": "first-token-of-all,second-token-of-all"},
                          binary=server_binary)
    with Api(server, "first-token-of-all") as one, Api(server, "second-token-of-all") as other:
        wait_until(lambda: post(one, new_key()).status == 201, "Redis to be in use")
        key = new_key()
        assert decoded(post(one, key))["id"] != decoded(post(other, key))["id"]


def test_of_many_at_once_one_makes_it(api, database, start_server, server_binary):
    """Sent to two servers at the same time: each answer is the one listing, or 409."""
    second = start_server(database.variables, binary=server_binary)
    with Api(second) as client:
        wait_until(lambda: post(client, new_key()).status == 201, "Redis to be in use")
    clients = [Api(server) for server in (api.server, second) for _ in range(15)]
    for _ in range(5):
        before, key, gate, answers = count(database), new_key(), threading.Barrier(30), []

        def send(client):
            gate.wait(PATIENCE_S)
            answers.append(post(client, key))

        threads = [threading.Thread(target=send, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        statuses = collections.Counter(answer.status for answer in answers)
        assert set(statuses) <= {201, 409} and statuses[201] >= 1 and len(answers) == 30
        assert len({answer.body for answer in answers if answer.status == 201}) == 1
        assert count(database) == before + 1
    for client in clients:
        client.close()


def test_while_it_is_being_made_it_is_409(api, database):
    key, answers = new_key(), []
    before, known = count(database), keys(database)

    def send():
        with Api(api.server) as client:
            answers.append(post(client, key))

    first = threading.Thread(target=send)
    with database.paused("mysql"):
        first.start()
        with Api(api.server) as client:
            wait_until(lambda: keys(database) > known, "the first to claim the key")
            assert_problem(post(client, key, example(title="Outra")), 422)
            assert_problem(post(client, key), 409)
    first.join(PATIENCE_S)
    assert answers[0].status == 201
    assert post(api, key).body == answers[0].body
    assert count(database) == before + 1


def test_without_redis_it_is_503(api, database):
    key = new_key()
    before = count(database)
    database.kill("redis")
    try:
        answer = post(api, key)
        assert_problem(answer, 503)
        assert int(answer["Retry-After"]) >= 1
        assert count(database) == before
        assert api.post(EXAMPLE).status == 201  # no promise is asked for
    finally:
        database.up("redis")
    wait_until(lambda: post(api, key).status == 201, "Redis to be in use")


def test_other_writes_take_no_key(api):
    made = api.create()
    key = new_key()
    changed = decoded(api.patch(made, {"bedrooms": 7}, f"Idempotency-Key: {key}"))
    assert changed["version"] == 2
    assert api.ask("GET", PATH, f"Idempotency-Key: {key}").status == 200
