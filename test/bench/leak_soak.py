#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Mixed load with faults, at the end of which no request may be leaked.

usage: leak_soak.py [--server FILE] [--seconds N]

A few clients at a low rate: listings over HTTP and gRPC, read and written; clients that hang up at any
moment of a request; slow readers; gRPC calls that are cancelled or run out of time; uploads that stop.
Meanwhile MySQL and Redis, private ones, are paused and killed in turn. All the time goroutineleak must be
empty. At the end, when the clients have gone, nothing may be in flight, and the server must stop with 0.

The server is the one with the routes of test/support/. Exit code: 0 when all that holds, 1 otherwise.
"""

import argparse
import collections
import json
import os
import random
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "integration"))
import grpc  # pylint: disable=wrong-import-position

import leaks
from listings import migrate
from listings_load import Customer
from rpc import Client, Request
from rpc_listings import NO_ID, PROTO, Rpc, example
from server import start, wait_until
from services import Services
from wire import Peer, request

CUSTOMERS, LEAVERS, READERS, CALLERS = 2, 3, 2, 3
PAUSE_S = 0.05  # of a client between two requests: the load is to be low
FAULT_S, CALM_S = 3, 4
LOOK_S = 2
DEADLINE_MS = 1500
SETTINGS = {
    "REQUEST_TIMEOUT_MS": str(DEADLINE_MS),
    "MYSQL_QUERY_TIMEOUT_MS": "1000",
    "WRITE_TIMEOUT_MS": "2000",
    "MYSQL_POOL_SIZE": "4",
    "LOG_ACCESS_EVERY": "0",
    "ENABLE_PPROF": "true",
}
TARGETS = ("/v1/listings?limit=5", f"/v1/listings/{NO_ID}", "/test/wait/mysql?ms=200", "/test/wait/redis?ms=200",
           "/test/wait/both?ms=100", "/test/sleep?ms=100", "/test/hold/offload?ms=20", "/test/events", "/health",
           "/test/drip?count=20&ms=10&late=30", "/test/stream?bytes=4000000", "/test/misuse/late?ms=50")


class Quiet(Customer):
    """One that rests between its requests, and takes what a fault answers for what it is."""

    def turn(self):
        super().turn()
        time.sleep(PAUSE_S)


class Soak:
    def __init__(self, server, services):
        self.server, self.services = server, services
        self.is_over = threading.Event()
        self.counts = collections.Counter()
        self.failures = []

    def repeat(self, work):
        """Does it over and over until the end; what a fault breaks is counted, and no failure."""
        while not self.is_over.is_set():
            try:
                work()
                self.counts[work.__name__] += 1
            except (OSError, grpc.RpcError, AssertionError) as error:
                self.counts[f"{work.__name__}: {type(error).__name__}"] += 1
            self.is_over.wait(random.uniform(0, 2 * PAUSE_S))

    # --- clients

    def hang_up(self):
        with Peer(self.server) as peer:
            peer.send(request(random.choice(TARGETS)))
            time.sleep(random.uniform(0, 0.15))
            peer.reset()

    def half_close(self):
        with Peer(self.server) as peer:
            peer.send(request("/test/wait/mysql?ms=20"))
            peer.half_close()
            peer.socket.recv(1)

    def read_slowly(self):
        with Peer(self.server, receive_buffer_bytes=4096) as peer:
            peer.send(request("/test/stream?bytes=8000000"))
            for _ in range(random.randrange(1, 30)):
                peer.socket.recv(65536)
                time.sleep(0.1)
            peer.reset()

    def stop_sending(self):
        """The body of an upload ends early, by a reset or by silence."""
        with Peer(self.server) as peer:
            peer.send(b"POST /test/echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nhalf")
            time.sleep(random.uniform(0, 1))
            peer.reset()

    def call_and_cancel(self):
        echo, kind = self.echo.echo, random.randrange(5)
        if kind == 0:
            call = echo.Unary.future(Request(sleep_ms=500))
        elif kind == 1:
            call = echo.Unary.future(Request(is_stuck=True, is_slow_to_give_up=True))
        elif kind == 2:
            call = echo.Spread(Request(count=1000, size=20000))
        elif kind == 3:
            call = echo.Chat(iter([Request(payload=b"x", sleep_ms=20)] * 50))
        else:
            call = echo.Collect.future(iter([Request(payload=b"x")] * 5))
        time.sleep(random.uniform(0, 0.1))
        call.cancel()

    def run_out_of_time(self):
        timeout_s = random.uniform(0.001, 0.2)
        try:
            self.rpc.call("ListListings", PROTO.ListListingsRequest(page_size=5), timeout=timeout_s)
            self.echo.echo.Unary(Request(sleep_ms=300), timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise

    def stream_listings(self):
        watch = self.rpc.stub.WatchListings(PROTO.WatchListingsRequest())
        known = [self.rpc.create(example(city="Sorocaba")) for _ in range(2)]
        rows = [example(city="Sorocaba") for _ in range(20)]
        load = self.rpc.stub.ImportListings.future(iter(PROTO.ImportListingsRequest(listing=row) for row in rows))
        sync = self.rpc.stub.SyncListings(iter(PROTO.SyncListingsRequest(id=one.id, version=0) for one in known))
        time.sleep(random.uniform(0, 0.2))
        for call in random.sample((watch, load, sync), 3):
            call.cancel()

    # --- faults

    def harm(self):
        """Each fault in turn, with calm behind it."""
        turn = 0
        while not self.is_over.is_set():
            name, is_killed = ("mysql", "redis")[turn % 2], turn // 2 % 2 == 1
            if is_killed:
                self.services.kill(name)
                self.is_over.wait(1)
                self.services.up(name)
            else:
                with self.services.paused(name):
                    self.is_over.wait(FAULT_S)
            self.counts[f"{name} {'killed' if is_killed else 'paused'}"] += 1
            turn += 1
            self.is_over.wait(CALM_S)

    # --- what must hold

    def look(self):
        while not self.is_over.wait(LOOK_S):
            self.note_leaks()
            self.counts["looks"] += 1

    def note_leaks(self):
        for number, (labels, stack) in leaks.leaked(self.server).items():
            self.failures.append(f"leaked: goroutine {number} {{{labels}}}\n{stack}")

    def in_flight(self):
        with Peer(self.server, "pprof") as peer:
            items = json.loads(peer.ask("/debug/requests?format=json").body)["in_flight"]
        return [item for item in items if not str(item.get("route")).startswith("/debug/")]

    def run(self, seconds):
        self.echo, self.rpc = Client(self.server), Rpc(self.server)
        works = [self.hang_up] * LEAVERS + [self.read_slowly, self.call_and_cancel] * READERS
        works += [self.half_close, self.stop_sending] + [self.run_out_of_time, self.stream_listings] * CALLERS
        threads = [threading.Thread(target=self.repeat, args=(work,)) for work in works]
        threads += [threading.Thread(target=self.harm), threading.Thread(target=self.look)]
        buyers = [Quiet(self.server, DEADLINE_MS / 1000) for _ in range(CUSTOMERS)]
        for one in threads + buyers:
            one.start()
        time.sleep(seconds)
        self.is_over.set()
        for one in buyers:
            one.is_ended.set()
        for one in threads + buyers:
            one.join()
        for one in buyers:
            self.counts.update({f"{what} {status}": count for (what, status), count in one.counts.items()})
        self.echo.channel.close()
        self.rpc.channel.close()

    def settle(self):
        """All clients have gone: so has all that they asked."""
        try:
            wait_until(lambda: not self.in_flight(), "nothing to be in flight")
        except AssertionError:
            self.failures += [f"in flight: {json.dumps(item)}" for item in self.in_flight()]
        self.note_leaks()
        if self.server.has_line("request forgotten"):
            self.failures.append("a request was forgotten")


def soak(binary, folder, seconds):
    services = Services(folder)
    services.up()
    try:
        done = migrate(binary, services.variables)
        assert done.returncode == 0, done.stderr
        server = start(binary, {**services.variables, **SETTINGS})
        try:
            one = Soak(server, services)
            one.run(seconds)
            one.settle()
        finally:
            server.close()
    finally:
        services.down()
    for what, count in sorted(one.counts.items()):
        print(f"{count:>7}  {what}")
    for failure in sorted(set(one.failures))[:20]:
        print(f"FAILED {failure}")
    return 1 if one.failures else 0


def main():
    parser = argparse.ArgumentParser(description="Mixed load with faults; nothing may be leaked.")
    parser.add_argument("--server", default=os.path.join(ROOT, "build", "release", "toq_test_server"))
    parser.add_argument("--seconds", type=int, default=600)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leak-soak-") as folder:
        return soak(args.server, folder, args.seconds)


if __name__ == "__main__":
    sys.exit(main())
