# SPDX-License-Identifier: MIT
"""What toq answers and uses over time, while wrk asks it for listings.

Watch(server) -> with loaded(): rates() ... -> samples, result. The answers are read from toq's own
/metrics: so they are counted by status, whoever asked, and wrk need not be cut into slices.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import typing

import listings_bench
import load
import usage
from scrape import Scrape  # of test/integration

COUNTER, ROUTE = "http_server_request_duration_seconds_count", "/v1/listings/:id"
INTERVAL_S = 0.25
WINDOW = 4  # intervals that a rate is taken over
WRK_S = 600  # it is stopped before
HUNG_S = 10  # wrk waits no longer for an answer


class Sample(typing.NamedTuple):
    at: float
    rss: int
    fds: int
    statuses: dict  # requests answered so far, by status


class Watch:
    """Samples of a server; `result` is what wrk says at the end."""

    def __init__(self, server):
        self.server = server
        self.samples = []
        self.result = {}
        self._is_ended = threading.Event()

    # --- samples

    def _take(self):
        fds = len(os.listdir(f"/proc/{self.server.pid}/fd"))  # before the scrape has its own
        rss, statuses = usage.rss_bytes([self.server.pid]), {200: 0}
        for name, labels, value in Scrape(self.server).samples:
            if name == COUNTER and labels["http_route"] == ROUTE:
                status = int(labels["http_response_status_code"])
                statuses[status] = statuses.get(status, 0) + int(value)
        return Sample(time.monotonic(), rss, fds, statuses)

    def _run(self):
        while not self._is_ended.wait(INTERVAL_S):
            self.samples.append(self._take())

    def rates(self, since=0):
        """[(when it began, 200s a second)] of each window since then."""
        seen = [one for one in list(self.samples) if one.at >= since]
        return [(a.at, (b.statuses[200] - a.statuses[200]) / (b.at - a.at))
                for a, b in zip(seen, seen[WINDOW:])]

    def counts(self):
        """How many were answered between the first sample and the last one, by status."""
        first, last = self.samples[0].statuses, self.samples[-1].statuses
        return {status: count - first.get(status, 0) for status, count in last.items()}

    # --- load

    @contextlib.contextmanager
    def loaded(self, lines, pause_ms, warm_s):
        """Asks for any listing of a file of ids all the time; samples once it is warm."""
        command = ["wrk", "-t1", f"-c{load.CONNECTIONS}", f"-d{WRK_S}s", "--timeout", f"{HUNG_S}s",
                   "-s", listings_bench.SCRIPT, self.server.url(listings_bench.TARGET), "--", "one",
                   lines, str(pause_ms)]
        sampling = threading.Thread(target=self._run, daemon=True)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                              preexec_fn=load.pin(load.cores()[1])) as wrk:
            try:
                time.sleep(warm_s)
                sampling.start()
                yield
                self._is_ended.set()
                sampling.join()
            finally:
                self._is_ended.set()
                wrk.send_signal(signal.SIGINT)  # it ends as if its time were over
                said = wrk.communicate()[0]
        self.result = json.loads(said.splitlines()[-1])
