# SPDX-License-Identifier: MIT
"""/metrics: its formats, what promtool says, and that its numbers are those of what happened."""

import re
import subprocess

import pytest
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_ACCEPT = ("Accept: application/openmetrics-text;version=1.0.0;q=0.5,"
                     "text/plain;version=0.0.4;q=0.3,*/*;q=0.1")


def busy(server):
    """Makes a little of everything, so that every family has values."""
    with Peer(server) as peer:
        peer.ask("/health")
        peer.ask("/test/echo", method="POST", body=b"abc")
        peer.ask("/nowhere")
        peer.ask("/test/stream?bytes=100000")


def test_promtool_is_content(start_server):
    server = start_server()
    busy(server)
    checked = subprocess.run(["/usr/bin/promtool", "check", "metrics"], check=False,
                             input=Scrape(server).answer.body, capture_output=True,
                             timeout=PATIENCE_S)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("accept", [[], ["Accept: application/openmetrics-text"]], ids=str)
def test_each_family_comes_once(start_server, accept):
    server = start_server()
    busy(server)
    text = Scrape(server, *accept).text
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(families) == len(set(families))
    assert families == re.findall(r"^# HELP (\S+) ", text, re.M)


@pytest.mark.parametrize("accept, wanted", [
    ([], TEXT),
    (["Accept: */*"], TEXT),
    (["Accept: text/plain"], TEXT),
    (["Accept: text/html,application/xhtml+xml,*/*;q=0.8"], TEXT),
    ([PROMETHEUS_ACCEPT], OPENMETRICS),
    (["Accept: application/openmetrics-text"], OPENMETRICS),
    (["Accept: text/plain;version=0.0.4;q=0.3,application/openmetrics-text;q=0.2"], TEXT),
    (["Accept: application/openmetrics-text;q=0,text/plain"], TEXT),
    (["Accept: application/openmetrics-text ; q=0.000 , */* ; q=0.1"], TEXT),
    (["Accept: text/plain;q=0, */*"], OPENMETRICS),
    (["Accept: text/plain;q=0.1", "Accept: application/openmetrics-text;q=0.2"], OPENMETRICS),
    (['Accept: text/html;x="a,application/openmetrics-text,b"'], TEXT),
    (["Accept: application/json"], TEXT),
])
def test_the_format_is_negotiated(server, accept, wanted):
    scrape = Scrape(server, *accept)
    assert (scrape.answer.status, scrape.answer["Content-Type"]) == (200, wanted)
    assert scrape.text.endswith("# EOF\n") == (wanted == OPENMETRICS)
    assert scrape.get("process_cpu_seconds_total") > 0


def test_openmetrics_names_counters_without_total(server):
    scrape = Scrape(server, PROMETHEUS_ACCEPT)
    assert scrape.types["process_cpu_seconds"] == "counter"
    assert "process_cpu_seconds_total" not in scrape.types
    assert Scrape(server).types["process_cpu_seconds_total"] == "counter"


@pytest.mark.parametrize("name, kind", [
    ("process_cpu_seconds_total", "counter"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("toq_build_info", "gauge"),
    ("toq_log_lines_total", "counter"),
    ("toq_log_lines_dropped_total", "counter"),
    ("toq_loop_iterations_total", "counter"),
    ("toq_loop_iteration_duration_seconds", "histogram"),
    ("toq_loop_lag_seconds", "histogram"),
    ("toq_loop_active_handles", "gauge"),
    ("toq_threadpool_jobs_total", "counter"),
    ("toq_threadpool_active_jobs", "gauge"),
    ("toq_connections_open", "gauge"),
    ("toq_connections_accepted_total", "counter"),
    ("toq_connections_received_bytes_total", "counter"),
    ("toq_connections_sent_bytes_total", "counter"),
    ("toq_connections_write_timeouts_total", "counter"),
    ("toq_connections_shed_total", "counter"),
    ("http_server_request_duration_seconds", "histogram"),
    ("http_server_request_body_size_bytes", "histogram"),
    ("http_server_response_body_size_bytes", "histogram"),
    ("http_server_active_requests", "gauge"),
])
def test_families(test_server, name, kind):
    busy(test_server)
    scrape = Scrape(test_server)
    assert scrape.types[name] == kind
    suffix = "_count" if kind == "histogram" else ""
    assert any(each == name + suffix for each, _, _ in scrape.samples)


def test_requests_are_counted_by_route_method_and_status(start_server):
    server = start_server()
    with Peer(server) as peer:
        for i in range(7):
            assert peer.ask(f"/test/params/a/{i}").status == 200
        for _ in range(3):
            assert peer.ask("/test/params/a/b", method="HEAD").status == 200
            assert peer.ask("/test/params/a/b", method="DELETE").status == 405
            assert peer.ask("/nowhere").status == 404
            assert peer.ask("/test/echo", method="POST", body=b"12345").status == 200
        peer.send(b"nonsense\r\n\r\n")
        assert peer.answer().status == 400
    scrape = Scrape(server)
    assert scrape.requests("/test/params/:a/:b") == 7
    assert scrape.requests("/test/params/:a/:b", method="HEAD") == 3
    assert scrape.requests("", 405, "DELETE") == 3
    assert scrape.requests("", 404) == 3
    assert scrape.requests("", 400, "_OTHER") == 1
    assert scrape.requests("/test/echo", method="POST") == 3
    assert scrape.get("http_server_request_body_size_bytes_sum", http_route="/test/echo") == 15
    assert scrape.get("http_server_response_body_size_bytes_sum", http_route="/test/echo") == 15
    # All of them, and nothing else but scrapes: each is counted when it is answered.
    scrapes = scrape.requests("/metrics")
    assert scrape.get("http_server_request_duration_seconds_count") - scrapes == 7 + 3 + 3 + 3 + 3 + 1
    assert Scrape(server).requests("/metrics") > scrapes


def test_histograms_are_cumulative(start_server):
    server = start_server()
    with Peer(server) as peer:
        for ms in (1, 30, 150):
            peer.ask(f"/test/sleep?ms={ms}")
    scrape = Scrape(server)
    name = "http_server_request_duration_seconds"
    buckets = [value for each, labels, value in scrape.samples
               if each == name + "_bucket" and labels["http_route"] == "/test/sleep"]
    assert buckets == sorted(buckets)
    assert buckets[-1] == scrape.requests("/test/sleep") == 3
    assert scrape.get(name + "_sum", http_route="/test/sleep") >= 0.175  # timers are of whole ms
    assert scrape.get(name + "_bucket", http_route="/test/sleep", le="0.025") <= 1


def test_connections_are_counted(start_server):
    server = start_server()
    peers = [Peer(server) for _ in range(5)]
    for peer in peers:
        peer.ask("/health/live")
    scrape = Scrape(server)
    assert scrape.get("toq_connections_open", listener="http") == 5
    assert scrape.get("toq_connections_open", listener="metrics") == 1
    assert scrape.get("toq_connections_accepted_total", listener="http") == 5
    sent = len(request("/health/live"))
    assert scrape.get("toq_connections_received_bytes_total", listener="http") == 5 * sent
    assert scrape.get("toq_connections_sent_bytes_total", listener="http") > 5 * sent
    for peer in peers:
        peer.socket.close()
    wait_until(lambda: Scrape(server).get("toq_connections_open", listener="http") == 0,
               "the connections to be gone")


def test_requests_in_flight_are_shown(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000"))
        wait_until(lambda: Scrape(server).get("http_server_active_requests") == 2, "the request")
        peer.reset()
    wait_until(lambda: Scrape(server).get("http_server_active_requests") == 1, "its end")
    assert Scrape(server).requests("/test/sleep", 499) == 1


def test_the_process_is_accounted_for(start_server):
    server = start_server()
    before = Scrape(server).get("process_cpu_seconds_total")
    with Peer(server) as peer:
        peer.ask("/test/burn?ms=200")
    scrape = Scrape(server)
    assert 0.19 <= scrape.get("process_cpu_seconds_total") - before < 30
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        threads = int(re.search(r"Threads:\s+(\d+)", status.read()).group(1))
    assert scrape.get("process_threads") == threads
    assert scrape.get("toq_build_info") == 1


def test_a_held_loop_shows_as_lag(start_server):
    server = start_server()
    wait_until(lambda: Scrape(server).get("toq_loop_lag_seconds_count") > 0, "a heartbeat")
    with Peer(server) as peer:
        peer.ask("/test/burn?ms=600")

    def has_lagged():
        scrape = Scrape(server)
        return (scrape.get("toq_loop_lag_seconds_count")
                - scrape.get("toq_loop_lag_seconds_bucket", le="0.1")) > 0
    wait_until(has_lagged, "the late heartbeat")
    scrape = Scrape(server)
    assert (scrape.get("toq_loop_iteration_duration_seconds_count")
            > scrape.get("toq_loop_iteration_duration_seconds_bucket", le="0.5"))


def count_series(server):
    """Without those of who has waited for the loop behind whom, which depend on the machine."""
    return len([name for name, _, _ in Scrape(server).samples if not name.startswith("toq_loop_delay_")])


def test_names_of_clients_making_do_not_grow_the_metrics(start_server):
    """Neither targets nor methods become labels: a scanner must not fill the memory."""
    server = start_server()
    with Peer(server) as peer:
        peer.ask("/nowhere")
        peer.ask("/nowhere", method="PROPFIND")
        Scrape(server)
        before = count_series(server)
        for i in range(200):
            peer.ask(f"/scanned/{i}?{i}")
            peer.ask(f"/scanned/{i}", method=("PROPFIND", "MKCOL", "LOCK", "TRACE")[i % 4])
    # a busy machine brings series of its own, as of delays behind a long callback
    assert count_series(server) - before < 20
