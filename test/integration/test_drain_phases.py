# SPDX-License-Identifier: MIT
"""A drain's phases: readiness turns first, traffic ends, diagnostics answer up to the end, and the log says what is
waited for."""

import contextlib
import json
import re
import signal
import socket
import time

import httpx
import pytest

from http2_wire import DATA, Http2Peer
from http2_wire import fields as http2_fields
from listings import PATH, Api
from rpc import HEALTH, Client
from server import PATIENCE_S, wait_until
from test_drain import in_flight, is_refused
from wire import Peer, request

NOT_SERVING, SERVING = 2, 1


def ask(server, listener, path):
    """Asks on a new connection."""
    with Peer(server, listener) as peer:
        return peer.ask(path, "Connection: close")


def field(line, name):
    """The value of a field of a log line."""
    found = re.search(rf' {name}=("[^"]*"|\S+)', line)
    assert found, (name, line)
    return found.group(1).strip('"')


# --- diagnostics

def test_diagnostics_answer_through_the_whole_drain(start_server, services):
    server = start_server(services.variables)
    ask(server, "pprof", "/debug/pprof/goroutine?debug=2")  # reads the symbols, which may take seconds
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=6000"))  # longer than what is asked below takes
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server), "traffic to close")
        assert is_refused(server, "grpc")
        for listener in ("metrics", "pprof"):
            for path in ("/health", "/health/ready"):
                answer = ask(server, listener, path)
                assert (answer.status, json.loads(answer.body)["status"]) == (503, "draining")
            assert ask(server, listener, "/health/live").status == 200
        text = ask(server, "metrics", "/metrics").body
        assert b"toq_sql_" in text and b"\nhttp_server_active_requests 2" in text
        dump = ask(server, "pprof", "/debug/pprof/goroutine?debug=2").body
        assert b"[sleep" in dump
        assert peer.answer().body == b"slept\n"
    assert server.wait_exit() == 0
    assert is_refused(server, "metrics") and is_refused(server, "pprof")


def test_diagnostics_answer_while_the_clients_of_data_close(start_server):
    """An attempt to connect to a MySQL that says nothing takes longer than the drain waits for it."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = start_server({"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": silent.getsockname()[1]})
        scraper = stack.enter_context(Peer(server, "metrics"))
        server.send_signal(signal.SIGTERM)
        answers = []
        while server.is_running():
            with contextlib.suppress(AssertionError, OSError):
                answers.append(scraper.ask("/metrics").status)
                answers.append(scraper.ask("/health").status)
            time.sleep(0.01)
        assert set(answers) == {200, 503}
    assert server.wait_exit() == 0


def test_a_capture_that_was_begun_before_is_waited_for(start_server):
    server = start_server()
    with Peer(server, "pprof") as peer:
        peer.send(request("/debug/pprof/profile?seconds=5"))
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server), "traffic to close")
        # While it is waited for, diagnostics answer, and a later one is not waited for.
        with Peer(server, "pprof") as later:
            later.send(request("/debug/pprof/goroutine?seconds=3600"))
            assert ask(server, "metrics", "/health").status == 503
            assert peer.answer().status == 200
            assert later.answer().status == 503
    assert server.wait_exit() == 0


# --- the delay

def test_all_is_served_in_the_delay(start_server, services):
    server = start_server({**services.variables, "SHUTDOWN_DELAY_MS": 2000})
    with Client(server) as client, Peer(server) as kept:
        wait_until(lambda: ask(server, "http", "/health/ready").status == 200, "MySQL to be up")
        watch = client.health.Watch(HEALTH.HealthCheckRequest(service=""), timeout=PATIENCE_S)
        assert next(watch).status == SERVING
        assert kept.ask("/health/live").status == 200
        server.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        answer = ask(server, "http", "/health/ready")
        assert (answer.status, json.loads(answer.body)["status"]) == (503, "draining")
        for _ in range(2):
            answer = kept.ask("/test/params/a/b")
            assert (answer.status, answer["Connection"]) == (200, None)
        assert client.health.Check(HEALTH.HealthCheckRequest(), timeout=PATIENCE_S).status == \
            NOT_SERVING
        assert "delay_ms=2000" in server.wait_line("shutting down")
        assert not server.has_line("closing the listeners")
        assert kept.is_closed()
    assert server.wait_exit() == 0


def test_the_delay_is_part_of_the_time(start_server):
    server = start_server({"SHUTDOWN_DELAY_MS": 300, "SHUTDOWN_TIMEOUT_MS": 300})
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000"))
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        assert peer.answer().status == 503
    assert server.wait_exit() == 0


# --- streams

def test_a_stream_of_events_hears_of_it(start_server):
    server = start_server()
    with Peer(server) as peer, Http2Peer(server, target="/test/events") as other:
        peer.send(request("/test/events"))
        other.send(other.headers(1, http2_fields("/test/events")))
        in_flight(server, 2)
        server.send_signal(signal.SIGTERM)
        assert peer.answer().body == b"data: hello\n\ndata: bye\n\n"
        assert peer.is_closed()
        events = b"".join(one.payload for one in other.frames() if one.kind == DATA)
        assert events == b"data: hello\n\ndata: bye\n\n" and not other.is_reset
    assert server.wait_exit() == 0
    assert not server.has_line("shutdown timed out")


# --- the log

@pytest.mark.parametrize("signo, hint", [(signal.SIGINT, "press Ctrl-C again to end at once"),
                                         (signal.SIGTERM, "a second signal ends it at once")])
def test_the_log_says_how_to_end_it_at_once(start_server, signo, hint):
    server = start_server()
    assert server.stop(signo) == 0
    assert hint in server.wait_line("shutting down")


def test_the_log_says_what_it_waits_for(start_server):
    server = start_server()
    with Peer(server) as older, Peer(server) as other, Peer(server, "pprof") as pprof:
        older.send(request("/test/sleep?ms=7000"))
        in_flight(server, 1)
        other.send(request("/test/sleep?ms=6900"))
        pprof.send(request("/debug/pprof/profile?seconds=9"))
        in_flight(server, 3)
        server.send_signal(signal.SIGTERM)
        line = server.wait_line("still shutting down")
        assert {name: field(line, name) for name in ("phase", "requests", "oldest_route")} == {
            "phase": "traffic", "requests": "2", "oldest_route": "/test/sleep"}
        assert (field(line, "oldest_method"), field(line, "oldest_state")) == ("GET", "sleep")
        assert int(field(line, "oldest_age_ms")) >= int(field(line, "elapsed_ms")) >= 5000
    assert server.wait_exit() == 0


# --- under load

def test_under_load_with_streams_captures_and_slow_queries(database, start_server):
    """All of it would take an hour: what is left is cancelled when the time is up, and the exit is soon after."""
    server = start_server({**database.variables, "SHUTDOWN_TIMEOUT_MS": 6000, "CACHE_TTL_MS": 0,
                           "PPROF_MAX_SECONDS": 3600})
    with contextlib.ExitStack() as stack:
        with Api(server) as api:
            made = [api.create() for _ in range(4)]
        peers = [stack.enter_context(Peer(server)) for _ in range(12)]
        stack.enter_context(database.locked("listings"))
        for peer, listing in zip(peers, made):
            peer.send(request(f"{PATH}/{listing['id']}"))
        for peer in peers[4:8]:
            peer.send(request("/test/sleep?ms=3600000"))
        for peer in peers[8:]:
            peer.send(request("/test/events"))
        capture = stack.enter_context(Peer(server, "pprof"))
        capture.send(request("/debug/pprof/profile?seconds=3600"))
        in_flight(server, 13)
        begin = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert all(peer.answer().body.endswith(b"bye\n\n") for peer in peers[8:])
        line = server.wait_line("still shutting down")
        assert (field(line, "phase"), field(line, "requests")) == ("traffic", "8")
        assert field(line, "oldest_route") in (f"{PATH}/:id", "/test/sleep")
        # Who asks how it goes is answered meanwhile.
        assert httpx.get(server.url("/health", "metrics")).status_code == 503
        assert [peer.answer().status for peer in peers[:8]] == [503] * 8
        assert capture.answer().status == 503
        assert server.wait_exit() == 0
        assert 6 <= time.monotonic() - begin < 6 + PATIENCE_S / 2
    assert "cancelled_requests=8" in server.wait_line("shutdown timed out")
    assert server.has_line("out of time")
