# SPDX-License-Identifier: MIT
"""scripts/debug: a server that lives as long as its debugger."""

import os
import re
import signal
import subprocess

import pytest

from server import PATIENCE_S, environment, free_port, wait_until
from services import ROOT

HANDLE_SIGPROF = "handle SIGPROF nostop noprint pass"


def is_running(pid, binary):
    """Whether a process is, and still runs the server."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(binary).encode() in file.read()
    except OSError:
        return False


@pytest.fixture
def port(server_binary):
    port = free_port()
    settings = {"ENABLE_PPROF": "false", "ASAN_OPTIONS": "detect_leaks=0"}  # LSan cannot be traced
    with subprocess.Popen([os.path.join(ROOT, "scripts", "debug"), server_binary, str(port)],
                          env=environment(settings), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as waiting:
        yield port
        try:
            waiting.wait(PATIENCE_S)
        finally:
            if waiting.poll() is None:
                os.killpg(waiting.pid, signal.SIGKILL)


def debug(binary, port, *commands):
    """Runs gdb against the port and returns the pid of the server."""
    script = ["set sysroot /", f"target remote 127.0.0.1:{port}", HANDLE_SIGPROF, "break app_serve",
              "continue", "python print('server', gdb.selected_inferior().pid)", *commands]

    def run():
        done = subprocess.run(
            ["gdb", "--nx", "--batch", binary, *(f"--eval-command={line}" for line in script)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=2 * PATIENCE_S, check=False)
        return re.search(r"^server (\d+)$", done.stdout, re.M)

    return int(wait_until(run, "the debugger's port").group(1))


@pytest.mark.parametrize("last", ["detach", "kill"])
def test_the_server_ends_with_its_debugger(port, server_binary, last):
    pid = debug(server_binary, port, last)
    try:
        wait_until(lambda: not is_running(pid, server_binary), "the server to end")
    finally:
        if is_running(pid, server_binary):
            os.kill(pid, signal.SIGKILL)
