# SPDX-License-Identifier: MIT
"""PINGs in both directions, and how long a connection of gRPC lives."""

import http2_wire as wire
from http2_wire import DATA, END_STREAM, GOAWAY, HEADERS, PING, frame
from rpc import Client, Peer, Request, call_fields, message, scrape, status_of
from server import PATIENCE_S, wait_until

STUCK = message(Request(is_stuck=True).SerializeToString())


def start_call(peer, body=STUCK, stream=1):
    peer.send(peer.headers(stream, call_fields(), end=False), frame(DATA, END_STREAM, stream, body))


def cuts(server, reason):
    return scrape(server)[f'http2_connections_cut_off_total{{reason="{reason}"}}']


def pings_until_cut(peer, count):
    """Sends PINGs one after the other; how many were answered before the GOAWAY."""
    for n in range(count):
        peer.send(wire.ping(b"%8d" % n))
        for one in peer.frames():
            if one.kind == GOAWAY:
                assert one.code == wire.ENHANCE_YOUR_CALM
                assert one.payload[8:] == b"too_many_pings"
                assert list(peer.frames()) == [] and not peer.is_reset
                return n
            if one.kind == PING and one.flags & wire.ACK:
                break
    return None


def test_a_client_that_asks_too_often(test_server):
    with Peer(test_server) as peer:
        # the first is no strike, two more are forgiven; the fourth is answered before the GOAWAY
        assert pings_until_cut(peer, 10) == 4


def test_a_client_that_asks_too_often_during_a_call(test_server):
    with Peer(test_server) as peer:
        start_call(peer)
        assert pings_until_cut(peer, 10) == 4


def test_answers_forgive_pings(test_server):
    with Peer(test_server) as peer:
        for n in range(5):
            assert pings_until_cut(peer, 3) is None
            assert status_of(peer.call(stream=2 * n + 1))[0] == 0


def test_pings_may_be_allowed(start_server):
    server = start_server({"GRPC_KEEPALIVE_MIN_TIME_MS": 0})
    with Peer(server) as peer:
        assert pings_until_cut(peer, 20) is None


def test_pings_without_a_stream_may_be_allowed(start_server):
    server = start_server({"GRPC_KEEPALIVE_MIN_TIME_MS": 1,
                           "GRPC_KEEPALIVE_PERMIT_WITHOUT_STREAM": "true"})
    with Peer(server) as peer:
        for n in range(8):
            scrape(server)  # takes more than a millisecond
            peer.send(wire.ping(b"%8d" % n))
            assert peer.await_frame(PING, wire.ACK).payload == b"%8d" % n
        peer.assert_alive()


def test_http_has_no_such_rule(test_server):
    with wire.Http2Peer(test_server) as peer:
        for _ in range(20):
            peer.assert_alive()


def test_a_silent_client_is_asked_and_dropped(start_server):
    server = start_server({"GRPC_KEEPALIVE_TIME_MS": 200, "GRPC_KEEPALIVE_TIMEOUT_MS": 200})
    with Client(server) as client, Peer(server) as peer:
        start_call(peer)
        assert peer.await_frame(PING, stream=0).payload == b"toqalive"
        peer.send(wire.ping(b"toqalive", flags=wire.ACK))
        ping = peer.await_frame(PING, stream=0)  # it is asked again: the answer has helped
        assert ping.payload == b"toqalive"
        assert [one for one in peer.frames() if one.kind != PING] == []
        wait_until(lambda: client.counts().cancelled == 1, "its call to be cancelled")
    assert cuts(server, "keepalive") == 1


def test_a_connection_grows_old(start_server):
    server = start_server({"GRPC_MAX_CONNECTION_AGE_MS": 300})
    with Peer(server) as peer:
        slow = message(Request(sleep_ms=1000).SerializeToString())
        start_call(peer, slow)
        first = peer.await_frame(GOAWAY)
        assert (first.code, first.last_stream) == (0, 2 ** 31 - 1)
        ping = peer.await_frame(PING, stream=0)
        start_call(peer, slow, stream=3)  # was on its way
        peer.send(wire.ping(ping.payload, flags=wire.ACK))
        second = peer.await_frame(GOAWAY)
        assert (second.code, second.last_stream) == (0, 3)
        ended = [one.stream for one in peer.frames() if one.kind == HEADERS and one.is_end]
        assert sorted(ended) == [1, 3] and not peer.is_reset


def test_what_an_old_connection_does_not_end_is_broken_off(start_server):
    server = start_server({"GRPC_MAX_CONNECTION_AGE_MS": 300,
                           "GRPC_MAX_CONNECTION_AGE_GRACE_MS": 300})
    with Peer(server) as peer:
        start_call(peer)
        goaways = [one.payload[8:] for one in peer.frames() if one.kind == GOAWAY]
        assert goaways[-1] == b"max_age" and not peer.is_reset


def test_clients_survive_old_connections(start_server):
    server = start_server({"GRPC_MAX_CONNECTION_AGE_MS": 200})
    with Client(server) as client:
        for n in range(30):
            reply = client.echo.Unary(Request(payload=b"%d" % n, sleep_ms=1), timeout=PATIENCE_S)
            assert reply.payload == b"%d" % n


def test_an_idle_connection(start_server):
    server = start_server({"GRPC_MAX_CONNECTION_IDLE_MS": 300})
    with Peer(server) as peer:
        assert status_of(peer.call())[0] == 0
        goaway = peer.await_frame(GOAWAY)
        assert (goaway.code, goaway.last_stream) == (0, 1)
        assert list(peer.frames()) == [] and not peer.is_reset
