#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long diagnostics take while a handler holds the work loop, JOBS jobs hold the threads of the offload pool, and
MySQL's and Redis' names hang in DNS.

test/bench/held.py [TEST_SERVER] - a handler of the test server burns HOLD_MS of CPU; meanwhile each of the answers
below is asked for ASKS times, one after the other: median and worst, beyond the window where there is one.
"""

import contextlib
import os
import re
import select
import signal
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True

import server as server_module
from wire import Peer, request

HOLD_MS = 60000
JOBS = 8
ASKS = 20
CAPTURES = 20  # of two seconds each
HANGING = {"MYSQL_HOST": "mysql.hang.test", "REDIS_HOST": "redis.hang.test"}
ANSWERS = (
    ("pprof", "/debug/pprof/", 0, ASKS),
    ("pprof", "/debug/pprof/goroutine?debug=2", 0, ASKS),
    ("pprof", "/debug/pprof/heap", 0, ASKS),
    ("pprof", "/debug/pprof/profile?seconds=2", 2, CAPTURES),
    ("pprof", "/health/live", 0, ASKS),
    ("metrics", "/health/live", 0, ASKS),
    ("metrics", "/metrics", 0, ASKS),
)


def ask(server, listener, path):
    begin = time.monotonic()
    with Peer(server, listener) as peer:
        status = peer.ask(path).status
    if status != 200:
        raise SystemExit(f"{path}: {status}")
    return time.monotonic() - begin


def measure(server, listener, path, window_s, count):
    taken = [(ask(server, listener, path) - window_s) * 1000 for _ in range(count)]
    print(f"{listener:8}{path:34}{len(taken):4} median {statistics.median(taken):7.1f} ms"
          f"  worst {max(taken):7.1f} ms", flush=True)


def active_jobs(server):
    with Peer(server, "metrics") as peer:
        text = peer.ask("/metrics").body.decode()
    return int(re.search(r'^toq_threadpool_active_jobs\{pool="offload"\} (\d+)$', text, re.M).group(1))


@contextlib.contextmanager
def jobs(server):
    """Requests whose jobs sleep on the offload pool's threads, or wait for one, all the time."""
    with contextlib.ExitStack() as stack:
        for _ in range(JOBS):
            peer = stack.enter_context(Peer(server))
            peer.send(request(f"/test/hold/offload?ms={HOLD_MS}"))
        server_module.wait_until(lambda: active_jobs(server) == JOBS, "the jobs")
        yield


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        HERE, "..", "..", "build", "release", "toq_test_server")
    server = server_module.start(binary, {**HANGING, "ENABLE_PPROF": "true"})
    try:
        ask(server, "pprof", "/debug/pprof/heap")  # the first one builds tables
        with jobs(server), Peer(server) as holder:
            holder.send(request(f"/test/burn?ms={HOLD_MS}"))
            begin = time.monotonic()
            time.sleep(0.5)
            for answer in ANSWERS:
                measure(server, *answer)
            line = server.wait_line("the work loop is held")
            if select.select([holder.socket], [], [], 0)[0]:
                raise SystemExit("the handler was done before all was asked")
            print(f"all asked for {time.monotonic() - begin:.1f} s, while it held\n{line}")
            if active_jobs(server) != JOBS:
                raise SystemExit("the jobs were done before all was asked")
            print(f"{JOBS} jobs held the offload pool all the time")
    finally:
        server.send_signal(signal.SIGKILL)  # handler and jobs go on for some time
        server.wait_exit()


if __name__ == "__main__":
    main()
