# SPDX-License-Identifier: MIT
"""/metrics read and taken apart."""

import re
import time

from wire import Peer

# A sample; in OpenMetrics with an exemplar behind it: # {trace_id="..."} 0.1 1.2e9
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*?\})? (\S+)(?: # \{[^}]*\} \S+ \S+)?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


TICKS = re.compile(r"^toq_loop_lag_seconds_count (\d+)$", re.M)


class Scrape:
    """What the server counts. The work loop shows some of its values at each of its ticks, ten a second: so they are
    scraped until two of them have begun, and what was done before is in it. at_once: for what is counted as it
    happens, and where the loop is held and has no ticks."""

    def __init__(self, server, *fields, at_once=False):
        with Peer(server, "metrics") as peer:
            self.answer = peer.ask("/metrics", *fields)
            start = self._ticks()
            while not at_once and start is not None and self._ticks() < start + 2:
                time.sleep(0.02)
                self.answer = peer.ask("/metrics", *fields)
        self.text = self.answer.body.decode()
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))
        self.samples = []
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def _ticks(self):
        found = TICKS.search(self.answer.body.decode())
        return int(found.group(1)) if found else None

    def get(self, name, **labels):
        """The sum of the samples that have these labels, among others."""
        return sum(value for each, its, value in self.samples
                   if each == name and labels.items() <= its.items())

    def requests(self, route, status=200, method="GET"):
        return self.get("http_server_request_duration_seconds_count", http_route=route,
                        http_response_status_code=str(status), http_request_method=method)
