# SPDX-License-Identifier: MIT
"""SIGTERM and SIGINT: what is in flight ends well, what is idle closes, nothing new begins."""

import signal
import socket

import pytest
from server import wait_until
from wire import Peer, request

STOPS = [signal.SIGTERM, signal.SIGINT]


def is_refused(server, listener="http"):
    """Whether the listener is closed; a connection that its queue still takes is reset or closed."""
    try:
        with socket.create_connection(("127.0.0.1", server.ports[listener]), 1):
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def in_flight(server, count):
    """Waits until so many requests are in flight, the scrape that tells among them."""
    def is_there():
        with Peer(server, "metrics") as peer:
            text = peer.ask("/metrics").body.decode()
        return f"\nhttp_server_active_requests {count + 1}\n" in text
    wait_until(is_there, f"{count} requests in flight")


@pytest.mark.parametrize("signo", STOPS)
def test_an_idle_server_exits_with_0(start_server, signo):
    server = start_server()
    assert server.stop(signo) == 0
    assert server.has_line("shutting down")
    assert server.has_line("stopped")


@pytest.mark.parametrize("signo", STOPS)
def test_a_request_in_flight_is_answered(start_server, signo):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=2000"))
        in_flight(server, 1)
        server.send_signal(signo)
        answer = peer.answer()
        assert (answer.status, answer.body, answer["Connection"]) == (200, b"slept\n", "close")
        assert peer.is_closed()
    assert server.wait_exit() == 0


def test_a_stream_in_flight_is_finished(start_server):
    server = start_server()
    total = 50_000_000
    with Peer(server, receive_buffer_bytes=65536) as peer:
        peer.send(request(f"/test/stream?bytes={total}"))
        peer.received = peer.socket.recv(1)
        server.send_signal(signal.SIGTERM)
        server.wait_line("shutting down")
        assert peer.answer().body == b"x" * total
        # Its head had promised to keep the connection; the drain closes it all the same.
        assert peer.is_closed()
    assert server.wait_exit() == 0


def test_a_body_in_flight_is_taken(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/echo", "Content-Length: 10", method="POST") + b"01234")
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        server.wait_line("shutting down")
        peer.send(b"56789")
        answer = peer.answer()
        assert (answer.body, answer["Connection"]) == (b"0123456789", "close")
        assert peer.is_closed()
    assert server.wait_exit() == 0


def test_a_head_in_flight_is_answered(start_server):
    server = start_server()
    whole = request("/test/params/a/b")
    with Peer(server) as peer, Peer(server) as other:
        peer.send(whole[:20])
        # Another connection's answer tells that the server has read those bytes before it.
        assert other.ask("/health/live").status == 200
        server.send_signal(signal.SIGTERM)
        server.wait_line("shutting down")
        peer.send(whole[20:])
        answer = peer.answer()
        assert (answer.status, answer["Connection"]) == (200, "close")
    assert server.wait_exit() == 0


def test_listeners_close(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=2000"))
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        for listener in ("http", "grpc"):
            wait_until(lambda name=listener: is_refused(server, name), f"{listener} to close")
        assert not is_refused(server, "metrics") and not is_refused(server, "pprof")
        assert peer.answer().status == 200
    assert server.wait_exit() == 0


def test_readiness_turns_503(start_server, services):
    server = start_server(services.variables)
    wanted = {"/health/ready": (503, b"draining"), "/health": (503, b"draining"),
              "/health/live": (200, b"ok")}
    peers = {target: Peer(server) for target in wanted}
    for target, peer in peers.items():
        peer.send(request(target)[:-2])  # begun, so that the drain waits for the rest
    with Peer(server) as other:
        wait_until(lambda: other.ask("/health/ready").status == 200, "MySQL to be reached")
    server.send_signal(signal.SIGTERM)
    server.wait_line("shutting down")
    for target, (status, text) in wanted.items():
        peers[target].send(b"\r\n")
        answer = peers[target].answer()
        assert (answer.status, answer["Connection"]) == (status, "close")
        assert text in answer.body
        assert peers[target].is_closed()
        peers[target].socket.close()
    assert server.wait_exit() == 0


def test_a_connection_used_a_moment_ago_may_ask_once_more(start_server):
    """Its next request may be on its way already: there is a second for it to arrive."""
    server = start_server()
    with Peer(server) as peer:
        assert peer.ask("/health/live").status == 200
        server.send_signal(signal.SIGTERM)
        server.wait_line("shutting down")
        answer = peer.ask("/health/live")
        assert (answer.status, answer["Connection"]) == (200, "close")
        assert peer.is_closed()
    assert server.wait_exit() == 0


def test_idle_connections_close(start_server):
    server = start_server({"IDLE_TIMEOUT_MS": 3600000})
    with Peer(server) as used, Peer(server) as unused:
        assert used.ask("/health/live").status == 200
        server.send_signal(signal.SIGTERM)
        assert used.is_closed()
        assert unused.is_closed()
    assert server.wait_exit() == 0


def test_pipelined_requests_behind_the_last_answer_are_not_begun(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=2000") + request("/test/params/a/b"))
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        answer = peer.answer()
        assert (answer.body, answer["Connection"]) == (b"slept\n", "close")
        assert peer.is_closed()
    assert server.wait_exit() == 0


def test_what_takes_too_long_is_cancelled_and_counted(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 300})
    with Peer(server) as sleeper, Peer(server) as streamer:
        sleeper.send(request("/test/sleep?ms=3600000"))
        streamer.send(request("/test/stream?bytes=1000000000"))
        in_flight(server, 2)
        server.send_signal(signal.SIGTERM)
        answer = sleeper.answer()
        assert (answer.status, answer["Connection"]) == (503, "close")
        assert b"shutting down" in answer.body
        assert len(streamer.rest()) < 1_000_000_000
    assert server.wait_exit() == 0
    assert "cancelled_requests=2" in server.wait_line("shutdown timed out")


def test_no_time_to_drain(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 0})
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000"))
        in_flight(server, 1)
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.parametrize("first", STOPS)
@pytest.mark.parametrize("second, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(start_server, first, second, code):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000"))
        in_flight(server, 1)
        server.send_signal(first)
        server.wait_line("shutting down")
        server.send_signal(second)
        assert server.wait_exit() == code


def cpu_ticks(server):
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[11])


def test_a_second_signal_ends_a_held_loop(start_server):
    """While a handler holds the loop no callback runs; the signal handlers do."""
    server = start_server()
    with Peer(server) as peer:
        before = cpu_ticks(server)
        peer.send(request("/test/burn?ms=600000"))
        wait_until(lambda: cpu_ticks(server) > before + 10, "the handler to burn")
        server.send_signal(signal.SIGTERM)
        # Two pending signals of one number are one: the first must have been taken.
        wait_until(lambda: not is_pending(server, signal.SIGTERM), "the first signal to be taken")
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 143


def is_pending(server, signo):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        masks = [line.split()[1] for line in status if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(int(mask, 16) >> (signo - 1) & 1 for mask in masks)


def test_sigpipe_does_nothing(start_server):
    server = start_server()
    server.send_signal(signal.SIGPIPE)
    with Peer(server) as peer:
        assert peer.ask("/health/live").status == 200
    assert server.stop() == 0
