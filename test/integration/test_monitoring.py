# SPDX-License-Identifier: MIT
"""Prometheus scrapes toq and answers; docs/monitoring/ is what it takes; slow requests; the log's level."""

import json
import os
import re
import subprocess
import urllib.parse
import urllib.request

import pytest

from heap import has_jemalloc
from http2_wire import Http2Peer
from rpc import Client, Request
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
         "--enable-feature=exemplar-storage", f"--web.listen-address=127.0.0.1:{port}"],
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
    found = wait_until(lambda: ask("query_exemplars", start=0, end=1e10,
                                   query='http_server_request_duration_seconds_bucket{http_route="/test/burn"}'),
                       "an exemplar")
    assert found[0]["seriesLabels"]["http_route"] == "/test/burn"
    exemplar = found[0]["exemplars"][0]
    with Peer(server, "pprof") as peer:  # it leads to a request that is kept
        answer = peer.ask(f"/debug/requests?format=json&trace_id={exemplar['labels']['trace_id']}")
    kept = json.loads(answer.body)["slowest"]
    assert [record["route"] for record in kept] == ["/test/burn"]
    assert float(exemplar["value"]) == pytest.approx(kept[0]["duration_us"] / 1e6, abs=1e-5)
    with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    names = set(ask("label/__name__/values"))
    for target in (target for panel in panels for target in panel["targets"]):
        query = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
        assert "result" in ask("query", query=query), query
        for name in re.findall(r"\b([a-z_]+)\{", query):
            # the first has no series before a delay, the other is jemalloc's
            is_missing = name.startswith("toq_loop_delay_") or (
                name == "toq_allocator_bytes" and not has_jemalloc())
            assert name in names or is_missing, name


def test_exemplars_are_openmetrics_alone(start_server):
    server = start_server()
    with Client(server) as client:
        client.echo.Unary(Request(payload=b"x"), timeout=10)
    text = {}
    for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        with Peer(server, "metrics") as peer:
            answer = peer.ask("/metrics", f"Accept: {accept}")
        text[accept] = answer.body.decode()
        assert answer["content-type"].startswith(accept.split(";")[0])
    plain, openmetrics = text.values()
    assert " # {" not in plain and "# EOF" not in plain and openmetrics.endswith("\n# EOF\n")
    assert re.search(r'^rpc_server_call_duration_seconds_bucket\{.*rpc_status_code="OK",le="\S+"\} 1 '
                     r'# \{trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"\} [\d.e-]+ \d+\.?\d*$', openmetrics, re.M)


def timing_of(answer):
    return dict(re.findall(r"(\w+);dur=(\d+\.\d{3})(?:, |$)", answer["server-timing"]))


def test_answers_tell_where_their_time_went(start_server):
    server = start_server({"SERVER_TIMING": "true"})
    with Peer(server) as peer:
        burnt = timing_of(peer.ask("/test/burn?ms=5"))
        streamed = timing_of(peer.ask("/test/stream?bytes=1"))
        missing = timing_of(peer.ask("/nothing/here"))
    assert list(burnt) == list(streamed) == list(missing) == ["cpu", "mysql", "redis", "queue"]
    assert float(burnt["cpu"]) == pytest.approx(5, rel=0.2) and float(burnt["mysql"]) == 0
    with Http2Peer(server) as peer:
        assert "cpu;dur=" in peer.ask("/test/burn?ms=1")["server-timing"]


def test_waits_for_mysql_and_redis_are_told(start_server, services):
    server = start_server({"SERVER_TIMING": "true", **services.variables})
    with Peer(server) as peer:
        wait_until(lambda: peer.ask("/test/wait/both").status == 200, "MySQL and Redis")
        timing = timing_of(peer.ask("/test/wait/both"))
    assert float(timing["mysql"]) > 0 and float(timing["redis"]) > 0


@pytest.mark.parametrize("env, wanted, is_told", [
    ("production", None, False), ("production", "true", True), ("development", None, True), ("development", "false", False)])
def test_production_says_nothing_unless_asked(start_server, env, wanted, is_told):
    server = start_server({"ENV": env, "SERVER_TIMING": wanted})
    with Peer(server) as peer:
        assert (peer.ask("/health/live")["server-timing"] is not None) == is_told


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
