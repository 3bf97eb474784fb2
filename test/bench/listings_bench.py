# SPDX-License-Identifier: MIT
"""The listings: toq beside the same endpoints in Go (peer/), on the same MySQL, Redis and rows.

The servers share one core, and take turns; wrk has another. MySQL and Redis run on any: held to
wrk's they are so slow that a server mostly sleeps, and its CPU per request tells what waking up
costs. Both servers keep to the same cache in Redis, so what one writes the other one sees. Before
anything is timed, their answers are compared.
"""

import contextlib
import http.client
import json
import os
import sys
import time
import typing
import urllib.parse

import load
import servers

sys.path.insert(0, os.path.join(servers.ROOT, "test", "integration"))
import services  # pylint: disable=wrong-import-position

COUNT = 10000  # listings
SAMPLE = 100  # of them are compared
TARGET = "/v1/listings"
TOKEN = "a-token-of-the-bench"
HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "listings.lua")
BUILD_SECONDS = 300
SEED_SECONDS = 120
ANSWER_SECONDS = 30
SETTLE_SECONDS = 0.5  # for the writes that were under way as wrk left to reach MySQL
WARM_SECONDS = 1  # pools connect, statements are prepared, Go's heap grows
CACHE_TTL_MS = 3600000  # nothing expires meanwhile


class Kind(typing.NamedTuple):
    title: str
    requests: str  # as listings.lua names them
    is_cached: bool


KINDS = {
    "redis": Kind("Listing by id, Redis hit", "one", True),
    "mysql": Kind("Listing by id, MySQL", "one", False),
    "page": Kind("Page of 20 of a city, MySQL", "page", False),
    "mix": Kind("90 % reads by id (Redis), 10 % writes", "mix", True),
}


def _build_peer():
    """Builds the Go program from Debian's packages alone; returns its path."""
    binary = os.path.join(servers.ROOT, "build", "go", "listings_peer")
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="",
               GOCACHE=os.path.join(servers.ROOT, "build", "go", "cache"))
    servers.prepare(["go", "build", "-o", binary, "./test/bench/peer"], BUILD_SECONDS, env)
    return binary


class Bench:
    """MySQL and Redis of its own with COUNT listings in them, and what is needed to load servers."""

    def __init__(self, binary, folder, config=os.path.join(servers.ROOT, "config")):
        self.binary = os.path.abspath(binary)
        self.config = config
        self.folder = folder
        self.data = services.Services(os.path.join(folder, "services"))

    def __enter__(self):
        try:
            self.data.up()
            env = {**os.environ, **self.settings(False), "ENV": "production", "CONFIG_DIR": self.config}
            servers.prepare([self.binary, "--migrate"], SEED_SECONDS, env)
            servers.prepare([os.path.join(servers.ROOT, "scripts", "seed"), str(COUNT)], SEED_SECONDS,
                            env)
            self._write_lines("ids", self.versions())
            self._write_lines("cities", [urllib.parse.quote(city) for city in self.cities()])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.data.run("down")

    def settings(self, is_cached):
        """What both servers are told."""
        return {**self.data.variables, "API_TOKENS": TOKEN,
                "CACHE_TTL_MS": str(CACHE_TTL_MS if is_cached else 0),
                "CACHE_PAGE_TTL_MS": "0"}

    # --- the listings

    def versions(self):
        """"ID VERSION" of those that lists show."""
        rows = self.data.query("SELECT id,version FROM listings WHERE status='published'")
        return [f"{listing_id} {version}" for listing_id, version in rows]

    def cities(self):
        rows = self.data.query("SELECT DISTINCT city FROM listings WHERE status='published'")
        return [city for (city,) in rows]

    def _write_lines(self, name, lines):
        with open(self._path(name), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def _path(self, name):
        return os.path.join(self.folder, name)

    # --- the servers

    @contextlib.contextmanager
    def both(self, is_cached):
        """toq and the Go program, running."""
        peer_binary = _build_peer()
        port = servers.toq_server.free_port()
        settings = self.settings(is_cached)
        env = {"PATH": os.environ["PATH"], "GOMAXPROCS": "1", "PEER_PORT": str(port), **settings}
        with servers.toq(self.binary, settings, TARGET) as toq, \
                servers.peer("Go", port, [peer_binary], env, TARGET) as go:
            yield [toq, go]

    def check_equal(self, is_cached):
        """Refuses to compare what does not answer alike; leaves the listings in the cache."""
        ids = [line.split()[0] for line in self.versions()]
        paths = [f"{TARGET}/{one}" for one in ids[::max(1, len(ids) // SAMPLE)] * 2]
        paths += [f"{TARGET}?city={urllib.parse.quote(city)}" for city in self.cities()]
        with self.both(is_cached) as (toq, go):
            _compare(toq, go, [("GET", path, {}, None) for path in paths])
            self._compare_writes(toq, go, ids[0])
            if is_cached:
                self.fill_cache(toq)

    def fill_cache(self, server):
        """Reads each listing once."""
        _ask(server, [("GET", f"{TARGET}/{line.split()[0]}", {}, None) for line in self.versions()])

    def _compare_writes(self, toq, go, one):
        """Each server writes once; both see it, and refuse to do it again."""
        for server, other in ((toq, go), (go, toq)):
            version = self.version_of(one)
            fields = {"Authorization": f"Bearer {TOKEN}", "If-Match": f'"{version}"',
                      "Content-Type": "application/merge-patch+json"}
            write = ("PATCH", f"{TARGET}/{one}", fields, json.dumps({"price_cents": version}))
            read = ("GET", f"{TARGET}/{one}", {}, None)
            written, again, seen = _ask(server, [write, write, read])
            if (written.status, again.status, written) != (200, 412, seen):
                raise load.Failure(f"{server.name} writes {written}, then {again}, then {seen}")
            if written.body["version"] != version + 1 or written.body["price_cents"] != version:
                raise load.Failure(f"{server.name} wrote {written}")
            servers.toq_server.wait_until(lambda: _ask(other, [read]) == [written],
                                          f"{other.name} to see what {server.name} wrote", 10)

    def version_of(self, one):
        return self.data.query("SELECT version FROM listings WHERE id=%s", one)[0][0]

    # --- the load

    def _is_quiet(self):
        return self.data.query("SELECT COUNT(*) FROM information_schema.processlist "
                               "WHERE command<>'Sleep' AND id<>CONNECTION_ID()")[0][0] == 0

    def run(self, server, kind, seconds):
        if kind.requests == "mix":
            time.sleep(SETTLE_SECONDS)
            servers.toq_server.wait_until(self._is_quiet, "the last writes to end")
            self._write_lines("ids", self.versions())
        lines = self._path("cities" if kind.requests == "page" else "ids")
        return load.run_script(server, seconds, SCRIPT, kind.requests, lines)


class Answer(typing.NamedTuple):
    status: int
    content_type: str
    etag: str
    body: dict


def _ask(server, requests):
    """The answers to requests on one connection, without what each server makes up by itself."""
    answers = []
    peer = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(peer):
        for method, target, fields, content in requests:
            peer.request(method, target, content, fields)
            answer = peer.getresponse()
            text = answer.read()
            body = json.loads(text) if answer.status == 200 else {}
            if body.get("next_cursor"):
                body["next_cursor"] = len(body["next_cursor"])
            etag = None if "items" in body else answer.getheader("ETag")
            answers.append(Answer(answer.status, answer.getheader("Content-Type"), etag, body))
    return answers


def _compare(toq, go, requests):
    for request, ours, theirs in zip(requests, _ask(toq, requests), _ask(go, requests)):
        if ours.status != 200 or ours != theirs:
            raise load.Failure(f"{request[1]}: toq answers {ours}, Go {theirs}")


def compare(binary, folder, rounds, seconds, note):
    """{kind: {server: [a result per round]}}, the servers taking turns."""
    os.environ["BENCH_TOKEN"] = TOKEN  # for listings.lua
    results = {}
    with Bench(binary, folder) as bench:
        for is_cached in (False, True):
            bench.check_equal(is_cached)
        for name, kind in KINDS.items():
            with bench.both(kind.is_cached) as running:
                results[name] = {server.name: [] for server in running}
                for server in running:
                    bench.run(server, kind, WARM_SECONDS)
                for number in range(rounds):
                    note(f"{kind.title}, round {number + 1} of {rounds}")
                    for server in running if number % 2 == 0 else running[::-1]:
                        results[name][server.name].append(bench.run(server, kind, seconds))
    return results
