#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Speed and memory of toq beside nginx (and h2o, where it is installed), and the listings beside a
Go service that does the same, in one run.

usage: bench.py [--server FILE] [--json FILE] [--part http|profiles|listings|grpc]
                [--test-server FILE]

BENCH_ROUNDS (5), BENCH_SECONDS (4, per server, kind of load and round) and BENCH_CONNECTIONS
(10000) size it. The servers take turns: a figure is the median over the rounds, a ratio the median
of the ratios within a round, so what disturbs the machine for a while disturbs both. Servers run on
one core and wrk on another where there are two. Then 10,000 idle connections; then what a CPU
profile costs, from pairs of runs with and without one; then what the other profiles cost
(profile_bench.py), in more and shorter rounds; then the listings (listings_bench.py); then gRPC
(grpc_bench.py, and grpc_listing_bench.py with what MySQL holds).

Exit code: 1 when a server failed its requests or there is nothing to compare with; 0 otherwise,
whether the goals are met or not.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
import grpc_bench
import grpc_listing_bench
import idle
import listings_bench
import load
import profile_bench
import report
import servers

PROFILE_HEAD_SECONDS = 0.5  # the capture runs when the load begins
PROFILE_TAIL_SECONDS = 1  # ... and still when it ends
SYMBOLS_SECONDS = 60  # for the answer after the window
PROFILE_ROUNDS = 3  # for one of the others: costs are small, and so are their rounds
PROFILE_SECONDS = 1


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Capture(threading.Thread):
    """A CPU profile that is taken while the load runs."""

    def __init__(self, server, seconds):
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{server.pprof_port}/debug/pprof/profile?seconds={seconds}"
        self.timeout = seconds + SYMBOLS_SECONDS
        self.size = 0

    def run(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(self.url, timeout=self.timeout) as answer:
                self.size = len(answer.read())


def run_profiled(server, seconds):
    capture = Capture(server, int(seconds + PROFILE_HEAD_SECONDS + PROFILE_TAIL_SECONDS + 0.5))
    capture.start()
    time.sleep(PROFILE_HEAD_SECONDS)
    result = load.run(server, 1, seconds)
    if not capture.is_alive():
        raise load.Failure("the capture ended before the load")
    capture.join(capture.timeout)
    if capture.size == 0:
        raise load.Failure("the capture gave no profile")
    return result


def compare(running, rounds, seconds):
    """{kind of load: {server: [a result per round]}}, the servers taking turns."""
    results = {kind: {server.name: [] for server in running} for kind in ("plain", "pipelined")}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for kind, depth in (("plain", 1), ("pipelined", load.DEPTH)):
            # Who goes first changes: the first one finds the machine cooler.
            for server in running if number % 2 == 0 else running[::-1]:
                results[kind][server.name].append(load.run(server, depth, seconds))
    return results


def profile_cost(server, rounds, seconds):
    results = {"without": [], "with": []}
    for number in range(rounds):
        note(f"CPU profile, pair {number + 1} of {rounds}")
        for kind in ("without", "with") if number % 2 == 0 else ("with", "without"):
            run = run_profiled(server, seconds) if kind == "with" else load.run(server, 1, seconds)
            results[kind].append(run)
    return results


def measure_http(binary, folder, results):
    rounds, seconds, connections = (results[name] for name in ("rounds", "seconds", "connections"))
    idle.raise_fd_limit(connections)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(servers.toq(binary)),
                   stack.enter_context(servers.nginx(folder, connections))]
        if servers.find("h2o") is not None:
            running.append(stack.enter_context(servers.h2o(folder)))
        results["load"] = compare(running, rounds, seconds)
        results["profile"] = profile_cost(running[0], rounds, seconds)
    results["idle"] = {}
    for start in (lambda: servers.toq(binary), lambda: servers.nginx(folder, connections)):
        with start() as server:
            note(f"{connections} idle connections to {server.name}")
            results["idle"][server.name] = idle.run(server, connections)


def measure(args, folder):
    results = {"rounds": int(os.environ.get("BENCH_ROUNDS", "5")),
               "seconds": int(os.environ.get("BENCH_SECONDS", "4")),
               "connections": int(os.environ.get("BENCH_CONNECTIONS", "10000"))}
    if args.part in (None, "http"):
        measure_http(args.server, folder, results)
    if args.part in (None, "profiles"):
        results["profiles"] = profile_bench.compare(
            args.server, folder, results["rounds"] * PROFILE_ROUNDS, PROFILE_SECONDS, note)
    if args.part in (None, "listings"):
        results["listings"] = listings_bench.compare(args.server, folder, results["rounds"],
                                                     results["seconds"], note)
    if args.part in (None, "grpc"):
        results["grpc"] = grpc_bench.compare(args.test_server, folder, results["rounds"],
                                             results["seconds"], note)
        results["grpc_listing"] = grpc_listing_bench.compare(
            args.server, folder, results["rounds"], results["seconds"], note)
    return results


def main():
    parser = argparse.ArgumentParser(description="Speed and memory of toq beside others.")
    parser.add_argument("--server", default=os.path.join(servers.ROOT, "build", "toq_server"))
    parser.add_argument("--test-server",
                        default=os.path.join(servers.ROOT, "build", "release", "toq_test_server"))
    parser.add_argument("--json", help="also write every figure of every round to this file")
    parser.add_argument("--part", choices=("http", "profiles", "listings", "grpc"),
                        help="measure this alone")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda signo, frame: sys.exit(128 + signo))  # ends the servers
    build = os.path.join(servers.ROOT, "build")
    os.makedirs(build, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
            results = measure(args, folder)
    except (load.Failure, AssertionError) as failure:
        note(failure)
        return 1
    report.show(results)
    if args.json is not None:
        with open(args.json, "w", encoding="ascii") as file:
            json.dump(results, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
