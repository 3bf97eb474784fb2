# SPDX-License-Identifier: MIT
"""Prometheus scrapes toq and answers; docs/monitoring/ is what it takes; slow requests; the log's level."""

import json
import os
import re
import subprocess
import urllib.parse
import urllib.request

import pytest

from server import free_port, wait_until
from wire import Peer

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "monitoring")


def test_promtool_takes_the_rules():
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        checked = subprocess.run(("/usr/bin/promtool",) + arguments, cwd=FOLDER, check=False, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def prometheus(start_server, tmp_path):
    """A server and a Prometheus that scrapes it, with the rules of docs/monitoring/."""
    server = start_server()
    port = free_port()
    config = {"global": {"scrape_interval": "1s"}, "rule_files": [os.path.join(FOLDER, "alerts.yml")],
              "scrape_configs": [{"job_name": "toq", "static_configs": [
                  {"targets": [server.url("", "metrics").split("//")[1].strip("/")]}]}]}
    path = tmp_path / "prometheus.yml"
    path.write_text(json.dumps(config))  # JSON is YAML
    process = subprocess.Popen(
        ["/usr/bin/prometheus", f"--config.file={path}", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path, **query):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}") as answer:
            return json.load(answer)["data"]
    try:
        yield server, ask
    finally:
        process.terminate()
        process.wait()


def test_prometheus_scrapes_and_answers(prometheus):
    server, ask = prometheus
    with Peer(server) as peer:
        for _ in range(5):
            assert peer.ask("/test/burn?ms=5").status == 200

    def value(query):
        try:
            found = ask("query", query=query)["result"]
        except OSError:
            return None  # it has just begun
        return float(found[0]["value"][1]) if found else None
    wait_until(lambda: value('sum(http_server_request_cpu_seconds_count{route="/test/burn"})') == 5, "the scrape")
    assert value('sum(toq_cpu_seconds_total{route="/test/burn"})') == pytest.approx(0.025, rel=0.1)
    assert value('up{job="toq"}') == 1
    assert len(ask("rules")["groups"][0]["rules"]) == 7
    with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    names = set(ask("label/__name__/values"))
    for target in (target for panel in panels for target in panel["targets"]):
        query = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
        assert "result" in ask("query", query=query), query
        for name in re.findall(r"\b([a-z_]+)\{", query):
            assert name in names or name.startswith("toq_loop_delay_"), name  # which has no series before a delay


def test_slow_requests_are_logged_with_where_time_went(start_server):
    server = start_server({"SLOW_REQUEST_MS": 50})
    with Peer(server) as peer:
        assert peer.ask("/test/sleep?ms=0").status == 200
        assert peer.ask("/test/sleep?ms=80").status == 200
    fields = dict(re.findall(r"(\w+)=(\S+)", server.wait_line("WARN  http: slow request")))
    assert fields["route"] == "/test/sleep" and fields["left_out"] == "0"
    assert len(fields["trace_id"]) == 32
    parts = ("running", "mysql", "mysql_pool", "redis", "upstream", "write", "loop", "other")
    total_us = sum(int(fields[f"{part}_us"]) for part in parts)
    assert abs(total_us - int(fields["duration_us"])) <= len(parts)  # each is rounded down
    assert int(fields["duration_us"]) >= 50000 and int(fields["other_us"]) > 0


def test_the_log_level_by_http(start_server):
    server = start_server({"LOG_LEVEL": "info"})
    with Peer(server, "pprof") as peer:
        assert peer.ask("/debug/loglevel").body == b"info\n"
        assert peer.ask("/debug/loglevel", method="PUT", body=b"debug").body == b"debug\n"
        server.wait_line("log level set")
        assert peer.ask("/debug/loglevel?level=error", method="PUT").body == b"error\n"
        assert peer.ask("/debug/loglevel?level=loud", method="PUT").status == 400
        assert peer.ask("/debug/loglevel").body == b"error\n"
