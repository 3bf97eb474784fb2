# SPDX-License-Identifier: MIT
"""/debug/requests, and whose CPU time and whose waits they were."""

import contextlib
import json
import re
import select

import pytest

from pprof_decode import decode
from pprof_load import is_sanitized
from scrape import Scrape
from server import wait_until
from wire import Peer, request

BURN_MS = 20
ROUNDS = 8


def look(server, query=""):
    with Peer(server, "pprof") as peer:
        answer = peer.ask(f"/debug/requests?format=json{query}")
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def page(server, query=""):
    with Peer(server, "pprof") as peer:
        return peer.ask(f"/debug/requests{query}")


@pytest.fixture
def server(start_server):
    return start_server()


@contextlib.contextmanager
def burning(server, ms):
    """A request to /test/burn, whose callback runs."""
    with Peer(server) as peer:
        peer.send(request(f"/test/burn?ms={ms}"))
        wait_until(lambda: any(r["route"] == "/test/burn" for r in look(server)["in_flight"]), "the burn")
        yield peer


def cpu_by_route(server):
    scrape = Scrape(server)
    return {labels["route"]: value for name, labels, value in scrape.samples
            if name == "toq_cpu_seconds_total" and labels["thread"] not in ("toq-diag", "toq-diag-pool")
            and not labels["thread"].endswith("-pool")}


def thread_cpu_s(server):
    with open(f"/proc/{server.pid}/task/{server.pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def test_cpu_is_charged_to_who_used_it(server):
    """One burns so much by its own clock, one sleeps, one answers at once, in the same turns."""
    paths = (f"/test/burn?ms={BURN_MS}", f"/test/hold/once?ms={BURN_MS}", "/health/live")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server)) for _ in paths]
        for peer in peers:
            assert peer.ask("/health/live").status == 200
        before, before_s = cpu_by_route(server), thread_cpu_s(server)
        for _ in range(ROUNDS):
            for peer, path in zip(peers, paths):
                peer.send(request(path))
            for peer in peers:
                assert peer.answer().status == 200
        after, after_s = cpu_by_route(server), thread_cpu_s(server)
    used = {route: after[route] - before.get(route, 0) for route in after}
    burnt_s = ROUNDS * BURN_MS / 1000
    assert used["/test/burn"] == pytest.approx(burnt_s, rel=0.03)
    assert 0 < used["/test/hold/once"] < 0.03 * burnt_s
    assert 0 < used["/health/live"] < 0.03 * burnt_s
    # what the thread used between the two readings beside is its ticks and the scrapes' wait
    assert sum(used.values()) == pytest.approx(after_s - before_s, abs=0.01)
    sums = Scrape(server).get("http_server_request_cpu_seconds_sum", route="/test/burn")
    assert sums == pytest.approx(burnt_s, rel=0.03)


def test_the_profile_agrees(server):
    """The share of one of two routes that burn, by the account and by samples of the same time."""
    routes = ("/test/burn", "/test/churn")
    with Peer(server) as one, Peer(server) as two, Peer(server, "pprof") as pprof:
        pprof.send(request("/debug/pprof/profile?seconds=3"))
        before = cpu_by_route(server)
        while not select.select([pprof.socket], [], [], 0)[0]:
            one.send(request("/test/burn?ms=30"))
            two.send(request("/test/churn?count=100000&bytes=4000"))
            assert (one.answer().status, two.answer().status) == (200, 200)
        after = cpu_by_route(server)
        profile = decode(pprof.answer().body)
    used = [after[route] - before.get(route, 0) for route in routes]
    samples = [sum(s.values[0] for s in profile.samples if s.labels.get("route") == route) for route in routes]
    assert sum(samples) >= 20, samples  # in 3 s, of a machine that does much else
    assert samples[0] / sum(samples) == pytest.approx(used[0] / sum(used), abs=0.05 + 1 / sum(samples))


def test_a_victim_knows_its_culprit(server):
    """/health/live comes while /test/burn runs: mostly the loop takes them in this order."""
    def victims():
        return [r for r in look(server, "&route=/health/live")["slowest"] if r.get("behind") == "/test/burn"]
    with Peer(server) as burn, Peer(server) as peer:
        assert peer.ask("/health/live").status == 200
        assert burn.ask("/health/live").status == 200
        for _ in range(20):
            burn.send(request("/test/burn?ms=50"))
            peer.send(request("/health/live"))
            assert (burn.answer().status, peer.answer().status) == (200, 200)
            if victims():
                break
    victim = victims()[0]
    waited_us = victim["behind_us"] + victim["behind_upper_us"]
    share = 0.95 if is_sanitized(server.binary) else 0.99  # of a slow server more falls between two readings
    assert waited_us > 0.8 * victim["duration_us"] > 0
    assert victim["cpu_us"] < 0.1 * victim["duration_us"]
    scrape = Scrape(server)
    for name, route in (("caused", "/test/burn"), ("suffered", "/health/live")):
        seconds = sum(value for sample, labels, value in scrape.samples if labels.get("route") == route
                      and sample == f"toq_loop_delay_{name}_seconds_total")
        assert seconds >= share * waited_us / 1e6, name


def test_a_body_that_does_not_come_is_no_time_that_a_handler_ran(start_server):
    server = start_server({"SLOW_REQUEST_MS": "100"})
    with Peer(server) as peer:
        peer.send(request("/test/echo", "Transfer-Encoding: chunked", method="POST"))
        parts = wait_until(lambda: [part for one in look(server)["in_flight"] for part in one["parts"]
                                    if part["duration_us"] > 100_000], "the request")
        peer.send(b"no size\r\n")
        assert peer.answer().status == 400
    [one] = wait_until(lambda: look(server)["slowest"], "the request that has ended")
    assert [part["state"] for part in parts + one["parts"]] == ["receive"] * 2 and one["status"] == 400
    assert " running_us=0 " in server.wait_line("slow request")


def test_in_flight_while_the_loop_is_held(server):
    with Peer(server) as waiting:
        waiting.send(request("/test/sleep?ms=60000"))
        wait_until(lambda: any(r["state"] == "sleep" for r in look(server)["in_flight"]), "the sleep")
        with burning(server, 1000) as burn:
            found = {r["route"]: r for r in look(server)["in_flight"]}
            assert found["/test/burn"]["state"] == "running"
            assert any("burn" in line for line in found["/test/burn"]["stack"]), found["/test/burn"]
            sleeping = found["/test/sleep"]
            assert sleeping["state"] == "sleep"
            assert any("start_sleep" in line for line in sleeping["stack"]), sleeping
            assert sleeping["peer"].startswith("127.0.0.1:")
            assert re.fullmatch("[0-9a-f]{32}", sleeping["trace_id"])
            assert [r["route"] for r in look(server, "&state=sleep")["in_flight"]] == ["/test/sleep"]
            assert look(server, "&older=1h")["in_flight"] == []
            by_trace = look(server, f"&trace_id={sleeping['trace_id']}")
            assert [r["id"] for r in by_trace["in_flight"]] == [sleeping["id"]]
            text = page(server, "?format=text").body.decode()
            assert "GET /test/sleep [sleep]" in text
            assert burn.answer().status == 200
        waiting.reset()


def test_a_slow_one_survives_fast_ones(server):
    with Peer(server) as peer:
        assert peer.ask("/test/sleep?ms=120").status == 200
        for _ in range(300):
            assert peer.ask("/test/sleep?ms=0").status == 200
    wait_until(lambda: look(server)["slowest"], "records")
    found = look(server, "&route=/test/sleep")
    assert found["slowest"][0]["duration_us"] >= 110000
    parts = found["slowest"][0]["parts"]
    assert max(parts, key=lambda part: part["duration_us"])["state"] == "sleep"
    assert sum(part["duration_us"] for part in parts) == pytest.approx(found["slowest"][0]["duration_us"], abs=100)
    row = next(r for r in found["routes"] if r.get("route") == "/test/sleep")
    assert row["bands"][5] >= 1 and sum(row["bands"]) < 40


def test_what_a_peer_chose_is_text(server):
    with Peer(server) as peer:
        assert peer.ask("/<script>alert('x')</script>&\"").status == 404
        assert peer.ask("/test/cancelled").status == 200
    wait_until(lambda: any("script" in r["path"] for r in look(server)["slowest"]), "the record")
    answer = page(server)
    body = answer.body.decode()
    assert "<script" not in body
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&#34;" in body
    assert answer["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'")
    assert not re.search(r"style=|https?://(?!localhost:16686)|\son\w+=", body)
    with Peer(server, "pprof") as peer:
        assert peer.ask("/debug/requests.css")["content-type"].startswith("text/css")
        assert b"requests" in peer.ask("/debug/").body


@pytest.mark.parametrize("query", ["older=soon", "trace_id=xyz", "format=xml", f"route={'x' * 200}"])
def test_wrong_parameters(server, query):
    assert page(server, f"?{query}").status == 400


def test_failures_are_kept(server):
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=60000"))
        wait_until(lambda: look(server)["in_flight"], "the sleep")
        peer.reset()
    wait_until(lambda: look(server, "&route=/test/sleep")["failed"], "its end")
    assert look(server, "&route=/test/sleep")["failed"][0]["status"] == 499
