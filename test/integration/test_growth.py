# SPDX-License-Identifier: MIT
"""Memory of a server whose profiles are fetched all the time under load: it does not grow."""

import re
import threading
import time

import httpx

import heap
import server as server_module
from pprof_load import load
from test_pprof_named import NAMES

__test__ = heap.has_jemalloc()

WARM_S = 20  # the history, the pools and the tables of stacks have what they need
SECONDS = 40
FETCHERS = 3
# Tables that double, and jemalloc's own of stacks that it has not seen before, grow by some 200 KiB still;
# what libdw read for each profile and kept was 4 MiB in that time.
GROWTH_MAX_BYTES = 1 << 20
# What threads have in their caches counts as allocated. The history is full after its windows.
SETTINGS = {"MALLOC_CONF": "tcache:false", "PPROF_HISTORY_WINDOWS": 1}
PATHS = ["profile?seconds=1", "goroutine?debug=2", "heap?debug=1", "wall?seconds=1", "heap?seconds=1",
         "symbol?0x1", *NAMES]


def allocated(server):
    """jemalloc's count when nothing is under way, without what the profiler keeps to be faster."""
    def measure():
        text = heap.ask(server, "heap?debug=1&gc=1").text
        return int(re.search(r"^# Alloc = (\d+)$", text, re.M).group(1))

    time.sleep(1)  # what ended gives its memory back within a turn of the loop or two
    return min(measure() for _ in range(5))


def fetch(server, ended, first):
    with httpx.Client(timeout=server_module.PATIENCE_S) as client:
        number = first
        while not ended.is_set():
            path = PATHS[number % len(PATHS)]
            answer = client.get(server.url(f"/debug/pprof/{path}", "pprof"))
            assert answer.status_code in (200, 500), answer.text  # a capture may be under way
            number += 1


def work(server, seconds):
    ended = threading.Event()
    threads = [threading.Thread(target=fetch, args=(server, ended, 5 * number))
               for number in range(FETCHERS)]
    with load(server, "/test/churn?count=4&bytes=65536", 4), load(server, "/test/sleep?ms=3", 4):
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        ended.set()
        for thread in threads:
            thread.join()


def test_profiles_fetched_all_the_time_take_no_more_and_more(start_server):
    server = start_server(SETTINGS)
    heap.wait_sampling(server)
    work(server, WARM_S)
    before = allocated(server)
    work(server, SECONDS)
    grown = allocated(server) - before
    assert grown < GROWTH_MAX_BYTES, grown
