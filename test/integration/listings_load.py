# SPDX-License-Identifier: MIT
"""Clients that read and write listings as fast as they are answered, and count what is wrong.

Each has a listing that it alone writes, always price_cents = 1000 * version, and it knows which
versions may be there: between the last one that it was told of and the newest that it has asked for.
"""

import collections
import contextlib
import threading
import time
import urllib.parse
import uuid

from listings import Api, decoded
from server import wait_until

# Beyond the server's own deadline, for a machine that is busy; what hangs, hangs longer.
SLACK_S = 10


class Customer(threading.Thread):
    def __init__(self, server, deadline_s):
        super().__init__(daemon=True)
        self.api = Api(server)
        self.city = f"Cidade {uuid.uuid4()}"
        self.deadline_s = deadline_s
        self.is_ended = threading.Event()
        self.counts = collections.Counter()  # of (what, status)
        self.wrong = []
        self.slowest_s = 0
        known = self.api.create(city=self.city, price_cents=1000)
        self.id = known["id"]
        self.low = self.high = 1

    def run(self):
        with self.api:
            while not self.is_ended.is_set():
                try:
                    self.turn()
                except BaseException as error:  # not of a test, but of what is tested
                    self.wrong.append(repr(error))
                    self.api.close()

    def turn(self):
        known = self.read()
        if known is not None:
            self.write(known)
        self.list()

    def ask(self, what, function, *allowed):
        """The answer, or None when it is an honest 503."""
        begin = time.monotonic()
        answer = function()
        took_s = time.monotonic() - begin
        self.slowest_s = max(self.slowest_s, took_s)
        self.counts[what, answer.status] += 1
        if took_s > self.deadline_s + SLACK_S:
            self.wrong.append(f"{what} took {took_s:.3f} s")
        if answer.status in allowed:
            return answer
        if answer.status != 503 or not int(answer["Retry-After"] or 0) >= 1:
            self.wrong.append((what, answer.head, answer.body))
        return None

    def check(self, what, listing):
        """Whether a listing is one that may be there; it is the newest known one then."""
        version = listing["version"]
        if not self.low <= version <= self.high or listing["price_cents"] != 1000 * version:
            self.wrong.append((what, self.low, self.high, listing))
        self.low = max(self.low, version)

    def read(self):
        answer = self.ask("read", lambda: self.api.get(self.id), 200)
        if answer is None:
            return None
        listing = decoded(answer)
        self.check("read", listing)
        return listing

    def write(self, known):
        wanted = known["version"] + 1
        before = self.high
        self.high = max(self.high, wanted)
        answer = self.ask("write", lambda: self.api.patch(known, {"price_cents": 1000 * wanted}),
                          200, 412)
        if answer is None:
            return
        if answer.status == 200:
            if decoded(answer)["version"] != wanted:
                self.wrong.append(("write", wanted, answer.body))
            self.low = max(self.low, wanted)
        elif before < wanted:
            # Nobody else writes it, and none of its own writes may have come in between.
            self.wrong.append(("refused", wanted, answer.body))

    def list(self):
        query = "/v1/listings?city=" + urllib.parse.quote(self.city)
        answer = self.ask("list", lambda: self.api.ask("GET", query), 200)
        if answer is not None:
            items = decoded(answer)["items"]
            if [item["id"] for item in items] != [self.id]:
                self.wrong.append(("list", self.id, items))
            else:
                self.check("list", items[0])

    def successes(self):
        return min(self.counts["read", 200], self.counts["write", 200], self.counts["list", 200])


class Load:
    def __init__(self, customers):
        self.customers = customers

    def wait_served(self, times=3):
        """Waits until each is served in everything, so many times from now on."""
        before = [one.successes() for one in self.customers]
        wait_until(lambda: all(one.successes() >= old + times
                               for one, old in zip(self.customers, before)), "everyone to be served")

    def count(self, status):
        return sum(count for one in self.customers for (_, its), count in one.counts.items()
                   if its == status)


@contextlib.contextmanager
def customers(server, deadline_s, database, count=6):
    """Runs customers, and checks at the end what each was told, and what MySQL has."""
    load = Load([Customer(server, deadline_s) for _ in range(count)])
    for one in load.customers:
        one.start()
    try:
        load.wait_served()
        yield load
    finally:
        for one in load.customers:
            one.is_ended.set()
        for one in load.customers:
            one.join()
    wrong = [one.wrong[:3] for one in load.customers if one.wrong]
    assert not wrong, wrong
    for one in load.customers:
        [(version, price)] = database.query(
            "SELECT version, price_cents FROM listings WHERE id = %s", one.id)
        assert one.low <= version <= one.high and price == 1000 * version
