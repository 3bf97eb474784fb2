# SPDX-License-Identifier: MIT
"""A profile is symbolized while the address space is short: it fails, and the server does not."""

import resource

import httpx
import pytest

from pprof_decode import decode_named
from pprof_load import is_sanitized

MIB = 1 << 20
PATHS = ("goroutine", "goroutine?debug=1", "goroutine?debug=2", "heap", "profile?seconds=1")


def address_space(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def ask(server, path):
    return httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=60)


@pytest.mark.parametrize("spare_mib", [0, 2, 4, 8, 16, 24, 32, 48, 64, 96, 100])
def test_symbols_where_memory_is_short(start_server, test_server_binary, spare_mib):
    """With each amount libdw and libelf would fail at another place.

    The one worker has allocated before: jemalloc cannot take it that a thread's first arena fails.
    """
    if is_sanitized(test_server_binary):
        return  # its shadow takes all of the address space
    server = start_server({"UV_THREADPOOL_SIZE": "1"})
    assert ask(server, "mutex").status_code == 200
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
