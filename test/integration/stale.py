# SPDX-License-Identifier: MIT
"""Is any answer older than docs/listings.md promises? Two servers share a Redis whose replies are late.

run(services, binary, harm, seconds) -> Outcome. Writers and readers ask both servers at random; each read is held
against the writes that had been answered when it began: through the process that wrote nothing older is allowed,
through the other one what is older by less than the TTL.
"""

import collections
import contextlib
import json
import random
import socket
import threading
import time

import server as server_module
from listings import PATCH_JSON, PATH, Api, example
from proxy import Proxy
from redis_harm import busy, demoted, full
from scrape import Scrape
from server import wait_until

DELAY_S = 0.1
PERIOD_S, BURST_S = 1.5, 0.5  # of the writers, all together
SLACK_S = 0.25  # the other process may begin its entry's time a little after ours

# What may be old through a process that did not write, how long its entries live, and how long Redis may take.
Terms = collections.namedtuple("Terms", "listing_s page_s ttl_ms page_ttl_ms timeout_ms")
# Redis works: no listing is old, and a page until the news have come.
WORKING = Terms(-SLACK_S, DELAY_S, 60000, 5000, 2000)
# It could not always be told.
HARMED = Terms(1.5, 0.4, 1500, 400, 120)
GROUP = 8  # listings of a city, which are one page
GROUPS = 6
READERS = 30
DELETED = 1 << 60

Outcome = collections.namedtuple("Outcome", "wrong writes reads pages hits refused")


class DelayProxy(Proxy):
    """Holds what the server says for a random time, on each connection by itself."""

    def _pump(self, source, sink, is_answer):
        if not is_answer:
            super()._pump(source, sink, is_answer)
            return
        dice = random.Random()
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                time.sleep(dice.uniform(0, DELAY_S))
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Book:
    """What has been answered: for each listing, by which server, when."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answered = collections.defaultdict(list)
        self.members = collections.defaultdict(set)  # of a city, also those that are gone
        self.doomed = set()  # those that somebody has begun to delete
        self.wrong = []
        self.counts = collections.Counter()

    def note(self, listing, version, name):
        with self.lock:
            self.answered[listing].append((version, name, time.monotonic()))

    def least(self, listing, name, start, ttl_s):
        """The oldest version that a read that began then may see; 0: it may not be there yet."""
        with self.lock:
            return max((version for version, writer, at in self.answered[listing]
                        if at < start and (writer == name or at < start - ttl_s - SLACK_S)),
                       default=0)

    def check(self, what, listing, name, start, ttl_s, version):
        least = self.least(listing, name, start, ttl_s)
        if version < least:
            with self.lock:
                self.wrong.append((what, name, listing, f"{version} is older than {least}",
                                   [(v, w, round(start - at, 3)) for v, w, at in
                                    self.answered[listing][-4:]]))

    def count(self, what):
        with self.lock:
            self.counts[what] += 1


class Client(threading.Thread):
    def __init__(self, book, servers, end, terms):
        super().__init__(daemon=True)
        self.terms = terms
        self.book, self.servers, self.end = book, servers, end
        self.apis = {name: Api(server) for name, server in servers.items()}
        self.dice = random.Random()

    def run(self):
        while time.monotonic() < self.end:
            try:
                self.turn()
            except (AssertionError, OSError):
                pass  # a connection that was closed with an answer of 503
        for api in self.apis.values():
            api.close()

    def pick(self):
        name = self.dice.choice(list(self.apis))
        return name, self.apis[name]


class Writer(Client):
    """Owns the listings of a city: nobody else writes them, so it knows their versions."""

    def __init__(self, book, servers, end, terms, city):
        super().__init__(book, servers, end, terms)
        self.city = city
        self.known = {}

    def turn(self):
        # In bursts: what went wrong in one is mended by the next write, so it shows in the pause.
        if time.monotonic() % PERIOD_S > BURST_S:
            time.sleep(0.02)
            return
        name, api = self.pick()
        if len(self.known) < GROUP:
            answer = api.post(example(city=self.city))
            if answer.status == 201:
                made = json.loads(answer.body)
                with self.book.lock:
                    self.book.members[self.city].add(made["id"])
                self.done(made["id"], 1, name)
            return
        listing = self.dice.choice(list(self.known))
        version = self.known[listing]
        fields = (f'If-Match: "{version}"',)
        if self.dice.random() < 0.1:
            with self.book.lock:
                self.book.doomed.add(listing)
            answer = api.ask("DELETE", f"{PATH}/{listing}", *fields)
            version = DELETED
        else:
            answer = api.send("PATCH", f"{PATH}/{listing}", {"price_cents": version}, *fields,
                              content_type=PATCH_JSON)
            version += 1
        if answer.status in (200, 204):
            self.done(listing, version, name)
        else:
            self.known.pop(listing)  # nobody knows how it stands
            self.book.count("refused")

    def done(self, listing, version, name):
        self.book.note(listing, version, name)
        self.book.count("writes")
        if version == DELETED:
            self.known.pop(listing)
        else:
            self.known[listing] = version


class Reader(Client):
    def turn(self):
        name, api = self.pick()
        cities = list(self.book.members)
        if not cities:
            return
        city = self.dice.choice(cities)
        if self.dice.random() < 0.4:
            self.read_page(name, api, city)
        else:
            with self.book.lock:
                listing = self.dice.choice(list(self.book.members[city]))
            self.read_one(name, api, listing)

    def read_one(self, name, api, listing):
        start = time.monotonic()
        answer = api.get(listing)
        if answer.status == 404:
            version = DELETED if listing in self.book.doomed else 0
        elif answer.status == 200:
            version = json.loads(answer.body)["version"]
        else:
            self.book.count("refused")
            return
        self.book.check("read", listing, name, start, self.terms.listing_s, version)
        self.book.count("reads")

    def read_page(self, name, api, city):
        with self.book.lock:
            members = set(self.book.members[city])
        start = time.monotonic()
        answer = api.ask("GET", f"{PATH}?city={city}&limit=100")
        if answer.status != 200:
            self.book.count("refused")
            return
        items = {one["id"]: one["version"] for one in json.loads(answer.body)["items"]}
        for listing in members:
            missing = DELETED if listing in self.book.doomed else 0
            self.book.check("page", listing, name, start, self.terms.page_s,
                            items.get(listing, missing))
        self.book.count("pages")


# --- harms: one second on, one off

@contextlib.contextmanager
def nothing(_):
    yield


@contextlib.contextmanager
def stopped(services):
    with services.paused("redis"):
        yield


@contextlib.contextmanager
def emptied(services):
    services.redis().flushall()
    yield


HARMS = {"nothing": nothing, "stopped": stopped, "full": full, "busy": busy, "read_only": demoted,
         "emptied": emptied}


def harm_until(services, harm, end):
    while time.monotonic() < end:
        with HARMS[harm](services):
            time.sleep(min(1, max(0, end - time.monotonic())))
        time.sleep(min(1, max(0, end - time.monotonic())))


def run(services, binary, harm, seconds):
    """Reads and writes for so long while Redis is harmed so."""
    proxy = DelayProxy(int(services.variables["REDIS_PORT"]))
    terms = WORKING if harm == "nothing" else HARMED
    settings = {**services.variables, "CACHE_TTL_MS": terms.ttl_ms,
                "CACHE_PAGE_TTL_MS": terms.page_ttl_ms, "CACHE_TIMEOUT_MS": terms.timeout_ms,
                "LOG_ACCESS_EVERY": 0, "REDIS_PORT": proxy.port}
    with contextlib.ExitStack() as stack:
        stack.callback(proxy.close)
        servers = {}
        for name in ("a", "b"):
            servers[name] = server_module.start(binary, settings)
            stack.callback(servers[name].close)
        book = Book()
        end = time.monotonic() + seconds
        tag = f"{harm}-{time.monotonic_ns()}"
        writers = [Writer(book, servers, end, terms, f"{tag}-{n}") for n in range(GROUPS)]
        clients = writers + [Reader(book, servers, end, terms) for _ in range(READERS)]
        for one in clients:
            one.start()
        harm_until(services, harm, end)
        for one in clients:
            one.join()
        hits = sum(Scrape(one).get("toq_cache_requests_total", cache=cache, result="hit")
                   for one in servers.values() for cache in ("listing", "page"))
    counts = book.counts
    return Outcome(book.wrong, counts["writes"], counts["reads"], counts["pages"], int(hits),
                   counts["refused"])
