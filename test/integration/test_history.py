# SPDX-License-Identifier: MIT
"""The CPU profile of a time that is over: ?ago=."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import server as server_module
from pprof_decode import PERIOD_NS, decode, decode_cpu, has_frame
from pprof_load import CpuClock, capture, get_profile, is_deferring, load, metric, wait_captured

WINDOW_S = 10
HISTORY_PERIOD_NS = 10**9 // 19
COMMENT = re.compile(r"toq: history from (\S+Z) to (\S+Z), windows: (\d+); (\d+) samples, (\d+) lost, "
                     r"(\d+) truncated")


def ask(server, query):
    return httpx.get(server.url(f"/debug/pprof/profile?{query}", "pprof"),
                     timeout=server_module.PATIENCE_S)


def past(server, query):
    """The profile of the past, checked."""
    answer = ask(server, query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="profile"'
    profile = decode(answer.content)
    assert profile.sample_types() == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.message.period == HISTORY_PERIOD_NS
    counts = COMMENT.fullmatch(profile.text[profile.message.comment[0]])
    assert int(counts.group(4)) == profile.total(value=0) and int(counts.group(5)) == 0
    return profile


def history_samples(server):
    text = httpx.get(server.url("/metrics", "metrics")).text
    return int(re.search(r'^toq_profiler_samples_total{profile="history"} (\d+)$', text, re.M).group(1))


def wait_samples(server, count):
    """Waits until the history has `count` samples more."""
    wanted = history_samples(server) + count
    server_module.wait_until(lambda: history_samples(server) >= wanted, "samples", timeout_s=60)


def wait_window(server):
    """Waits until the window that is being filled is full."""
    before = metric(server, "toq_profiler_history_windows")
    server_module.wait_until(lambda: metric(server, "toq_profiler_history_windows") > before,
                             "a window's end", timeout_s=6 * WINDOW_S)


def wait_begun(server):
    server_module.wait_until(lambda: ask(server, "ago=1s").status_code == 200, "the history to begin")


def routes(profile):
    return {sample.labels.get("route") for sample in profile.samples}


def test_an_incident_can_be_looked_at_when_it_is_over(start_server, test_server_binary):
    server = start_server()

    def past_second():
        profile = past(server, "ago=1s")
        is_seen = is_deferring(test_server_binary) or "/health/live" in routes(profile)
        return profile if is_seen else None

    wait_begun(server)
    started = time.monotonic()
    with load(server, "/test/burn?ms=23", connections=2):
        wait_samples(server, 20)
    wait_window(server)
    with load(server, "/health/live", connections=2):
        wait_samples(server, 20)
        # most of its CPU is outside of the handler
        now = server_module.wait_until(past_second, "a sample of the route")
    ago_s = time.monotonic() - started

    incident = past(server, f"ago={ago_s}s&seconds=1")
    assert incident.total_of("burn_three_parts") > 0
    assert incident.message.time_nanos < now.message.time_nanos
    assert incident.message.duration_nanos == 10**9
    if not is_deferring(test_server_binary):
        assert {s.labels.get("route") for s in incident.samples if has_frame(s, "handle_burn")} == {
            "/test/burn"}
        assert "/health/live" not in routes(incident)
        assert now.total_of("handle_burn") == 0
        assert "/health/live" in routes(now)
    # Both, by names that Go knows for a time, and with the rest of the last one.
    whole = past(server, f"ago={ago_s * 1000}ms&seconds={int(ago_s)}")
    assert whole.total() >= incident.total() + now.total()
    assert metric(server, "toq_profiler_history_windows") >= 1
    assert metric(server, "toq_profiler_history_bytes") > 0


def test_a_capture_and_the_past_at_once(start_server):
    server = start_server()
    wait_begun(server)
    with ThreadPoolExecutor(1) as pool, CpuClock(server.pid) as clock:
        with load(server, "/test/burn?ms=23", connections=2):
            live = pool.submit(get_profile, server, 4)
            wait_captured(server)
            while not live.done():
                past(server, "ago=1s")
            wait_samples(server, 10)
            end_ns = time.time_ns()
            ago = past(server, "ago=5s")
    profile = decode_cpu(live.result().content, 4)
    assert profile.total() == pytest.approx(clock.used_in(profile), rel=0.05)
    # Samples of both paces, each with the time it stands for.
    periods = {s.values[1] / s.values[0] for s in ago.samples}
    assert min(periods) >= PERIOD_NS and max(periods) <= HISTORY_PERIOD_NS
    # Each change of pace may cost a period of each of the threads that were at work.
    slack_ns = 4 * HISTORY_PERIOD_NS
    assert ago.total() >= clock.used_between(end_ns - 4 * 10**9, end_ns) - slack_ns


def test_the_past_is_no_obstacle_to_a_capture(server):
    wait_begun(server)
    with ThreadPoolExecutor(4) as pool:
        live = pool.submit(capture, server, 1)
        answers = list(pool.map(lambda _: ask(server, "ago=1s").status_code, range(20)))
        live.result()
    assert set(answers) <= {200, 503} and 200 in answers


@pytest.mark.parametrize("query,words", [
    ("ago=", 'invalid value for "ago" - must be a duration like 90s, 2m or 1h30m'),
    ("ago=abc", 'invalid value for "ago" - must be a duration like 90s, 2m or 1h30m'),
    ("ago=-2m", 'invalid value for "ago" - must be a duration like 90s, 2m or 1h30m'),
    ("ago=1d", 'invalid value for "ago" - must be a duration like 90s, 2m or 1h30m'),
    ("ago=0", '"ago" must be 1s or more'),
    ("ago=999ms", '"ago" must be 1s or more'),
    ("from=abc", 'invalid value for "from" - must be milliseconds since 1970, and of the past'),
    ("from=99999999999999", 'invalid value for "from" - must be milliseconds since 1970, and of the past'),
    ("ago=10s&seconds=11", 'the interval ends in the future: with this "ago" seconds=10 is the most'),
    ("ago=10s&seconds=abc", 'the interval ends in the future: with this "ago" seconds=10 is the most'),
])
def test_a_time_that_is_none_is_a_bad_request(server, query, words):
    answer = ask(server, query)
    assert (answer.status_code, answer.text) == (400, words + "\n")
    assert answer.headers["x-go-pprof"] == "1"


def test_a_time_that_is_not_covered_is_not_found(server):
    wait_begun(server)
    answer = ask(server, "ago=1h&seconds=1")
    assert answer.status_code == 404 and answer.headers["x-go-pprof"] == "1"
    most = re.fullmatch(r"The history does not go back so far: ago=(\d+)s is the most now\n", answer.text)
    past(server, f"ago={most.group(1)}")


def test_without_a_history_it_says_so(start_server):
    without = start_server({"PPROF_HISTORY_WINDOWS": 0})
    answer = ask(without, "ago=1s")
    assert (answer.status_code, answer.text) == (
        404, "No history is kept: PPROF_HISTORY_WINDOWS is 0\n")
    decode_cpu(get_profile(without, 1).content, 1)
    assert metric(without, "toq_profiler_history_bytes") == 0
