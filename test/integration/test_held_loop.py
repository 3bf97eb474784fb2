# SPDX-License-Identifier: MIT
"""A handler holds the work loop: diagnostics answer meanwhile, and say who holds it."""

import contextlib
import signal

import pytest

from heap import has_jemalloc
from pprof_decode import decode
from scrape import Scrape
from server import wait_until
from wire import Peer, request

FOR_EVER_MS = 600000  # longer than any test: who holds so long ends with its server


@contextlib.contextmanager
def held(server, ms=FOR_EVER_MS):
    """A request to /test/burn, which holds the loop for so much CPU time."""
    with Peer(server) as peer:
        peer.send(request(f"/test/burn?ms={ms}"))
        wait_until(lambda: b'"work_loop":"held"' in ask(server, "metrics", "/health/live").body, "held")
        yield peer


def ask(server, listener, path):
    with Peer(server, listener) as peer:
        return peer.ask(path)


@pytest.fixture
def warned_server(start_server):
    """A server that calls a loop held after 100 ms."""
    return start_server({"HELD_LOOP_WARN_MS": 100, "PPROF_BLOCK_MS": 50})


def end(server):
    """The server ends while a handler holds it, by the second of two signals."""
    server.send_signal(signal.SIGINT)
    server.wait_line("a handler holds the work loop")
    assert server.is_running()
    server.send_signal(signal.SIGINT)
    assert server.wait_exit() == 130


def test_diagnostics_answer_while_the_loop_is_held(warned_server):
    with held(warned_server):
        live = ask(warned_server, "pprof", "/health/live")
        assert live.status == 200
        assert b'"status":"ok"' in live.body
        assert b'"work_loop":"held"' in live.body
        assert b'"route":"/test/burn"' in live.body
        assert b'"work_loop":"held"' in ask(warned_server, "metrics", "/health").body
        assert ask(warned_server, "pprof", "/debug/pprof/").status == 200
        dump = ask(warned_server, "pprof", "/debug/pprof/goroutine?debug=2").body
        assert b"burn" in dump
        profile = ask(warned_server, "pprof", "/debug/pprof/profile?seconds=1")
        assert profile.status == 200
        assert decode(profile.body).samples
        assert ask(warned_server, "pprof", "/debug/pprof/heap").status == (200 if has_jemalloc() else 500)
        scrape = Scrape(warned_server, at_once=True)
        assert scrape.get("http_server_active_requests") >= 1
        line = warned_server.wait_line("the work loop is held")
        assert "route=/test/burn" in line
        assert " < " in line and "burn" in line.split("stack=")[1], line
        end(warned_server)


def test_a_loop_that_turns_again(warned_server):
    with held(warned_server, 1000) as peer:
        assert peer.answer().body == b"burnt\n"
    wait_until(lambda: b"held" not in ask(warned_server, "metrics", "/health/live").body, "its end")
    assert "route=/test/burn" in warned_server.wait_line("the work loop turns again")


def test_a_loop_that_is_held_too_long_is_dead(start_server):
    server = start_server({"HELD_LOOP_WARN_MS": 50, "HELD_LOOP_FAIL_MS": 200})
    with held(server, 2000) as peer:
        wait_until(lambda: ask(server, "metrics", "/health/live").status == 503, "503")
        answer = ask(server, "pprof", "/health/ready")
        assert answer.status == 503
        assert b'"route":"/test/burn"' in answer.body
        assert peer.answer().status == 200
    wait_until(lambda: ask(server, "metrics", "/health/live").status == 200, "200")


def test_a_second_signal_ends_a_held_server_and_says_what_held_it(warned_server):
    with held(warned_server):
        end(warned_server)
    line = warned_server.wait_line("ended by a second signal")
    assert "route=/test/burn" in line


def test_a_drain_does_not_wait_for_a_held_loop(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 500, "HELD_LOOP_WARN_MS": 100})
    with held(server):
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 70
    assert server.has_line("shutdown is overdue")


def test_one_loop_for_all(start_server):
    server = start_server({"DIAGNOSTICS_LOOP": "shared"})
    with Peer(server) as peer:
        assert peer.ask("/test/burn?ms=1").status == 200
    assert ask(server, "pprof", "/debug/pprof/profile?seconds=1").status == 200
    assert Scrape(server).requests("/test/burn") == 1
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
