# SPDX-License-Identifier: MIT
"""Requests over HTTP/2 and their fields: what is malformed, how they are coded, how they are cut.

Numbers of sections are those of RFC 9113 and RFC 7541.
"""

import pytest
from http2_wire import (COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED,
                        PROTOCOL_ERROR, Http2Peer, fields, frame)

POST = fields("/", method="POST")
TEST = ("x-test", "ok")


@pytest.fixture
def peer(connect):
    return connect()


@pytest.fixture
def plain(test_server):
    """It may ask for the test routes."""
    with Http2Peer(test_server) as one:
        yield one


# --- 8: requests --------------------------------------------------------------------------------------


def test_8_1_get(peer):
    answer = peer.ask()
    assert answer.status == peer.status
    assert int(answer["content-length"]) == len(answer.body)


def test_8_1_head(peer):
    peer.send(peer.headers(1, fields("/", method="HEAD")))
    one = peer.await_frame(HEADERS, stream=1)
    assert one.is_end and int(dict(one.pairs)["content-length"]) > 0


def test_8_1_bodies(plain):
    answer = plain.ask()
    assert (answer.status, answer.body, answer["content-length"]) == (200, b'"a""b"', "6")
    assert plain.ask("/test/echo", method="POST", body=b"test", stream=3).body == b"test"


def test_8_1_post_with_trailers(plain):
    pairs = fields("/test/echo", ("trailer", "x-test"), method="POST")
    plain.send(plain.headers(1, pairs, end=False), frame(DATA, 0, 1, b"test"),
               plain.headers(1, [TEST, ("x-sum", "5")]))
    assert plain.answer().body == b"test"


def test_8_1_trailers_that_nobody_wants(peer):
    pairs = fields("/", ("trailer", "x-test"), method="POST")
    peer.send(peer.headers(1, pairs, end=False), frame(DATA, 0, 1, b"test"), peer.headers(1, [TEST]))
    assert peer.answer().status == peer.status
    assert peer.ask(stream=3).status == peer.status


def test_8_1_second_headers_without_end(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              peer.headers(1, [TEST], end=False))
    peer.assert_error(1, PROTOCOL_ERROR)


MALFORMED = {
    "8.2.1 name in upper case": fields("/", ("X-TEST", "ok")),
    "8.2.1 name with a capital": fields("/", ("X-test", "ok")),
    "8.2.1 blank in a name": fields("/", ("x test", "ok")),
    "8.2.1 colon in a name": fields("/", ("x:test", "ok")),
    "8.2.1 control byte in a name": fields("/", ("x\x01", "ok")),
    "8.2.1 empty name": fields("/", ("", "ok")),
    "8.2.1 NUL in a value": fields("/", ("x-test", "a\0b")),
    "8.2.1 CR in a value": fields("/", ("x-test", "a\rb")),
    "8.2.1 LF in a value": fields("/", ("x-test", "a\nb: c")),
    "8.2.1 value that begins with a blank": fields("/", ("x-test", " a")),
    "8.2.1 value that ends with a tab": fields("/", ("x-test", "a\t")),
    "8.2.2 connection": fields("/", ("connection", "keep-alive")),
    "8.2.2 keep-alive": fields("/", ("keep-alive", "timeout=5")),
    "8.2.2 proxy-connection": fields("/", ("proxy-connection", "keep-alive")),
    "8.2.2 transfer-encoding": fields("/", ("transfer-encoding", "chunked")),
    "8.2.2 upgrade": fields("/", ("upgrade", "h2c")),
    "8.2.2 TE": fields("/", ("trailers", "test"), ("te", "trailers, deflate")),
    "8.3 unknown pseudo-header": fields("/") + [(":test", "ok")],
    "8.3 one of answers": fields("/") + [(":status", "200")],
    "8.3 pseudo-header behind a field": [TEST] + fields("/"),
    "8.3.1 empty path": fields(""),
    "8.3.1 path without a slash": fields("a"),
    "8.3.1 no method": fields("/")[1:],
    "8.3.1 no scheme": [pair for pair in fields("/") if pair[0] != ":scheme"],
    "8.3.1 no path": [pair for pair in fields("/") if pair[0] != ":path"],
    "8.3.1 no method and no scheme": fields("/")[2:],
    "8.3.1 no authority and no host": fields("/")[:-1],
    "8.3.1 two methods": fields("/") + [(":method", "GET")],
    "8.3.1 two schemes": fields("/") + [(":scheme", "http")],
    "8.3.1 two paths": fields("/") + [(":path", "/")],
    "8.3.1 two authorities": fields("/") + [(":authority", "test")],
    "8.3.1 extended CONNECT, which is not offered": fields("/", method="CONNECT") + [
        (":protocol", "websocket")],
    "8.1.1 two lengths": fields("/", ("content-length", "0"), ("content-length", "1")),
    "8.1.1 length that is no number": fields("/", ("content-length", "one")),
}


@pytest.mark.parametrize("pairs", MALFORMED.values(), ids=MALFORMED)
def test_8_malformed(peer, pairs):
    peer.send(peer.headers(1, pairs))
    peer.assert_stream_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("pair", [(":method", "POST"), ("X-TEST", "ok"), ("connection", "close")])
def test_8_malformed_trailers(peer, pair, end):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              peer.headers(1, [pair], end=end))
    peer.assert_stream_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("length, pieces", [(1, [b"test"]), (8, [b"test"]), (1, [b"test", b"test"]),
                                            (5, [b"test", b"test"]), (9, [b"test", b"test"]), (4, [])])
def test_8_1_1_length_against_the_body(peer, length, pieces):
    pairs = fields("/", ("content-length", str(length)), method="POST")
    data = [frame(DATA, END_STREAM if i + 1 == len(pieces) else 0, 1, piece)
            for i, piece in enumerate(pieces)]
    peer.send(peer.headers(1, pairs, end=not pieces), *data)
    peer.assert_stream_error(1, PROTOCOL_ERROR)


# --- RFC 7541: HPACK ----------------------------------------------------------------------------------

# method GET, scheme http, path /, all from the static table; authority "test" without indexing
BASE = b"\x82\x86\x84" + b"\x01\x04test"
HUFFMAN_NAME = b"\x85\xf2\xb2\x4a\x84\xff"  # "x-test"
HUFFMAN_TEST = b"\x83\x49\x50\x9f"  # "test", 4 symbols, last byte padded with ones


@pytest.mark.parametrize("more", [
    b"", b"\x90", b"\xba",  # 6.1: an indexed field, accept-encoding or user-agent, from the static table
    b"\x53\x04test",  # 6.2.1: incremental indexing, indexed name
    b"\x53" + HUFFMAN_TEST,
    b"\x40\x06x-test\x04test" + b"\xbe",  # new name, and used again from the dynamic table
    b"\x40\x06x-test" + HUFFMAN_TEST,
    b"\x40" + HUFFMAN_NAME + HUFFMAN_TEST,
    b"\x0f\x04\x04test",  # 6.2.2: without indexing
    b"\x00\x06x-test\x04test",
    b"\x00" + HUFFMAN_NAME + HUFFMAN_TEST,
    b"\x1f\x04\x04test",  # 6.2.3: never indexed
    b"\x10\x06x-test\x04test",
    b"\x10" + HUFFMAN_NAME + HUFFMAN_TEST,
])
def test_7541_6_representations(peer, more):
    peer.send(peer.headers(1, block=BASE + more))
    assert peer.answer(1).status == peer.status


@pytest.mark.parametrize("updates", [b"\x20", b"\x3f\x61", b"\x20\x3f\x61", b"\x3f\xe1\x1f",
                                     b"\x3f\x61\x3f\xe1\x1f"])
def test_7541_6_3_size_update_at_the_start(peer, updates):
    peer.send(peer.headers(1, block=updates + BASE))
    assert peer.answer(1).status == peer.status


COMPRESSION = {
    "2.3.3 index behind the tables": BASE + b"\xc6",
    "2.3.3 indexed name behind the tables": BASE + b"\x7f\x07\x04test",
    "2.3.3 indexed name behind the tables, empty": BASE + b"\x7f\x07\x00",
    "4.2 size update behind a field": BASE + b"\x20",
    "4.2 size update to 1 behind a field": BASE + b"\x21",
    "5.1 integer without an end": BASE + b"\xff" + b"\xff" * 12,
    "5.2 string longer than the block": BASE + b"\x40\x06x-test\x20test",
    "5.2 padding of more than 7 bits": BASE + b"\x00" + HUFFMAN_NAME + b"\x84\x49\x50\x9f\xff",
    "5.2 padding of zeros": BASE + b"\x00" + HUFFMAN_NAME + b"\x83\x49\x50\x90",
    "5.2 EOS within": BASE + b"\x00" + HUFFMAN_NAME + b"\x88\x49\x51\xff\xff\xff\xfa\x7f\xff",
    "5.2 EOS within, no byte too many": BASE + b"\x00" + HUFFMAN_NAME + b"\x87\x49\x51\xff\xff\xff\xfa\x7f",
    "6.1 index 0": BASE + b"\x80",
    "6.3 size update above the setting": b"\x3f\xe2\x1f" + BASE,
}


@pytest.mark.parametrize("block", COMPRESSION.values(), ids=COMPRESSION)
def test_7541_invalid(peer, block):
    peer.send(peer.headers(1, block=block))
    peer.assert_connection_error(COMPRESSION_ERROR)


# --- in pieces ----------------------------------------------------------------------------------------


def test_a_request_may_be_cut_anywhere(plain):
    def whole(stream):
        """A request of four frames: HEADERS with padding, CONTINUATION, two of DATA."""
        block = plain.block(fields("/test/echo", method="POST"))
        return (frame(HEADERS, PADDED, stream, b"\x03" + block[:5] + bytes(3))
                + frame(CONTINUATION, END_HEADERS, stream, block[5:])
                + frame(DATA, PADDED, stream, b"\x02some" + bytes(2))
                + frame(DATA, END_STREAM, stream, b" body"))

    plain.is_apart = True
    plain.send(whole(1))
    assert plain.answer(1).body == b"some body"
    for at in range(1, len(whole(3))):  # all alike: hpack has the fields in its table
        data = whole(1 + 2 * at)
        plain.send(data[:at], data[at:])
        assert plain.answer(1 + 2 * at).body == b"some body"
