# SPDX-License-Identifier: MIT
"""The listings over gRPC while what they need is away, busy, read-only, or dies half-way."""

import asyncio
import contextlib
import signal
import threading

import grpc
import grpc.aio
import pytest

from http2_wire import DATA, END_STREAM, HEADERS, frame
from pprof_load import is_sanitized
from rpc import OPTIONS, Peer, call_fields, message, refusal, scrape
from rpc_listings import NO_ID, POSITION, PROTO, Rpc, example
from scrape import Scrape
from server import PATIENCE_S, wait_until
from streams import NO_DECAY, SANITIZED_BYTES, forget_peak, peak_bytes, queued_bytes

Code = grpc.StatusCode
SERVICE = "/toq.v1.ListingService/"


def rows_in(services, city):
    return services.query("SELECT COUNT(*) FROM listings WHERE city=%s", city)[0][0]


def reads(rpc, known):
    return {"get": lambda: rpc.get(known.id), "list": rpc.list,
            "sync": lambda: rpc.sync([(known.id, 0)])}


def writes(rpc, known):
    return {"create": lambda: rpc.create(example()),
            "update": lambda: rpc.update(known, title="Outro"),
            "delete": lambda: rpc.delete(known.id, known.version),
            "import": lambda: rpc.load([example()])}


def assert_all_end_with(calls, code):
    for name, call in calls.items():
        error = refusal(call)
        assert error.code() == code, (name, error)
        assert error.details(), name


# --- MySQL

def test_a_full_pool(database, start_server, server_binary):
    """One connection, which waits for a lock; the queue behind it; and everybody else."""
    server = start_server({**database.variables, "MYSQL_POOL_SIZE": "1", "CACHE_TTL_MS": "0",
                           "HTTP2_MAX_CONCURRENT_STREAMS": "2000"}, binary=server_binary)
    with Rpc(server) as rpc, contextlib.closing(database.mysql()) as connection:
        made = rpc.create(example())
        connection.begin()
        connection.cursor().execute("SELECT * FROM listings WHERE id=%s FOR UPDATE", made.id)
        first = rpc.stub.DeleteListing.future(PROTO.DeleteListingRequest(id=made.id, version=1))
        wait_until(lambda: scrape(server)['toq_sql_in_use_connections{db_name="toq"}'] == 1,
                   "the first to have the connection")
        # each asks for something else, so that no two have one answer
        queued = [rpc.stub.ListListings.future(PROTO.ListListingsRequest(min_price_cents=n))
                  for n in range(1100)]
        wait_until(lambda: scrape(server)['toq_sql_waiting_queries{db_name="toq"}'] == 1024,
                   "the queue to be full")
        calls = {**reads(rpc, made), **writes(rpc, made),
                 "watch": lambda: list(rpc.call("WatchListings", PROTO.WatchListingsRequest()))}
        assert_all_end_with(calls, Code.RESOURCE_EXHAUSTED)
        connection.rollback()
        first.result(timeout=PATIENCE_S)
        errors = [one.exception(timeout=PATIENCE_S) for one in queued]
        assert 1000 < errors.count(None) <= 1024
        assert {one.code() for one in errors if one is not None} == {Code.RESOURCE_EXHAUSTED}
        assert rpc.load([example()]).imported_count == 1


# As MySQL numbers its errors: read-only, a deadlock, a lock wait that took too long, no right to.
@pytest.mark.parametrize("number, code", [
    (1290, Code.UNAVAILABLE), (1213, Code.ABORTED), (1205, Code.RESOURCE_EXHAUSTED),
    (1142, Code.INTERNAL)])
def test_a_database_that_takes_no_writes(rpc, database, number, code):
    made = rpc.create(example())
    before = database.query("SELECT COUNT(*) FROM listings")
    for verb in ("INSERT", "UPDATE", "DELETE"):
        database.query(f"CREATE TRIGGER refuse_{verb} BEFORE {verb} ON listings FOR EACH ROW "
                       f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO={number}")
    try:
        assert_all_end_with(writes(rpc, made), code)
        for call in reads(rpc, made).values():
            call()
    finally:
        for verb in ("INSERT", "UPDATE", "DELETE"):
            database.query(f"DROP TRIGGER refuse_{verb}")
    assert database.query("SELECT COUNT(*) FROM listings") == before
    assert rpc.update(made, title="Outro").version == 2
    assert rpc.load([example()]).imported_count == 1


def test_a_database_that_is_killed_and_comes_back(database, start_server, server_binary):
    server = start_server({**database.variables, "CACHE_TTL_MS": "0"}, binary=server_binary)
    with Rpc(server) as rpc:
        made = rpc.create(example())
        database.kill("mysql")
        try:
            assert_all_end_with({**reads(rpc, made), **writes(rpc, made)}, Code.UNAVAILABLE)
            watch = rpc.call("WatchListings", PROTO.WatchListingsRequest(position=0))
            assert refusal(lambda: list(watch)).code() == Code.UNAVAILABLE
        finally:
            database.up("mysql")
        assert patiently(lambda: rpc.get(made.id), Code.UNAVAILABLE) == made
        assert rpc.update(made, title="Outro").version == 2


# --- Redis

def test_redis_that_is_killed(database, start_server, server_binary):
    """Everything goes on but what needs it to be right: a key that was used may be in it."""
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as watch:
        watch.live()
        made = rpc.create(example(), key="before")
        assert watch.next().id == made.id
        database.kill("redis")
        try:
            for call in reads(rpc, made).values():
                call()
            now = rpc.update(made, title="Sem Redis")
            assert (now.version, rpc.get(made.id)) == (2, now)
            assert (watch.next().listing, watch.position) == (now, watch.position)
            with rpc.watch() as late:
                assert late.live() == []
                rpc.delete(made.id, 2)
                assert late.change() == ("DELETED", made.id, 2)
            error = refusal(lambda: rpc.create(example(), key="before"))
            assert error.code() == Code.UNAVAILABLE
        finally:
            database.up("redis")
        assert watch.change() == ("DELETED", made.id, 2)
        made = patiently(lambda: rpc.create(example(), key="after"), Code.UNAVAILABLE)
        # the new Redis learns the script that keeps the answer at the first use of it
        assert patiently(lambda: rpc.create(example(), key="after"), Code.ABORTED) == made


def patiently(call, code):
    """What a call answers once it does not end with a code any more."""
    def attempt():
        try:
            return call()
        except grpc.RpcError as error:
            assert error.code() == code
            return None
    return wait_until(attempt, f"an end of {code}")


def test_a_key_that_redis_was_asked_about_and_did_not_answer(rpc, database):
    """It hears of the key late, and then that nothing came of it: the next attempt need not wait."""
    with database.paused("redis"):
        error = refusal(lambda: rpc.create(example(), key="late"))
        assert error.code() == Code.UNAVAILABLE
    made = patiently(lambda: rpc.create(example(), key="late"), Code.UNAVAILABLE)
    assert rpc.create(example(), key="late") == made


# --- imports that end half-way

def rows(city, count):
    return (PROTO.ImportListingsRequest(listing=example(city=city, price_cents=n))
            for n in range(count))


def assert_whole_batches(services, city):
    """All of a batch or none of it; how many."""
    found = [row[0] for row in services.query(
        "SELECT price_cents FROM listings WHERE city=%s ORDER BY price_cents", city)]
    assert found == list(range(len(found))) and len(found) % 100 == 0
    return len(found)


@pytest.mark.parametrize("count, wrong", [
    (1, [0]), (100, [0]), (100, [99]), (101, [100]), (250, [0, 99, 100, 249]), (10, range(10)),
    (10_000, range(0, 10_000, 7))])
def test_the_summary_is_exact(rpc, database, count, wrong):
    city = f"Resumo {count} {len(wrong)} {wrong[0]}"
    bad = {n: {"state": "XX"} for n in wrong}
    done = rpc.load(example(**{"city": city, "price_cents": n, **bad.get(n, {})})
                    for n in range(count))
    assert (done.received_count, done.refused_count) == (count, len(wrong))
    assert done.imported_count == count - len(wrong)
    assert [one.index for one in done.errors] == list(wrong)[:100]
    assert {field.field for one in done.errors for field in one.fields} <= {"state"}
    found = database.query("SELECT price_cents FROM listings WHERE city=%s", city)
    assert sorted(row[0] for row in found) == [n for n in range(count) if n not in bad]


def test_rows_that_fill_the_servers_packets(database, start_server, server_binary):
    """A hundred of 20 KB are 2 MB; the server takes 1 MiB at once."""
    with database.setting(max_allowed_packet=1 << 20):
        server = start_server(database.variables, binary=server_binary)
        with Rpc(server) as rpc:
            done = rpc.load(example(city="Grande", description="\U0001f3e0" * 5000)
                            for _ in range(150))
            assert (done.imported_count, done.refused_count) == (150, 0)
    assert rows_in(database, "Grande") == 150


def test_a_client_that_leaves_half_way(rpc, database):
    call = rpc.stub.ImportListings.future(rows("Saída", 10_000))
    wait_until(lambda: rows_in(database, "Saída") > 0, "the first batch")
    call.cancel()
    assert rpc.load([example(city="Depois")]).imported_count == 1
    assert_whole_batches(database, "Saída")


def test_a_deadline_half_way(rpc, listings_server, database):
    """It passes while the database is at the third batch."""
    with contextlib.closing(database.mysql()) as connection:
        connection.begin()
        database.query("CREATE TABLE door (n INT PRIMARY KEY) ENGINE=InnoDB")
        database.query("INSERT INTO door VALUES (1)")
        connection.cursor().execute("SELECT * FROM door FOR UPDATE")
        database.query("CREATE TRIGGER wait BEFORE INSERT ON listings FOR EACH ROW "
                       "IF NEW.city='Prazo curto' AND NEW.price_cents=250 THEN "
                       "UPDATE door SET n=n; END IF")
        try:
            error = refusal(lambda: rpc.call("ImportListings", rows("Prazo curto", 400), timeout=1))
            assert error.code() == Code.DEADLINE_EXCEEDED
            # the client's clock may be a little ahead of the server's
            wait_until(lambda: Scrape(listings_server).get("toq_sql_in_use_connections") == 0, "it to give up")
        finally:
            connection.rollback()
            database.query("DROP TABLE door")
            database.query("DROP TRIGGER wait")
    assert rpc.load([example()]).imported_count == 1
    assert assert_whole_batches(database, "Prazo curto") == 200


def test_a_database_that_dies_half_way(database, start_server, server_binary):
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc:
        call = rpc.stub.ImportListings.future(rows("Meio", 1_000_000))
        wait_until(lambda: rows_in(database, "Meio") > 0, "the first batch")
        database.kill("mysql")
        try:
            assert call.exception(timeout=PATIENCE_S).code() == Code.UNAVAILABLE
            told = int(dict(call.trailing_metadata())["imported-count"])
        finally:
            database.up("mysql")
        # of the last batch nobody knows: its COMMIT may have been on its way
        assert assert_whole_batches(database, "Meio") in (told, told + 100)


# --- the end of the server

def test_what_was_written_when_it_stops_is_what_it_said(database, start_server, server_binary):
    """No call that was accepted is lost, and none that was not leaves anything."""
    server = start_server(database.variables, binary=server_binary)
    answered, errors = [0] * 8, []

    def write(number):
        with Rpc(server) as rpc:
            try:
                while True:
                    row = example(city="Fim", price_cents=number)
                    answered[number] += rpc.load([row] * 30).imported_count if number % 2 \
                        else rpc.create(row).version
            except grpc.RpcError as error:
                errors.append(error.code())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(answered) > 20 or errors, "writes")
    server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert server.wait_exit() == 0
    assert errors == [Code.UNAVAILABLE] * len(answered)
    found = dict(database.query("SELECT price_cents,COUNT(*) FROM listings WHERE city='Fim' "
                                "GROUP BY price_cents"))
    assert [found[number] for number in range(len(answered))] == answered


# --- many who watch

class Crowd:
    """Clients that watch on a few connections, all in one thread."""

    def __init__(self, server, count, connections):
        self.server = server
        self.count = count
        self.connections = connections
        self.seen = [[] for _ in range(count)]
        self.live_count = 0
        self.codes = []
        self.thread = threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True)
        self.thread.start()

    async def _watch(self):
        channels = [grpc.aio.insecure_channel(f"127.0.0.1:{self.server.ports['grpc']}",
                                              options=OPTIONS) for _ in range(self.connections)]
        methods = [channel.unary_stream(
            SERVICE + "WatchListings", request_serializer=PROTO.WatchListingsRequest.SerializeToString,
            response_deserializer=PROTO.WatchListingsResponse.FromString) for channel in channels]
        await asyncio.gather(*(self._one(methods[n % len(methods)], self.seen[n])
                               for n in range(self.count)))
        for channel in channels:
            await channel.close()

    async def _one(self, method, seen):
        try:
            async for one in method(PROTO.WatchListingsRequest()):
                if one.kind == POSITION:
                    self.live_count += 1
                else:
                    seen.append((one.position, one.id, one.version))
        except grpc.aio.AioRpcError as error:
            self.codes.append(error.code())

    def wait_for(self, count):
        wait_until(lambda: min(map(len, self.seen)) >= count, f"{count} changes for each")


def open_watch(peer, stream):
    peer.send(peer.headers(stream, call_fields(path=SERVICE + "WatchListings"), end=False),
              frame(DATA, END_STREAM, stream, message(b"")))


def test_many_who_watch(database, start_server, server_binary):
    """Each sees each change once and in order, beside one that never reads; all end at the drain."""
    server = start_server({**database.variables, "SHUTDOWN_TIMEOUT_MS": "1000"},
                          binary=server_binary)
    crowd = Crowd(server, 500, 4)
    with Rpc(server) as rpc, Peer(server) as silent:
        open_watch(silent, 1)
        silent.await_frame(HEADERS, stream=1)
        wait_until(lambda: crowd.live_count == 500, "all to watch")
        made = [rpc.create(example(description="x" * 2000)) for _ in range(10)]
        made += [rpc.update(one, title="Outro") for one in made]
        rpc.load(example(description="x" * 2000) for _ in range(100))
        crowd.wait_for(120)
        server.send_signal(signal.SIGTERM)
        crowd.thread.join(PATIENCE_S)
    assert server.wait_exit() == 0
    assert crowd.codes == [Code.UNAVAILABLE] * 500
    first = crowd.seen[0]
    assert [(one, version) for _, one, version in first[:20]] == [(x.id, x.version) for x in made]
    assert len({one for _, one, _ in first}) == 110 and len(first) == 120
    assert all(seen == first for seen in crowd.seen)
    assert [position for position, _, _ in first] == sorted(position for position, _, _ in first)


# What is kept beside the streams' queues: LISTINGS_FEED_BYTES, and of the next read of the log, of the
# connections that read and of an import that is under way together no more than that.
FEED_BYTES = 16 << 20


def test_many_who_never_read(database, start_server, server_binary):
    """They hold a queue each and the feed's own bytes, not the 1 GB that they have missed."""
    server = start_server({**database.variables, **NO_DECAY}, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as watch, Peer(server) as silent:
        for stream in range(1, 401, 2):
            open_watch(silent, stream)
        watch.live()
        live = 0
        while live < 200:
            live += silent.frame().kind == DATA
        forget_peak(server.pid)
        before = peak_bytes(server.pid)
        rpc.load(example(description="x" * 5000, price_cents=n) for n in range(1000))
        assert [watch.next().listing.price_cents for _ in range(1000)] == list(range(1000))
        bound = 200 * queued_bytes(5500) + 2 * FEED_BYTES
        if is_sanitized(server.binary):
            bound = 2 * bound + SANITIZED_BYTES
        assert peak_bytes(server.pid) - before < bound
