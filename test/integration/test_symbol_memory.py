# SPDX-License-Identifier: MIT
"""A profile is symbolized while the address space is short: it fails, and the server does not."""

import glob
import resource
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pprof_decode import decode_named
from pprof_load import is_sanitized
from server import wait_until

MIB = 1 << 20
PATHS = ("goroutine", "goroutine?debug=1", "goroutine?debug=2", "heap", "profile?seconds=1")


WORKERS = 2  # of the pool for diagnostics


def workers_of(server):
    names = []
    for path in glob.glob(f"/proc/{server.pid}/task/*/comm"):
        with open(path, encoding="ascii") as comm:
            names.append(comm.read().strip())
    return names.count("toq-diag-pool")


def address_space(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def ask(server, path):
    return httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=60)


@pytest.mark.parametrize("spare_mib", [0, 2, 4, 8, 16, 24, 32, 48, 64, 96, 100])
def test_symbols_where_memory_is_short(start_server, test_server_binary, spare_mib):
    """With each amount libdw and libelf would fail at another place.

    The workers have allocated before: jemalloc cannot take it that a thread's first arena fails.
    """
    if is_sanitized(test_server_binary):
        return  # its shadow takes all of the address space
    server = start_server()
    with ThreadPoolExecutor(WORKERS) as asking:
        def start_workers():
            answers = list(asking.map(lambda _: ask(server, "heap").status_code, range(4 * WORKERS)))
            assert set(answers) == {200}
            return workers_of(server) == WORKERS
        wait_until(start_workers, "all workers")
        start_workers()
    limit = address_space(server) + spare_mib * MIB
    resource.prlimit(server.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    for path in PATHS:
        answer = ask(server, path)
        assert answer.status_code == 200 or (
            answer.status_code == 500 and "out of memory" in answer.text), answer.text
    assert server.is_running() and server.stderr() == ""
    resource.prlimit(server.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    profile = decode_named(ask(server, "goroutine").content, "goroutine")
    assert any(f.function == "uv_run" for s in profile.samples for f in s.frames)
