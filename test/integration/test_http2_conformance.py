# SPDX-License-Identifier: MIT
"""HTTP/2 and HPACK, section by section: what a server must take, and what it must refuse, and how.

Numbers of sections are those of RFC 9113 and RFC 7541; where only RFC 7540 has a rule, it is named.
"""

import struct

import pytest
from http2_wire import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS,
                        END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
                        INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, PADDED, PING,
                        PREFACE, PRIORITIZED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM,
                        RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, Http2Peer, fields, frame,
                        ping, priority, rst, settings, window_update)

POST = fields("/test/echo", method="POST")
SLOW = fields("/test/sleep?ms=60000")


@pytest.fixture
def peer(test_server):
    with Http2Peer(test_server) as one:
        yield one


def assert_answered(peer, stream=1, status=200):
    answer = peer.answer(stream)
    assert answer.status == status
    return answer


# --- 3.4: the preface ---------------------------------------------------------------------------------


def test_3_4_preface(test_server):
    with Http2Peer(test_server, preface=False) as peer:
        peer.send(PREFACE, settings())
        first = peer.frame()
        assert first.kind == SETTINGS and not first.flags & ACK
        assert peer.server_settings[MAX_CONCURRENT_STREAMS] == 256
        peer.await_frame(SETTINGS, ACK)
        peer.assert_alive()


def test_3_4_preface_byte_by_byte(test_server):
    with Http2Peer(test_server, preface=False) as peer:
        for byte in PREFACE + settings() + peer.headers(1):
            peer.send(bytes([byte]))
        assert_answered(peer)


def test_3_4_preface_and_request_at_once(test_server):
    with Http2Peer(test_server, preface=False) as peer:
        peer.send(PREFACE + settings() + peer.headers(1))
        assert_answered(peer)


@pytest.mark.parametrize("cut", [100, 1])
def test_3_4_invalid_preface(test_server, cut):
    """It is no HTTP/1 either: the server closes, and says nothing that a peer could take for frames."""
    preface = b"UNKNOWN INITIAL BYTES\r\n\r\n"
    with Http2Peer(test_server, preface=False) as peer:
        for at in range(0, len(preface), cut):
            peer.send(preface[at:at + cut])
        assert peer.frame() is None and not peer.received and not peer.is_reset


def test_3_4_almost_the_preface(test_server):
    """A line of a request it is, so HTTP/1 answers, and closes."""
    with Http2Peer(test_server, preface=False) as peer:
        peer.send(PREFACE[:-4] + b"XX\r\n")
        assert peer.frame() is None and not peer.is_reset
        assert peer.received.startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("first", [ping(), settings(flags=ACK), window_update(0, 1)])
def test_3_4_first_frame_is_not_settings(test_server, first):
    with Http2Peer(test_server, preface=False) as peer:
        peer.send(PREFACE, first)
        peer.assert_connection_error(PROTOCOL_ERROR)


# --- 4.1, 4.2, 4.3: frames ----------------------------------------------------------------------------


def test_4_1_unknown_type(peer):
    peer.send(frame(0x16, 0, 0, bytes(8)))
    peer.assert_alive()


def test_4_1_undefined_flag(peer):
    peer.send(ping(b"flagged!", flags=0x16))
    assert peer.await_frame(PING, ACK).payload == b"flagged!"


def test_4_1_reserved_bit(peer):
    peer.send(frame(PING, 0, 0x80000000, b"reserved"))
    assert peer.await_frame(PING, ACK).payload == b"reserved"


def test_4_2_data_of_the_largest_size(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM, 1, bytes(16384)))
    assert assert_answered(peer).body == bytes(16384)


def test_4_2_data_too_large(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM, 1, bytes(16385)))
    peer.assert_error(1, FRAME_SIZE_ERROR)


def test_4_2_headers_too_large(peer):
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bytes(16385)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


def test_4_3_invalid_block(peer):
    peer.send(peer.headers(1, block=b"\xff\xff\xff\xff\xff\xff\xff"))
    peer.assert_connection_error(COMPRESSION_ERROR)


def test_4_3_incomplete_block(peer):
    peer.send(peer.headers(1, block=peer.block(fields())[:-1]))
    peer.assert_connection_error(COMPRESSION_ERROR)


@pytest.mark.parametrize("between", [priority(1), priority(3, 1), ping(), window_update(0, 1),
                                     frame(DATA, 0, 1, b"x"), rst(1), settings()])
def test_4_3_frame_within_a_block(peer, between):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block[:4]), between,
              frame(CONTINUATION, END_HEADERS, 1, block[4:]))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_4_3_headers_of_another_stream_within_a_block(peer):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block), peer.headers(3))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 5.1: states of a stream --------------------------------------------------------------------------


@pytest.mark.parametrize("one", [frame(DATA, END_STREAM, 1, b"test"), rst(1), window_update(1, 100),
                                 frame(CONTINUATION, END_HEADERS, 1, b"\x82")])
def test_5_1_idle(peer, one):
    peer.send(one)
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_1_idle_priority(peer):
    peer.send(priority(3), peer.headers(3))
    assert_answered(peer, 3)


def test_5_1_half_closed_data(peer):
    peer.send(peer.headers(1, SLOW), frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_half_closed_headers(peer):
    peer.send(peer.headers(1, SLOW), peer.headers(1, SLOW))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_half_closed_continuation(peer):
    peer.send(peer.headers(1, SLOW), frame(CONTINUATION, END_HEADERS, 1, peer.block(SLOW)))
    peer.assert_connection_error(PROTOCOL_ERROR, STREAM_CLOSED)


@pytest.mark.parametrize("one", [window_update(1, 100), priority(1)])
def test_5_1_half_closed_takes(peer, one):
    peer.send(peer.headers(1, fields("/test/sleep?ms=50")), one)
    assert_answered(peer)


def test_5_1_half_closed_reset(peer):
    peer.send(peer.headers(1, SLOW), rst(1))
    peer.assert_alive()


def test_5_1_data_after_reset(peer):
    peer.send(peer.headers(1, POST, end=False), rst(1), frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_headers_after_reset(peer):
    peer.send(peer.headers(1, POST, end=False), rst(1), peer.headers(1, POST))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_continuation_after_reset(peer):
    peer.send(peer.headers(1, POST, end=False), rst(1),
              frame(CONTINUATION, END_HEADERS, 1, peer.block(POST)))
    peer.assert_connection_error(PROTOCOL_ERROR, STREAM_CLOSED)


def test_5_1_data_on_closed(peer):
    assert peer.ask().status == 200
    peer.send(frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_headers_on_closed(peer):
    assert peer.ask().status == 200
    peer.send(peer.headers(1))
    peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_continuation_on_closed(peer):
    assert peer.ask().status == 200
    peer.send(frame(CONTINUATION, END_HEADERS, 1, peer.block(fields())))
    peer.assert_connection_error(PROTOCOL_ERROR, STREAM_CLOSED)


@pytest.mark.parametrize("one", [priority(1), window_update(1, 1), rst(1)])
def test_5_1_closed_takes(peer, one):
    """Those may be on their way when the peer learns that the stream is closed."""
    assert peer.ask().status == 200
    peer.send(one)
    peer.assert_alive()


@pytest.mark.parametrize("make", [lambda peer: frame(DATA, END_STREAM, 1, b"test"),
                                  lambda peer: peer.headers(399)])
def test_5_1_closed_long_ago(peer, make):
    """Streams that closed before many others are still known to have been used."""
    for stream in range(1, 801, 2):
        assert peer.ask(stream=stream).status == 200
    peer.send(make(peer))
    peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_trailers_on_the_way_after_our_reset(peer):
    """What was sent before our RST_STREAM came is decoded, for HPACK, and ignored."""
    peer.send(peer.headers(1, fields("/test/echo", ("Bad", "name"), method="POST"), end=False))
    peer.await_frame(RST_STREAM, stream=1)
    peer.send(peer.headers(1, [("x-late", "trailer")]))
    answer = peer.ask("/test/header?value=late", ("x-late", "trailer"), stream=3)
    assert answer["x-test"] == "late"


# --- 5.1.1, 5.1.2: ids and their number ---------------------------------------------------------------


@pytest.mark.parametrize("stream", [0, 2])
def test_5_1_1_id_is_not_the_clients(peer, stream):
    peer.send(peer.headers(stream))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("first, then", [(5, 3), (5, 1), (2001, 1001)])
def test_5_1_1_id_decreases(peer, first, then):
    peer.send(peer.headers(first, SLOW), peer.headers(then))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_1_1_ids_may_be_passed_over(peer):
    for stream in (7, 101, 103, 2**31 - 1):
        assert peer.ask(stream=stream).status == 200


def test_5_1_2_more_streams_than_allowed(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 10})
    with Http2Peer(server) as peer:
        assert peer.server_settings[MAX_CONCURRENT_STREAMS] == 10
        peer.assert_alive()  # so the server knows that we know
        for stream in range(1, 22, 2):
            peer.send(peer.headers(stream, SLOW))
        peer.assert_error(21, PROTOCOL_ERROR, REFUSED_STREAM)


# --- RFC 7540 5.3.1: dependencies ---------------------------------------------------------------------


def test_7540_5_3_1_headers_depend_on_themselves(peer):
    payload = struct.pack(">IB", 1, 255) + peer.block(fields())
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, payload))
    peer.assert_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("is_open", [False, True])
def test_7540_5_3_1_priority_depends_on_itself(peer, is_open):
    if is_open:
        peer.send(peer.headers(1, SLOW))
    peer.send(priority(1, 1))
    peer.assert_error(1, PROTOCOL_ERROR)


# --- 5.4, 5.5: errors and extensions ------------------------------------------------------------------


def test_5_4_1_goaway_then_close(peer):
    peer.send(peer.headers(1, SLOW), frame(PING, 0, 3, bytes(8)))
    one = peer.await_frame(GOAWAY)
    assert (one.code, one.last_stream) == (PROTOCOL_ERROR, 1)
    assert list(peer.frames()) == [] and not peer.is_reset


def test_5_4_1_goaway_is_not_lost_among_what_still_comes(peer):
    """The server reads on for a while: a reset would take the GOAWAY with it."""
    peer.send(frame(PING, 0, 3, bytes(8)), *[frame(DATA, 0, 1, bytes(16384))] * 20)
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_5_unknown_extension(peer):
    peer.send(frame(0xFF, 0xFF, 0, b"unknown"), frame(0xFF, 0, 9, b"unknown"))
    peer.assert_alive()


def test_5_5_unknown_extension_within_a_block(peer):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block[:4]), frame(0xFF, 0, 1, b"unknown"),
              frame(CONTINUATION, END_HEADERS, 1, block[4:]))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 6.1: DATA ----------------------------------------------------------------------------------------


def test_6_1_data(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"one "),
              frame(DATA, END_STREAM, 1, b"two"))
    assert assert_answered(peer).body == b"one two"


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_6_1_padding(peer, padding):
    payload = bytes([padding]) + b"test" + bytes(padding)
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM | PADDED, 1, payload))
    assert assert_answered(peer).body == b"test"


def test_6_1_stream_0(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM, 0, b"test"))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("payload", [b"\x05test", b"\xfftest", b"\x01", b""])
def test_6_1_padding_longer_than_the_payload(peer, payload):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM | PADDED, 1, payload))
    peer.assert_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


# --- 6.2: HEADERS -------------------------------------------------------------------------------------


def test_6_2_padding(peer):
    payload = b"\x08" + peer.block(fields()) + bytes(8)
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, payload))
    assert_answered(peer)


def test_6_2_priority(peer):
    payload = struct.pack(">IB", 0, 255) + peer.block(fields())
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, payload))
    assert_answered(peer)


def test_6_2_stream_0(peer):
    peer.send(peer.headers(0))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_2_padding_longer_than_the_payload(peer):
    block = peer.block(fields())
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, bytes([len(block) + 1]) + block))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("flags, payload", [(PRIORITIZED, bytes(4)), (PADDED, b""),
                                            (PADDED | PRIORITIZED, bytes(5))])
def test_6_2_too_short(peer, flags, payload):
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | flags, 1, payload))
    peer.assert_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


# --- 6.3: PRIORITY ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight, depends_on", [(0, 0), (255, 0), (15, 3), (15, 0x80000003)])
def test_6_3_priority(peer, weight, depends_on):
    peer.send(priority(1, depends_on, weight), peer.headers(1))
    assert_answered(peer)


def test_6_3_idle_stream_then_a_lower_one(peer):
    peer.send(priority(5), peer.headers(3))
    assert_answered(peer, 3)


def test_6_3_stream_0(peer):
    peer.send(priority(0, 1))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [4, 6])
def test_6_3_length(peer, length):
    peer.send(peer.headers(1, SLOW), frame(PRIORITY, 0, 1, bytes([0x80, 0, 0, 1, 0, 0])[:length]))
    peer.assert_error(1, FRAME_SIZE_ERROR)


# --- 6.4: RST_STREAM ----------------------------------------------------------------------------------


def test_6_4_stream_0(peer):
    peer.send(rst(0))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [3, 5])
def test_6_4_length(peer, length):
    peer.send(peer.headers(1, SLOW), frame(RST_STREAM, 0, 1, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


# --- 6.5: SETTINGS ------------------------------------------------------------------------------------


def test_6_5_acknowledged(peer):
    peer.send(settings((INITIAL_WINDOW_SIZE, 100), (MAX_CONCURRENT_STREAMS, 100)))
    assert peer.await_frame(SETTINGS, ACK).payload == b""


def test_6_5_ack_with_payload(peer):
    peer.send(frame(SETTINGS, ACK, 0, bytes(6)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


def test_6_5_ack_of_nothing(peer):
    """Ours has been acknowledged; a second acknowledgement is of nothing."""
    peer.send(settings(flags=ACK))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_5_stream_1(peer):
    peer.send(frame(SETTINGS, 0, 1, struct.pack(">HI", MAX_CONCURRENT_STREAMS, 100)))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [3, 7])
def test_6_5_length(peer, length):
    peer.send(frame(SETTINGS, 0, 0, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


@pytest.mark.parametrize("name, value, code", [
    (ENABLE_PUSH, 2, PROTOCOL_ERROR),
    (INITIAL_WINDOW_SIZE, 2**31, FLOW_CONTROL_ERROR),
    (MAX_FRAME_SIZE, 16383, PROTOCOL_ERROR),
    (MAX_FRAME_SIZE, 2**24, PROTOCOL_ERROR),
])
def test_6_5_2_value(peer, name, value, code):
    peer.send(settings((name, value)))
    peer.assert_connection_error(code)


def test_6_5_2_unknown_setting(peer):
    peer.send(settings((0xFF, 1)))
    peer.await_frame(SETTINGS, ACK)
    peer.assert_alive()


def test_6_5_3_the_last_value_counts(peer):
    peer.send(settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)), peer.headers(1))
    assert len(peer.await_frame(DATA, stream=1).payload) == 1


# --- 6.7: PING ----------------------------------------------------------------------------------------


def test_6_7_answered(peer):
    peer.send(ping(b"h2spec!!"))
    assert peer.await_frame(PING, ACK).payload == b"h2spec!!"


def test_6_7_ack_is_not_answered(peer):
    peer.send(ping(b"invalid!", flags=ACK), ping(b"valid!!!"))
    assert peer.await_frame(PING).payload == b"valid!!!"


def test_6_7_stream_1(peer):
    peer.send(frame(PING, 0, 1, bytes(8)))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [6, 9])
def test_6_7_length(peer, length):
    peer.send(frame(PING, 0, 0, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


# --- 6.8, 7: GOAWAY, error codes ----------------------------------------------------------------------


def test_6_8_stream_1(peer):
    peer.send(frame(GOAWAY, 0, 1, bytes(8)))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("code", [0, 0xFF])
def test_6_8_goaway_of_an_idle_client_ends_the_connection(peer, code):
    """The PING behind it is answered or not; the end is orderly."""
    peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, code)), ping())
    kinds = [one.kind for one in peer.frames()]
    assert set(kinds) <= {PING, GOAWAY} and not peer.is_reset


def test_6_8_goaway_lets_streams_end(peer):
    peer.send(peer.headers(1, fields("/test/sleep?ms=50")),
              frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
    assert_answered(peer)
    assert list(peer.frames()) == [] and not peer.is_reset


def test_7_unknown_code_in_a_reset(peer):
    peer.send(peer.headers(1, SLOW), rst(1, 0xFF))
    peer.assert_alive()


# --- 6.9: WINDOW_UPDATE -------------------------------------------------------------------------------


def test_6_9_windows_are_kept(test_server):
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        peer.send(peer.headers(1), window_update(1, 1))
        assert len(peer.await_frame(DATA, stream=1).payload) == 1
        peer.assert_alive()
        peer.send(window_update(1, 2))
        assert len(peer.await_frame(DATA, stream=1).payload) == 2
        peer.send(window_update(1, 1000))
        assert len(peer.await_frame(DATA, stream=1).payload) == 3


def test_6_9_increment_0_of_the_connection(peer):
    peer.send(window_update(0, 0))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_9_increment_0_of_a_stream(peer):
    peer.send(peer.headers(1, SLOW), window_update(1, 0))
    peer.assert_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [3, 5])
def test_6_9_length(peer, length):
    peer.send(frame(WINDOW_UPDATE, 0, 0, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


def test_6_9_1_overflow_of_the_connection(peer):
    peer.send(window_update(0, 2**31 - 1), window_update(0, 2**31 - 1))
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


def test_6_9_1_overflow_of_a_stream(peer):
    """A stream error, of which this server makes an error of the connection."""
    peer.send(peer.headers(1, SLOW), window_update(1, 2**31 - 1), window_update(1, 2**31 - 1))
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


def test_6_9_2_window_changes_after_the_request(test_server):
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        peer.send(peer.headers(1))
        peer.await_frame(HEADERS, stream=1)
        peer.send(settings((INITIAL_WINDOW_SIZE, 1)))
        assert len(peer.await_frame(DATA, stream=1).payload) == 1


def test_6_9_2_negative_window(test_server):
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, 3)]) as peer:
        peer.send(peer.headers(1))
        assert len(peer.await_frame(DATA, stream=1).payload) == 3
        peer.send(settings((INITIAL_WINDOW_SIZE, 2)), window_update(1, 2))
        assert len(peer.await_frame(DATA, stream=1).payload) == 1


def test_6_9_2_initial_window_overflows_a_stream(peer):
    peer.send(settings((INITIAL_WINDOW_SIZE, 1)), peer.headers(1, SLOW),
              window_update(1, 2**31 - 2), settings((INITIAL_WINDOW_SIZE, 2)))
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


# --- 6.10: CONTINUATION -------------------------------------------------------------------------------


def test_6_10_continuations(peer):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block[:1]), frame(CONTINUATION, 0, 1, block[1:3]),
              frame(CONTINUATION, 0, 1, b""), frame(CONTINUATION, END_HEADERS, 1, block[3:]))
    assert_answered(peer)


def test_6_10_stream_0(peer):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block[:1]), frame(CONTINUATION, END_HEADERS, 0, block[1:]))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_10_after_the_end_of_the_block(peer):
    peer.send(peer.headers(1, POST, end=False), frame(CONTINUATION, END_HEADERS, 1, b"\x82"))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_10_after_a_continuation_that_ends_the_block(peer):
    block = peer.block(fields())
    peer.send(peer.headers(1, flags=0, block=block[:1]),
              frame(CONTINUATION, END_HEADERS, 1, block[1:]), frame(CONTINUATION, END_HEADERS, 1, b"\x82"))
    peer.assert_connection_error(PROTOCOL_ERROR, STREAM_CLOSED)


def test_6_10_after_data(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              frame(CONTINUATION, END_HEADERS, 1, b"\x82"))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 8: requests --------------------------------------------------------------------------------------


def test_8_1_get(peer):
    answer = peer.ask()
    assert (answer.status, answer.body, answer["content-length"]) == (200, b'"a""b"', "6")


def test_8_1_head(peer):
    peer.send(peer.headers(1, fields(method="HEAD")))
    one = peer.await_frame(HEADERS, stream=1)
    assert one.is_end
    assert dict(one.pairs)["content-length"] == "6"


def test_8_1_post(peer):
    assert peer.ask("/test/echo", method="POST", body=b"test").body == b"test"


def test_8_1_post_with_trailers(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              peer.headers(1, [("x-test", "ok"), ("x-sum", "5")]))
    assert assert_answered(peer).body == b"test"


def test_8_1_second_headers_without_end(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              peer.headers(1, [("x-test", "ok")], end=False), frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_error(1, PROTOCOL_ERROR)


MALFORMED = {
    "8.2.1 name in upper case": fields("/", ("X-Test", "ok")),
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
    "8.2.2 TE": fields("/", ("te", "trailers, deflate")),
    "8.3 unknown pseudo-header": fields("/") + [(":test", "ok")],
    "8.3 one of answers": fields("/") + [(":status", "200")],
    "8.3 pseudo-header behind a field": [("x-test", "ok")] + fields("/"),
    "8.3.1 empty path": fields(""),
    "8.3.1 path without a slash": fields("a"),
    "8.3.1 no method": fields("/")[1:],
    "8.3.1 no scheme": [pair for pair in fields("/") if pair[0] != ":scheme"],
    "8.3.1 no path": [pair for pair in fields("/") if pair[0] != ":path"],
    "8.3.1 no authority and no host": fields("/")[:-1],
    "8.3.1 two methods": [(":method", "GET")] + fields("/"),
    "8.3.1 two schemes": [(":scheme", "http")] + fields("/"),
    "8.3.1 two paths": [(":path", "/")] + fields("/"),
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


def test_8_3_pseudo_header_in_trailers(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              peer.headers(1, [(":method", "POST")]))
    peer.assert_stream_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("length, pieces", [(1, [b"test"]), (8, [b"test"]), (1, [b"te", b"st"]),
                                            (8, [b"te", b"st"]), (4, [])])
def test_8_1_1_length_against_the_body(peer, length, pieces):
    pairs = fields("/test/echo", ("content-length", str(length)), method="POST")
    peer.send(peer.headers(1, pairs, end=not pieces))
    for i, piece in enumerate(pieces):
        peer.send(frame(DATA, END_STREAM if i + 1 == len(pieces) else 0, 1, piece))
    peer.assert_stream_error(1, PROTOCOL_ERROR)


def test_8_4_push_promise(peer):
    peer.send(frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 3) + peer.block(fields())))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- RFC 7541: HPACK ----------------------------------------------------------------------------------

# method GET, scheme http, path /, all from the static table; authority "test" without indexing
BASE = b"\x82\x86\x84" + b"\x01\x04test"
HUFFMAN_TEST = b"\x83\x49\x50\x9f"  # "test", 4 symbols, last byte padded with ones


@pytest.mark.parametrize("more", [
    b"", b"\x90",  # 6.1: an indexed field, accept-encoding from the static table
    b"\x53\x04test",  # 6.2.1: incremental indexing, indexed name
    b"\x53" + HUFFMAN_TEST,
    b"\x40\x06x-test\x04test" + b"\xbe",  # new name, and used again from the dynamic table
    b"\x40\x06x-test" + HUFFMAN_TEST,
    b"\x0f\x04\x04test",  # 6.2.2: without indexing
    b"\x00\x06x-test\x04test",
    b"\x1f\x04\x04test",  # 6.2.3: never indexed
    b"\x10\x06x-test" + HUFFMAN_TEST,
])
def test_7541_6_representations(peer, more):
    peer.send(peer.headers(1, block=BASE + more))
    assert peer.answer(1).status == 404


@pytest.mark.parametrize("updates", [b"\x20", b"\x3f\x61", b"\x20\x3f\x61", b"\x3f\xe1\x1f"])
def test_7541_6_3_size_update_at_the_start(peer, updates):
    peer.send(peer.headers(1, block=updates + BASE))
    assert peer.answer(1).status == 404


COMPRESSION = {
    "2.3.3 index behind the tables": BASE + b"\xc6",
    "2.3.3 indexed name behind the tables": BASE + b"\x7f\x07\x04test",
    "4.2 size update behind a field": BASE + b"\x20",
    "5.1 integer without an end": BASE + b"\xff" + b"\xff" * 12,
    "5.2 string longer than the block": BASE + b"\x40\x06x-test\x20test",
    "5.2 padding of more than 7 bits": BASE + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff",
    "5.2 padding of zeros": BASE + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90",
    "5.2 EOS within": BASE + b"\x00\x85\xf2\xb2\x4a\x84\xff\x88\x49\x51\xff\xff\xff\xfa\x7f\xff",
    "6.1 index 0": BASE + b"\x80",
    "6.3 size update above the setting": b"\x3f\xe2\x1f" + BASE,
}


@pytest.mark.parametrize("block", COMPRESSION.values(), ids=COMPRESSION)
def test_7541_invalid(peer, block):
    peer.send(peer.headers(1, block=block))
    peer.assert_connection_error(COMPRESSION_ERROR)
