# SPDX-License-Identifier: MIT
"""What is in flight: the goroutine profile and its dump, of requests that really wait, and threadcreate."""

import contextlib
import re

import httpx
import pytest

from listings import PATH, Api
from pprof_decode import decode, has_frame
from pprof_load import is_deferring
from proxy import Proxy
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

HEAD = re.compile(r"goroutine (\d+) \[([^\],]+)((?:, [^\],]+)*)\](?: \{(.*)\})?:")
LABEL = re.compile(r'(\w+): (?:([A-Za-z0-9./_]+)|"((?:[^"\\]|\\.)*)")(?:, |$)')
FUNCTION = re.compile(r"(\S.*)\(\.\.\.\)")
PLACE = re.compile(r"\t(.+):(\d+)( \+0x[0-9a-f]+)?")
NO_STACK = "\tgoroutine running on other thread; stack unavailable"
ELIDED = "...additional frames elided..."
MAIN_ID = 1


class Entry:
    """One goroutine of a dump. Every line must be as Go prints it."""

    def __init__(self, text):
        head, *lines = text.split("\n")
        match = HEAD.fullmatch(head)
        assert match, head
        self.id = int(match.group(1))
        self.state = match.group(2)
        self.flags = [flag for flag in match.group(3).split(", ") if flag]
        self.labels = {}
        rest = match.group(4) or ""
        while rest:
            label = LABEL.match(rest)
            assert label, head
            self.labels[label.group(1)] = label.group(2) or label.group(3)
            rest = rest[label.end():]
        assert list(self.labels) == sorted(self.labels)
        self.functions = []
        if lines == [NO_STACK]:
            return
        if lines[-1] == ELIDED:
            lines.pop()
        assert lines and len(lines) % 2 == 0, text
        for function, place in zip(lines[::2], lines[1::2]):
            assert FUNCTION.fullmatch(function), text
            assert PLACE.fullmatch(place), text
            self.functions.append(FUNCTION.fullmatch(function).group(1))


def ask(server, query=""):
    answer = httpx.get(server.url(f"/debug/pprof/goroutine{query}", "pprof"), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer


def dump(server):
    """The entries of a dump by their ids."""
    answer = ask(server, "?debug=2")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.text.endswith("\n\n")
    entries = [Entry(text) for text in answer.text[:-2].split("\n\n")]
    assert len({entry.id for entry in entries}) == len(entries)
    return {entry.id: entry for entry in entries}


def of_route(entries, route):
    return [entry for entry in entries.values() if entry.labels.get("route") == route
            and "locked to thread" not in entry.flags]


def threads_of(entries):
    return [entry for entry in entries.values() if "locked to thread" in entry.flags]


def profile(server):
    decoded = decode(ask(server).content)
    assert decoded.sample_types() == [("goroutine", "count")]
    message = decoded.message
    assert (decoded.text[message.period_type.type], message.period) == ("goroutine", 1)
    assert message.time_nanos > 1_600_000_000 * 10**9 and message.duration_nanos == 0
    return decoded


@contextlib.contextmanager
def sleeping(server, count):
    peers = [Peer(server) for _ in range(count)]
    try:
        for peer in peers:
            peer.send(request("/test/sleep?ms=600000"))
        wait_until(lambda: len(of_route(dump(server), "/test/sleep")) == count, "all to sleep")
        yield
    finally:
        for peer in peers:
            peer.reset()


def test_each_request_has_an_entry_that_keeps_its_id(start_server):
    server = start_server()
    with sleeping(server, 5):
        first, second = dump(server), dump(server)
        slept = of_route(first, "/test/sleep")
        assert len(slept) == 5
        for entry in slept:
            assert (entry.state, entry.flags) == ("sleep", [])
            assert entry.labels == {"method": "GET", "route": "/test/sleep"}
            assert entry.functions[-1] == "routes_test.handle_sleep"
            assert second[entry.id].labels == entry.labels
        # The request that asks is there as well, and is another each time.
        own = [of_route(entries, "/debug/pprof/:name")[0] for entries in (first, second)]
        assert own[0].id < own[1].id
        assert "pprof_handle_named" in own[0].functions
        decoded = profile(server)
        of_sleep = [s for s in decoded.samples if s.labels.get("route") == "/test/sleep"]
        assert sum(s.values[0] for s in of_sleep) == 5
        for sample in of_sleep:
            assert sample.frames[0].function == "[sleep]"
            assert sample.labels == {"route": "/test/sleep", "method": "GET", "state": "sleep"}
            assert [frame.function for frame in sample.frames[-2:]] == [
                "routes_test.handle_sleep", "[GET /test/sleep]"]
    wait_until(lambda: not of_route(dump(server), "/test/sleep"), "those that left to be gone")


def test_each_thread_has_an_entry_that_keeps_its_id(start_server, test_server_binary):
    server = start_server()

    def names_of(entries):
        return {entry.id: entry.labels["thread"] for entry in threads_of(entries)}
    # The threads of the pools start with their first jobs.
    wanted = {"toq_test_server", "toq-log", "toq-diag-pool", "toq-mysql-pool"}
    wait_until(lambda: wanted <= set(names_of(dump(server)).values()), "all threads to be there")
    first, second = dump(server), dump(server)
    named = names_of(first)
    assert named[MAIN_ID] == "toq_test_server"
    assert named.items() <= names_of(second).items()
    assert all(entry.state in ("running", "syscall") for entry in threads_of(first))
    if is_deferring(test_server_binary):
        return

    def has_stacks():
        found = [(entry.labels["thread"], entry.functions) for entry in threads_of(dump(server))]
        return all(any(function in functions for name, functions in found if name == thread)
                   for thread, function in (("toq_test_server", "main"), ("toq-log", "log_writer.take_batch"),
                                            ("toq-mysql-pool", "pool.take_job"),
                                            ("toq-diag-pool", "pool.run_job")))
    wait_until(has_stacks, "the stacks of all threads")


def test_requests_that_wait_for_mysql_show_their_handler(database, start_server, server_binary):
    server = start_server({**database.variables, "MYSQL_POOL_SIZE": 2, "CACHE_TTL_MS": 0},
                          binary=server_binary)
    with Api(server) as client:
        made = [client.create() for _ in range(6)]
    with contextlib.ExitStack() as stack:
        # A server that says nothing is known to be down before long, and then nobody waits for it.
        stack.enter_context(database.locked("listings"))
        route = f"{PATH}/:id"
        for number, one in enumerate(made, 1):  # one by one, for those of a turn share a query
            stack.enter_context(Peer(server)).send(request(f"{PATH}/{one['id']}"))
            wait_until(lambda count=number: len(of_route(dump(server), route)) == count, "it to wait")
        entries = of_route(dump(server), route)
        assert {entry.state for entry in entries} == {"mysql", "mysql pool"}
        for entry in entries:
            assert "listings_handle_get" in entry.functions
            assert "listings_gather_start" in entry.functions
            assert f"[{entry.state}]" not in entry.functions
        decoded = profile(server)
        waiting = [s for s in decoded.samples if s.labels.get("state") in ("mysql", "mysql pool")]
        assert sum(s.values[0] for s in waiting) == 6
        assert all(has_frame(s, "listings_handle_get") for s in waiting)
        assert all(s.frames[0].function == f"[{s.labels['state']}]" for s in waiting)


def test_requests_that_wait_for_redis_show_it(database, start_server, server_binary):
    proxy = Proxy(int(database.variables["REDIS_PORT"]))
    try:
        server = start_server({**database.variables, "REDIS_HOST": "127.0.0.1",
                               "REDIS_PORT": proxy.port, "CACHE_TIMEOUT_MS": 60000},
                              binary=server_binary)
        with Api(server) as client:
            made = client.create()

            def hits():
                return Scrape(server).get("toq_cache_requests_total", cache="listing", result="hit")

            def is_hit():
                before = hits()
                client.read(made["id"])
                return hits() > before

            def waits():
                """Whether a read waits for Redis once that does not answer any more: one that comes so late that toq
                has noticed goes past it."""
                # Until Redis has answered for the write, reads go past it.
                wait_until(is_hit, "the listing to come from Redis")
                proxy.stall()
                try:
                    with Peer(server) as peer:
                        peer.send(request(f"{PATH}/{made['id']}"))
                        return any(e.state == "redis" for _ in range(10)
                                   for e in of_route(dump(server), f"{PATH}/:id"))
                finally:
                    proxy.heal()
            wait_until(waits, "a read to wait for Redis")
    finally:
        proxy.close()


def test_the_short_text_counts_equal_stacks(start_server):
    server = start_server()
    with sleeping(server, 3):
        lines = ask(server, "?debug=1").text.split("\n")
    total = re.fullmatch(r"goroutine profile: total (\d+)", lines[0])
    counts = [int(line.split(" @ ")[0]) for line in lines if " @ " in line]
    assert int(total.group(1)) == sum(counts)
    assert counts == sorted(counts, reverse=True)
    labels = '# labels: {"method":"GET", "route":"/test/sleep", "state":"sleep"}'
    at = lines.index(labels)
    assert lines[at - 1].startswith("3 @ 0x")
    assert "\t[sleep]+0x" in lines[at + 1]


@pytest.mark.parametrize("debug", ["2", "3", "+2", "9223372036854775807"])
def test_from_debug_2_on_it_is_a_dump(test_server, debug):
    assert ask(test_server, f"?debug={debug.replace('+', '%2B')}").text.startswith("goroutine 1 [")


def test_seconds_and_debug_do_not_go_together(test_server):
    url = test_server.url("/debug/pprof/goroutine?debug=2&seconds=1", "pprof")
    answer = httpx.get(url, timeout=PATIENCE_S)
    assert (answer.status_code, answer.text) == (400, "seconds and debug params are incompatible\n")


def test_clients_that_leave_a_dump_do_no_harm(start_server):
    server = start_server()
    with sleeping(server, 50):
        for _ in range(20):
            with Peer(server, "pprof") as peer:
                peer.send(request("/debug/pprof/goroutine?debug=2"))
        # Theirs are under way, some of them, and there is a limit.
        url = server.url("/debug/pprof/goroutine?debug=2", "pprof")
        wait_until(lambda: httpx.get(url, timeout=PATIENCE_S).status_code == 200, "a dump")
        assert len(of_route(dump(server), "/test/sleep")) == 50


def test_threads_show_who_created_them(start_server):
    server = start_server()
    ask(server)
    httpx.get(server.url("/test/thread?ms=1"), timeout=PATIENCE_S)
    httpx.get(server.url("/test/thread?ms=1"), timeout=PATIENCE_S)
    answer = httpx.get(server.url("/debug/pprof/threadcreate", "pprof"), timeout=PATIENCE_S)
    decoded = decode(answer.content)
    assert decoded.sample_types() == [("threadcreate", "count")]
    assert decoded.message.duration_nanos == 0

    def created_by(function):
        return sum(s.values[0] for s in decoded.samples if has_frame(s, function))
    assert created_by("handle_thread") == 2
    assert created_by("log_writer_start") == 1
    assert created_by("pool_submit") >= 2  # MySQL's and the diagnostics'
    assert created_by("pool_submit") < created_by("thread_start")  # the log, too
    assert not created_by("pthread_create")
    assert all(has_frame(s, "main") for s in decoded.samples)
    assert [s.labels for s in decoded.samples if has_frame(s, "handle_thread")] == [
        {"route": "/test/thread", "method": "GET"}]
    text = httpx.get(server.url("/debug/pprof/threadcreate?debug=1", "pprof"), timeout=PATIENCE_S).text
    assert text.startswith(f"threadcreate profile: total {sum(s.values[0] for s in decoded.samples)}\n")
