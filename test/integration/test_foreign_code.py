# SPDX-License-Identifier: MIT
"""Profiles of a process in which others run code, too: threads, timers and stacks that toq did not make.

foreign.c is preloaded into the server; so these tests run against any build of it, but sanitized ones, whose
runtime has to be loaded first.
"""

import gzip
import os
import re
import subprocess
import threading

import httpx
import pytest

import heap
from conftest import binary_path
from pprof_decode import MESSAGES, has_frame
from pprof_load import CpuClock, capture, is_sanitized, wait_captured
from server import PATIENCE_S, wait_until
from test_block import get, measure, of, take_block

__test__ = not is_sanitized(binary_path("TOQ_TEST_SERVER", "build/release/toq_test_server"))

FLAGS = ("-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-Werror", "-fno-omit-frame-pointer",
         "-fno-optimize-sibling-calls", "-shared", "-fPIC")
ACCOUNT = re.compile(r"toq: (\d+) samples, (\d+) lost, (\d+) truncated, (\d+) threads without a timer")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("foreign") / "foreign.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "foreign.c")
    subprocess.run(["gcc", *FLAGS, "-o", path, source], check=True)
    return path


@pytest.fixture
def start_with(start_server, library):
    def start(what, **settings):
        return start_server({"LD_PRELOAD": library, "FOREIGN": what, **settings})
    return start


def account(profile):
    """What the profiler says of itself: (samples, lost, truncated, threads without a timer)."""
    return tuple(map(int, ACCOUNT.match(profile.text[profile.message.comment[0]]).groups()))


def test_nothing_is_lost_where_nothing_is_wrong(start_with):
    """jemalloc's own thread blocks all signals: it is none that a timer is missing for."""
    server = start_with("nothing")
    for _ in range(2):
        assert account(capture(server, 1))[1:] == (0, 0, 0)
    text = httpx.get(server.url("/metrics", "metrics"), timeout=PATIENCE_S).text
    assert 'toq_profiler_untimed_threads_total{profile="cpu"} 0\n' in text


def test_the_busy_one_of_very_many_threads_is_found(start_with):
    server = start_with("crowd")
    with CpuClock(server.pid) as clock:
        profile = capture(server, 2)
    assert profile.total_of("foreign_burn") > clock.used_in(profile) / 2
    assert account(profile)[3] == 0


def test_a_stack_goes_on_above_a_frame_that_is_realigned(start_with):
    server = start_with("realigned")
    profile = wait_until(lambda: with_frame(capture(server, 1), "foreign_realigned"), "a sample")
    wanted = [sample for sample in profile.samples if has_frame(sample, "foreign_realigned")]
    for sample in wanted:
        assert has_frame(sample, "foreign_outer") and has_frame(sample, "start_thread"), sample
    assert account(profile)[2] == 0


def with_frame(profile, function):
    return profile if profile.total_of(function) > 0 else None


def test_timers_of_others_harm_nobody(start_with):
    """Their SIGPROF carries values that are no slots of ours."""
    server = start_with("timers")
    for _ in range(2):
        wait_until(lambda: with_frame(capture(server, 1), "foreign_burn"), "a sample")
    assert server.is_running()


def capture_while_held(server):
    """A profile whose window has the loop stand still."""
    taken = []
    capturing = threading.Thread(target=lambda: taken.append(capture(server, 1)))
    capturing.start()
    wait_captured(server)
    get(server, "/test/hold/sleep?ms=4000")
    capturing.join()
    return taken[0]


def test_samples_that_are_lost_are_a_stack(start_with):
    """With one loop, nobody takes the samples of a thread whose stacks are deep while a handler sleeps."""
    server = start_with("deep", DIAGNOSTICS_LOOP="shared")
    profile = wait_until(lambda: lossy(capture_while_held(server)), "samples to be lost")
    samples, lost, _, _ = account(profile)
    assert profile.total_of("lostProfileEvent", value=0) == lost
    assert profile.total(value=0) == samples + lost


def lossy(profile):
    return profile if account(profile)[1] > 0 else None


def test_as_many_deep_stacks_as_a_profile_may_have(start_with, tmp_path):
    begin = tmp_path / "begin"
    server = start_with("stacks", FOREIGN_BEGIN=begin, MALLOC_CONF="lg_prof_sample:12")
    heap.wait_sampling(server)
    begin.touch()
    wait_until(lambda: "the stacks are there" in server.stderr(), "the stacks")
    answer = heap.ask(server, "heap")
    assert answer.status_code == 200, answer.text
    samples = MESSAGES.Profile.FromString(gzip.decompress(answer.content)).sample
    deep = [sample for sample in samples if len(sample.location_id) > 110]
    assert 0.99 * 65536 < len(deep) <= 65536


def test_a_sleep_is_not_ended_by_whoever_looks(start_with):
    """A handler that sleeps holds the loop, and is looked at all the while."""
    server = start_with("nothing", PPROF_BLOCK_MS=20)
    get(server, "/debug/pprof/goroutine?debug=2", "pprof")  # the tables are there
    measured = measure(server, "/test/hold/sleep?ms=600")["sleep"]
    wanted = of("hold_by_sleeping", "/test/hold/sleep", "stall")
    wait_until(lambda: take_block(server).total(wanted) > measured / 2, "the stall to be told of")
    assert "a signal ended a sleep" not in server.stderr()
