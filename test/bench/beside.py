#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""beside.py OLD NEW [--instructions] [--kind KIND]... [--old-env NAME=VALUE]... [--new-env NAME=VALUE]... -
what a request costs a server of before, and one of today.

OLD and NEW are toq_server binaries, each in build/VARIANT/ of its tree, whose config/ it is given. OLD
runs twice: how far its two differ is what a difference to NEW has to exceed to be one.

BENCH_ROUNDS (7) rounds of BENCH_SECONDS (4), in which the three take turns: user CPU per request, the
median of the ratios within a round, with the least and the most. --instructions instead runs OLD and
NEW once under valgrind's callgrind, with one request at a time: instructions in user mode per request,
of all threads.

--old-env and --new-env set variables of one of them: with one binary as OLD and NEW they say what a
setting costs. The recorder, off and on:

    beside.py build/release/toq_server build/release/toq_server --old-env RECORDER_EVENTS=0 --new-env RECORDER_EVENTS=262144

KIND: get (GET /health/live), grpc (Health/Check), redis and mysql (a listing by id out of each): these
four where none is named. And the other rows of bench.py: pipelined and profiled (GET), page, mix, echo and
echo-one (by the toq_test_server that stands beside the binary), getlisting and getlisting-one; all of them: all.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import bench
import grpc_bench
import grpc_listing_bench
import listings_bench
import load
import servers

KINDS = ("get", "grpc", "redis", "mysql")
ECHOES = {"echo": grpc_bench.KINDS["many"], "echo-one": grpc_bench.KINDS["one"]}
GET_LISTINGS = {"getlisting": grpc_listing_bench.KINDS["many"],
                "getlisting-one": grpc_listing_bench.KINDS["one"]}
ALL = (*KINDS, "pipelined", "profiled", "page", "mix", *ECHOES, *GET_LISTINGS)
CALL = "/grpc.health.v1.Health/Check"
CALL_REPLY_BYTES = 2  # SERVING
CALL_REQUEST = bytes(grpc_bench.PREFIX_BYTES)  # of no service
CALLS = grpc_bench.Kind("gRPC, Health/Check", 16, 16)
COUNTED_SECONDS = 10
SETTLE_SECONDS = 1  # for threads to end what the load has left to them
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
CALLGRIND = """\
#!/bin/sh
exec valgrind --tool=callgrind --callgrind-out-file={folder}/counts '{binary}' "$@"
"""


def note(text):
    print(f"beside: {text}", file=sys.stderr, flush=True)


class Contender:
    """A binary with a database of its own, since what each keeps in Redis may differ."""

    def __init__(self, name, binary, folder, settings):
        self.name = name
        tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(binary))))
        self.program = os.path.abspath(binary)
        self.settings = dict(settings)
        self.calls = CALLS
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.bench = listings_bench.Bench(binary, self.folder, os.path.join(tree, "config"))
        self.call = self._write("call", CALL_REQUEST)
        self.echo = self._write("echo", grpc_bench.BODY)

    def _write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def count_instructions(self):
        """From now on its servers run under callgrind, and take no samples of how slow that makes them."""
        self.settings = {"ENABLE_PPROF": "false", **self.settings}
        self.calls = grpc_bench.Kind(CALLS.title, 1, 1)
        load.CONNECTIONS = 1  # each request has a turn of the loop for itself, however fast it is
        script = os.path.join(self.folder, "callgrind")
        with open(script, "w", encoding="utf-8") as file:
            file.write(CALLGRIND.format(folder=self.folder, binary=self.program))
        os.chmod(script, 0o755)
        self.program = script

    @contextlib.contextmanager
    def serve(self, kind):
        grpc_port = servers.toq_server.free_port()
        is_cached = kind in listings_bench.KINDS and listings_bench.KINDS[kind].is_cached
        settings = {"CONFIG_DIR": self.bench.config, "GRPC_HOST": "127.0.0.1", "GRPC_PORT": str(grpc_port),
                    **self.settings, **self.bench.settings(is_cached)}
        target = listings_bench.TARGET if kind in listings_bench.KINDS else servers.TARGET
        program = self.program
        if kind in ECHOES:
            program = os.path.join(os.path.dirname(program), "toq_test_server")
        with servers.toq(program, settings, target) as running:
            if kind in ("grpc", *ECHOES, *GET_LISTINGS):
                method = grpc_bench.METHOD if kind in ECHOES else CALL
                running.port, running.url = grpc_port, f"http://127.0.0.1:{grpc_port}{method}"
            if is_cached:
                self.bench.fill_cache(running)
            self.load(running, kind, listings_bench.WARM_SECONDS)
            yield running

    def load(self, running, kind, seconds):
        if kind in ("get", "pipelined"):
            return load.run(running, load.DEPTH if kind == "pipelined" else 1, seconds)
        if kind == "profiled":
            return bench.run_profiled(running, seconds)
        if kind == "grpc":
            return grpc_bench.run(running, self.calls, seconds, self.call, CALL_REPLY_BYTES)
        if kind in ECHOES:
            return grpc_bench.run(running, ECHOES[kind], seconds, self.echo)
        if kind in GET_LISTINGS:
            return grpc_listing_bench.run(running, GET_LISTINGS[kind], seconds,
                                          os.path.join(self.folder, "ids"))
        return self.bench.run(running, listings_bench.KINDS[kind], seconds)

    def instructions(self, kind):
        """Per request, once warm."""
        with self.serve(kind) as running:
            self._control("--zero", running)
            result = self.load(running, kind, COUNTED_SECONDS)
            time.sleep(SETTLE_SECONDS)
            self._control("--dump", running)
        counts = os.path.join(self.folder, "counts.1")
        with open(counts, encoding="utf-8", errors="replace") as file:
            total = int(TOTAL.search(file.read()).group(1))
        os.unlink(counts)
        return total / result["requests"]

    @staticmethod
    def _control(what, running):
        subprocess.run(["callgrind_control", what, str(running.pids()[0])], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def compare(old, again, new, kind, rounds, seconds):
    """Prints user CPU per request of `new` and of `again` over `old`'s."""
    results = {one: [] for one in (old, again, new)}
    with contextlib.ExitStack() as stack:
        running = {one: stack.enter_context(one.serve(kind)) for one in results}
        for number in range(rounds):
            note(f"{kind}, round {number + 1} of {rounds}")
            order = list(results)
            for one in order[number % 3:] + order[:number % 3]:
                results[one].append(one.load(running[one], kind, seconds)["user_ns"])
    for one in (again, new):
        ratios = [theirs / ours for ours, theirs in zip(results[old], results[one])]
        print(f"{kind:14} {one.name:6} {statistics.median(results[one]):9.0f} ns  "
              f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


def count(old, new, kind):
    before, after = old.instructions(kind), new.instructions(kind)
    print(f"{kind:14} {before:9.0f} -> {after:9.0f} instructions  {after / before:.3f}", flush=True)


def setting(text):
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--kind", action="append", choices=(*ALL, "all"))
    for side in ("old", "new"):
        parser.add_argument(f"--{side}-env", action="append", type=setting, default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    rounds = int(os.environ.get("BENCH_ROUNDS", "7"))
    seconds = int(os.environ.get("BENCH_SECONDS", "4"))
    os.environ["BENCH_TOKEN"] = listings_bench.TOKEN  # for listings.lua
    with tempfile.TemporaryDirectory(prefix="toq-beside-") as folder, contextlib.ExitStack() as stack:
        contenders = [Contender("old", options.old, folder, options.old_env),
                      Contender("again", options.old, folder, options.old_env),
                      Contender("new", options.new, folder, options.new_env)]
        if options.instructions:
            del contenders[1]
        for one in contenders:
            stack.enter_context(one.bench)
            if options.instructions:
                one.count_instructions()
        kinds = options.kind or KINDS
        for kind in ALL if "all" in kinds else kinds:
            if options.instructions:
                count(*contenders, kind)
            else:
                compare(*contenders, kind, rounds, seconds)


if __name__ == "__main__":
    try:
        main()
    except load.Failure as failure:
        sys.exit(f"beside: {failure}")
