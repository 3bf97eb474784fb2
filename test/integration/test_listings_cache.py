# SPDX-License-Identifier: MIT
"""The cache before MySQL: what is served from it, who hears of a write, and that nothing is stale."""

import contextlib
import signal
import socket
import threading

import pytest

from listings import PATH, Api, decoded, example
from proxy import Proxy
from scrape import Scrape
from server import wait_until
from wire import reset_on_close

BEHIND_ITS_BACK = "UPDATE listings SET title = 'Unnoticed' WHERE id = %s"


def reads(server, result, cache="listing"):
    return Scrape(server).get("toq_cache_requests_total", cache=cache, result=result)


def loads(server, cache="listing"):
    return Scrape(server).get("toq_cache_loads_total", cache=cache)


def wait_cached(server, cache="listing"):
    """Waits until Redis is in use. It writes one listing and no more: a server keeps in mind what it
    could not tell Redis of, as much as its table has room for."""
    def is_used():
        hits = reads(server, "hit", cache)
        for _ in range(2):
            client.read(made["id"])
            client.page("?city=Cacheada&limit=1")
        return reads(server, "hit", cache) > hits

    with Api(server) as client:
        made = client.create(city="Cacheada")
        wait_until(is_used, f"a {cache} to be served from Redis")
        assert client.delete(made).status == 204


@pytest.fixture(scope="module", autouse=True)
def warm(listings_server):
    wait_cached(listings_server)
    wait_cached(listings_server, "page")


@pytest.fixture
def other(database, start_server, server_binary):
    """A client of a second server on the same services."""
    server = start_server(database.variables, binary=server_binary)
    wait_cached(server)
    with Api(server) as client:
        yield client


# --- what is served from where

def test_the_second_read_is_a_hit(api, database):
    made = api.create()
    database.redis().flushall()
    missed, hit = reads(api.server, "miss"), reads(api.server, "hit")
    first = api.get(made["id"])
    assert reads(api.server, "miss") == missed + 1
    second = api.get(made["id"])
    assert reads(api.server, "hit") == hit + 1
    assert (second.status, second.body, second["ETag"]) == (200, first.body, first["ETag"])
    assert decoded(second) == made


def test_a_hit_does_not_ask_mysql(api, database):
    made = api.create()
    api.read(made["id"])
    database.query(BEHIND_ITS_BACK, made["id"])
    assert api.read(made["id"]) == made
    database.redis().flushall()
    assert api.read(made["id"])["title"] == "Unnoticed"


def test_the_second_page_is_a_hit(api, database):
    wait_cached(api.server, "page")
    made = api.create(city="Dupla")
    query = "?city=Dupla"
    first = api.page(query)
    hit = reads(api.server, "hit", "page")
    database.query(BEHIND_ITS_BACK, made["id"])
    assert api.page(query) == first and first["items"] == [made]
    assert reads(api.server, "hit", "page") == hit + 1


def test_pages_of_other_queries_are_other_pages(api):
    made = [api.create(city="Vária", price_cents=n, bedrooms=n) for n in range(4)]
    for _ in range(2):
        assert api.page("?city=V%C3%A1ria&limit=1")["items"] == [made[3]]
        assert api.page("?city=V%C3%A1ria&limit=2")["items"] == [made[3], made[2]]
        assert api.page("?city=V%C3%A1ria&limit=1&sort=created_at")["items"] == [made[0]]
        assert api.page("?city=V%C3%A1ria&max_price_cents=1")["items"] == [made[1], made[0]]
        assert api.page("?city=V%C3%A1ria&min_bedrooms=3")["items"] == [made[3]]
        assert api.page("?city=V%C3%A1ria&limit=1&total=true")["total"] == 4
        assert "total" not in api.page("?city=V%C3%A1ria&limit=1")


def test_without_a_ttl_nothing_is_kept(database, start_server, server_binary):
    server = start_server({**database.variables, "CACHE_TTL_MS": 0}, binary=server_binary)
    with Api(server) as client:
        made = client.create()
        client.read(made["id"])
        database.query(BEHIND_ITS_BACK, made["id"])
        assert client.read(made["id"])["title"] == "Unnoticed"
    assert database.redis().keys(f"*{made['id']}*") == []
    assert reads(server, "hit") == 0


def test_what_is_kept_ends_with_its_ttl(database, start_server, server_binary):
    server = start_server({**database.variables, "CACHE_TTL_MS": 400}, binary=server_binary)
    with Api(server) as client:
        made = client.create()
        client.read(made["id"])
        database.query(BEHIND_ITS_BACK, made["id"])
        wait_until(lambda: client.read(made["id"])["title"] == "Unnoticed", "the entry to end")


def test_entries_end_at_different_times(api, database):
    made = [api.create() for _ in range(40)]
    redis = database.redis()
    redis.flushall()
    for one in made:
        api.read(one["id"])
    keys = redis.keys("*")
    left = [redis.pttl(key) for one in made for key in keys if one["id"].encode() in key]
    assert len(left) == len(made)
    assert all(50000 < one <= 60000 for one in left)
    assert len({one // 100 for one in left}) > 5


# --- who hears of a write

def test_a_write_is_seen_by_the_other_process_at_once(api, other):
    known = api.create()
    for turn in range(60):
        writer, reader = (api, other) if turn % 2 else (other, api)
        assert reader.read(known["id"]) == known
        known = writer.update(known, price_cents=turn)
        assert reader.read(known["id"]) == known
    assert api.delete(known).status == 204
    assert other.get(known["id"]).status == 404


def test_a_write_is_seen_in_the_other_process_lists(api, other):
    query = "?city=Vizinha"
    assert other.page(query)["items"] == []
    made = api.create(city="Vizinha")
    wait_until(lambda: other.page(query)["items"] == [made], "the new listing in the list")
    changed = api.update(made, bedrooms=0)
    assert api.page(query)["items"] == [changed]
    wait_until(lambda: other.page(query)["items"] == [changed], "the change in the list")
    assert other.delete(changed).status == 204
    wait_until(lambda: api.page(query)["items"] == [], "the list to be empty")


class LateReplies(Proxy):
    """Keeps back what Redis replies to commands while `is_free` is not set; news pass."""

    def __init__(self, port):
        self.is_free = threading.Event()
        self.is_free.set()
        self.subscribers = set()
        super().__init__(port)

    def _pump(self, source, sink, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not is_answer and b"SUBSCRIBE" in data:
                    self.subscribers.add(sink)
                if is_answer and source not in self.subscribers:
                    self.is_free.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def test_a_late_reply_takes_no_page_back(api, database, start_server, server_binary):
    """The reply to a write says which pages are new now; news that came before it may say more."""
    query = "?city=Atrasada"
    proxy = LateReplies(int(database.variables["REDIS_PORT"]))
    server = start_server({**database.variables, "REDIS_PORT": proxy.port, "CACHE_TIMEOUT_MS": 10000},
                          binary=server_binary)
    wait_cached(server, "page")
    writing = threading.Thread(target=lambda: written.append(late.post(example(city="Atrasada"))))
    written = []
    with Api(server) as late, Api(server) as reader:
        heard = Scrape(server).get("toq_cache_invalidations_total")
        proxy.is_free.clear()
        writing.start()
        wait_until(lambda: len(api.page(query)["items"]) == 1, "the write in the other process")
        api.page(query)  # Redis has the page as it is after this write
        api.create(city="Atrasada")
        # its own write, the news of that, and the news of the other one
        wait_until(lambda: Scrape(server).get("toq_cache_invalidations_total") >= heard + 3, "news")
        proxy.is_free.set()
        writing.join()
        assert written[0].status == 201
        assert len(reader.page(query)["items"]) == 2
    assert server.stop() == 0
    proxy.close()


class Reader(threading.Thread):
    """Reads one listing again and again: the version never goes back, nor behind what is known."""

    def __init__(self, server, listing_id, known):
        super().__init__(daemon=True)
        self.api = Api(server)
        self.id = listing_id
        self.known = known
        self.is_ended = threading.Event()
        self.count = 0
        self.wrong = []

    def run(self):
        newest = 0
        with self.api:
            while not self.is_ended.is_set():
                committed = self.known["version"]
                answer = self.api.get(self.id)
                listing = decoded(answer) if answer.status == 200 else {}
                version = listing.get("version", 0)
                newest = max(newest, committed)
                if version < newest or listing["price_cents"] != 1000 * version:
                    self.wrong.append((answer.status, newest, listing or answer.body))
                newest = max(newest, version)
                self.count += 1

    def end(self):
        self.is_ended.set()
        self.join()
        assert self.wrong == [] and self.count > 0


def hammer(writer, servers, turns, between=lambda turn: None):
    """One writes while two in each server read."""
    known = writer.create(price_cents=1000)
    shared = dict(known)
    readers = [Reader(server, known["id"], shared) for server in servers for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(turns):
        known = writer.update(known, price_cents=1000 * (known["version"] + 1))
        shared.update(known)
        between(turn)
    for reader in readers:
        reader.end()


def test_no_answer_is_stale_after_a_write(api, other):
    hammer(api, [api.server, other.server], 200)


def test_no_answer_of_the_writing_process_is_stale_while_redis_comes_and_goes(
        database, start_server, server_binary):
    with broken_redis(database, start_server, server_binary) as (server, proxy), Api(server) as writer:
        steps = {20: proxy.cut, 60: proxy.heal, 100: proxy.stall, 110: proxy.heal, 140: proxy.garble,
                 160: proxy.heal}
        hammer(writer, [server], 200, lambda turn: steps.get(turn, lambda: None)())


# --- one load for all

@pytest.mark.parametrize("target, cache", [("{id}", "listing"), ("?city=Una", "page")], ids=str)
def test_a_hundred_misses_are_one_load(api, database, target, cache):
    made = api.create(city="Una")
    path = f"{PATH}/{made['id']}" if target == "{id}" else PATH + target
    database.redis().flushall()
    server = api.server
    before = loads(server, cache), reads(server, "shared", cache), reads(server, "miss", cache)
    clients = [Api(server) for _ in range(100)]
    answers = []
    threads = [threading.Thread(target=lambda client=client: answers.append(client.ask("GET", path)))
               for client in clients]
    with database.paused("mysql"):
        for thread in threads:
            thread.start()
        wait_until(lambda: reads(server, "shared", cache) == before[1] + 99, "all to wait")
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert loads(server, cache) == before[0] + 1
    assert reads(server, "miss", cache) == before[2] + 1
    assert {(answer.status, answer.body) for answer in answers} == {(200, api.ask("GET", path).body)}
    assert len(answers) == 100


def leave(peer):
    """Has the thread that reads from a socket close it, with a reset: a FIN alone would be no departure."""
    reset_on_close(peer)
    peer.shutdown(socket.SHUT_RD)


def test_the_first_to_ask_may_leave(api, database):
    made = api.create()
    database.redis().flushall()
    server = api.server
    shared = reads(server, "shared")
    first, second, answers = Api(server), Api(server), []

    def ask_first():
        with contextlib.suppress(AssertionError, OSError):
            first.get(made["id"])

    with database.paused("mysql"):
        leaving = threading.Thread(target=ask_first)
        leaving.start()
        wait_until(lambda: Scrape(server).get("toq_sql_in_use_connections") >= 1, "it to wait")
        staying = threading.Thread(target=lambda: answers.append(second.get(made["id"])))
        staying.start()
        wait_until(lambda: reads(server, "shared") == shared + 1, "the second to wait")
        leave(first.peer.socket)
        leaving.join()
    staying.join()
    second.close()
    assert decoded(answers[0]) == made


# --- a Redis that is away, or holds what is not ours

@contextlib.contextmanager
def broken_redis(database, start_server, server_binary):
    """A server whose Redis is behind a proxy. After a fault it takes no page from there as long as
    one may be old, and no listing whose write was not answered: each for a short time."""
    proxy = Proxy(int(database.variables["REDIS_PORT"]))
    try:
        server = start_server({**database.variables, "REDIS_PORT": proxy.port,
                               "CACHE_TTL_MS": 5000, "CACHE_PAGE_TTL_MS": 300}, binary=server_binary)
        wait_cached(server)
        yield server, proxy
    finally:
        proxy.close()


@pytest.mark.parametrize("fault", ["cut", "stall", "garble"])
def test_without_redis_mysql_serves(database, start_server, server_binary, fault):
    with broken_redis(database, start_server, server_binary) as (server, proxy), Api(server) as client:
        known = client.create(city=f"Sem {fault}")
        query = f"?city=Sem+{fault}"
        client.read(known["id"])
        client.page(query)
        getattr(proxy, fault)()
        for turn in range(20):
            known = client.update(known, price_cents=turn)
            assert client.read(known["id"]) == known
            assert client.page(query)["items"] == [known]
        assert decoded(client.get(client.create()["id"]))["version"] == 1
        proxy.heal()
        wait_cached(server)
        wait_cached(server, "page")
        assert client.read(known["id"]) == known
        assert client.page(query)["items"] == [known]


def test_many_written_while_redis_is_full(database, start_server, server_binary):
    """Redis keeps what it has and takes nothing: through the process that wrote nothing old is read."""
    server = start_server({**database.variables, "CACHE_PAGE_TTL_MS": 300}, binary=server_binary)
    wait_cached(server)
    redis = database.redis()
    before = redis.config_get("maxmemory*")
    with Api(server) as client:
        known = [client.create(city="Cheia") for _ in range(1000)]
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        try:
            known = [client.update(one, title="Nova") for one in known[:900]] + known[900:]
            for one in known[900:]:
                assert client.delete(one).status == 204
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                redis.config_set(name, before[name])
        assert [client.read(one["id"]) for one in known[:900]] == known[:900]
        assert {client.get(one["id"]).status for one in known[900:]} == {404}


def test_a_killed_redis_comes_back_empty(api, database):
    made = api.create()
    database.kill("redis")
    changed = api.update(made, title="Sem Redis")
    assert api.read(made["id"]) == changed
    database.up("redis")
    wait_cached(api.server)
    assert api.read(made["id"]) == changed


def test_a_paused_redis_costs_little(api, database):
    known = api.create()
    with database.paused("redis"):
        for turn in range(10):
            known = api.update(known, price_cents=turn)
            assert api.read(known["id"]) == known
    wait_cached(api.server)
    assert api.read(known["id"]) == known


@pytest.mark.parametrize("entry", [b"", b" ", b"x", b"1", b"1 ", b"-", b"?", b"1 ?", b"-1 {}", b"1.5 {}",
                                   b"99999999999999999999999 {}", b"\x00" * 100, b"{}", b"9" * 100000],
                         ids=lambda entry: ascii(entry[:12]))
def test_an_entry_that_is_not_ours_is_a_miss(api, database, entry):
    made = api.create()
    api.read(made["id"])
    redis = database.redis()
    [key] = redis.keys(f"*{made['id']}")
    redis.set(key, entry)
    assert api.read(made["id"]) == made
    changed = api.update(made, bedrooms=0)
    assert api.read(made["id"]) == changed


def test_an_entry_of_another_type_is_a_miss(api, database):
    made = api.create()
    redis = database.redis()
    api.read(made["id"])
    [key] = redis.keys(f"*{made['id']}")
    redis.delete(key)
    redis.rpush(key, "a", "b")
    assert api.read(made["id"]) == made
    changed = api.update(made, bedrooms=0)
    assert api.read(made["id"]) == changed


@pytest.mark.parametrize("message", ["", "nonsense", "x" * 100000, "\x00", "1 2 3"],
                         ids=lambda text: ascii(text[:10]))
def test_news_that_are_none_are_said_and_ignored(api, database, message):
    made = api.create()
    database.redis().publish("toq:listings", message)
    assert api.read(made["id"]) == made
    assert api.server.is_running()


def test_the_other_redis_databases_and_keys_are_left_alone(api, database):
    redis = database.redis()
    redis.set("somebody's", "own")
    api.delete(api.create())
    assert redis.get("somebody's") == b"own"
    assert all(key.startswith(b"toq:") for key in redis.keys("*") if key != b"somebody's")


def test_a_server_that_was_paused_believes_nothing_old(api, other):
    known = api.create()
    other.read(known["id"])
    other.server.send_signal(signal.SIGSTOP)
    for turn in range(5):
        known = api.update(known, price_cents=turn)
    other.server.send_signal(signal.SIGCONT)
    assert other.read(known["id"]) == known
