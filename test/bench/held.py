#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long diagnostics take while a handler holds the work loop, and MySQL's and Redis' names hang in DNS.

test/bench/held.py [TEST_SERVER] - a handler of the test server burns HOLD_MS of CPU; meanwhile each of the answers
below is asked for ASKS times, one after the other: median and worst, beyond the window where there is one.
"""

import os
import select
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True

import server as server_module
from wire import Peer, request

HOLD_MS = 20000
ASKS = 20
CAPTURES = 4  # of two seconds each
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


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        HERE, "..", "..", "build", "release", "toq_test_server")
    server = server_module.start(binary, {**HANGING, "ENABLE_PPROF": "true"})
    try:
        ask(server, "pprof", "/debug/pprof/heap")  # the first one builds tables
        with Peer(server) as holder:
            holder.send(request(f"/test/burn?ms={HOLD_MS}"))
            begin = time.monotonic()
            time.sleep(0.5)
            for answer in ANSWERS:
                measure(server, *answer)
            line = server.wait_line("the work loop is held")
            if select.select([holder.socket], [], [], 0)[0]:
                raise SystemExit("the handler was done before all was asked")
            print(f"all asked for {time.monotonic() - begin:.1f} s, while it held\n{line}")
            holder.answer()
    finally:
        server.close()


if __name__ == "__main__":
    main()
