# SPDX-License-Identifier: MIT
"""?trace_id= and ?labels=trace: the profile of one request, among others that do the same."""

import contextlib
import os
import re
import subprocess
import threading

import pytest

import server as server_module
from pprof_decode import decode, has_frame
from pprof_load import is_deferring
from rpc import Client, Request
from server import wait_until
from wire import Peer, request

BURNER = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"
WORKER = "22222222222222222222222222222222"
CALLER = "33333333333333333333333333333333"
NOBODY = "11111111111111111111111111111111"
WINDOW_S = 1


def parent(trace):
    return f"traceparent: 00-{trace}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def server(test_server_binary):
    shared = server_module.start(test_server_binary, {"LOG_LEVEL": "debug"})
    yield shared
    shared.close()


class Asking:
    """Requests of one trace, one after the other, until the block is left."""

    def __init__(self, server, path, trace):
        self.server, self.path, self.trace = server, path, trace
        self.count = 0
        self.is_over = False
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        with Peer(self.server) as peer:
            while not self.is_over:
                assert peer.ask(self.path, *([parent(self.trace)] if self.trace else [])).status == 200
                self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over = True
        self.thread.join()


@contextlib.contextmanager
def load(server):
    """Two that burn, each in a trace of its own and of no other's, one of no trace, one that sleeps."""
    with Asking(server, "/test/burn?ms=15", BURNER) as burner, \
            Asking(server, "/test/burn?ms=5", OTHER) as other, \
            Asking(server, "/test/burn?ms=5", None) as nobody, \
            Asking(server, "/test/sleep?ms=100", OTHER) as sleeper:
        askers = (burner, other, nobody, sleeper)
        wait_until(lambda: all(one.count > 0 for one in askers), "an answer to each")
        yield askers


def ask(server, path):
    with Peer(server, "pprof") as peer:
        return peer.ask(path)


def fetch(server, path):
    answer = ask(server, path)
    assert answer.status == 200, answer.body
    return answer.body


def traces_of(profile):
    return {s.labels["trace_id"] for s in profile.samples if "trace_id" in s.labels}


def burns(sample):
    return has_frame(sample, "handle_burn")


def total(profile, trace=None, value=0):
    return profile.total(lambda s: trace is None or s.labels.get("trace_id") == trace, value)


def is_sleep(sample):
    """What held the loop meanwhile may have had its part of the wait."""
    return sample.labels.get("route") == "/test/sleep" and sample.labels["state"] in ("sleep", "[loop]")


def line_ids(server, path):
    """The (trace_id, span_id)s of the access lines of a path."""
    found = set()
    for line in list(server.lines):
        ids = re.search(r" trace_id=(\w{32}) span_id=(\w{16})", line)
        if ids and f"target={path}" in line.replace('"', ""):
            found.add(ids.groups())
    return found


def test_cpu_samples_say_whose_they_are(server):
    with load(server) as askers:
        before = [one.count for one in askers]
        profile = decode(fetch(server, f"/debug/pprof/profile?seconds={WINDOW_S}&labels=trace"))
        counts = [one.count - count for one, count in zip(askers, before)]
    assert traces_of(profile) == {BURNER, OTHER}
    burnt = [s for s in profile.samples if s.labels.get("route") == "/test/burn" and burns(s)]
    by_trace = {trace: sum(s.values[0] for s in burnt if s.labels.get("trace_id") == trace)
                for trace in (BURNER, OTHER, None)}
    taken, burnt_ms = sum(by_trace.values()), 15 * counts[0] + 5 * counts[1] + 5 * counts[2]
    for trace, used_ms in ((BURNER, 15 * counts[0]), (OTHER, 5 * counts[1]), (None, 5 * counts[2])):
        # three standard deviations, and the requests at the ends of the window
        assert by_trace[trace] / taken == pytest.approx(used_ms / burnt_ms, abs=0.1 + 1.5 / taken**0.5), by_trace
    assert all(re.fullmatch("[0-9a-f]{16}", s.labels["span_id"]) and
               s.labels["profile_id"] == s.labels["span_id"] for s in profile.samples if "trace_id" in s.labels)
    logged = line_ids(server, "/test/burn?ms=15")
    spans = {s.labels["span_id"] for s in burnt if s.labels.get("trace_id") == BURNER}
    assert spans and len(spans - {span for _, span in logged}) <= 1  # the last may not be logged yet


def test_work_on_other_threads_and_calls_of_grpc_have_ids(server):
    def call(metadata):
        with Client(server) as client:
            for _ in range(50):
                client.echo.Unary(Request(payload=b"x" * 200_000), timeout=server_module.PATIENCE_S, metadata=metadata)
    with Asking(server, "/primes?below=3000000", WORKER):
        caller = threading.Thread(target=call, args=([("traceparent", parent(CALLER).split(": ")[1])],))
        caller.start()
        profile = decode(fetch(server, f"/debug/pprof/profile?seconds={WINDOW_S}&labels=trace"))
        caller.join()
    threads = {s.labels["thread"] for s in profile.samples if s.labels.get("trace_id") == WORKER}
    assert "toq-offload" in threads or is_deferring(server.binary)
    assert all(s.labels["route"] == "/primes" for s in profile.samples if s.labels.get("trace_id") == WORKER)
    assert all(s.labels["rpc"].endswith("/Unary") for s in profile.samples if s.labels.get("trace_id") == CALLER)


def test_the_profile_of_one_trace(server):
    with load(server):
        body = fetch(server, f"/debug/pprof/profile?seconds={WINDOW_S}&trace_id={BURNER}")
        nobody = decode(fetch(server, f"/debug/pprof/profile?seconds=1&trace_id={NOBODY}"))
    profile = decode(body)
    assert total(profile) > 0
    assert {s.labels.get("route") for s in profile.samples} == {"/test/burn"}
    assert traces_of(profile) == set()  # not asked for
    assert nobody.samples == []


def test_without_a_parameter_there_are_no_ids(server):
    with load(server):
        profile = decode(fetch(server, "/debug/pprof/profile?seconds=1"))
    assert all(not {"trace_id", "span_id", "profile_id"} & set(s.labels) for s in profile.samples)


def test_the_past_knows_traces(server):
    with load(server):
        def past(query):
            answer = ask(server, f"/debug/pprof/profile?ago=1h&{query}")
            if answer.status == 404:
                ago = re.search(rb"ago=(\d+)s", answer.body)
                answer = ask(server, f"/debug/pprof/profile?ago={ago[1].decode()}s&{query}")
            return decode(answer.body) if answer.status == 200 else None

        labelled = wait_until(lambda: (lambda p: p and BURNER in traces_of(p) and p)(past("labels=trace")),
                              "samples in the history")
        one = past(f"trace_id={BURNER}&labels=trace")
    assert traces_of(labelled) >= {BURNER}
    assert total(labelled) > total(labelled, BURNER) > 0
    assert traces_of(one) == {BURNER} and total(one) >= 0.5 * total(labelled, BURNER)
    assert {s.labels["route"] for s in one.samples} == {"/test/burn"}


@pytest.mark.parametrize("path", ["pprof/wall", "fgprof"])
def test_wall_time_of_one_trace(server, path):
    with load(server):
        profile = decode(fetch(server, f"/debug/{path}?seconds={WINDOW_S}&trace_id={OTHER}&labels=trace"))
        labelled = decode(fetch(server, f"/debug/{path}?seconds={WINDOW_S}&labels=trace"))
    assert traces_of(profile) == {OTHER}
    slept = profile.total(is_sleep, 1)
    ran = profile.total(lambda s: s.labels.get("state") == "running" and s.labels["route"] == "/test/burn", 1)
    assert slept > 0.25e9 * WINDOW_S and ran > 0
    assert {s.labels["route"] for s in profile.samples} == {"/test/sleep", "/test/burn"}
    assert traces_of(labelled) >= {BURNER, OTHER}  # whoever waits has an id
    assert 0.5 * slept < labelled.total(
        lambda s: is_sleep(s) and s.labels.get("trace_id") == OTHER, 1) < 2 * slept


def test_waits_of_one_trace_since_they_are_remembered(server):
    """Without seconds: what has waited of late."""
    with Peer(server) as peer:
        for _ in range(3):
            assert peer.ask("/test/sleep?ms=30", parent(NOBODY[:-1] + "2")).status == 200
    path = f"/debug/pprof/block?trace_id={NOBODY[:-1]}2"
    profile = decode(fetch(server, path))
    waits = [s for s in profile.samples if s.labels["state"] == "sleep"]
    assert sum(s.values[0] for s in waits) == 3 and sum(s.values[1] for s in waits) >= 85e6
    assert {s.labels["route"] for s in profile.samples} == {"/test/sleep"}
    everything = decode(fetch(server, "/debug/pprof/block?labels=trace"))
    assert sum(s.values[0] for s in everything.samples
               if s.labels.get("trace_id") == f"{NOBODY[:-1]}2" and s.labels["state"] == "sleep") == 3
    text = fetch(server, f"{path}&debug=1").decode()
    assert "start_sleep" in text
    assert "start_sleep" not in fetch(server, f"/debug/pprof/block?debug=1&trace_id={OTHER[:-1]}0").decode()
    wall = decode(fetch(server, f"/debug/pprof/wall?trace_id={NOBODY[:-1]}2"))
    assert wall.total(lambda s: s.labels["state"] == "sleep", 1) >= 85e6


def test_labels_take_nothing_away(server):
    """The sum with ids is the sum without."""
    with Peer(server) as peer:
        for _ in range(5):
            assert peer.ask("/test/sleep?ms=5", parent(OTHER)).status == 200

        def held():
            """A stall whose stack could be had; right after the start there is none."""
            assert peer.ask("/test/burn?ms=60", parent(OTHER)).status == 200
            return any(s.labels["state"] == "stall" and s.labels.get("route") == "/test/burn"
                       for s in decode(fetch(server, "/debug/pprof/block")).samples)
        wait_until(held, "the stall")
    plain = decode(fetch(server, "/debug/pprof/block"))
    labelled = decode(fetch(server, "/debug/pprof/block?labels=trace"))
    for route, state in (("/test/sleep", "sleep"), ("/test/burn", "stall")):
        for value in (0, 1):
            sums = [one.total(lambda s: (s.labels.get("route"), s.labels["state"]) == (route, state), value)
                    for one in (plain, labelled)]
            assert sums[0] == sums[1] > 0
    stalls = decode(fetch(server, f"/debug/pprof/block?trace_id={OTHER}"))
    held = [s for s in stalls.samples if s.labels["state"] == "stall" and s.labels["route"] == "/test/burn"]
    assert sum(s.values[1] for s in held) >= 55e6


def test_block_over_some_seconds(server):
    with load(server):
        profile = decode(fetch(server, f"/debug/pprof/block?seconds={WINDOW_S}&labels=trace"), is_signed=True)
        one = decode(fetch(server, f"/debug/pprof/block?seconds={WINDOW_S}&trace_id={OTHER}"), is_signed=True)
    assert all(value >= 0 for s in profile.samples + one.samples for value in s.values)
    slept = profile.total(lambda s: s.labels["state"] == "sleep", 0)
    assert slept == profile.total(lambda s: s.labels["state"] == "sleep" and s.labels.get("trace_id") == OTHER, 0) > 0
    assert one.total(lambda s: s.labels["state"] == "sleep", 0) > 0
    assert BURNER not in traces_of(one)


@contextlib.contextmanager
def sleeping(server, *traces):
    with contextlib.ExitStack() as stack:
        for trace in traces:
            peer = stack.enter_context(Peer(server))
            peer.send(request("/test/sleep?ms=60000", parent(trace)))
        wait_until(lambda: fetch(server, "/debug/pprof/goroutine?debug=2").count(b"[sleep]") == len(traces), "all asleep")
        yield
        # leaving resets the connections


def test_what_one_trace_does_now(server):
    with sleeping(server, OTHER, OTHER, BURNER):
        profile = decode(fetch(server, f"/debug/pprof/goroutine?trace_id={OTHER}"))
        assert total(profile) == 2
        labelled = decode(fetch(server, "/debug/pprof/goroutine?labels=trace"))
        assert total(labelled, OTHER) == 2 and total(labelled, BURNER) == 1
        assert total(labelled) > 3  # threads, too
        text = fetch(server, f"/debug/pprof/goroutine?debug=1&trace_id={BURNER}&labels=trace").decode()
        assert text.startswith("goroutine profile: total 1\n") and f'"trace_id":"{BURNER}"' in text
        dump = fetch(server, f"/debug/pprof/goroutine?debug=2&trace_id={OTHER}&labels=trace").decode()
        heads = re.findall(r"^goroutine \d+ \[(.*?)\] \{(.*)\}:$", dump, re.M)
        assert len(heads) == 2
        assert all(state == "sleep" and f"trace_id: {OTHER}" in labels and "span_id: " in labels
                   for state, labels in heads)
        assert "trace_id" not in fetch(server, "/debug/pprof/goroutine?debug=2").decode()


def test_the_thread_that_works_for_a_trace(server):
    with Peer(server) as peer:
        peer.send(request("/test/burn?ms=1500", parent(BURNER)))
        def dump():
            return fetch(server, f"/debug/pprof/goroutine?debug=2&labels=trace&trace_id={BURNER}").decode()
        found = wait_until(lambda: (lambda text: "locked to thread" in text and text)(dump()), "the thread")
        assert re.search(rf"locked to thread\] \{{.*route: .*/test/burn.* trace_id: {BURNER}\}}", found), found
        assert peer.answer().status == 200


@pytest.mark.parametrize("query", [
    "trace_id=", "trace_id=4bf9", f"trace_id={BURNER.upper()}", f"trace_id={'0' * 32}", f"trace_id={BURNER}0",
    f"trace_id={BURNER[:-1]}g", "labels=", "labels=route", "labels=trace,route"])
@pytest.mark.parametrize("path", ["pprof/profile", "pprof/wall", "pprof/block", "pprof/goroutine", "fgprof"])
def test_a_wrong_parameter_is_refused(server, path, query):
    answer = ask(server, f"/debug/{path}?seconds=1&{query}")
    assert answer.status == 400 and answer["x-go-pprof"] == "1"
    assert query.split("=")[0].encode() in answer.body


@pytest.mark.parametrize("path", ["heap", "mutex", "threadcreate", "allocs", "goroutineleak", "delta_block"])
def test_others_know_no_traces(server, path):
    for query in ("labels=trace", f"trace_id={BURNER}"):
        answer = ask(server, f"/debug/pprof/{path}?{query}")
        assert (answer.status, answer.body) == (400, b"only profile, wall, block and goroutine know traces\n")


def test_sharing_needs_the_same_question(server):
    with Peer(server, "pprof") as first, load(server):
        first.send(request("/debug/pprof/profile?seconds=1&labels=trace"))
        wait_until(lambda: b"cpu profile" in fetch(server, "/debug/pprof/goroutine?debug=2"), "the capture")
        answer = ask(server, "/debug/pprof/profile?seconds=2&share=1")
        assert answer.status == 500 and b"already in use" in answer.body
        shared = decode(fetch(server, "/debug/pprof/profile?seconds=1&share=1&labels=trace"))
        assert BURNER in traces_of(shared)
        assert first.answer().status == 200


def test_go_reads_the_labels(server, tmp_path):
    url = server.url(f"/debug/pprof/profile?seconds={WINDOW_S}&labels=trace", "pprof")
    env = dict(os.environ, PPROF_TMPDIR=str(tmp_path), HOME=str(tmp_path))

    def pprof(*arguments):
        return subprocess.run(["go", "tool", "pprof", *arguments], env=env, check=True, capture_output=True,
                              text=True, timeout=server_module.PATIENCE_S).stdout
    with load(server):
        file = tmp_path / "cpu.pb.gz"
        file.write_bytes(fetch(server, url[url.index("/debug"):]))
    tags = pprof("-tags", str(file))
    assert re.search(rf"trace_id: Total.*\n(.*\n)*?.*: {BURNER}", tags), tags
    focused = pprof("-top", f"-tagfocus=trace_id={BURNER}", str(file))
    assert "burn" in focused and "Active filters:\n   tagfocus=trace_id" in focused


def test_ids_of_sampled_requests_without_a_caller(start_server):
    """Where spans are exported the samples have the ids that the spans will have."""
    server = start_server({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "LOG_LEVEL": "debug"})
    with Asking(server, "/test/burn?ms=10", None):
        profile = decode(fetch(server, "/debug/pprof/profile?seconds=1&labels=trace"))
    logged = line_ids(server, "/test/burn?ms=10")
    seen = {(s.labels["trace_id"], s.labels["span_id"]) for s in profile.samples if "trace_id" in s.labels}
    assert len(seen) > 10 and len(seen - logged) <= 1
