# SPDX-License-Identifier: MIT
"""Calls that are refused, frame by frame: the order of the checks and what each is answered with."""

import gzip

import pytest

import http2_wire as wire
from http2_wire import DATA, END_STREAM, HEADERS, PROTOCOL_ERROR, RST_STREAM, frame
from rpc import (UNARY, Client, Peer, Request, call_fields, handled, message, refusal,
                 status_of)
from server import PATIENCE_S, wait_until

(OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS,
 PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED,
 INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED) = range(17)


@pytest.fixture
def peer(test_server):
    with Peer(test_server) as one:
        yield one


@pytest.mark.parametrize("content_type", ["text/plain", "application/grpcx", "application/gRPC-web",
                                          "application/json", ""])
def test_another_content_type(peer, content_type):
    answer = peer.call(content_type=content_type)
    assert answer.status == 415
    assert answer["content-type"].startswith("text/plain")
    assert len(answer.body) > 5 and b"gRPC" in answer.body
    assert status_of(answer)[0] == INVALID_ARGUMENT


def test_no_content_type(peer):
    assert peer.call(without=("content-type",)).status == 415


def test_a_browser_gets_415(peer):
    peer.send(peer.headers(1, wire.fields("/")))
    answer = peer.answer()
    assert answer.status == 415 and b"gRPC" in answer.body


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto",
                                          "application/grpc;charset=utf-8"])
def test_the_content_type_is_echoed(peer, content_type):
    answer = peer.call(content_type=content_type)
    assert (answer.status, answer["content-type"]) == (200, content_type)
    assert status_of(answer)[0] == OK


@pytest.mark.parametrize("timeout", ["", "1", "S", "123456789S", "-1S", "1s", "1 S", "1.5S", "0x1S"])
def test_a_malformed_timeout(peer, timeout):
    answer = peer.call(("grpc-timeout", timeout))
    assert answer.status == 400
    assert status_of(answer) == (INTERNAL, "malformed grpc-timeout")
    assert answer.body == b""


@pytest.mark.parametrize("timeout", ["99999999H", "99999999M", "10S", "10000m", "10000000u",
                                     "99999999n"])
def test_a_timeout_of_each_unit(peer, timeout):
    assert status_of(peer.call(("grpc-timeout", timeout)))[0] == OK


@pytest.mark.parametrize("value", ["%", "A", "AAAAA", "A===", "A,%", "====", "AA=A"])
def test_binary_metadata_that_is_not_base64(peer, value):
    answer = peer.call(("x-data-bin", value))
    assert answer.status == 400
    assert status_of(answer) == (INTERNAL, "malformed binary metadata")


@pytest.mark.parametrize("value", ["", "AA", "AA==", "AAA", "AAA=", "AAAA", "AA,AAA=,"])
def test_binary_metadata_padded_or_not(peer, value):
    assert status_of(peer.call(("x-data-bin", value)))[0] == OK


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE", "BREW"])
def test_another_method_than_post(peer, method):
    answer = peer.call(method=method)
    assert answer.status == 405
    assert status_of(answer)[0] == INTERNAL


def test_a_deadline_that_has_passed(peer):
    answer = peer.call(("grpc-timeout", "0n"))
    assert answer.status == 200 and answer.trailers == []
    assert status_of(answer)[0] == DEADLINE_EXCEEDED


@pytest.mark.parametrize("path, text", [
    ("/", "malformed method name"), ("/x", "malformed method name"),
    ("/no.Such/Method", "unknown service no.Such"), ("/a/b/c", "unknown service a/b"),
    ("/toq.test.v1.Echo/", "unknown method  for service toq.test.v1.Echo"),
    ("/toq.test.v1.Echo/Nix", "unknown method Nix for service toq.test.v1.Echo"),
    ("/toq.test.v1.Echo/Unwritten", "unknown method Unwritten for service toq.test.v1.Echo"),
    ("//", "unknown service ")])
def test_a_path_that_nothing_is_behind(peer, path, text):
    answer = peer.call(path=path)
    assert answer.status == 200 and answer.trailers == []  # trailers alone
    assert status_of(answer) == (UNIMPLEMENTED, text)


def test_trailers_alone_are_bare(peer):
    answer = peer.call(path="/x/y")
    assert {name for name, _ in answer.fields} == {":status", "content-type", "grpc-status",
                                                   "grpc-message"}


def test_an_unknown_encoding(peer):
    answer = peer.call(("grpc-encoding", "br"))
    assert answer.status == 200
    assert status_of(answer)[0] == UNIMPLEMENTED
    assert answer["grpc-accept-encoding"] == "identity,gzip"


# Each row breaks two rules, and is answered for the first.
@pytest.mark.parametrize("more, options, status, code", [
    ([("grpc-timeout", "x")], {"content_type": "text/plain"}, 415, INVALID_ARGUMENT),
    ([("grpc-timeout", "x")], {"method": "GET"}, 400, INTERNAL),
    ([("x-a-bin", "%")], {"method": "GET"}, 400, INTERNAL),
    ([("grpc-timeout", "0S")], {"method": "PUT"}, 405, INTERNAL),
    ([("grpc-timeout", "0S")], {"path": "/x"}, 200, DEADLINE_EXCEEDED),
    ([("grpc-encoding", "br")], {"path": "/x"}, 200, UNIMPLEMENTED)])
def test_the_order_of_the_checks(peer, more, options, status, code):
    answer = peer.call(*more, **options)
    assert (answer.status, status_of(answer)[0]) == (status, code)
    assert more != [("grpc-encoding", "br")] or status_of(answer)[1] == "malformed method name"


def test_a_connection_field(peer):
    peer.send(peer.headers(1, call_fields(("connection", "keep-alive")), end=False))
    peer.assert_stream_error(1, wire.PROTOCOL_ERROR)


def test_two_hosts(peer):
    peer.send(peer.headers(1, call_fields(("host", "a"), ("host", "b")), end=False))
    for one in peer.frames():
        if one.kind in (HEADERS, RST_STREAM) and one.stream == 1:
            assert one.kind == RST_STREAM or dict(one.pairs)[":status"] == "400"
            break


@pytest.mark.parametrize("more, options, status, code, text", [
    ([(f"x-{n}", "x") for n in range(150)], {}, 431, RESOURCE_EXHAUSTED, "too many header fields"),
    ([(f"x-{n}", "x" * 4200) for n in range(4)], {}, 431, RESOURCE_EXHAUSTED,
     "the header block is too big"),
    ([], {"path": "/" + "x" * 9000}, 414, INTERNAL, "the request target is too long"),
    ([("host", "another")], {}, 400, INTERNAL, "the Host field is not the authority")])
def test_a_head_that_cannot_be_taken(peer, more, options, status, code, text):
    answer = peer.call(*more, **options)
    assert (answer.status, answer["content-type"]) == (status, "application/grpc")
    assert status_of(answer) == (code, text) and answer.body == b""
    assert status_of(peer.call(stream=3))[0] == OK


def test_metadata_over_the_limit_as_a_client_shows_it(test_server):
    with Client(test_server) as client:
        error = refusal(lambda: client.echo.Unary(Request(), timeout=PATIENCE_S,
                                                  metadata=[("x-big", "x" * 20_000)]))
        assert error.code().value[0] == RESOURCE_EXHAUSTED
        assert error.details() == "the header block is too big"


# --- messages

@pytest.mark.parametrize("body, code, text", [
    (b"", UNIMPLEMENTED, "no message"),
    (b"\0", INTERNAL, "the stream ended inside a message"),
    (b"\0\0\0\0\5", INTERNAL, "the stream ended inside a message"),
    (b"\0\0\0\0\5abcd", INTERNAL, "the stream ended inside a message"),
    (b"\2\0\0\0\0", INTERNAL, "a message's flag is neither 0 nor 1"),
    (b"\xff", INTERNAL, "a message's flag is neither 0 nor 1"),
    (message(b"", flag=1), INTERNAL, "a compressed message without grpc-encoding"),
    (message(b"\x0a\xff"), INTERNAL, "the message cannot be parsed"),
    (message(b"") + message(b""), UNIMPLEMENTED, "more than one message"),
    (b"\0\xff\xff\xff\xff", RESOURCE_EXHAUSTED, "the message is longer than the limit"),
    (message(b"", length=4194305), RESOURCE_EXHAUSTED, "the message is longer than the limit"),
])
def test_a_bad_message(peer, body, code, text):
    answer = peer.call(body=body)
    assert answer.status == 200
    assert status_of(answer) == (code, text)
    peer.assert_alive()


def test_a_message_that_is_no_gzip(peer):
    answer = peer.call(("grpc-encoding", "gzip"), body=message(b"plain", flag=1))
    assert status_of(answer) == (INTERNAL, "the message is not gzip")


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data + b"x",
                                   lambda data: b"", lambda data: data[:-8] + b"\0" * 8,
                                   lambda data: (data * 2)[:-1]])
def test_a_gzip_that_is_broken(peer, spoil):
    data = spoil(gzip.compress(Request(payload=b"x" * 1000).SerializeToString()))
    answer = peer.call(("grpc-encoding", "gzip"), body=message(data, flag=1))
    assert status_of(answer)[0] == INTERNAL


def test_a_zip_bomb_is_inflated_to_the_limit_alone(peer):
    bomb = gzip.compress(b"\0" * 200_000_000)
    assert len(bomb) < 4194304
    answer = peer.call(("grpc-encoding", "gzip"),
                       pieces=[(message(bomb, flag=1))[at:at + 16384]
                               for at in range(0, len(bomb) + 5, 16384)])
    assert status_of(answer) == (RESOURCE_EXHAUSTED,
                                 "the inflated message is longer than the limit")


def test_a_length_is_refused_before_its_bytes_come(peer):
    peer.send(peer.headers(1, call_fields(), end=False), frame(DATA, 0, 1, b"\0\0\x40\0\1"))
    answer = peer.answer()
    assert status_of(answer)[0] == RESOURCE_EXHAUSTED
    # At once: some clients keep an ended call among their streams until they may stop to send.
    peer.send(wire.ping())
    one = next(one for one in peer.frames() if one.kind in (RST_STREAM, wire.PING))
    assert (one.kind, one.stream, one.code) == (RST_STREAM, 1, wire.NO_ERROR)
    peer.assert_alive()


def test_a_message_split_anywhere(peer):
    body = message(Request(payload=b"split").SerializeToString())
    for at in range(1, len(body)):
        answer = peer.call(pieces=[body[:at], body[at:]], stream=2 * at - 1)
        assert status_of(answer)[0] == OK and b"split" in answer.body
    stream = 2 * len(body) + 1
    answer = peer.call(pieces=[bytes([byte]) for byte in body] + [b""], stream=stream)
    assert status_of(answer)[0] == OK and b"split" in answer.body


def test_the_end_comes_after_the_message(peer):
    peer.send(peer.headers(1, call_fields(), end=False), frame(DATA, 0, 1, message(b"")))
    peer.assert_alive()  # it waits for the end, which alone tells that there is no second message
    peer.send(frame(DATA, END_STREAM, 1, b""))
    assert status_of(peer.answer())[0] == OK


def test_http1_is_refused(test_server):
    with wire.Http2Peer(test_server, listener="grpc", preface=False) as plain:
        plain.send(b"POST " + UNARY.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                   b"Content-Type: application/grpc\r\n\r\n")
        plain.socket.settimeout(PATIENCE_S)
        answer = b""
        piece = plain.socket.recv(4096)
        while piece:
            answer += piece
            piece = plain.socket.recv(4096)
    assert answer.startswith(b"HTTP/1.1 505 ")


def test_calls_that_are_reset_count_until_their_handlers_have_given_up(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 2})
    with Peer(server) as peer:
        stuck = message(Request(is_stuck=True, is_slow_to_give_up=True).SerializeToString())
        for stream in (1, 3):
            peer.send(peer.headers(stream, call_fields(), end=False),
                      frame(DATA, END_STREAM, stream, stuck))
        peer.assert_alive()
        peer.send(wire.rst(1), wire.rst(3), peer.headers(5, call_fields(), end=False))
        assert peer.await_frame(RST_STREAM, stream=5).code == wire.REFUSED_STREAM
        wait_until(lambda: handled(server, "Unary", "Canceled") == 2, "the handlers to give up")
        assert status_of(peer.call(stream=7))[0] == OK


# --- a stream that nghttp2 closes while a handler uses it

@pytest.mark.parametrize("method", ["Collect", "Chat", "Unary"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_body_that_is_not_as_long_as_it_says(peer, method, count):
    """The stream is reset for it at the moment when the handler answers, or asks for more."""
    body = message(Request(payload=b"x").SerializeToString()) * count
    for stream in range(1, 41, 2):
        peer.send(peer.headers(stream, call_fields(("content-length", str(len(body) + 1)),
                                                   path=f"/toq.test.v1.Echo/{method}"), end=False),
                  frame(DATA, END_STREAM, stream, body))
        assert peer.await_frame(RST_STREAM, stream=stream).code == PROTOCOL_ERROR
    peer.assert_alive()
