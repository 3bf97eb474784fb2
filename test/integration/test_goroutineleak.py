# SPDX-License-Identifier: MIT
"""goroutineleak: requests that nothing will ever wake, as Go 1.27 tells of goroutines."""

import json
import re
import subprocess

import leaks
import pytest
from pprof_decode import decode_named
from server import wait_until
from wire import Peer, request

LOST = {
    "forget": ("waiting", "handle_forget"),
    "lose-callback": ("news", "handle_lose_callback"),
    "lose-timer": ("timer", "handle_lose_timer"),
    "lose-query": ("mysql", "handle_lose_query"),
}


@pytest.fixture
def leaky(start_server, services):
    server = start_server({**services.variables, "ENABLE_PPROF": "true", "SHUTDOWN_TIMEOUT_MS": 100})
    for line in ("sql: database is up", "redis: connected connection=commands"):
        server.wait_line(line)
    return server


def page(server, text):
    with Peer(server, "pprof") as peer:
        return peer.ask(f"{leaks.PATH}{text}").body


@pytest.mark.leaks("/test/misuse/")
@pytest.mark.parametrize("name", LOST)
def test_what_was_to_wake_it_is_gone(leaky, name):
    state, handler = LOST[name]
    wait_until(lambda: leaks.count(leaky) == 0, "nothing to be leaked")
    with Peer(leaky) as peer:
        peer.send(request(f"/test/misuse/{name}"))
        wait_until(lambda: leaks.count(leaky) == 1, "the request to be found")
        ((labels, stack),) = leaks.leaked(leaky).values()
        assert f"/test/misuse/{name}" in labels and f"routes_misuse.{handler}" in stack
        dump = page(leaky, "?debug=2").decode()
        assert re.search(rf"^goroutine \d+ \[{state} \(leaked\)", dump, re.M), dump
        assert dump.count("(leaked)") == 1
        with Peer(leaky, "pprof") as seen:
            assert f"/test/misuse/{name} [{state}], woken by nothing: leaked" in \
                seen.ask("/debug/requests?format=text").body.decode()
        (sample,) = decode_named(page(leaky, ""), "goroutineleak").samples
        assert sample.values == [1] and sample.labels["route"] == f"/test/misuse/{name}"
        if name == "forget":
            leaky.wait_line("request forgotten")  # five seconds later
        peer.reset()
    wait_until(lambda: leaks.count(leaky) == 0, "it to end with its client")


def test_what_still_waits_is_not_leaked(leaky):
    redis = "/test/wait/redis?ms=60000"
    paths = ["/test/sleep?ms=60000", "/test/wait/mysql?ms=60000", redis, "/test/events",
             "/test/stream?bytes=100000000", "/test/drip?count=1000&ms=100"]
    peers = [Peer(leaky) for _ in paths]
    for peer, path in zip(peers, paths):
        peer.send(request(path))
    waiting = set()  # not all at once: a Redis that says nothing for two seconds is given up, and asked again

    def look(diagnostics):
        if redis not in waiting:
            peers.append(Peer(leaky))
            peers[-1].send(request(redis))
        dump = diagnostics.ask("/debug/pprof/goroutine?debug=2").body.decode()
        waiting.update(path for path in paths if path.split("?")[0] in dump)
        assert leaks.leaked(leaky) == {}
        return len(waiting) == len(paths)

    with Peer(leaky, "pprof") as diagnostics:
        wait_until(lambda: look(diagnostics), "all of them to wait")
    assert leaks.leaked(leaky) == {} and leaks.count(leaky) == 0
    for peer in peers:
        peer.reset()


def test_the_waker_of_a_statement_is_the_connection_that_runs_it(leaky, services):
    with Peer(leaky) as peer, Peer(leaky, "pprof") as seen:
        peer.send(request("/test/wait/mysql?ms=60000"))

        def waker():
            items = json.loads(seen.ask("/debug/requests?format=json").body)["in_flight"]
            return next((item["waker"] for item in items if item.get("route") == "/test/wait/mysql"), {})

        found = wait_until(lambda: waker().get("id") and waker(), "a connection to run it")
        assert found["kind"] == "mysql"
        ((text,),) = services.query("SELECT info FROM information_schema.processlist WHERE id = %s", found["id"])
        assert text.startswith("SELECT SLEEP(60")
        assert f"/test/wait/mysql [mysql], woken by mysql {found['id']}" in \
            seen.ask("/debug/requests?format=text").body.decode()
        assert f"<dt>woken by<dd>mysql {found['id']}\n" in seen.ask("/debug/requests").body.decode()
        peer.reset()


@pytest.mark.leaks("/test/misuse/")
def test_go_reads_it(leaky):
    with Peer(leaky) as peer:
        peer.send(request("/test/misuse/lose-timer"))
        wait_until(lambda: leaks.count(leaky) == 1, "the request to be found")
        done = subprocess.run(["go", "tool", "pprof", "-top", leaky.url(leaks.PATH, "pprof")],
                              capture_output=True, text=True, check=True)
    assert "Type: goroutineleak" in done.stdout and "routes_misuse.handle_lose_timer" in done.stdout


def test_a_test_that_leaks_fails(leaky):
    with Peer(leaky) as peer:
        peer.send(request("/test/misuse/forget"))
        wait_until(lambda: leaks.count(leaky) == 1, "the request to be found")
        with pytest.raises(AssertionError, match="handle_forget"):
            leaks.check([])
        leaks.check([])  # told of once
