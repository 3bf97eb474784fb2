# SPDX-License-Identifier: MIT
"""What the profiles that record all the time cost: toq with all of them beside toq without one.

All servers run at once, share one core and take turns in short runs; a cost is the median over the
rounds of the ratio within a round. Two kinds of work: a plain GET, which neither waits nor
allocates, and a listing from Redis, which does both.
"""

import contextlib
import os
import subprocess

import listings_bench
import load
import servers

ALL = {"ENABLE_PPROF": "true", "PPROF_MUTEX_FRACTION": "1"}  # as in development

# What each server does without. The last is the server that has no profiler at all.
WITHOUT = {
    "nothing": {},
    "heap": {"MALLOC_CONF": "prof_active:false"},
    "history": {"PPROF_HISTORY_WINDOWS": "0"},
    "mutex, block": {"PPROF_MUTEX_FRACTION": "0", "PPROF_BLOCK_MS": "0"},
    "all": {"ENABLE_PPROF": "false"},
    "profiler": {"ENABLE_PPROF": "false"},
}

# (what, goal in percent, the server with it, the server without it)
COSTS = [
    ("heap sampling, 512 KiB", 1, "nothing", "heap"),
    ("CPU history, 19 Hz", 0.5, "nothing", "history"),
    ("mutex and block", 1, "nothing", "mutex, block"),
    ("all of them", None, "nothing", "all"),
    ("a profiler that is off", None, "all", "profiler"),
]

TITLES = {"plain": "GET, keep-alive", "redis": "Listing by id, Redis hit"}


def _build_without_profiler():
    """Builds the server without profiling/; returns its path."""
    try:
        subprocess.run(["make", "VARIANT=noprof", "all"], cwd=servers.ROOT, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise load.Failure(f"{error}\n{error.stderr}") from None
    return os.path.join(servers.ROOT, "build", "noprof", "toq_server")


@contextlib.contextmanager
def _variants(binary, target, settings):
    """{what it does without: a running server}"""
    plain_binary = _build_without_profiler()
    with contextlib.ExitStack() as stack:
        running = {}
        for without, changes in WITHOUT.items():
            running[without] = stack.enter_context(servers.toq(
                plain_binary if without == "profiler" else binary,
                {**settings, **ALL, **changes}, target))
            running[without].name = f"without {without}"
        yield running


def _take_turns(running, rounds, run, note, title):
    results = {without: [] for without in running}
    order = list(running)
    for number in range(rounds):
        note(f"profiles, {title}, round {number + 1} of {rounds}")
        for without in order if number % 2 == 0 else order[::-1]:
            results[without].append(run(running[without]))
    return results


def compare(binary, folder, rounds, seconds, note):
    """{kind of work: {what the server does without: [a result per round]}}"""
    results = {}
    with _variants(binary, servers.TARGET, {}) as running:
        results["plain"] = _take_turns(running, rounds, lambda one: load.run(one, 1, seconds), note,
                                       TITLES["plain"])
    kind = listings_bench.KINDS["redis"]
    os.environ["BENCH_TOKEN"] = listings_bench.TOKEN  # for listings.lua
    with listings_bench.Bench(binary, folder) as bench:
        with _variants(binary, listings_bench.TARGET, bench.settings(kind.is_cached)) as running:
            for server in running.values():
                bench.run(server, kind, listings_bench.WARM_SECONDS)
            results["redis"] = _take_turns(running, rounds,
                                           lambda one: bench.run(one, kind, seconds), note,
                                           TITLES["redis"])
    return results
