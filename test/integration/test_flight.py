# SPDX-License-Identifier: MIT
"""/debug/flight: what the loops did in the last seconds, as a Perfetto trace; and the files that are kept by themselves."""

import re
import signal
import threading
import time

import pytest
from flight_decode import Trace, check
from http2_wire import Http2Peer
from pprof_load import is_deferring, load
from scrape import Scrape
from server import wait_until
from wire import Peer, request


def take(server, ago="30s"):
    with Peer(server, "pprof") as peer:
        answer = peer.ask(f"/debug/flight?ago={ago}")
    assert answer.status == 200 and answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="toq.pftrace"'
    return check(Trace(answer.body))


def ask(server, path):
    with Peer(server) as peer:
        return peer.ask(path).status


@pytest.fixture
def server(start_server):
    return start_server({"ENABLE_PPROF": "true"})


def test_requests_have_lanes_waits_and_arrows(server):
    threads = [threading.Thread(target=ask, args=(server, "/test/sleep?ms=300")) for _ in range(3)]
    for thread in threads:
        thread.start()
    with Peer(server) as peer:
        wait_until(lambda: peer.ask("/test/tasks").body.count(b"/test/sleep") == 3, "three that wait")
    for _ in range(5):
        assert ask(server, "/test/params/a/b") == 200
    assert ask(server, "/primes?below=1000") == 200
    for thread in threads:
        thread.join()
    trace = take(server)
    by_route = {}
    for request in trace.requests():
        by_route.setdefault(request.name, []).append(request)
    assert len(by_route["/test/sleep"]) == 3 and len(by_route["/test/params/:a/:b"]) == 5
    assert len({one.track for one in by_route["/test/sleep"]}) == 3  # they were in flight at once
    assert len({one.track for one in by_route["/test/params/:a/:b"]}) == 1  # one after the other: a lane again
    for request in by_route["/test/sleep"]:
        [wait] = trace.waits(request)
        assert wait.name == "sleep" and wait.end_ns - wait.begin_ns >= 200_000_000  # libuv's clock is a turn old
        assert request.notes["method"] == "GET"
    [primes] = by_route["/primes"]
    [wait] = trace.waits(primes)
    first, second = trace.callbacks(primes.notes["id"])
    assert wait.name == "offload" and wait.flows and second.ended_flows == wait.flows  # wait -> callback
    assert first.begin_ns <= wait.begin_ns <= first.end_ns <= second.begin_ns <= wait.end_ns <= second.end_ns
    assert any(one.name == "write" and one.notes["bytes"] > 100 for one in trace.instants)
    assert [one.name for one in trace.requests("diag")] == ["/debug/flight"]  # the one that asks
    turns = [one for one in trace.slices if one.name in ("turn", "stall")]
    assert turns and all("turns of" in trace.tracks[one.track][0] for one in turns)


def test_requests_whose_start_was_overwritten(start_server):
    """They have lanes of their own, from where the recorder's memory begins."""
    began_ns = time.monotonic_ns()
    server = start_server({"ENABLE_PPROF": "true", "RECORDER_EVENTS": "512"})
    with load(server, "/test/sleep?ms=20", connections=24):
        wait_until(lambda: Scrape(server).requests("/test/sleep") > 300, "more events than are kept")
        trace = take(server, "3600s")
    older = [one for one in trace.requests() if one.notes.get("began") == "before"]
    assert len(older) > 1 and len({one.track for one in older}) == len(older)
    assert {one.begin_ns for one in older} == {min(one.begin_ns for one in trace.requests())}
    assert trace.now_ns - older[0].begin_ns < time.monotonic_ns() - began_ns


def test_waits_name_statements_and_commands(start_server, database, server_binary):
    database.redis().flushall()
    server = start_server(dict(database.variables, ENABLE_PPROF="true"), binary=server_binary)
    server.wait_line("redis: connected connection=commands")
    wait_until(lambda: ask(server, "/v1/listings?limit=1") == 200, "MySQL")
    trace = take(server)
    whats = {(wait.name, wait.notes.get("what")) for request in trace.requests() if request.name == "/v1/listings"
             for wait in trace.waits(request)}
    assert {("redis", "GET"), ("mysql", "listings.list")} <= whats


def test_samples_fall_into_their_requests(server):
    with Peer(server, "pprof") as peer:
        assert peer.ask("/debug/pprof/goroutine").status == 200  # the unwinder's table is there then
    assert ask(server, "/test/burn?ms=700") == 200
    trace = take(server)
    [burn] = [one for one in trace.requests() if one.name == "/test/burn"]
    samples = [one for one in trace.instants if one.name == "cpu" and any("burn" in name for name in one.stack)]
    assert samples
    for sample in samples:
        assert sample.track == burn.track and burn.begin_ns <= sample.at_ns <= burn.end_ns
        if not is_deferring(server.binary):
            assert sample.stack.index("http_request_dispatch") < sample.stack.index("routes_test.handle_burn")
    assert [one for one in trace.slices if one.name == "stall" and one.begin_ns < burn.end_ns <= one.end_ns]


def test_a_window_and_what_is_still_open(server):
    with Http2Peer(server, target="/test/long?ms=60000") as peer:
        peer.send(peer.headers(1))
        wait_until(lambda: [one for one in take(server).requests() if one.name == "/test/long"], "the request")
        trace = take(server, "50ms")
        [request] = [one for one in trace.requests() if one.name in ("/test/long", "request")] or [None]
        assert request is None or request.notes.get("began") == "before" or request.notes["method"] == "GET"
        assert all(trace.now_ns - one.end_ns < 5_000_000_000 for one in trace.slices)


@pytest.mark.parametrize("ago", ["", "x", "-1s", "0s", "2h"])
def test_what_is_no_window(server, ago):
    with Peer(server, "pprof") as peer:
        answer = peer.ask(f"/debug/flight?ago={ago}")
    assert answer.status == 400 and b'invalid value for "ago"' in answer.body


def test_the_page(server):
    with Peer(server, "pprof") as peer:
        page = peer.ask("/debug/flight/")
        script = peer.ask("/debug/flight/open.js")
    assert page.status == 200 and b'<script src="open.js">' in page.body and b"ui.perfetto.dev" in page.body
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert page["Cross-Origin-Opener-Policy"] is None  # it would cut the other window off
    assert script["Content-Type"].startswith("text/javascript") and b"postMessage('PING'" in script.body


def test_off(start_server):
    server = start_server({"RECORDER_EVENTS": "0", "ENABLE_PPROF": "true"})
    with Peer(server, "pprof") as peer:
        answer = peer.ask("/debug/flight")
    assert answer.status == 404 and b"RECORDER_EVENTS is 0" in answer.body


def kept(folder, reason):
    return sorted(folder.glob(f"flight-*-{reason}.pftrace"))


@pytest.mark.parametrize("loop", ["own", "shared"])
def test_answers_of_diagnostics_keep_no_file(start_server, tmp_path, loop):
    server = start_server({"RECORDER_DIR": tmp_path, "RECORDER_ERRORS": "1", "RECORDER_SLOW_MS": "1",
                           "DIAGNOSTICS_LOOP": loop})
    with Peer(server, "pprof") as one, Peer(server, "pprof") as other:
        for peer in (one, other):
            peer.send(request("/debug/pprof/profile?seconds=1"))
        assert sorted((one.answer().status, other.answer().status)) == [200, 500]
    server.send_signal(signal.SIGQUIT)
    wait_until(lambda: kept(tmp_path, "quit"), "the file of SIGQUIT")
    assert [file.name[-12:] for file in tmp_path.iterdir()] == ["quit.pftrace"]


def test_each_trigger_keeps_one_file(start_server, tmp_path):
    server = start_server({"RECORDER_DIR": tmp_path, "RECORDER_SLOW_MS": "100", "RECORDER_ERRORS": "5",
                           "HELD_LOOP_WARN_MS": "200", "MISUSE": "log"})
    for _ in range(2):
        assert ask(server, "/test/sleep?ms=150") == 200
    wait_until(lambda: kept(tmp_path, "slow"), "the file of a slow request")
    with Peer(server) as peer:
        for _ in range(30):
            assert peer.ask("/test/misuse/status?code=99").status == 500
    wait_until(lambda: kept(tmp_path, "errors"), "the file of errors")
    for _ in range(2):
        server.send_signal(signal.SIGQUIT)
        wait_until(lambda: kept(tmp_path, "quit"), "the file of SIGQUIT")
    assert ask(server, "/test/burn?ms=500") == 200
    wait_until(lambda: kept(tmp_path, "held"), "the file of a held loop")
    wait_until(lambda: len([one for one in server.lines if "a recording was kept" in one]) == 4, "four lines")
    for reason in ("slow", "errors", "quit", "held"):
        [file] = kept(tmp_path, reason)
        trace = check(Trace(file.read_bytes()))
        assert trace.requests() and re.fullmatch(r"flight-\d{13}-\w+\.pftrace", file.name)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_route_may_have_a_limit_of_its_own(start_server, tmp_path):
    server = start_server({"RECORDER_DIR": tmp_path, "RECORDER_SLOW_MS": "100"})
    assert ask(server, "/test/sleep/patient?ms=300") == 200
    server.send_signal(signal.SIGQUIT)  # a look at the triggers comes first
    wait_until(lambda: kept(tmp_path, "quit"), "the file of SIGQUIT")
    assert not kept(tmp_path, "slow")
    assert ask(server, "/test/sleep/hasty?ms=60") == 200
    wait_until(lambda: kept(tmp_path, "slow"), "the file of a slow request")


def test_the_limit_of_a_route_is_off_with_the_others(start_server, tmp_path):
    server = start_server({"RECORDER_DIR": tmp_path, "RECORDER_SLOW_MS": "0"})
    assert ask(server, "/test/sleep/hasty?ms=300") == 200
    server.send_signal(signal.SIGQUIT)
    wait_until(lambda: kept(tmp_path, "quit"), "the file of SIGQUIT")
    assert [file.name[-12:] for file in tmp_path.iterdir()] == ["quit.pftrace"]


def test_many_may_ask_at_once_also_while_a_file_is_written(start_server, tmp_path):
    server = start_server({"RECORDER_DIR": tmp_path})
    peers = [Peer(server, "pprof") for _ in range(10)]
    server.send_signal(signal.SIGQUIT)
    for peer in peers:
        peer.send(request("/debug/flight?ago=30s"))
    for peer in peers:
        answer = peer.answer()
        assert answer.status == 200, answer.body
        check(Trace(answer.body))
        peer.socket.close()
    wait_until(lambda: kept(tmp_path, "quit"), "the file of SIGQUIT")


def test_those_that_wait_and_leave_cost_nobody_anything(start_server):
    server = start_server()
    for _ in range(3):
        for _ in range(8):
            peer = Peer(server, "pprof")
            peer.send(request("/debug/flight?ago=30s"))
            peer.reset()
        take(server)


def test_files_are_bounded(start_server, tmp_path):
    for number in range(12):
        (tmp_path / f"flight-10000000000{number:02}-quit.pftrace").write_bytes(b"old")
    (tmp_path / "other.txt").write_bytes(b"mine")
    server = start_server({"RECORDER_DIR": tmp_path})
    server.send_signal(signal.SIGQUIT)
    wait_until(lambda: server.has_line("a recording was kept"), "the file")
    left = sorted(path.name for path in tmp_path.glob("flight-*"))
    assert len(left) == 8 and left[0] == "flight-1000000000005-quit.pftrace"
    assert (tmp_path / "other.txt").read_bytes() == b"mine"


def test_a_folder_that_takes_nothing(start_server):
    server = start_server({"RECORDER_DIR": "/nowhere/at/all"})
    server.send_signal(signal.SIGQUIT)
    line = server.wait_line("a recording could not be kept")
    assert "reason=quit" in line and line.endswith('error="no such file or directory"')
