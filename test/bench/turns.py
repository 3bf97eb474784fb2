#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long the loop stands when many clients get the same answer at once, by the loop's own metric.

test/bench/turns.py [SERVER] - 300 clients miss one page of big listings together (MySQL is stopped until all wait),
then one listing, then 500 watchers hear of an import. For each: turns of the loop by their length.
"""

import concurrent.futures
import contextlib
import os
import socket
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True

import server as server_module
from listings import PATH, Api, migrate
from rpc_listings import Rpc
from rpc_listings import example as rpc_example
from scrape import Scrape
from services import Services

CLIENTS = 300
WATCHERS = 500
FAMILY = "toq_loop_iteration_duration_seconds_bucket"
BOUNDS = ("0.005", "0.01", "0.02", "0.05", "0.1", "0.5", "1", "5", "+Inf")


def turns(server):
    scrape = Scrape(server)
    return {bound: scrape.get(FAMILY, le=bound) for bound in BOUNDS}


def report(name, before, after):
    counts = [after[bound] - before[bound] for bound in BOUNDS]
    longer = {f"> {bound} s": int(counts[-1] - count) for bound, count in zip(BOUNDS[:-1], counts)}
    print(f"{name}: {int(counts[-1])} turns, longer than "
          + ", ".join(f"{bound[2:]}: {count}" for bound, count in longer.items() if count or "0.01 " in bound))


def read_answer(peer):
    """Reads one answer; only its length matters."""
    data = peer.recv(65536)
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    left = length - len(body)
    while left > 0:
        left -= len(peer.recv(1 << 20))
    return int(head.split()[1]), length


def miss_together(services, server, target):
    peers = [socket.create_connection(("127.0.0.1", server.ports["http"])) for _ in range(CLIENTS)]
    services.redis().flushall()
    with services.paused("mysql"):
        for peer in peers:
            peer.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.2)
        before = turns(server)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(read_answer, peers))
    report(f"{CLIENTS} misses of {target}, {answers[0][1]} bytes each, statuses "
           f"{sorted({status for status, _ in answers})}", before, turns(server))
    for peer in peers:
        peer.close()


def watch_together(server):
    with contextlib.ExitStack() as stack:
        rpcs = [stack.enter_context(Rpc(server)) for _ in range(WATCHERS // 50)]
        watches = [stack.enter_context(rpc.watch()) for rpc in rpcs for _ in range(50)]
        for watch in watches:
            watch.live()
        before = turns(server)
        rpcs[0].load(rpc_example(description="x" * 5000) for _ in range(100))
        for watch in watches:
            for _ in range(100):
                watch.next()
        report(f"{WATCHERS} watchers of 100 listings", before, turns(server))


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "build/release/toq_server"
    with tempfile.TemporaryDirectory(prefix="toq-turns-") as folder:
        services = Services(folder)
        try:
            services.up()
            assert migrate(binary, services.variables).returncode == 0
            server = server_module.start(binary, services.variables)
            with Rpc(server) as rpc, Api(server) as api:
                rpc.load(rpc_example(description="ã" * 5000, city="Grande", price_cents=n)
                         for n in range(100))
                one = api.page("?city=Grande&limit=1")["items"][0]["id"]
            miss_together(services, server, f"{PATH}?city=Grande&limit=100")
            miss_together(services, server, f"{PATH}/{one}")
            watch_together(server)
            server.close()
        finally:
            services.down()


main()
