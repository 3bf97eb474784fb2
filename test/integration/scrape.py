# SPDX-License-Identifier: MIT
"""/metrics read and taken apart."""

import re

from wire import Peer

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Scrape:
    def __init__(self, server, *fields):
        with Peer(server, "metrics") as peer:
            self.answer = peer.ask("/metrics", *fields)
        self.text = self.answer.body.decode()
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))
        self.samples = []
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def get(self, name, **labels):
        """The sum of the samples that have these labels, among others."""
        return sum(value for each, its, value in self.samples
                   if each == name and labels.items() <= its.items())

    def requests(self, route, status=200, method="GET"):
        return self.get("http_server_request_duration_seconds_count", http_route=route,
                        http_response_status_code=str(status), http_request_method=method)
