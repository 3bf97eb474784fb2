#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""receivers.py BINARY [--ratio R] - what a receiver of spans costs requests: one that takes them, none at all, and
those that are dead, stalled, or answer rubbish.

Servers of one binary take turns with the same load, BENCH_ROUNDS (7) rounds of BENCH_SECONDS (4): two that export
nothing, whose difference is what the others' has to exceed to be one, and one for each receiver. Printed are user and
system CPU per request, of all threads, as the median of the ratios within a round to the first of them, with the least
and the most; the 99th percentile; and what the server counts as exported and dropped. Then each receiver is made
well, and the servers must deliver again.

--ratio: of requests that are sampled, 0.01 unless told otherwise; 1 exports each.
"""

import argparse
import contextlib
import os
import socketserver
import statistics
import sys
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
import load
import servers

RECEIVERS = ("live", "dead", "stalled", "rubbish")
EXPORTED = ("toq_export_spans_total", "toq_export_dropped_spans_total", "toq_export_lost_requests_total")
RECOVERY_SECONDS = 60


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            length = None
            for line in iter(self.rfile.readline, b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                if line == b"\r\n":
                    break
            if length is None:
                return
            self.rfile.read(length)
            if self.server.mode == "stalled":
                self.server.is_well.wait()
            body = b"\xff\xff\xff" if self.server.mode == "rubbish" else b""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                             b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


class Receiver(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mode, port=0):
        self.mode, self.is_well = mode, threading.Event()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.is_well.set()
        self.shutdown()
        self.server_close()


class Contender:
    """A server, and the receiver that it exports to; name: of RECEIVERS, or another for none."""

    def __init__(self, name, stack, binary, ratio):
        self.name, self.receiver, settings = name, None, {}
        if name in RECEIVERS:
            self.receiver = Receiver(name)
            port = self.receiver.server_address[1]
            settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(ratio)}
            if name == "dead":
                self.receiver.end()
            stack.callback(lambda: self.receiver.end() if name != "dead" else None)
        config = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(binary)))), "config")
        self.running = stack.enter_context(servers.toq(binary, {"CONFIG_DIR": config, **settings}))
        self.results = []

    def load(self, seconds):
        self.results.append(load.run(self.running, 1, seconds))

    def counts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.running.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {name: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")))
                for name in EXPORTED}

    def delivers_again(self):
        """Whether spans reach its receiver once that is well."""
        if self.name == "dead":
            self.receiver = Receiver("live", self.receiver.server_address[1])
        self.receiver.mode = "live"
        self.receiver.is_well.set()
        before = self.counts()[EXPORTED[0]]
        end = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < end:
            load.run(self.running, 1, 1)
            if self.counts()[EXPORTED[0]] > before:
                return True
        return False


def show(first, other):
    for kind in ("user_ns", "system_ns"):
        ratios = [theirs[kind] / ours[kind] for ours, theirs in zip(first.results, other.results)]
        print(f"{other.name:8} {kind:9} {statistics.median(one[kind] for one in other.results):8.0f} ns  "
              f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)
    print(f"{other.name:8} p99       {statistics.median(one['p99_us'] for one in other.results):8.0f} us", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--ratio", type=float, default=0.01)
    options = parser.parse_args()
    rounds, seconds = (int(os.environ.get(name, value)) for name, value in
                       (("BENCH_ROUNDS", "7"), ("BENCH_SECONDS", "4")))
    with contextlib.ExitStack() as stack:
        contenders = [Contender(name, stack, options.binary, options.ratio) for name in ("none", "again") + RECEIVERS]
        for number in range(rounds):
            print(f"receivers: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            turn = number % len(contenders)
            for one in contenders[turn:] + contenders[:turn]:
                one.load(seconds)
        for one in contenders:
            show(contenders[0], one)
        is_well = True
        for one in contenders[2:]:
            counts = ", ".join(f"{name[len('toq_export_'):]} {count:.0f}" for name, count in one.counts().items())
            delivers = one.delivers_again()
            is_well = is_well and delivers
            print(f"{one.name:8} {counts}; {'delivers' if delivers else 'DELIVERS NOTHING'} when its receiver is well")
    return 0 if is_well else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except load.Failure as failure:
        sys.exit(f"receivers: {failure}")
