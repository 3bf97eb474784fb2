# SPDX-License-Identifier: MIT
"""Profiles, metrics and the end of the server wait for nobody's look-ups and connects."""

import contextlib
import glob
import socket
import time

import httpx
import pytest

from pprof_load import is_sanitized
from scrape import Scrape
from server import PATIENCE_S, wait_until

PATHS = ("goroutine", "goroutine?debug=2", "threadcreate", "symbol?0x1", "profile?seconds=1")
HEAP_PATHS = ("heap", "heap?debug=1", "allocs")
NAME = "some.hang.test"  # test/support/resolver.c


def threads(server):
    """The niceness of the threads by name."""
    found = {}
    for path in glob.glob(f"/proc/{server.pid}/task/*/stat"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            head, rest = file.read().rsplit(")", 1)
            found.setdefault(head.split("(", 1)[1], []).append(int(rest.split()[16]))
    return found


def active(server, pool):
    return Scrape(server).get("toq_threadpool_active_jobs", pool=pool)


def assert_profiles_come(server, binary):
    """Each of them, though what the callers started is not over, and does not end by itself."""
    for path in PATHS if is_sanitized(binary) else HEAP_PATHS + PATHS:
        answer = httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def silent_port():
    """A port whose connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def test_profiles_do_not_wait_for_names(start_server, test_server_binary):
    server = start_server({"MYSQL_HOST": NAME, "REDIS_HOST": NAME})
    wait_until(lambda: active(server, "lookups") == 2, "Redis' names to be looked up")
    wait_until(lambda: active(server, "mysql") >= 1, "MySQL's name to be looked up")
    assert_profiles_come(server, test_server_binary)
    assert {"toq-lookup-pool", "toq-mysql-pool", "toq-diag-pool"} <= set(threads(server))
    assert (active(server, "lookups"), active(server, "diagnostics")) == (2, 0)
    assert httpx.get(server.url("/health"), timeout=PATIENCE_S).status_code == 503
    start_s = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start_s < PATIENCE_S / 2


def test_profiles_do_not_wait_for_connects(start_server, test_server_binary, silent_port):
    server = start_server({"MYSQL_PORT": silent_port, "REDIS_PORT": silent_port})
    wait_until(lambda: active(server, "mysql") >= 1, "MySQL to be connected to")
    assert_profiles_come(server, test_server_binary)
    wait_until(lambda: active(server, "mysql") >= 1, "MySQL to be connected to, still or again")


def test_profiles_are_made_at_low_priority(start_server, test_server_binary):
    server = start_server()
    assert_profiles_come(server, test_server_binary)
    own = threads(server)
    assert set(own["toq-diag-pool"]) == {min(own["toq_test_server"][0] + 10, 19)}
    assert len(own["toq-diag-pool"]) <= 2
    scrape = Scrape(server)
    assert scrape.get("toq_threadpool_jobs_total", pool="diagnostics") >= len(PATHS)
    assert scrape.get("toq_threadpool_jobs_total", pool="lookups") == 0
    assert "toq-lookup-pool" not in own  # nobody needed one
