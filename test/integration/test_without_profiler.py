# SPDX-License-Identifier: MIT
"""A build without the profiler, make PROFILING=no: it serves, says that it has none, and does not listen for it."""

import os
import subprocess

import pytest

from server import PATIENCE_S
from services import ROOT
from wire import Peer

__test__ = os.environ.get("TOQ_VARIANT", "release") == "release"

BINARY = "build/noprof/toq_server"


@pytest.fixture(scope="module")
def binary():
    """`make test` has built it; whoever runs this file alone may not have."""
    subprocess.run(["make", "-s", "PROFILING=no", BINARY], cwd=ROOT, check=True, timeout=10 * PATIENCE_S,
                   stdin=subprocess.DEVNULL)
    return os.path.join(ROOT, BINARY)


@pytest.mark.parametrize("enabled", [None, "true", "false"])
def test_it_serves_and_says_that_there_is_none(start_server, binary, enabled):
    server = start_server({"ENABLE_PPROF": enabled, "ENV": "development"}, binary=binary)
    assert " INFO  pprof: off: this build has no profiler" in server.wait_line("no profiler")
    assert sum("no profiler" in line for line in server.lines) == 1
    assert not any("listening" in line and "pprof" in line for line in server.lines)
    for listener in ("http", "metrics"):
        with Peer(server, listener) as peer:
            assert peer.ask("/health/live").status == 200
    assert server.stop() == 0
