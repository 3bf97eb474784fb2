# SPDX-License-Identifier: MIT
"""WatchListings: changes as they happen, and those that a client has missed."""

import contextlib
import queue
import signal

import grpc
import pytest

from mysql_proxy import MysqlProxy
from rpc import refusal
from rpc_listings import PROTO, Rpc, example, violations
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

QUEUE = 1024  # queries that wait for a connection
Code = grpc.StatusCode


def newest(services):
    return services.query("SELECT MAX(position) FROM listing_changes")[0][0]


# --- as they happen

def test_each_kind_of_change(rpc, api):
    with rpc.watch() as watch:
        assert watch.live() == []
        made = rpc.create(example())
        one = watch.next()
        assert (one.kind, one.id, one.version) == (1, made.id, 1) and one.listing == made
        now = rpc.update(made, title="Outro")
        one = watch.next()
        assert (one.kind, one.version) == (2, 2) and one.listing == now
        rpc.delete(made.id)
        one = watch.next()
        assert (one.kind, one.id, one.version) == (3, made.id, 2) and not one.HasField("listing")
        there = api.create()
        assert watch.change() == ("CREATED", there["id"], 1)


def test_all_who_watch_hear_of_all(rpc):
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(rpc.watch()) for _ in range(20)]
        for watch in watches:
            watch.live()
        made = [rpc.create(example()).id for _ in range(10)]
        for watch in watches:
            assert [watch.change() for _ in made] == [("CREATED", one, 1) for one in made]


def test_an_import_is_heard_of(rpc):
    with rpc.watch() as watch:
        watch.live()
        rpc.load(example(price_cents=n) for n in range(150))
        assert [watch.next().listing.price_cents for _ in range(150)] == list(range(150))


def test_a_log_that_is_half_read_is_no_news(database, rpc, start_server, server_binary):
    """Where the next part of the log cannot be asked for, no watch begins: what it lacks is old."""
    proxy = MysqlProxy(int(database.variables["MYSQL_PORT"]))
    server = start_server({**database.variables, "MYSQL_PORT": proxy.port, "MYSQL_POOL_SIZE": 1,
                           "CACHE_TTL_MS": 0}, binary=server_binary)
    wait_until(lambda: Scrape(server).get("toq_sql_idle_connections") == 1, "MySQL")
    rpc.load(example(price_cents=n) for n in range(700))  # more than one read brings
    proxy.hold("FROM listing_changes WHERE position>")
    with contextlib.ExitStack() as stack:
        stack.callback(proxy.close)
        watch = stack.enter_context(stack.enter_context(Rpc(server)).watch())
        assert proxy.held.wait(PATIENCE_S)
        for number in range(QUEUE + 50):
            peer = stack.enter_context(Peer(server))
            peer.send(request(f"/v1/listings?city=c{number}"))
        wait_until(lambda: Scrape(server).get("toq_sql_waiting_queries") == QUEUE, "a full queue")
        proxy.free.set()
        assert watch.next() is None
        assert watch.call.code() == Code.RESOURCE_EXHAUSTED


def test_filters(rpc):
    with rpc.watch(city="sao vigilancia") as city, rpc.watch(state="AC") as state, \
            rpc.watch(city="São Vigilância", state="AC") as both:
        for watch in (city, state, both):
            watch.live()
        here = rpc.create(example(city="São Vigilância", state="SP"))
        rpc.create(example(city="Outra", state="SP"))
        acre = rpc.create(example(city="Outra", state="AC"))
        last = rpc.create(example(city="São Vigilância", state="AC"))
        assert [city.next().id, city.next().id] == [here.id, last.id]
        assert [state.next().id, state.next().id] == [acre.id, last.id]
        assert both.next().id == last.id


@pytest.mark.parametrize("stored, asked", [
    ("Borda ", "Borda"), ("Borda", "Borda   "), ("borda\u00a0", "BORDA"), ("Bórda", "Borda "),
    (" Borda", "Borda"), ("Borda.", "Borda")])
def test_a_list_and_a_watch_agree(rpc, stored, asked):
    """Blanks at the end are none for either."""
    with rpc.watch(city=asked) as watch:
        watch.live()
        made = rpc.create(example(city=stored))
        mark = rpc.create(example(city=asked, title="Marca"))
        seen = {watch.next().id}
        if seen != {mark.id}:
            seen.add(watch.next().id)
        listed = {one.id for one in rpc.list(city=asked, page_size=2).listings}
        assert (made.id in seen) == (made.id in listed)


def test_one_that_leaves_the_filter_is_told_of(rpc):
    made = rpc.create(example(city="Partida"))
    with rpc.watch(city="Partida") as watch:
        watch.live()
        now = rpc.update(made, city="Chegada")
        one = watch.next()
        assert one.listing == now and one.listing.city == "Chegada"
        rpc.update(now, title="Longe")
        back = rpc.create(example(city="Partida"))
        assert watch.next().id == back.id


@pytest.mark.parametrize("filters", [{"state": "XX"}, {"city": "x" * 101}])
def test_filters_that_are_refused(rpc, filters):
    error = refusal(lambda: list(rpc.call("WatchListings", PROTO.WatchListingsRequest(**filters))))
    assert error.code() == Code.INVALID_ARGUMENT
    assert set(violations(error)) == set(filters)


def test_a_deadline_ends_a_watch(rpc):
    error = refusal(lambda: list(rpc.call("WatchListings", PROTO.WatchListingsRequest(),
                                          timeout=0.3)))
    assert error.code() == Code.DEADLINE_EXCEEDED


# --- what was missed

def test_going_on_from_a_position(rpc):
    with rpc.watch() as watch:
        watch.live()
        first = rpc.create(example())
        assert watch.next().id == first.id
        position = watch.position
    second = rpc.create(example())
    rpc.update(second, title="Outro")
    third = rpc.create(example())
    rpc.delete(third.id)
    with rpc.watch(position=position) as watch:
        missed = watch.live()
        assert [(one.kind, one.id, one.version) for one in missed] == [
            (1, second.id, 1), (2, second.id, 2), (1, third.id, 1), (3, third.id, 1)]
        assert missed[0].listing.version == 2 and not missed[2].HasField("listing")
        fourth = rpc.create(example())
        assert watch.change() == ("CREATED", fourth.id, 1)


def test_many_that_were_missed(rpc, database):
    position = newest(database)
    rpc.load(example(city="Perdida", price_cents=n) for n in range(1200))
    with rpc.watch(position=position) as watch:
        assert [one.listing.price_cents for one in watch.live()] == list(range(1200))
    with rpc.watch(position=position, city="Perdida", state="AC") as watch:
        assert watch.live() == []


def test_everything_that_the_log_has(rpc, database):
    count = database.query("SELECT COUNT(*) FROM listing_changes")[0][0]
    with rpc.watch(position=0) as watch:
        assert len(watch.live()) == count


def test_a_change_that_is_committed_late(rpc, database):
    """Its position is lower than that of one that is seen already."""
    copy = ("INSERT INTO listings SELECT %s,title,description,kind,purpose,price_cents,currency,"
            "street,neighborhood,city,state,postal_code,bedrooms,bathrooms,area_m2,status,1,"
            "created_at,updated_at FROM listings WHERE id=%s")
    late = "01a205b3-cc93-7fff-bfff-00000000cafe"
    made = rpc.create(example(city="Atraso"))
    with rpc.watch(city="Atraso") as watch, contextlib.closing(database.mysql()) as connection:
        watch.live()
        connection.begin()
        connection.cursor().execute(copy, (late, made.id))
        soon = rpc.create(example(city="Atraso"))
        assert watch.next().id == soon.id
        position = watch.position
        connection.commit()
        assert watch.next().id == late
        assert watch.position > position
    with rpc.watch(position=position, city="Atraso") as watch:
        assert [one.id for one in watch.live()] == [late, soon.id]


# --- trouble

def test_changes_made_past_toq_are_seen(rpc, database):
    made = rpc.create(example())
    with rpc.watch() as watch:
        watch.live()
        database.query("DELETE FROM listings WHERE id=%s", made.id)
        assert watch.change() == ("DELETED", made.id, 1)


def test_without_redis(database, start_server, server_binary):
    server = start_server({**database.variables, "REDIS_PORT": "1"}, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as watch:
        watch.live()
        made = rpc.create(example())
        assert watch.change() == ("CREATED", made.id, 1)


def test_without_a_database(start_server, server_binary):
    with Rpc(start_server(binary=server_binary)) as rpc, rpc.watch() as watch:
        assert watch.next() is None
        assert watch.call.code() == Code.UNAVAILABLE


def test_a_database_that_goes_away_and_comes_back(database, start_server, server_binary):
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as watch:
        watch.live()
        before = rpc.create(example())
        assert watch.next().id == before.id
        database.kill("mysql")
        database.up("mysql")

        def created():
            try:
                return rpc.create(example())
            except grpc.RpcError:
                return None
        after = wait_until(created, "a new listing")
        assert watch.next().id == after.id


def test_a_drain_says_where_to_go_on_from(database, start_server, server_binary):
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as watch:
        watch.live()
        rpc.create(example())
        watch.next()
        server.send_signal(signal.SIGTERM)
        assert watch.next() is None
        assert watch.call.code() == Code.UNAVAILABLE
        assert ("resume-position", str(watch.position)) in watch.call.trailing_metadata()
    assert server.wait_exit() == 0


def test_one_that_reads_too_slowly_is_ended(database, start_server, server_binary):
    """More is written meanwhile than is kept; it goes on from where it was."""
    server = start_server(database.variables, binary=server_binary)
    long = "x" * 5000
    with Rpc(server) as rpc:
        with rpc.watch() as quick:
            quick.live()
            call = rpc.stub.WatchListings(PROTO.WatchListingsRequest())
            first = next(call)
            for _ in range(5):
                rpc.load(example(description=long) for _ in range(1000))
            fast = [quick.next().id for _ in range(5000)]
        slow, position = [], first.position
        error = refusal(lambda: slow.extend((one.id, one.position) for one in call))
        assert error.code() == Code.RESOURCE_EXHAUSTED
        position = int(dict(call.trailing_metadata())["resume-position"])
        with rpc.watch(position=position) as watch:
            rest = [one.id for one in watch.live()]
    assert len(set(rest)) == len(rest)
    assert set(fast) == set(rest) | {one for one, _ in slow}


def test_a_listing_that_is_too_long_to_be_sent_ends_streams(database, start_server, server_binary):
    server = start_server({**database.variables, "GRPC_MAX_SEND_BYTES": "1000"},
                          binary=server_binary)
    pairs = queue.Queue()
    with Rpc(server) as rpc, rpc.watch() as watch:
        watch.live()
        short = rpc.create(example())
        assert watch.next().id == short.id
        answers = rpc.stub.SyncListings(iter(pairs.get, None))  # it does not say that this is all
        error = refusal(lambda: rpc.create(example(description="x" * 2000)))
        assert error.code() == Code.RESOURCE_EXHAUSTED
        assert watch.next() is None
        assert watch.call.code() == Code.RESOURCE_EXHAUSTED
        long, = database.query("SELECT id FROM listings WHERE LENGTH(description)=2000")[0]
        pairs.put(PROTO.SyncListingsRequest(id=long))
        assert refusal(lambda: next(answers)).code() == Code.RESOURCE_EXHAUSTED
        pairs.put(None)
        assert rpc.get(short.id) == short


def test_the_log_is_trimmed(rpc, database):
    made = rpc.create(example())
    database.query("UPDATE listing_changes SET changed_at=UTC_TIMESTAMP(6) - INTERVAL 8 DAY "
                   "WHERE id=%s", made.id)
    last = rpc.create(example())
    with rpc.watch() as watch:
        watch.live()
        wait_until(lambda: not database.query("SELECT 1 FROM listing_changes WHERE id=%s", made.id),
                   "the old row to go")
    assert database.query("SELECT 1 FROM listing_changes WHERE id=%s", last.id)


def test_a_position_that_is_none(rpc, database):
    """The last one, for it breaks the log."""
    for _ in range(3):
        rpc.create(example())
    error = refusal(lambda: list(rpc.call("WatchListings",
                                          PROTO.WatchListingsRequest(position=1 << 60))))
    assert error.code() == Code.OUT_OF_RANGE
    database.query("DELETE FROM listing_changes WHERE position < %s", newest(database))
    error = refusal(lambda: list(rpc.call("WatchListings",
                                          PROTO.WatchListingsRequest(position=1))))
    assert error.code() == Code.OUT_OF_RANGE and "too old" in error.details()
