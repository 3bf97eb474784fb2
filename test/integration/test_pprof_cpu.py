# SPDX-License-Identifier: MIT
"""The CPU profile under load: how much, where, for whom."""

import os
import re
import subprocess

import pytest

from pprof_decode import has_frame, is_named
from pprof_load import CpuClock, capture, is_deferring, load

WINDOW_S = 4
BURN_WINDOW_S = 10
ENOUGH_SAMPLES = 900  # fewer scatter by more than the tenth that is allowed


@pytest.fixture(scope="module")
def served(test_server):
    """A profile of plain requests, and the CPU time that the kernel counted in its window."""
    with load(test_server, "/health/live"), CpuClock(test_server.pid) as clock:
        profile = capture(test_server, WINDOW_S)
    return profile, clock.used_in(profile)


@pytest.fixture(scope="module")
def burnt(test_server):
    """The same of requests that burn CPU in two functions, 3 to 1.

    23 ms have no period in common with the 10 ms between two samples or with the kernel's tick, so
    the samples fall evenly on each part. Few connections, because the window begins and ends
    between two turns of the loop.
    """
    with load(test_server, "/test/burn?ms=23", connections=2), CpuClock(test_server.pid) as clock:
        profile = capture(test_server, BURN_WINDOW_S)
    return profile, clock.used_in(profile)


@pytest.mark.parametrize("what", ["served", "burnt"])
def test_sampled_cpu_is_the_cpu_that_was_used(what, request):
    profile, used_ns = request.getfixturevalue(what)
    assert profile.total() == pytest.approx(used_ns, rel=0.05)


@pytest.mark.parametrize("what", ["served", "burnt"])
def test_stacks_reach_the_start_of_their_thread(what, request, test_server_binary):
    profile, _ = request.getfixturevalue(what)
    main_thread = os.path.basename(test_server_binary)[:15]
    main = [s for s in profile.samples if s.labels["thread"] == main_thread]
    rooted = [s for s in main if has_frame(s, "main") and s.frames[-1].function == "_start"]
    share = 0.1 if is_deferring(test_server_binary) else 0.95
    assert sum(s.values[0] for s in rooted) >= share * sum(s.values[0] for s in main) > 0


@pytest.mark.parametrize("what", ["served", "burnt"])
def test_every_frame_of_toq_has_a_name_a_file_and_a_line(what, request):
    profile, _ = request.getfixturevalue(what)
    own = [f for s in profile.samples for f in s.frames if f.mapping == 1]
    assert own
    # What the C library and the compiler put there has no line table: start-up and constructors.
    made = re.compile("_start|_sub_[ID]_")
    assert [f for f in own
            if not made.match(f.function) and not (is_named(f) and f.file and f.line)] == []
    assert {f.function for f in own} >= {"main", "http_request_dispatch"}


def test_two_functions_that_burn_three_to_one_show_it(burnt, test_server, test_server_binary):
    profiles = [burnt[0]]
    # A machine with other work gives the server less CPU time, and a window fewer samples.
    while sum(profile.total_of("handle_burn", value=0) for profile in profiles) < ENOUGH_SAMPLES:
        with load(test_server, "/test/burn?ms=23", connections=2):
            profiles.append(capture(test_server, BURN_WINDOW_S))
    three, one, both = (sum(profile.total_of(name) for profile in profiles)
                        for name in ("burn_three_parts", "burn_one_part", "handle_burn"))
    assert three == pytest.approx(3 * one, rel=0.5 if is_deferring(test_server_binary) else 0.1)
    # A sample or two may fall into what the handler does beside.
    assert three + one == pytest.approx(both, rel=0.05)


def test_samples_know_the_route_and_the_method(burnt):
    profile, _ = burnt
    # Not all of handle_burn: what it does when it has answered is no request's any more.
    burning = [s for s in profile.samples
               if has_frame(s, "burn_three_parts") or has_frame(s, "burn_one_part")]
    assert burning
    assert {(s.labels.get("route"), s.labels.get("method")) for s in burning} == {
        ("/test/burn", "GET")}


def test_between_requests_there_is_no_route(served, test_server_binary):
    profile, _ = served
    waiting = [s for s in profile.samples if has_frame(s, "epoll_wait")]
    assert waiting or is_deferring(test_server_binary)
    assert [s for s in waiting if "route" in s.labels or "method" in s.labels] == []


def test_the_first_mapping_is_the_server_with_its_build_id(burnt, test_server_binary):
    profile, _ = burnt
    mapping = profile.message.mapping[0]
    notes = subprocess.run(["readelf", "-n", test_server_binary], check=True, capture_output=True,
                           text=True).stdout
    assert profile.text[mapping.filename] == os.path.realpath(test_server_binary)
    assert profile.text[mapping.build_id] == re.search(r"Build ID: (\w+)", notes).group(1)
    assert mapping.has_functions


def test_the_profile_accounts_for_itself(burnt):
    profile, _ = burnt
    comments = [profile.text[one] for one in profile.message.comment]
    # A sanitizer's own thread blocks all signals, so that it has no timer.
    counts = re.fullmatch(r"toq: (\d+) samples, 0 lost, \d+ truncated, [01] threads without a "
                          r"timer, \d+ us in the signal handler", comments[0])
    assert int(counts.group(1)) == profile.total(value=0)
