# SPDX-License-Identifier: MIT
"""Where requests wait and what holds the loop: the block profile and /debug/fgprof.

The requests answer with the times that they measured themselves, so a slow machine makes both sides
of a comparison longer.
"""

import contextlib
import threading

import httpx
import pytest

import server as server_module
from pprof_decode import decode, has_frame, is_called
from pprof_load import is_deferring, wait_captured
from scrape import Scrape
from server import PATIENCE_S

MS = 150
ROUNDS = 4
# Stalls are looked at while they last. On a busy machine a look may come late, by a tenth of a second
# and more: it shall be little beside the stall.
STALL_MS = 1000
STALLS = 2
NS = 10**9


@pytest.fixture(scope="module")
def waiting_server(test_server_binary, services):
    """A server with one connection to MySQL, and a threshold of 50 ms."""
    settings = {**services.variables, "MYSQL_POOL_SIZE": 1, "PPROF_BLOCK_MS": 50}
    one = server_module.start(test_server_binary, settings)
    server_module.wait_until(lambda: get(one, "/health/ready").status_code == 200, "services")
    server_module.wait_until(lambda: Scrape(one).get("toq_sql_idle_connections") == 1, "MySQL")
    yield one
    one.close()


def get(server, path, listener="http"):
    return httpx.get(server.url(path, listener), timeout=PATIENCE_S)


def measure(server, path):
    """What a request measured: {part: nanoseconds}."""
    answer = get(server, path)
    assert answer.status_code == 200, answer.text
    return {name: int(ns) for name, ns in (line.split() for line in answer.text.splitlines())}


def decode_as(answer, types):
    assert answer.status_code == 200, answer.text
    profile = decode(answer.content)
    assert profile.sample_types() == types
    return profile


def take_block(server, name="block", **query):
    answer = httpx.get(server.url(f"/debug/pprof/{name}", "pprof"), params=query, timeout=PATIENCE_S)
    profile = decode_as(answer, [("contentions", "count"), ("delay", "nanoseconds")])
    message = profile.message
    assert (profile.text[message.period_type.type], message.period) == ("contentions", 1)
    assert message.default_sample_type == 0
    assert (message.duration_nanos == 0) == ("seconds" not in query)
    return profile


@contextlib.contextmanager
def wall_window(server, seconds, in_flight=0):
    """Takes /debug/fgprof while in the `with`, which ends with it; `taken.profile` is the profile."""
    class Taken(threading.Thread):
        def run(self):
            self.answer = get(server, f"/debug/fgprof?seconds={seconds}", "pprof")

    taken = Taken()
    taken.start()
    wait_captured(server, in_flight)
    yield taken
    taken.join()
    taken.profile = decode_as(taken.answer, [("samples", "count"), ("time", "nanoseconds")])


def of(function, route, state=None):
    """Selects the samples of a route that pass through a function."""
    return lambda sample: (has_frame(sample, function) and sample.labels.get("route") == route
                           and state in (None, sample.labels["state"]))


def assert_frames(sample, *functions):
    """These functions are on the stack, from the inside out."""
    frames = iter(sample.frames)
    assert [f for f in functions if not any(is_called(one, f) for one in frames)] == [], sample


@pytest.mark.parametrize("what", ["mysql", "redis"])
def test_waits_are_reported_under_the_function_that_waits(waiting_server, what):
    route = f"/test/wait/{what}"
    measured = sum(measure(waiting_server, f"{route}?ms={MS}")[what] for _ in range(ROUNDS))
    profile = take_block(waiting_server)
    wanted = of(f"wait_for_{what}", route, what)
    assert profile.total(wanted, value=0) == ROUNDS
    assert profile.total(wanted) == pytest.approx(measured, rel=0.1)
    for sample in filter(wanted, profile.samples):
        assert sample.labels["method"] == "GET"
        assert sample.frames[0].function == f"[{what}]"
        assert sample.frames[-1].function == f"[GET {route}]"
        assert_frames(sample, f"wait_for_{what}", f"handle_{what}")


def test_a_wait_begun_in_a_callback_is_the_handlers_too(waiting_server):
    measured = measure(waiting_server, f"/test/wait/both?ms={MS}")
    profile = take_block(waiting_server)
    for what in ("redis", "mysql"):
        wanted = of("handle_both", "/test/wait/both", what)
        assert profile.total(wanted) == pytest.approx(measured[what], rel=0.1)
        assert profile.total(of(f"wait_for_{what}", "/test/wait/both", what)) == (
            profile.total(wanted))
    [sample] = filter(of("handle_both", "/test/wait/both", "mysql"), profile.samples)
    assert_frames(sample, "[mysql]", "wait_for_mysql", "on_redis_before_mysql", "handle_both",
                  "[GET /test/wait/both]")


def test_the_wait_for_a_connection_is_one_of_its_own(waiting_server):
    before, scraped = take_block(waiting_server), Scrape(waiting_server)
    threads = [threading.Thread(target=measure, args=(waiting_server, f"/test/wait/mysql?ms={MS}"))
               for _ in range(ROUNDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after, counted = take_block(waiting_server), Scrape(waiting_server)
    wanted = of("wait_for_mysql", "/test/wait/mysql", "mysql pool")
    waited_ns = NS * (counted.get("toq_sql_wait_duration_seconds_total") -
                      scraped.get("toq_sql_wait_duration_seconds_total"))
    assert waited_ns > NS * MS / 1000
    assert after.total(wanted) - before.total(wanted) == pytest.approx(waited_ns, rel=0.1)
    assert after.total(wanted, value=0) - before.total(wanted, value=0) == ROUNDS - 1


@pytest.mark.parametrize("what, function", [("burn", "hold_by_burning"),
                                            ("sleep", "hold_by_sleeping")])
def test_a_callback_that_holds_the_loop_is_named(waiting_server, what, function,
                                                 test_server_binary):
    route = f"/test/hold/{what}"
    before, stalls = take_block(waiting_server), stall_count(waiting_server)
    measured = sum(measure(waiting_server, f"{route}?ms={STALL_MS}")[what] for _ in range(STALLS))
    profile = take_block(waiting_server)
    assert stall_count(waiting_server) >= stalls + STALLS
    if is_deferring(test_server_binary):
        assert profile.total() - before.total() >= measured
        return
    wanted = of(function, route, "stall")
    assert profile.total(wanted) == pytest.approx(measured, rel=0.1)
    # The first stack of a stall may be another when the machine is busy.
    assert 0 < profile.total(wanted, value=0) <= STALLS
    for sample in filter(wanted, profile.samples):
        assert_frames(sample, function, f"handle_{what}", "main", f"[GET {route}]")


def test_a_sleep_lasts_its_time_whoever_looks(start_server):
    """The watchdog and dumps look at a handler that calls nanosleep once; none of them ends it."""
    server = start_server({"PPROF_BLOCK_MS": 20})
    over = threading.Event()
    dumps = []

    def look():
        while not over.is_set():
            dumps.append(get(server, "/debug/pprof/goroutine?debug=2", "pprof").text)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        measured = [measure(server, f"/test/hold/once?ms={STALL_MS}")["once"] for _ in range(STALLS)]
    finally:
        over.set()
        looking.join()
    assert min(measured) >= STALL_MS * NS // 1000
    wanted = of("hold_by_one_sleep", "/test/hold/once", "stall")
    profile = take_block(server)
    assert profile.total(wanted) == pytest.approx(sum(measured), rel=0.1)
    for sample in filter(wanted, profile.samples):
        assert_frames(sample, "hold_by_one_sleep", "handle_once", "main", "[GET /test/hold/once]")
    assert any("hold_by_one_sleep(...)" in dump for dump in dumps)


def stall_count(server):
    return Scrape(server).get("toq_profiler_loop_stalls_total")


def test_two_functions_share_a_stall_by_the_time_they_held_the_loop(waiting_server,
                                                                    test_server_binary):
    measured = measure(waiting_server, f"/test/hold/two?ms={STALL_MS}")
    profile = take_block(waiting_server)
    if is_deferring(test_server_binary):
        assert profile.total() >= sum(measured.values())
        return
    parts = {what: profile.total(of(function, "/test/hold/two", "stall"))
             for what, function in (("burn", "hold_by_burning"), ("sleep", "hold_by_sleeping"))}
    assert parts == {what: pytest.approx(ns, rel=0.1) for what, ns in measured.items()}


def test_the_threshold_can_be_turned_off(start_server):
    server = start_server({"PPROF_BLOCK_MS": 0})
    assert measure(server, f"/test/hold/burn?ms={MS}")
    assert stall_count(server) == 0
    profile = take_block(server)
    assert [s for s in profile.samples if s.labels.get("state") == "stall"] == []


def test_differences_have_what_came_in_between(waiting_server):
    measure(waiting_server, f"/test/wait/redis?ms={MS}")
    take_block(waiting_server, "delta_block")
    measured = measure(waiting_server, f"/test/wait/redis?ms={MS}")["redis"]
    profile = take_block(waiting_server, "delta_block")
    wanted = of("wait_for_redis", "/test/wait/redis")
    assert profile.total(wanted) == pytest.approx(measured, rel=0.1)
    assert profile.total(wanted, value=0) == 1


def test_who_asks_is_left_out(start_server):
    server = start_server()
    assert get(server, "/debug/pprof/profile?seconds=1", "pprof").status_code == 200
    take_block(server)
    profile = take_block(server, seconds=1)
    assert not {"profile", "cpu profile"} & {
        sample.labels["state"] for sample in take_block(server).samples + profile.samples}


def test_the_text_is_gos(waiting_server):
    measure(waiting_server, f"/test/wait/redis?ms={MS}")
    answer = get(waiting_server, "/debug/pprof/block?debug=1", "pprof")
    lines = answer.text.splitlines()
    assert lines[:2] == ["--- contention:", "cycles/second=1000000000"]
    assert any("wait_for_redis+0x" in line for line in lines)


def test_wall_time_is_waits_and_running_in_the_window(waiting_server):
    seconds = 2
    measure(waiting_server, f"/test/hold/burn?ms={MS}")  # before it
    long = threading.Thread(target=measure, args=(waiting_server, "/test/wait/mysql?ms=4000"))
    long.start()
    server_module.wait_until(lambda: "/test/wait/mysql mysql" in get(
        waiting_server, "/test/tasks").text, "a wait that begins before the window")
    with wall_window(waiting_server, seconds, in_flight=1) as taken:
        burnt = measure(waiting_server, f"/test/hold/burn?ms={MS}")["burn"]
        waited = measure(waiting_server, f"/test/wait/redis?ms={3 * MS}")["redis"]
    long.join()
    profile = taken.profile
    window_ns = profile.message.duration_nanos
    assert window_ns >= 0.99 * seconds * NS
    # The whole window for what began before and ended after it.
    assert profile.total(of("wait_for_mysql", "/test/wait/mysql", "mysql")) == (
        pytest.approx(window_ns, rel=0.1))
    assert profile.total(of("wait_for_redis", "/test/wait/redis")) == (
        pytest.approx(waited, rel=0.1))
    ran = of("handle_burn", "/test/hold/burn", "running")
    assert profile.total(ran) == pytest.approx(burnt, rel=0.1)
    assert "profile" not in {sample.labels["state"] for sample in profile.samples}
    for sample in profile.samples:
        assert sample.values[0] == pytest.approx(sample.values[1] * 99 / NS, abs=1.01)
    [running] = filter(ran, profile.samples)
    assert [f.function for f in running.frames] == [
        "routes_block.handle_burn", "[GET /test/hold/burn]"]
