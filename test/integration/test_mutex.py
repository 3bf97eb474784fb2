# SPDX-License-Identifier: MIT
"""The mutex profile: who holds mutexes that others wait for, and for how long they wait."""

import os
import subprocess

import httpx
import pytest

from pprof_decode import decode, has_frame
from pprof_load import metric
from server import PATIENCE_S

REQUESTS = 4
HOLD_MS = 150
WAITERS = 2  # test/support/routes_mutex.c's


def has_hook(binary):
    """Sanitizers see the mutexes themselves, so their builds do not record them."""
    symbols = subprocess.run(["nm", "-D", "--defined-only", binary], check=True,
                             capture_output=True, text=True).stdout
    return " pthread_mutex_lock\n" in symbols


def contend(server):
    """Has two threads wait for a third. Returns how long they say that they have waited, in ns."""
    answer = httpx.get(server.url(f"/test/contend?ms={HOLD_MS}"), timeout=PATIENCE_S)
    assert answer.status_code == 200
    return int(answer.text)


def ask(server, name="mutex", **parameters):
    return httpx.get(server.url(f"/debug/pprof/{name}", "pprof"), params=parameters,
                     timeout=PATIENCE_S)


def fetch(server, name="mutex", **parameters):
    answer = ask(server, name, **parameters)
    assert answer.status_code == 200, answer.text
    return decode(answer.content)


def of_route(sample):
    return sample.labels.get("route") == "/test/contend" and sample.labels.get("method") == "GET"


def of_holder(sample):
    return of_route(sample) and has_frame(sample, "contend_hold")


def assert_refused(server):
    answer = ask(server)
    assert answer.status_code == 500 and answer.headers["X-Go-Pprof"] == "1"
    assert "sanitizer" in answer.text


def test_the_holder_is_charged_with_what_others_waited(start_server, test_server_binary):
    server = start_server()
    waited_ns = sum(contend(server) for _ in range(REQUESTS))
    assert waited_ns >= REQUESTS * WAITERS * HOLD_MS * 1_000_000
    if not has_hook(test_server_binary):
        assert_refused(server)
        return
    profile = fetch(server)
    assert profile.sample_types() == [("contentions", "count"), ("delay", "nanoseconds")]
    assert profile.message.period == 1 and profile.message.duration_nanos == 0
    assert profile.total(of_route) == pytest.approx(waited_ns, rel=0.1)
    assert profile.total(of_holder) == pytest.approx(waited_ns, rel=0.1)
    assert profile.total(of_holder, value=0) == REQUESTS
    # The caller of the unlock comes first, nothing of the hook before it.
    assert {one.frames[0].function for one in profile.samples if of_holder(one)} == {
        "routes_mutex.contend_hold"}
    assert metric(server, r'toq_profiler_samples_total{profile="mutex"}') >= REQUESTS


def test_differences_hold_what_was_waited_in_between(start_server, test_server_binary):
    server = start_server()
    contend(server)
    if not has_hook(test_server_binary):
        assert_refused(server)
        return
    fetch(server, "delta_mutex")
    waited_ns = contend(server)
    between = fetch(server, "delta_mutex")
    assert between.total(of_holder) == pytest.approx(waited_ns, rel=0.1)
    assert between.total(of_holder, value=0) == 1
    assert fetch(server, "delta_mutex").total(of_holder) == 0


def test_the_text_is_gos(start_server, test_server_binary):
    server = start_server()
    waited_ns = contend(server)
    if not has_hook(test_server_binary):
        assert_refused(server)
        return
    text = ask(server, debug=1).text
    assert text.startswith("--- mutex:\ncycles/second=1000000000\nsampling period=1\n")
    entry = next(one for one in text.split("\n\n") if "contend_hold+0x" in one).splitlines()
    entry = next(line for line in entry if " @ 0x" in line)
    cycles, count = map(int, entry.split(" @ ")[0].split())
    assert cycles == pytest.approx(waited_ns, rel=0.1) and count == 1


@pytest.mark.parametrize("fraction", ["0", "1000000"])
def test_the_fraction_says_how_much_is_recorded(start_server, fraction):
    server = start_server({"PPROF_MUTEX_FRACTION": fraction})
    waited_ns = contend(server)
    assert waited_ns >= WAITERS * HOLD_MS * 1_000_000
    answer = ask(server, debug=1)
    assert answer.status_code == 500 or "contend_hold" not in answer.text


@pytest.mark.parametrize("query", ["", "?debug=1"])
def test_the_tool_reads_it(start_server, test_server_binary, tmp_path, query):
    server = start_server()
    contend(server)
    if not has_hook(test_server_binary):
        assert_refused(server)
        return
    url = server.url(f"/debug/pprof/mutex{query}", "pprof")
    top = subprocess.run(["go", "tool", "pprof", "-top", "-sample_index=delay", url],
                         env=dict(os.environ, PPROF_TMPDIR=str(tmp_path)), check=True,
                         capture_output=True, text=True, timeout=PATIENCE_S).stdout
    assert "Type: delay" in top and "contend_hold" in top
