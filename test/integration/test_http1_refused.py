# SPDX-License-Identifier: MIT
"""What is refused: one answer, then the connection closes, and nothing behind it is answered.

A request that two parsers read differently is how requests are smuggled past proxies, so whatever
is malformed ends the connection.
"""

import pytest
from scrape import Scrape
from wire import Peer, request

LINE = b"POST /test/echo HTTP/1.1\r\n"
HOST = b"Host: test\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = request("/test/params/smuggled/request")


def line(text):
    """A request with this request line."""
    return text + b"\r\n" + HOST + b"\r\n"


def fields(text, body=b""):
    """A request with these field lines behind Host."""
    return LINE + HOST + text + b"\r\n" + body


def named(rows):
    return [pytest.param(data, id=name) for name, data in rows]


REQUEST_LINES = named([
    ("HTTP/0.9", b"GET /\r\n\r\n"),
    ("HTTP/0.9 with fields", line(b"GET /")),
    ("HTTP/0.9 by name", line(b"GET / HTTP/0.9")),
    ("bare LF behind it", b"GET / HTTP/1.1\n" + HOST + b"\r\n"),
    ("bare LF alone", b"GET / HTTP/1.1\n\n"),
    ("bare CR in it", line(b"GET /\rx HTTP/1.1")),
    ("bare CR behind it", b"GET / HTTP/1.1\r" + HOST + b"\r\n"),
    ("two CR behind it", b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    ("LF before it", b"\n" + line(b"GET / HTTP/1.1")),
    ("CR CR LF before it", b"\r" + b"\r\n" + line(b"GET / HTTP/1.1")),
    ("space before it", line(b" GET / HTTP/1.1")),
    ("two spaces behind the method", line(b"GET  / HTTP/1.1")),
    ("two spaces before the version", line(b"GET /  HTTP/1.1")),
    ("tab for a space", line(b"GET\t/ HTTP/1.1")),
    ("vertical tab for a space", line(b"GET /\x0bHTTP/1.1")),
    ("no method", line(b"/ HTTP/1.1")),
    ("no target", line(b"GET HTTP/1.1")),
    ("method that is no token", line(b"GE(T / HTTP/1.1")),
    ("method with a NUL", line(b"GET\x00 / HTTP/1.1")),
    ("space in the target", line(b"GET /a b HTTP/1.1")),
    ("NUL in the target", line(b"GET /\x00 HTTP/1.1")),
    ("control byte in the target", line(b"GET /\x01 HTTP/1.1")),
    ("DEL in the target", line(b"GET /\x7f HTTP/1.1")),
    ("raw byte above ASCII in the target", line(b"GET /\xc3\xa9 HTTP/1.1")),
    ("fragment", line(b"GET /health#x HTTP/1.1")),
    ("target without a slash", line(b"GET health HTTP/1.1")),
    ("asterisk for GET", line(b"GET * HTTP/1.1")),
    ("query alone", line(b"GET ?a HTTP/1.1")),
    ("another scheme", line(b"GET ftp://test/ HTTP/1.1")),
    ("absolute form without a host", line(b"GET http:///health HTTP/1.1")),
    ("absolute form of https without a host", line(b"GET https://?a HTTP/1.1")),
    ("absolute form with a user", line(b"GET http://a@b/health HTTP/1.1")),
    ("another scheme that begins alike", line(b"GET httpsx://test/ HTTP/1.1")),
    ("lower-case version", line(b"GET / http/1.1")),
    ("HTTPS for the version", line(b"GET / HTTPS/1.1")),
    ("RTSP", line(b"GET / RTSP/1.0")),
    ("RTSP's own method", line(b"DESCRIBE / RTSP/1.0")),
    ("ICE", line(b"SOURCE / ICE/1.0")),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("TLS with an end", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
])

FIELDS = named([
    ("bare LF in a field line", fields(b"X: a\nY: b\r\n")),
    ("bare LF before the end", fields(b"X: a\n")),
    ("bare LF at the end", LINE + HOST + b"X: a\r\n\n"),
    ("bare CR in a field line", fields(b"X: a\rY: b\r\n")),
    ("CR CR LF", fields(b"X: a\r\r\n")),
    ("folded with a space", fields(b"X: a\r\n b\r\n")),
    ("folded with a tab", fields(b"X: a\r\n\tb\r\n")),
    ("folded with nothing", fields(b"X: a\r\n \r\n")),
    ("folded first line", LINE + b" X: a\r\n" + HOST + b"\r\n"),
    ("folded coding", fields(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    ("space before the colon", fields(b"X : a\r\n")),
    ("tab before the colon", fields(b"X\t: a\r\n")),
    ("space in a name", fields(b"X Y: a\r\n")),
    ("no name", fields(b": a\r\n")),
    ("no colon", fields(b"X\r\n")),
    ("name that is no token", fields(b"X(: a\r\n")),
    ("NUL in a name", fields(b"X\x00: a\r\n")),
    ("byte above ASCII in a name", fields(b"X\x80: a\r\n")),
    ("NUL in a value", fields(b"X: a\x00b\r\n")),
    ("NUL for a value", fields(b"X: \x00\r\n")),
    ("vertical tab in a value", fields(b"X: a\x0bb\r\n")),
    ("escape in a value", fields(b"X: a\x1bb\r\n")),
    ("control byte in a value", fields(b"X: a\x1fb\r\n")),
    ("DEL in a value", fields(b"X: a\x7fb\r\n")),
    ("control byte in Connection", fields(b"Connection: close\x01\r\n")),
])

HOSTS = named([
    ("missing", LINE + b"\r\n"),
    ("doubled", fields(b"Host: test\r\n")),
    ("doubled and different", fields(b"Host: other\r\n")),
    ("doubled in other case", fields(b"hOST: other\r\n")),
    ("doubled and empty", fields(b"Host:\r\n")),
    ("doubled in HTTP/1.0", b"GET /health HTTP/1.0\r\n" + HOST + HOST + b"\r\n"),
    ("with a space", LINE + b"Host: a b\r\n\r\n"),
    ("with a path", LINE + b"Host: a/b\r\n\r\n"),
    ("with a user", LINE + b"Host: a@b\r\n\r\n"),
    ("with a comma", LINE + b"Host: a,b\r\n\r\n"),
    ("with a byte above ASCII", LINE + b"Host: \xc3\xa9\r\n\r\n"),
])


def length(value):
    return fields(b"Content-Length:" + value + b"\r\n", b"hello")


LENGTHS = named([
    ("doubled", fields(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    ("doubled and different", fields(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello")),
    ("in a list", length(b" 5, 5")),
    ("in a list of different ones", length(b" 5, 0")),
    ("with a plus", length(b" +5")),
    ("negative", length(b" -5")),
    ("hexadecimal", length(b" 0x5")),
    ("with a space", length(b" 5 5")),
    ("with a semicolon", length(b" 5;")),
    ("with a fraction", length(b" 5.0")),
    ("with an exponent", length(b" 1e1")),
    ("with letters", length(b" five")),
    ("with a NUL", length(b" 5\x00")),
    ("with a vertical tab", length(b" \x0b5")),
    ("empty", length(b"")),
    ("blank", length(b"  ")),
    ("2^64", length(b" 18446744073709551616")),
    ("2^64 + 5", length(b" 18446744073709551621")),
    ("30 digits", length(b" 100000000000000000000000000005")),
    ("with a space before the colon", fields(b"Content-Length : 5\r\n", b"hello")),
])


def coding(value, line_=LINE):
    return line_ + HOST + b"Transfer-Encoding:" + value + b"\r\n\r\n0\r\n\r\n"


CODINGS = named([
    ("behind a length", fields(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    ("before a length", fields(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n")),
    ("with a length of 0", fields(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                                  b"0\r\n\r\n")),
    ("in HTTP/1.0", coding(b" chunked", b"POST /test/echo HTTP/1.0\r\n")),
    ("identity in HTTP/1.0", coding(b" identity", b"POST /test/echo HTTP/1.0\r\n")),
    ("doubled", fields(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                       b"0\r\n\r\n")),
    ("chunked twice", coding(b" chunked, chunked")),
    ("chunked first", coding(b" chunked, gzip")),
    ("chunked first, in two fields",
     fields(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", b"0\r\n\r\n")),
    ("gzip", coding(b" gzip")),
    ("identity", coding(b" identity")),
    ("empty", coding(b"")),
    ("a letter before", coding(b" xchunked")),
    ("a letter behind", coding(b" chunkedx")),
    ("a vertical tab before", coding(b" \x0bchunked")),
    ("a NUL behind", coding(b" chunked\x00")),
    ("a comma behind", coding(b" chunked,")),
    ("a parameter", coding(b" chunked;q=1")),
    ("in double quotes", coding(b' "chunked"')),
    ("in single quotes", coding(b" 'chunked'")),
    ("a space before the colon", fields(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n")),
])


def chunk(text):
    return CHUNKED + text


CHUNKS = named([
    ("size with 0x", chunk(b"0x3\r\nabc\r\n0\r\n\r\n")),
    ("size with a plus", chunk(b"+3\r\nabc\r\n0\r\n\r\n")),
    ("negative size", chunk(b"-3\r\nabc\r\n0\r\n\r\n")),
    ("size with an underscore", chunk(b"3_\r\nabc\r\n0\r\n\r\n")),
    ("space before the size", chunk(b" 3\r\nabc\r\n0\r\n\r\n")),
    ("space behind the size", chunk(b"3 \r\nabc\r\n0\r\n\r\n")),
    ("tab behind the size", chunk(b"3\t\r\nabc\r\n0\r\n\r\n")),
    ("no size", chunk(b"\r\nabc\r\n0\r\n\r\n")),
    ("size that is no number", chunk(b"g\r\nabc\r\n0\r\n\r\n")),
    ("size above 64 bits", chunk(b"1ffffffffffffffff\r\nabc\r\n0\r\n\r\n")),
    ("bare LF behind the size", chunk(b"3\nabc\r\n0\r\n\r\n")),
    ("bare CR behind the size", chunk(b"3\rabc\r\n0\r\n\r\n")),
    ("bare LF behind the data", chunk(b"3\r\nabc\n0\r\n\r\n")),
    ("two CR behind the data", chunk(b"3\r\nabc\r\r\n0\r\n\r\n")),
    ("nothing behind the data", chunk(b"3\r\nabc0\r\n\r\n")),
    ("data longer than its size", chunk(b"3\r\nabcd\r\n0\r\n\r\n")),
    ("bare LF behind the last size", chunk(b"3\r\nabc\r\n0\n\r\n")),
    ("bare LF at the end", chunk(b"3\r\nabc\r\n0\r\n\n")),
    ("bare LF in an extension", chunk(b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    ("bare CR in an extension", chunk(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    ("control byte in an extension", chunk(b"3;a=\x01\r\nabc\r\n0\r\n\r\n")),
    ("extension without a name", chunk(b"3;\r\nabc\r\n0\r\n\r\n")),
    ("extension with a value alone", chunk(b"3;=a\r\nabc\r\n0\r\n\r\n")),
    ("extension whose value is missing", chunk(b"3;a=\r\nabc\r\n0\r\n\r\n")),
    ("extension with a name in quotes", chunk(b'3;"a"\r\nabc\r\n0\r\n\r\n')),
    ("extension with an open quote", chunk(b'3;a="\r\nabc\r\n0\r\n\r\n')),
    ("extension whose quote ends escaped", chunk(b'3;a="\\\r\nabc\r\n0\r\n\r\n')),
    ("extension with letters behind the quote", chunk(b'3;a="b"c\r\nabc\r\n0\r\n\r\n')),
    ("extension with blanks behind it", chunk(b"3;a \r\nabc\r\n0\r\n\r\n")),
    ("bare LF in a quoted extension", chunk(b'3;a="\n"\r\nabc\r\n0\r\n\r\n')),
    ("extension above 16 KiB", chunk(b"3;" + b"a" * 16385 + b"\r\nabc\r\n0\r\n\r\n")),
    ("extensions above 16 KiB together", chunk((b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 17)),
    ("size above 16 KiB", chunk(b"0" * 16400 + b"3\r\nabc\r\n0\r\n\r\n")),
    ("trailer with a space before the colon", chunk(b"0\r\nA : b\r\n\r\n")),
    ("trailer that is folded", chunk(b"0\r\nA: b\r\n c\r\n\r\n")),
    ("trailer without a colon", chunk(b"0\r\nA\r\n\r\n")),
    ("trailer with a bare LF", chunk(b"0\r\nA: b\n\r\n")),
    ("trailer with a control byte", chunk(b"0\r\nA: \x01\r\n\r\n")),
    ("trailer without a name", chunk(b"0\r\n: b\r\n\r\n")),
    ("trailer with a coding in other case", chunk(b"0\r\ntRANSFER-eNCODING:x\r\n\r\n")),
    ("trailer with a coding", chunk(b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    ("trailers above 16 KiB", chunk(b"0\r\nA: " + b"a" * 16400 + b"\r\n\r\n")),
])

PATHS = named([
    ("escape without digits", line(b"GET /test/params/%/b HTTP/1.1")),
    ("escape with one digit", line(b"GET /test/params/a/%4 HTTP/1.1")),
    ("escape with other letters", line(b"GET /test/params/%zz/b HTTP/1.1")),
    ("escaped NUL", line(b"GET /test/params/a%00/b HTTP/1.1")),
])


def assert_refused(server, data, status):
    with Peer(server) as peer:
        peer.send(data + NEXT)
        answer = peer.answer()
        assert answer.status == status, answer.body
        assert answer["Connection"] == "close"
        assert answer.body.startswith(b"%d " % status)
        assert peer.is_closed(), "more than one answer came"


@pytest.mark.parametrize("data", REQUEST_LINES)
def test_malformed_request_line(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", FIELDS)
def test_malformed_field(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", HOSTS)
def test_host(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", LENGTHS)
def test_content_length(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", CODINGS)
def test_transfer_encoding(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", CHUNKS)
def test_chunk(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("data", PATHS)
def test_path(test_server, data):
    assert_refused(test_server, data, 400)


@pytest.mark.parametrize("value", [b"200-ok", b"x", b"", b"100-continue, x", b"100-continue;q=1",
                                   b"100-continue\r\nExpect: x"])
def test_unknown_expectation(test_server, value):
    assert_refused(test_server, fields(b"Expect: " + value + b"\r\nContent-Length: 5\r\n"), 417)


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/3.0", b"HTTP/1.2", b"HTTP/9.9"])
def test_other_version(test_server, version):
    assert_refused(test_server, line(b"GET /health " + version), 505)


def test_not_quite_the_http_2_preface(test_server):
    assert_refused(test_server, b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", 505)


@pytest.mark.parametrize("value", [b"gzip, chunked", b"gzip,chunked", b"gzip\t, chunked"])
def test_other_coding_before_chunked(test_server, value):
    assert_refused(test_server, coding(b" " + value), 501)


def test_refused_bytes_may_come_one_by_one(test_server):
    """The guards hold however the bytes are cut."""
    for data in (fields(b"X: a\nY: b\r\n"), fields(b"X: a\r\n b\r\n"), chunk(b"3\r\nabc\n0\r\n\r\n"),
                 chunk(b"0\r\nA: b\r\n c\r\n\r\n"), chunk(b"0\r\nA: b\n\r\n")):
        with Peer(test_server) as peer:
            peer.send_apart(*(data[i:i + 1] for i in range(len(data))))
            assert peer.answer().status == 400
            assert peer.is_closed()


@pytest.mark.parametrize("data", named([
    ("HTTP/0.9", b"GET /health/live\r\n"),
    ("another protocol", b"GET / ICE/1.0\r\n"),
    ("CR in the request line", b"GET /\rx"),
    ("CR behind the request line", b"GET / HTTP/1.1\rX"),
    ("CR in a field", b"GET / HTTP/1.1\r\nHost: test\rX"),
    ("CR where the head ends", b"GET / HTTP/1.1\r\nHost: test\r\n\rX"),
    ("CR before a request", b"\rX"),
]))
@pytest.mark.parametrize("is_apart", [False, True], ids=["whole", "apart"])
def test_what_cannot_become_a_request_is_refused_at_once(test_server, data, is_apart):
    """The head is not complete, and the server waits for no more of it."""
    with Peer(test_server) as peer:
        peer.send_apart(*(data[i:i + 1] for i in range(len(data))) if is_apart else (data,))
        answer = peer.answer()
        assert (answer.status, answer["Connection"]) == (400, "close")
        assert peer.is_closed()


def test_whoever_does_not_speak_http_gets_no_answer(start_server):
    """No line of a request is without a slash. Behind a request it is one that is malformed."""
    server = start_server()
    for data in (b"HELLO\r\n\r\n", b"\r\n*1\r\n$4\r\nPING\r\n\r\n", b"GET\r\n\r\n"):
        with Peer(server) as peer:
            peer.send(data)
            assert peer.rest() == b""
    with Peer(server) as peer:
        peer.send(request("/test/params/a/1") + b"HELLO\r\n\r\n")
        assert [peer.answer().status for _ in range(2)] == [200, 400]
        assert peer.is_closed()
    assert Scrape(server).get("http2_connections_cut_off_total", reason="protocol error") == 3


def test_answers_before_a_refused_request_are_complete(test_server):
    with Peer(test_server) as peer:
        peer.send(request("/test/params/a/1") + request("/test/sleep?ms=30")
                  + line(b"GET  / HTTP/1.1") + NEXT)
        assert [peer.answer().status for _ in range(3)] == [200, 200, 400]
        assert peer.is_closed()
