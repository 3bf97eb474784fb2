# SPDX-License-Identifier: MIT
"""gdb on a core lists as in flight what the crash report of the same process does."""

import os
import re
import signal
import subprocess

from conftest import binary_path
from pprof_load import is_sanitized
from server import wait_until
from services import ROOT
from wire import Peer, request

# The core of a sanitized server is some terabytes, of which a disk has tens of gigabytes to store.
__test__ = not is_sanitized(binary_path("TOQ_TEST_SERVER", "build/release/toq_test_server"))

SLEEP = "/test/sleep?ms=60000"
GDB = ["gdb", "--nx", "--batch", "-x", os.path.join(ROOT, "scripts", "toq-gdb.py")]


def tasks(server):
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body.decode()


def test_gdb_lists_the_same_from_a_core(start_server, test_server_binary, tmp_path):
    server = start_server()
    core = tmp_path / "core"
    with Peer(server) as first, Peer(server) as second:
        for peer in (first, second):
            peer.send(request(SLEEP))
        wait_until(lambda: tasks(server).count("/test/sleep") == 2, "two requests that wait")
        subprocess.run([*GDB, "-p", str(server.pid), "-ex", f"generate-core-file {core}"], capture_output=True,
                       check=True)
        server.send_signal(signal.SIGSEGV)
        code = server.wait_exit()
    shown = subprocess.run([*GDB, "-ex", "toq tasks", test_server_binary, str(core)], capture_output=True, text=True,
                           check=True).stdout
    rows = re.findall(r"^(\d+) +(\w+) +(\w+) .*?(GET /\S+) +(\w+) ", shown, re.M)
    assert [row[1:] for row in rows] == [("http", "sleep", "GET /test/sleep", "timer")] * 2, shown
    assert code == -signal.SIGSEGV
    lines = re.findall(r'^  id=(\d+) (\w+) (GET /\S+) state="(\w+)" .* woken_by="(\w+)"', server.stderr(), re.M)
    assert rows == [(number, kind, state, label, waker) for number, kind, label, state, waker in lines]
