# SPDX-License-Identifier: MIT
"""Memory that the test server leaks and churns in known amounts, as its profiles show it."""

import math
import os
import re
import subprocess

import pytest

import heap
from heap import ALLOC_OBJECTS, ALLOC_SPACE, BIG, INUSE_OBJECTS, INUSE_SPACE, MIB, total
import server as server_module
from pprof_decode import HEAP_PERIOD_BYTES, Profile, has_frame
from scrape import Scrape

__test__ = heap.has_jemalloc()

LEAK = f"/test/leak?count=8&bytes={BIG}"


def deviation(count, size):
    """The standard deviation of an estimated number of blocks, over the number."""
    share = -math.expm1(-size / HEAP_PERIOD_BYTES)
    return math.sqrt((1 - share) / share / count)


@pytest.fixture
def server(start_server):
    """A server that samples, for one test alone."""
    one = start_server()
    heap.wait_sampling(one)
    return one


def samples_of(profile, function):
    return [sample for sample in profile.samples if has_frame(sample, function)]


def test_what_leaks_is_in_use_under_its_function_and_route(server):
    heap.call(server, LEAK)
    profile = heap.take(server)
    (sample,) = samples_of(profile, "leak_blocks")
    assert sample.values[INUSE_SPACE] == pytest.approx(8 * BIG, rel=0.01)
    assert sample.values[INUSE_OBJECTS] == 8
    assert sample.labels["route"] == "/test/leak" and sample.labels["method"] == "GET"
    assert sample.labels["bytes"] == pytest.approx(BIG, rel=0.01)
    functions = [frame.function for frame in sample.frames]
    assert functions[:2] == ["routes_test.leak_blocks", "routes_test.handle_leak"]
    assert functions[-1] == "_start" and "main" in functions


def test_what_was_freed_is_allocated_but_not_in_use(server):
    heap.call(server, LEAK)
    heap.call(server, "/test/unleak")
    heap.call(server, f"/test/churn?count=8&bytes={BIG}")
    profile = heap.take(server)
    assert total(profile, "leak_blocks", INUSE_SPACE) == 0
    assert total(profile, "leak_blocks", ALLOC_SPACE) == pytest.approx(8 * BIG, rel=0.01)
    assert total(profile, "churn_blocks", INUSE_OBJECTS) == 0
    assert total(profile, "churn_blocks", ALLOC_OBJECTS) >= 8


@pytest.mark.parametrize("size", [64, 4096, 65536])
def test_small_blocks_are_estimated(server, size):
    count = 64 * MIB // size
    heap.call(server, f"/test/churn?count={count}&bytes={size}")
    profile = heap.take(server, "allocs")
    (sample,) = [sample for sample in samples_of(profile, "churn_blocks")
                 if sample.labels["bytes"] < BIG]
    error = 6 * deviation(count, size)
    assert sample.values[ALLOC_OBJECTS] == pytest.approx(count, rel=error)
    assert sample.values[ALLOC_SPACE] == pytest.approx(count * size, rel=error)
    assert sample.labels["route"] == "/test/churn"


def test_a_sample_is_the_same_each_time(server):
    """Scrapers subtract what a sample had before, and know it by its stack and labels."""
    heap.call(server, f"/test/churn?count=16&bytes={4 * MIB}")
    before = heap.take(server, "allocs")
    heap.call(server, f"/test/churn?count=16&bytes={BIG}")
    after = heap.take(server, "allocs")

    def by_identity(profile):
        return {(tuple(frame.address for frame in sample.frames), *sorted(sample.labels.items())):
                sample.values for sample in profile.samples}

    old, new = by_identity(before), by_identity(after)
    assert set(old) <= set(new)
    for identity, values in old.items():
        assert values[ALLOC_OBJECTS] <= new[identity][ALLOC_OBJECTS]
        assert values[ALLOC_SPACE] <= new[identity][ALLOC_SPACE]


def test_allocs_is_the_same_profile_seen_from_its_other_end(server):
    heap.call(server, LEAK)
    used, allocated = heap.take(server, "heap"), heap.take(server, "allocs")
    assert used.message.default_sample_type == 0
    assert allocated.text[allocated.message.default_sample_type] == "alloc_space"
    assert total(used, "leak_blocks", INUSE_SPACE) == total(allocated, "leak_blocks", INUSE_SPACE)


def test_gc_gives_back_what_nobody_uses(server):
    def released(path):
        text = heap.ask(server, path).text
        facts = dict(re.findall(r"^# (\w+) = (\d+)$", text, re.M))
        return int(facts["NumForcedGC"]), int(facts["HeapIdle"]) - int(facts["HeapReleased"])

    heap.call(server, f"/test/churn?count=1024&bytes={MIB}")
    assert released("heap?debug=1")[0] == 0
    purges, idle_bytes = released("heap?debug=1&gc=1")
    assert purges == 1 and idle_bytes < 4 * MIB


def test_a_difference_is_what_came_in_the_window(server):
    heap.call(server, LEAK)
    answer = heap.ask(server, "heap?seconds=1")
    profile = Profile(answer.content)
    assert profile.message.duration_nanos >= 10**9
    assert total(profile, "leak_blocks", ALLOC_SPACE) == 0


def test_delta_heap_is_what_came_since_the_last_time(server):
    heap.ask(server, "delta_heap")
    heap.call(server, LEAK)
    profile = Profile(heap.ask(server, "delta_heap").content)
    assert total(profile, "leak_blocks", ALLOC_SPACE) == pytest.approx(8 * BIG, rel=0.01)
    profile = Profile(heap.ask(server, "delta_heap").content)
    assert total(profile, "leak_blocks", ALLOC_SPACE) == 0
    assert total(profile, "leak_blocks", INUSE_SPACE) == pytest.approx(8 * BIG, rel=0.01)


def tool(folder, *arguments):
    env = dict(os.environ, HOME=str(folder), PPROF_TMPDIR=str(folder))
    done = subprocess.run(["go", "tool", "pprof", *arguments], cwd=folder, text=True, env=env,
                          timeout=120, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["heap", "heap?debug=1"])
def test_gos_tool_reads_both_forms(server, tmp_path, form):
    heap.call(server, LEAK)
    heap.call(server, "/test/churn?count=16384&bytes=4096")
    url = server.url(f"/debug/pprof/{form}", "pprof")
    top = tool(tmp_path, "-top", "-unit=mb", "-nodefraction=0", url)
    assert "Type: inuse_space" in top
    assert re.search(r"^ *64(\.\d+)?MB .* routes_test\.leak_blocks$", top, re.M), top
    top = tool(tmp_path, "-top", "-unit=mb", "-nodefraction=0", "-sample_index=alloc_space", url)
    churned = float(re.search(r"^ *([\d.]+)MB .* routes_test\.churn_blocks$", top, re.M).group(1))
    assert churned >= 64 * (1 - 6 * deviation(16384, 4096))


def test_gos_tool_tells_routes_apart(server, tmp_path):
    heap.call(server, LEAK)
    (tmp_path / "profile").write_bytes(heap.ask(server, "heap").content)
    focused = tool(tmp_path, "-top", "-tagfocus=route=/test/leak", "profile")
    assert "leak_blocks" in focused
    elsewhere = tool(tmp_path, "-top", "-tagignore=route=/test/leak", "profile")
    assert "leak_blocks" not in elsewhere


def test_what_the_profiler_takes_is_labelled(server):
    """-tagignore=toq=profiler leaves what the server takes: libelf and libdw are the profiler's alone."""
    heap.take(server)
    profile = heap.take(server)
    own = [s for s in profile.samples if s.labels.get("toq") == "profiler"]
    assert sum(s.values[INUSE_SPACE] for s in own) > MIB / 2
    assert not [s for s in profile.samples if "toq" not in s.labels
                and any(re.match(r"\[?lib(elf|dw)\b|dwfl?_|elf_", f.function) for f in s.frames)]
    assert {s.labels.get("route") for s in own} == {None}
    [comment] = [profile.text[one] for one in profile.message.comment]
    share = re.search(r"; (\d+) % of inuse_space is the profiler's own: -tagignore=toq=profiler hides it$", comment)
    wanted = 100 * sum(s.values[INUSE_SPACE] for s in own) / sum(s.values[INUSE_SPACE] for s in profile.samples)
    assert abs(int(share.group(1)) - wanted) <= 1


def test_what_makes_a_profile_is_labelled(start_server):
    """On worker threads, whichever profile it is: not as the route that asked for it."""
    server = start_server({"MALLOC_CONF": "lg_prof_sample:6", "PPROF_MUTEX_FRACTION": "1"})
    heap.wait_sampling(server)
    for name in ("block", "goroutine", "goroutine?debug=2", "mutex", "threadcreate", "wall"):
        assert heap.ask(server, name).status_code == 200
    profile = Profile(heap.ask(server, "allocs").content)
    made = [s for s in profile.samples if has_frame(s, "run_job")
            and any("/profiling/" in f.file for f in s.frames)]
    assert made and {s.labels.get("toq") for s in made} == {"profiler"}


def test_what_naming_took_is_given_back_when_nobody_asks(server):
    def rss_kib():
        with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M).group(1))

    def told_kib():
        return Scrape(server).get("toq_profiler_memory_bytes", part="tables") / 1024

    before, told_before = rss_kib(), told_kib()
    heap.take(server)
    taken, told = rss_kib() - before, told_kib() - told_before
    assert taken > 4096 and told > 4096
    server_module.wait_until(lambda: rss_kib() - before < taken / 2, "the memory to be given back")
    assert told_kib() - told_before < told / 2
    assert Scrape(server).get("toq_profiler_memory_bytes", part="rings") >= 1 << 20


def test_a_rate_of_the_users_is_kept_to(start_server):
    server = start_server({"MALLOC_CONF": "lg_prof_sample:16"})
    heap.wait_sampling(server)
    heap.call(server, "/test/churn?count=1024&bytes=65536")
    profile = Profile(heap.ask(server, "allocs").content)
    assert profile.message.period == 65536
    assert total(profile, "churn_blocks", ALLOC_SPACE) >= 64 * MIB * 0.8
    assert heap.ask(server, "heap?debug=1").text.splitlines()[0].endswith(" @ heap/131072")
