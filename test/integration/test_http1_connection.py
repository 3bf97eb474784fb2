# SPDX-License-Identifier: MIT
"""Connections of HTTP/1.1 and 1.0: kept, closed, pipelined, half-closed, left."""

import json
import resource
import threading

import pytest

from pprof_load import is_deferring
from server import wait_until
from wire import Peer, chunked, request


def params(answer):
    """What /test/params answers: two JSON strings behind one another."""
    decoder = json.JSONDecoder()
    text = answer.body.decode()
    first, end = decoder.raw_decode(text)
    return first, decoder.raw_decode(text, end)[0]


def test_a_connection_is_kept(test_server):
    with Peer(test_server) as peer:
        for i in range(20):
            answer = peer.ask(f"/test/params/kept/{i}")
            assert (answer.version, answer.status) == ("HTTP/1.1", 200)
            assert answer["Connection"] is None
            assert params(answer) == ("kept", str(i))


@pytest.mark.parametrize("field", ["Connection: close", "connection: Close",
                                   "Connection: keep-alive, close", "Connection:close",
                                   "Connection:close\t", "Connection:\tclose", "Connection: close \t ",
                                   "Connection: keep-alive\t,\tclose\t", "Connection: x,\tclose"])
def test_close_is_honoured(test_server, field):
    with Peer(test_server) as peer:
        answer = peer.ask("/health/live", field)
        assert (answer.status, answer["Connection"]) == (200, "close")
        assert peer.is_closed()


def test_nothing_behind_a_closing_request_is_answered(test_server):
    with Peer(test_server) as peer:
        peer.send(request("/test/params/a/b", "Connection: close") + request("/health/live"))
        assert peer.answer().status == 200
        assert peer.is_closed()


def test_http_1_0_closes_by_default(test_server):
    with Peer(test_server) as peer:
        answer = peer.ask("/health/live", version="HTTP/1.0", host=None)
        assert (answer.version, answer.status) == ("HTTP/1.1", 200)
        assert answer["Connection"] == "close"
        assert peer.is_closed()


def test_http_1_0_is_kept_when_it_asks(test_server):
    with Peer(test_server) as peer:
        for _ in range(3):
            answer = peer.ask("/health/live", "Connection: keep-alive", version="HTTP/1.0")
            assert (answer.status, answer["Connection"]) == (200, "keep-alive")


def test_http_1_0_gets_a_streamed_answer_until_the_end(test_server):
    with Peer(test_server) as peer:
        answer = peer.ask("/test/stream?bytes=50000", "Connection: keep-alive", version="HTTP/1.0")
        assert (answer["Transfer-Encoding"], answer["Connection"]) == (None, "close")
        assert answer.body == b"x" * 50000


def test_pipelined_answers_come_in_order(test_server):
    with Peer(test_server) as peer:
        peer.send(b"".join(request(f"/test/params/n/{i}") for i in range(200)))
        assert [params(peer.answer())[1] for _ in range(200)] == [str(i) for i in range(200)]


def test_pipelined_answers_wait_for_a_slow_one(test_server):
    kinds = [("/test/params/n/0", "GET", b""), ("/test/sleep?ms=50", "GET", b""),
             ("/test/params/n/2", "GET", b""), ("/test/echo", "POST", b"three"),
             ("/test/sleep?ms=5", "GET", b""), ("/test/stream?bytes=40000", "GET", b""),
             ("/test/params/n/6", "GET", b"")]
    with Peer(test_server) as peer:
        peer.send(b"".join(request(target, method=method, body=body)
                           for target, method, body in kinds))
        bodies = [peer.answer().body for _ in kinds]
    assert bodies == [b'"n""0"', b"slept\n", b'"n""2"', b"three", b"slept\n", b"x" * 40000,
                      b'"n""6"']


def test_pipelined_bodies_of_both_kinds(test_server):
    wanted, sent = [], b""
    for i in range(50):
        body = b"body %d;" % i * (i + 1)
        wanted.append(body)
        if i % 2:
            sent += request("/test/echo", method="POST", body=body)
        else:
            sent += request("/test/echo", "Transfer-Encoding: chunked", method="POST")
            sent += chunked(body[:7], body[7:])
    with Peer(test_server) as peer:
        peer.send(sent)
        assert [peer.answer().body for _ in wanted] == wanted


def test_more_is_pipelined_than_is_buffered(test_server):
    """Behind a slow answer the server stops reading; nothing is lost when it goes on."""
    count = 3000
    with Peer(test_server) as peer:
        peer.send(request("/test/sleep?ms=200"))
        peer.send(b"".join(request(f"/test/params/n/{i}", "X-Pad: " + "p" * 100)
                           for i in range(count)))
        assert peer.answer().body == b"slept\n"
        assert [params(peer.answer())[1] for _ in range(count)] == [str(i) for i in range(count)]


def test_ten_thousand_pipelined_requests_take_no_stack(start_server, test_server_binary):
    """Each answer would take some hundred bytes of it, were they made one inside another."""
    stack_bytes = 512 << 10
    if is_deferring(test_server_binary):
        stack_bytes *= 4  # ThreadSanitizer needs more before main

    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (stack_bytes, stack_bytes))
    server = start_server({"LOG_ACCESS_EVERY": 0}, preexec=limit)
    with Peer(server) as peer:
        many = request("/test/params/a/b") * 10000
        sender = threading.Thread(target=peer.send, args=(many,))
        sender.start()
        for _ in range(10000):
            assert params(peer.answer()) == ("a", "b")
        sender.join()


def test_a_request_may_be_cut_anywhere(test_server):
    whole = request("/test/params/cut/here", "X-Field:  padded \t", "Accept: */*")
    with Peer(test_server) as peer:
        for at in range(1, len(whole)):
            peer.send_apart(whole[:at], whole[at:])
            assert params(peer.answer()) == ("cut", "here")


def test_a_request_may_come_byte_by_byte(test_server):
    whole = request("/test/params/byte/wise") + request("/test/params/the/next")
    with Peer(test_server) as peer:
        peer.send_apart(*(whole[i:i + 1] for i in range(len(whole))))
        assert [params(peer.answer()) for _ in range(2)] == [("byte", "wise"), ("the", "next")]


def test_empty_lines_before_a_request_are_skipped(test_server):
    with Peer(test_server) as peer:
        for cut in (b"", b"\r", b"\r\n"):
            whole = b"\r\n\r\n" + request("/test/params/a/b")
            peer.send_apart(*(piece for piece in (cut, whole[len(cut):]) if piece))
            assert peer.answer().status == 200


def test_a_half_closed_peer_gets_its_answers(test_server):
    with Peer(test_server) as peer:
        peer.send(b"".join(request(f"/test/params/n/{i}") for i in range(50)))
        peer.half_close()
        assert [params(peer.answer())[1] for _ in range(50)] == [str(i) for i in range(50)]
        assert peer.is_closed()


def test_a_half_closed_peer_gets_an_answer_that_takes_its_time(test_server):
    with Peer(test_server) as watcher, Peer(test_server) as peer:
        before = cancelled(watcher)
        peer.send(request("/test/sleep?ms=300") + request("/test/params/behind/it"))
        peer.half_close()
        assert peer.answer().body == b"slept\n"
        assert params(peer.answer()) == ("behind", "it")
        assert peer.is_closed()
        assert cancelled(watcher) == before


def test_a_half_closed_peer_gets_its_stream(test_server):
    """More than the sockets hold: it is sent while the peer reads, long after its FIN."""
    with Peer(test_server, receive_buffer_bytes=65536) as peer:
        peer.send(request("/test/stream?bytes=33554432"))
        peer.half_close()
        assert len(peer.answer().body) == 33554432
        assert peer.is_closed()


def cancelled(peer):
    return int(peer.ask("/test/cancelled").body)


def await_sleep(watcher):
    wait_until(lambda: b" sleep " in watcher.ask("/test/tasks").body, "the handler to wait")


def test_a_peer_that_leaves_cancels_its_request(test_server):
    with Peer(test_server) as watcher, Peer(test_server) as peer:
        before = cancelled(watcher)
        peer.send(request("/test/sleep?ms=3600000"))
        await_sleep(watcher)
        peer.reset()
        wait_until(lambda: cancelled(watcher) == before + 1, "the request to be cancelled")


@pytest.mark.parametrize("unread_bytes", [0, 90000])
def test_a_peer_that_leaves_behind_its_fin(test_server, unread_bytes):
    """Nothing is read behind a FIN, nor while too much is pipelined."""
    with Peer(test_server) as watcher, Peer(test_server) as peer:
        before = cancelled(watcher)
        peer.send(request("/test/sleep?ms=3600000") + bytes(unread_bytes))
        peer.half_close()
        await_sleep(watcher)
        assert cancelled(watcher) == before
        peer.reset()
        wait_until(lambda: cancelled(watcher) == before + 1, "the request to be cancelled")


@pytest.mark.parametrize("unread_bytes", [0, 90000])
def test_a_fin_cancels_what_is_long(test_server, unread_bytes):
    with Peer(test_server) as watcher, Peer(test_server) as peer:
        before = cancelled(watcher)
        peer.send(request("/test/long?ms=3600000") + bytes(unread_bytes))
        await_sleep(watcher)
        peer.half_close()
        wait_until(lambda: cancelled(watcher) == before + 1, "the request to be cancelled")
        assert peer.is_closed()


def test_a_peer_that_leaves_cancels_its_stream(test_server):
    with Peer(test_server) as watcher:
        before = cancelled(watcher)
        with Peer(test_server) as peer:
            peer.send(request("/test/stream?bytes=1000000000"))
            peer.socket.recv(1)
        wait_until(lambda: cancelled(watcher) == before + 1, "the stream to be cancelled")


def test_a_peer_that_leaves_within_its_request_does_no_harm(test_server):
    whole = request("/test/echo", method="POST", body=b"0123456789")
    with Peer(test_server) as watcher:
        for at in range(1, len(whole)):
            with Peer(test_server) as peer:
                peer.send(whole[:at])
        assert watcher.ask("/health/live").status == 200
