# SPDX-License-Identifier: MIT
"""Bodies of requests: by length, in chunks, announced, unwanted."""

import pytest
from wire import Peer, chunked, request

CHUNKED = "Transfer-Encoding: chunked"


def post(target="/test/echo", *fields, **options):
    return request(target, *fields, method="POST", **options)


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 65535, 65536, 65537, 1 << 20])
def test_a_body_by_length(test_server, size):
    body = bytes(i * 7 % 256 for i in range(1024)) * 1024
    with Peer(test_server) as peer:
        peer.send(post(body=body[:size]))
        assert peer.answer().body == body[:size]
        peer.send(post("/test/echo", CHUNKED) + chunked(body[:size]))
        assert peer.answer().body == body[:size]


def test_a_body_by_length_may_be_cut_anywhere(test_server):
    whole = post(body=b"0123456789")
    with Peer(test_server) as peer:
        for at in range(whole.index(b"\r\n\r\n"), len(whole)):
            peer.send_apart(whole[:at], whole[at:])
            assert peer.answer().body == b"0123456789"


CHUNKS = (b"5;flag;quoted=\"a b\"\r\nhello\r\n" b"01\r\n,\r\n" b"0000a\r\n0123456789\r\n"
          b"0\r\nTrailer-Field: ignored\r\nContent-Length: 999\r\n\r\n")


def test_a_chunked_body_may_be_cut_anywhere(test_server):
    head = post("/test/echo", CHUNKED)
    with Peer(test_server) as peer:
        for at in range(len(CHUNKS)):
            peer.send_apart(head + CHUNKS[:at], CHUNKS[at:])
            assert peer.answer().body == b"hello,0123456789", f"cut at {at}"


def test_a_chunked_body_may_be_cut_twice(test_server):
    body = b"3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: v\r\n\r\n"
    head = post("/test/echo", CHUNKED)
    with Peer(test_server) as peer:
        for first in range(len(body)):
            second = (first + 5) % len(body)
            low, high = min(first, second), max(first, second)
            peer.send_apart(head + body[:low], body[low:high], body[high:])
            assert peer.answer().body == b"abcde"


def test_a_chunked_body_may_come_byte_by_byte(test_server):
    whole = post("/test/echo", CHUNKED) + CHUNKS
    with Peer(test_server) as peer:
        peer.send_apart(*(whole[i:i + 1] for i in range(len(whole))))
        assert peer.answer().body == b"hello,0123456789"


def test_the_name_of_the_coding_has_no_case(test_server):
    with Peer(test_server) as peer:
        peer.send(post("/test/echo", "transfer-ENCODING: ChunKed") + chunked(b"abc"))
        assert peer.answer().body == b"abc"


EXTENSIONS = [
    b";flag", b";foo=bar", b";foo=bar;baz", b';a="b"', b';a="\\""', b';a="\\\\"', b';a="";b', b';a="x;y=\t\xe9,"',
    b" ; a = b ; c", b"\t;\ta\t=\t\"b\"\t;c", b";!#$%&'*+-.^_`|~1=~", b";a=b;a=b",
]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_unknown_chunk_extensions_are_ignored(test_server, extension):
    body = b"5%b\r\nhello\r\n0%b\r\n\r\n" % (extension, extension)
    head = post("/test/echo", CHUNKED)
    with Peer(test_server) as peer:
        peer.send(head + body)
        assert peer.answer().body == b"hello"
        peer.send_apart(head, *(body[i:i + 1] for i in range(len(body))))
        assert peer.answer().body == b"hello"


@pytest.mark.parametrize("blank", [" ", "\t", " \t \t", "\t "])
def test_blanks_around_the_framing_fields(test_server, blank):
    """RFC 9110 5.6.3: a SP and a HTAB mean the same."""
    with Peer(test_server) as peer:
        peer.send(request("/test/echo", f"Content-Length:{blank}5{blank}", method="POST") + b"hello")
        assert peer.answer().body == b"hello"
        peer.send(post("/test/echo", f"Transfer-Encoding:{blank}chunked{blank}") + chunked(b"abc"))
        assert peer.answer().body == b"abc"
        assert peer.ask("/health/live", f"Expect:{blank}100-continue{blank}").status == 200


def test_trailers_change_nothing(test_server):
    trailers = b"Host: other\r\nContent-Length: 5\r\nConnection: close\r\nExpect: x\r\nEmpty:\r\n"
    with Peer(test_server) as peer:
        peer.send(post("/test/echo", CHUNKED) + chunked(b"abc", trailers=trailers))
        answer = peer.answer()
        assert (answer.body, answer["Connection"]) == (b"abc", None)
        assert peer.ask("/health/live").status == 200


def test_a_body_that_no_handler_wants_is_dropped(test_server):
    with Peer(test_server) as peer:
        for target, method in (("/test/no-body", "POST"), ("/health/live", "GET"), ("/nowhere", "PUT"),
                               ("/health", "DELETE")):
            peer.send(request(target, method=method, body=b"GET /evil HTTP/1.1\r\n\r\n"))
            peer.send(request(target, CHUNKED, method=method) + chunked(b"GET /evil HTTP/1.1\r\n"))
            first, second = peer.answer(), peer.answer()
            assert first.status == second.status
            assert first.status in (200, 404, 405)
        assert peer.ask("/health/live").status == 200


def test_content_length_0_is_no_body(test_server):
    with Peer(test_server) as peer:
        assert peer.ask("/test/echo", "Content-Length: 0", method="POST").body == b""
        assert peer.ask("/health/live", "Content-Length: 0").status == 200


# --- Expect: 100-continue

EXPECT = "Expect: 100-continue"


def test_continue_comes_when_the_handler_wants_the_body(test_server):
    with Peer(test_server) as peer:
        for _ in range(2):
            peer.send(post("/test/echo", EXPECT, "Content-Length: 5"))
            assert peer.answer().status == 100
            peer.send(b"hello")
            answer = peer.answer()
            assert (answer.status, answer.body) == (200, b"hello")


def test_continue_comes_for_a_chunked_body(test_server):
    with Peer(test_server) as peer:
        peer.send(post("/test/echo", "expect: 100-CONTINUE", CHUNKED))
        assert peer.answer().status == 100
        peer.send(chunked(b"hello"))
        assert peer.answer().body == b"hello"


def test_no_continue_where_no_body_is_wanted(test_server):
    for target, method, status in (("/test/no-body", "POST", 200), ("/nowhere", "POST", 404),
                                   ("/health", "POST", 405)):
        with Peer(test_server) as peer:
            answer = peer.ask(target, EXPECT, "Content-Length: 5", method=method)
            # Whether the body follows is not known: the connection cannot be used again.
            assert (answer.status, answer["Connection"]) == (status, "close")
            assert peer.is_closed()


def test_no_continue_for_a_body_that_is_too_big(test_server):
    with Peer(test_server) as peer:
        answer = peer.ask("/test/echo", EXPECT, "Content-Length: 1048577", method="POST")
        assert (answer.status, answer["Connection"]) == (413, "close")
        assert peer.is_closed()


def test_no_continue_without_a_body(test_server):
    with Peer(test_server) as peer:
        assert peer.ask("/test/echo", EXPECT, method="POST").status == 200
        assert peer.ask("/health/live", EXPECT).status == 200


def test_no_continue_in_http_1_0(test_server):
    with Peer(test_server) as peer:
        peer.send(post("/test/echo", EXPECT, body=b"hello", version="HTTP/1.0"))
        answer = peer.answer()
        assert (answer.status, answer.body) == (200, b"hello")


def test_a_client_may_send_without_waiting_for_continue(test_server):
    with Peer(test_server) as peer:
        peer.send(post("/test/echo", EXPECT, body=b"hello") + request("/health/live"))
        statuses = [peer.answer().status for _ in range(2)]
        assert statuses[-1] == 200
        # The 100 may be left out once the body is there (RFC 9110 10.1.1).
        if statuses[0] == 100:
            assert peer.answer().status == 200
