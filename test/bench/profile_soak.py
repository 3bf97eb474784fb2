#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every profile at once, over and over, under full load, while clients come and leave badly.

usage: profile_soak.py [--server FILE] [--seconds N]

wrk asks for listings from Redis on 64 connections; others connect, ask and reset, or ask for a
profile and leave in the middle; and each profile is asked for as soon as its last one has come:
CPU, history, every named one, as protobuf, as text and as difference. At the end the server must
have answered every request of wrk's with 200 and every profile, and must stop with 0. Its resident
memory is printed for the first and the last quarter: it should be flat.

Exit code: 0 when nothing was lost, 1 otherwise.
"""

import argparse
import contextlib
import os
import random
import re
import signal
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
import listings_bench
import load
import servers
import usage

sys.path.insert(0, os.path.join(servers.ROOT, "test", "integration"))
import pprof_load  # pylint: disable=wrong-import-position

# What is asked for all the time, each by one client: one answer after the other.
PATHS = (
    "/debug/pprof/profile?seconds=1",
    "/debug/pprof/profile?ago=10s&seconds=10",
    *(f"/debug/pprof/{name}{query}"
      for name in ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")
      for query in ("", "?debug=1", "?seconds=1")),
    "/debug/pprof/heap?gc=1",
    "/debug/pprof/goroutine?debug=2",
    "/debug/pprof/delta_heap",
    "/debug/pprof/delta_block",
    "/debug/pprof/delta_mutex",
    "/debug/fgprof?seconds=1",
    "/debug/pprof/",
)
PAUSE_SECONDS = 0.2  # of a client between two profiles: the load shall keep most of the core
ANSWER_SECONDS = 60
NOT_YET = 404  # no window of the history is full yet
RSS_SECONDS = 0.5
HISTORY_SECONDS = 20  # after this there is one


def paths_of(binary):
    """A build with a sanitizer has its malloc and mutexes, and so some profiles less."""
    missing = ("allocs", "heap", "mutex") if pprof_load.is_sanitized(binary) else ()
    return [path for path in PATHS if not any(name in path for name in missing)]


class Soak:
    def __init__(self, server, seconds, paths):
        self.server = server
        self.ends = time.monotonic() + seconds
        self.starts = time.monotonic()
        self.answers = dict.fromkeys(paths, 0)
        self.failures = []
        self.refused = 0  # profiles, because those of clients that left were still being made
        self.left = 0
        self.rss = []

    def is_over(self):
        return time.monotonic() >= self.ends

    def _url(self, path):
        return f"http://127.0.0.1:{self.server.pprof_port}{path}"

    def ask(self, path):
        """Asks for one profile until the end."""
        while not self.is_over():
            try:
                with urllib.request.urlopen(self._url(path), timeout=ANSWER_SECONDS) as answer:
                    if len(answer.read()) == 0:
                        self.failures.append(f"{path}: an empty answer")
                self.answers[path] += 1
            except urllib.error.HTTPError as error:
                self._note(path, error.code, error.read())
            except OSError as error:
                self.failures.append(f"{path}: {error}")
            time.sleep(PAUSE_SECONDS)

    def _note(self, path, status, body):
        """What was refused for a reason that the server names is no failure."""
        is_early = time.monotonic() - self.starts < HISTORY_SECONDS
        if b"too many profiles are being taken" in body:
            self.refused += 1
        elif not ("ago=" in path and status == NOT_YET and is_early):
            self.failures.append(f"{path}: {status} {body[:200]}")

    def _reset(self, port, request):
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sendall(request)
            time.sleep(random.uniform(0, 0.05))
        self.left += 1

    def leave(self):
        """Clients that reset their connection at any moment of their request."""
        pages = (b"GET /v1/listings?limit=100 HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /v1/listings HTTP/1.1\r\nHo", b"")
        # Not those of which there is one at a time: they have their client.
        profiles = [path for path in self.answers if not re.search("/profile|/delta_", path)]
        while not self.is_over():
            try:
                self._reset(self.server.port, random.choice(pages))
                path = random.choice(profiles)
                self._reset(self.server.pprof_port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            except OSError as error:
                self.failures.append(f"a client that leaves: {error}")

    def watch(self):
        while not self.is_over():
            self.rss.append(usage.rss_bytes(self.server.pids()))
            time.sleep(RSS_SECONDS)


def _report(soak, result):
    print(f"load: {result['rate']:.0f} requests/s, none lost, p99 {result['p99_us'] / 1e3:.1f} ms")
    for path, count in soak.answers.items():
        print(f"{count:>6}  {path}")
    print(f"{soak.refused:>6}  refused, too many at a time")
    print(f"{soak.left:>6}  clients that left badly")
    quarter = max(1, len(soak.rss) // 4)
    first, last = (statistics.median(part) / 2**20
                   for part in (soak.rss[quarter:2 * quarter], soak.rss[-quarter:]))
    print(f"resident: {first:.1f} MiB in the second quarter, {last:.1f} MiB in the last")
    for failure in sorted(set(soak.failures))[:20]:
        print(f"FAILED {failure}")


def _soak(binary, folder, seconds):
    kind = listings_bench.KINDS["redis"]
    with listings_bench.Bench(binary, folder) as bench:
        settings = {**bench.settings(kind.is_cached), "PPROF_MUTEX_FRACTION": "1"}
        with servers.toq(binary, settings, listings_bench.TARGET) as server:
            bench.run(server, kind, listings_bench.WARM_SECONDS)
            soak = Soak(server, seconds, paths_of(binary))
            threads = [threading.Thread(target=soak.ask, args=(path,)) for path in soak.answers]
            threads += [threading.Thread(target=work) for work in (soak.leave, soak.watch)]
            for thread in threads:
                thread.start()
            try:
                result = bench.run(server, kind, seconds)
            finally:
                soak.ends = 0
                for thread in threads:
                    thread.join()
    _report(soak, result)
    if server.process.returncode != 0:
        soak.failures.append("the server")
        print(f"FAILED the server: exit code {server.process.returncode}")
    missing = [path for path, count in soak.answers.items() if count == 0]
    for path in missing:
        print(f"FAILED {path}: never answered")
    return 1 if soak.failures or missing else 0


def main():
    parser = argparse.ArgumentParser(description="Every profile at once, under full load.")
    parser.add_argument("--server", default=os.path.join(servers.ROOT, "build", "toq_server"))
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda signo, frame: sys.exit(128 + signo))
    os.environ["BENCH_TOKEN"] = listings_bench.TOKEN
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, contextlib.suppress(BrokenPipeError):
        try:
            return _soak(args.server, folder, args.seconds)
        except (load.Failure, AssertionError) as failure:
            print(f"FAILED {failure}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
