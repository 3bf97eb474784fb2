# SPDX-License-Identifier: MIT
"""One run of a load, mostly wrk's, against a server, and what the server's processes spent on it.

The unit is the server's CPU time per request; a rate alone mostly measures wrk, which has one core
as the server has. How busy the server was says which of the two was the limit.
"""

import json
import os
import subprocess

import usage

CONNECTIONS = 64
DEPTH = 16  # of the pipelined runs
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.lua")


class Failure(Exception):
    """The bench cannot give figures, or a server failed its requests."""


def cores():
    """The server's core and wrk's; None for both where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def pin(core):
    """A preexec function that keeps a child on `core`."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def _run_client(command, seconds):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30,
                              preexec_fn=pin(cores()[1]), check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"the load did not end: {' '.join(command)}") from None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise Failure(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(lines[-1])


def run(server, depth, seconds):
    """Loads `server` with one request over and over, `depth` of them in one write; as run_client."""
    return run_script(server, seconds, SCRIPT, str(depth))


def run_script(server, seconds, script, *arguments):
    """Loads `server` with what a script of wrk sends; as run_client."""
    return run_client(server, seconds, ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script,
                                        server.url, "--", *arguments])


def run_client(server, seconds, command):
    """Loads `server` for so many seconds with a command that prints its result as load.lua does.

    Returns a dict: requests, rate (a second), user_ns, system_ns and cpu_ns per request,
    busy (of one core), p99_us.
    """
    before = usage.cpu(server.pids())
    result = _run_client(command, seconds)
    spent = usage.cpu(server.pids()).since(before)
    failures = {kind: n for kind, n in result["failures"].items() if n > 0}
    requests = result["requests"]
    if failures or requests == 0:
        raise Failure(f"{server.name} failed its requests: {failures or 'none was answered'}")
    wall_ns = result["duration_us"] * 1000
    return {
        "requests": requests,
        "rate": requests * 1e9 / wall_ns,
        "user_ns": spent.user_ns / requests,
        "system_ns": spent.system_ns / requests,
        "cpu_ns": spent.total_ns / requests,
        "busy": spent.total_ns / wall_ns,
        "p99_us": result["p99_us"],
    }
