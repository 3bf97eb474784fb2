# SPDX-License-Identifier: MIT
"""Listings in streams: many that are new, and what differs from those that a client has."""

import queue
import urllib.error
import urllib.request

import grpc
import pytest

from rpc import Peer, message, refusal, scrape, status_of
from rpc_listings import NO_ID, PROTO, Rpc, example
from scrape import Scrape
from server import PATIENCE_S, wait_until

Code = grpc.StatusCode


def settle(number):
    """Waits until a number has not changed for a while."""
    seen = []

    def is_still():
        seen.append(number())
        return len(seen) > 30 and len(set(seen[-30:])) == 1
    wait_until(is_still, "an end of the changes")


def sent(server, method):
    """How many messages of a method have gone out."""
    return sum(value for series, value in scrape(server).items()
               if series.startswith("grpc_server_msg_sent_total{") and f'"{method}"' in series)


def rows_in(services, city):
    return services.query("SELECT COUNT(*) FROM listings WHERE city=%s", city)[0][0]


class Feed:
    """Requests that are sent when the test says so."""

    def __init__(self):
        self.queue = queue.Queue()

    def __iter__(self):
        return iter(self.queue.get, None)

    def send(self, *requests):
        for one in requests:
            self.queue.put(one)

    def close(self):
        self.queue.put(None)


# --- import

@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
def test_an_import(rpc, database, api, count):
    city = f"Importação {count}"
    done = rpc.load(example(city=city, price_cents=n) for n in range(count))
    assert (done.received_count, done.imported_count, done.refused_count) == (count, count, 0)
    assert not done.errors
    assert rows_in(database, city) == count
    if count:
        page = rpc.list(city=city, sort="price_cents", page_size=100)
        assert [one.price_cents for one in page.listings] == list(range(min(count, 100)))
        one = page.listings[0]
        assert one == rpc.get(one.id) and api.read(one.id)["version"] == 1


def test_rows_that_are_refused_keep_no_other_out(rpc, database):
    wrong = {3: {"title": ""}, 150: {"kind": "castle", "price_cents": -1}, 299: {"city": "x" * 101}}
    done = rpc.load(example(**{"city": "Recusópolis", **wrong.get(n, {})}) for n in range(300))
    assert (done.received_count, done.imported_count, done.refused_count) == (300, 297, 3)
    assert {one.index: {field.field for field in one.fields} for one in done.errors} == \
        {n: set(fields) for n, fields in wrong.items()}
    assert done.errors[0].fields[0].message == "must not be empty"
    assert rows_in(database, "Recusópolis") == 297


def test_the_list_of_errors_ends(rpc):
    done = rpc.load(example(kind="castle") for _ in range(250))
    assert (done.received_count, done.imported_count, done.refused_count) == (250, 0, 250)
    assert [one.index for one in done.errors] == list(range(100))


def test_an_import_that_is_broken_off_keeps_what_is_in(rpc, database):
    feed = Feed()
    call = rpc.stub.ImportListings.future(iter(feed), timeout=PATIENCE_S)
    feed.send(*(PROTO.ImportListingsRequest(listing=example(city="Abortópolis"))
                for _ in range(150)))
    wait_until(lambda: rows_in(database, "Abortópolis") == 100, "the first batch")
    call.cancel()
    feed.close()
    assert rpc.load([example(city="Depois")]).imported_count == 1
    assert rows_in(database, "Abortópolis") == 100


def test_a_deadline_rolls_the_running_batch_back(rpc, listings_server, database):
    connection = database.mysql()
    try:
        connection.begin()
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM listings FOR UPDATE")  # and the gap in which new rows go
        error = refusal(lambda: rpc.load((example(city="Prazo") for _ in range(100)), timeout=0.5))
        assert error.code() == Code.DEADLINE_EXCEEDED
        # the client's clock may be a little ahead of the server's
        wait_until(lambda: Scrape(listings_server).get("toq_sql_in_use_connections") == 0, "it to give up")
    finally:
        connection.rollback()
        connection.close()
    assert rpc.load([example(city="Depois do prazo")]).imported_count == 1
    assert rows_in(database, "Prazo") == 0


def test_pages_that_were_cached_know_of_an_import(rpc, api):
    assert not api.page("?city=Cache%20City")["items"]
    rpc.load([example(city="Cache City")])
    assert len(api.page("?city=Cache%20City")["items"]) == 1


def test_an_import_needs_a_token(database, start_server, server_binary):
    server = start_server({**database.variables, "API_TOKENS": "a-token-of-16-chars"},
                          binary=server_binary)
    with Rpc(server) as nobody:
        assert refusal(lambda: nobody.load([example()])).code() == Code.UNAUTHENTICATED
    with Rpc(server, "a-token-of-16-chars") as somebody:
        assert somebody.load([example()]).imported_count == 1


# --- sync

def test_sync(rpc, api):
    same, changed, gone = (rpc.create(example(title=name)) for name in ("igual", "muda", "some"))
    api.update({"id": changed.id, "version": 1}, title="mudou")
    rpc.delete(gone.id)
    known = [(one.id, one.version) for one in (same, changed, gone)]
    assert rpc.sync(known) == {changed.id: rpc.get(changed.id), gone.id: None}


def test_sync_of_what_is_no_id_or_not_known(rpc):
    """Each is told by what the client has sent, whatever that is."""
    made = rpc.create(example())
    none = [NO_ID, "x", "", made.id + "x", made.id.upper(), "é", "é" * 18, "☺" * 12, "☺" * 99,
            "a\0b", "x" * 100_000]
    found = rpc.sync([(made.id, 0), *((one, 1) for one in none)])
    assert found == {made.id: made, **dict.fromkeys(none)}


def test_sync_of_the_same_one_several_times(rpc):
    """Each pair has an answer or none of its own, in the client's order."""
    made = rpc.update(rpc.create(example()), title="Segunda")
    versions = [0, 2, 1, 2, 3, 2 ** 64 - 1]  # what is newer than ours differs as well
    requests = (PROTO.SyncListingsRequest(id=made.id, version=one) for one in versions)
    assert [one.listing for one in rpc.call("SyncListings", requests)] == [made] * 4


def test_sync_of_nothing(rpc):
    assert rpc.sync([]) == {}


def test_sync_with_a_slow_reader(rpc, database, listings_server):
    """The server stops when nobody reads, and then goes on where it was."""
    rpc.load(example(city="Lentidão", description="x" * 5000) for _ in range(1000))
    ids = [row[0] for row in database.query("SELECT id FROM listings WHERE city='Lentidão'")] * 4
    before = sent(listings_server, "SyncListings")
    answers = rpc.call("SyncListings", (PROTO.SyncListingsRequest(id=one) for one in ids))
    seen = [next(answers).id]
    settle(lambda: sent(listings_server, "SyncListings"))
    assert sent(listings_server, "SyncListings") - before < 2000
    seen += [one.id for one in answers]
    assert seen == ids


def test_sync_of_many(rpc, database):
    rpc.load(example(city="Sincrópolis") for _ in range(500))
    known = dict(database.query("SELECT id,version FROM listings WHERE city='Sincrópolis'"))
    assert len(known) == 500
    some = list(known)[::7]
    database.query("UPDATE listings SET version=version+1 WHERE id IN %s", some)
    found = rpc.sync(known.items())
    assert sorted(found) == sorted(some)
    assert all(one.version == 2 for one in found.values())
    assert not rpc.sync((one, known[one] + (one in some)) for one in known)


def test_sync_answers_while_the_client_goes_on(rpc):
    feed = Feed()
    answers = rpc.stub.SyncListings(iter(feed), timeout=PATIENCE_S)
    for n in range(3):
        made = rpc.create(example(price_cents=n))
        feed.send(PROTO.SyncListingsRequest(id=made.id))
        assert next(answers).listing == made
    feed.close()
    assert list(answers) == []
    assert answers.code() == Code.OK


@pytest.mark.parametrize("bad, code", [
    (b"\2\0\0\0\0", 13), (message(b"\x0a\xff"), 13), (message(b"", flag=1), 13),
    (message(b"", length=1 << 30), 8), (b"\0\0", 13)])
def test_sync_with_a_bad_message_behind_a_good_one(rpc, listings_server, bad, code):
    """The good one is being looked up when the bad one comes."""
    good = message(PROTO.SyncListingsRequest(id=rpc.create(example()).id).SerializeToString())
    with Peer(listings_server) as peer:
        for stream in range(1, 41, 2):
            answer = peer.call(path="/toq.v1.ListingService/SyncListings", stream=stream,
                               body=good + bad)
            assert status_of(answer)[0] == code
    assert rpc.sync([(NO_ID, 1)]) == {NO_ID: None}


def test_sync_that_is_cancelled(rpc):
    feed = Feed()
    answers = rpc.stub.SyncListings(iter(feed), timeout=PATIENCE_S)
    feed.send(PROTO.SyncListingsRequest(id=NO_ID))
    assert next(answers).id == NO_ID
    answers.cancel()
    feed.close()
    assert rpc.sync([(NO_ID, 1)]) == {NO_ID: None}


# --- a database that goes away

def test_without_a_database(start_server, server_binary):
    server = start_server(binary=server_binary)
    with Rpc(server) as rpc:
        for call in (lambda: rpc.get(NO_ID), rpc.list, lambda: rpc.create(example()),
                     lambda: rpc.load([example()]), lambda: rpc.sync([(NO_ID, 1)])):
            assert refusal(call).code() == Code.UNAVAILABLE


def test_deadlines_while_the_database_says_nothing(database, start_server, server_binary):
    """Each within the time that a silent server takes to be known as down: then calls are refused at once."""
    server = start_server({**database.variables, "CACHE_TTL_MS": "0"}, binary=server_binary)
    with Rpc(server) as rpc:
        made = rpc.create(example())
        calls = (
            lambda: rpc.call("GetListing", PROTO.GetListingRequest(id=made.id), timeout=0.3),
            lambda: rpc.call("ListListings", PROTO.ListListingsRequest(), timeout=0.3),
            lambda: rpc.call("CreateListing", PROTO.CreateListingRequest(listing=example()), timeout=0.3),
            lambda: rpc.call("UpdateListing", PROTO.UpdateListingRequest(listing=made), timeout=0.3),
            lambda: rpc.call("DeleteListing", PROTO.DeleteListingRequest(id=made.id, version=9),
                             timeout=0.3),
            lambda: list(rpc.call("WatchListings", PROTO.WatchListingsRequest(position=0), timeout=0.3)),
            lambda: list(rpc.call("SyncListings", iter([PROTO.SyncListingsRequest(id=made.id)]),
                                  timeout=0.3)),
        )
        for number, call in enumerate(calls):
            with database.paused("mysql"):
                assert refusal(call).code() == Code.DEADLINE_EXCEEDED, number
            assert rpc.get(made.id).id == made.id


def test_an_import_whose_database_dies_says_what_is_in(database, start_server, server_binary):
    server = start_server(database.variables, binary=server_binary)
    feed = Feed()
    with Rpc(server) as rpc:
        call = rpc.stub.ImportListings.future(iter(feed), timeout=PATIENCE_S)
        row = PROTO.ImportListingsRequest(listing=example(city="Queda"))
        feed.send(*[row] * 100)
        wait_until(lambda: rows_in(database, "Queda") == 100, "the first batch")
        wait_until(lambda: Scrape(server).get("toq_sql_in_use_connections") == 0, "the server to know")
        database.kill("mysql")
        try:
            feed.send(*[row] * 100)
            feed.close()
            assert call.exception(timeout=PATIENCE_S).code() == Code.UNAVAILABLE
            assert ("imported-count", "100") in call.trailing_metadata()
        finally:
            database.up("mysql")
        wait_until(lambda: readiness(server) == 200, "the database to be back")
        assert rpc.load([example(city="Queda")]).imported_count == 1
    assert rows_in(database, "Queda") == 101


def readiness(server):
    try:
        with urllib.request.urlopen(server.url("/health/ready"), timeout=PATIENCE_S) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
