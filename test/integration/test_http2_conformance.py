# SPDX-License-Identifier: MIT
"""HTTP/2's frames and streams, section by section: what a server must take, what it must refuse, and how.

Numbers of sections are those of RFC 9113; where only RFC 7540 has a rule, it is named. Requests and HPACK
are in test_http2_messages.py.
"""

import struct

import pytest
from http2_wire import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS,
                        END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADER_TABLE_SIZE,
                        HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE,
                        MAX_HEADER_LIST_SIZE, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY,
                        PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS,
                        STREAM_CLOSED, WINDOW_UPDATE, Http2Peer, fields, frame, ping, priority, rst,
                        settings, window_update)

POST = fields("/", method="POST")
BIG = [("x-big", "x" * 4000)]
MAX_WINDOW = 2**31 - 1


@pytest.fixture
def peer(connect):
    return connect()


@pytest.fixture
def held(connect):
    """Its windows are shut: a request that has ended is half-closed until they open."""
    return connect(initial=[(INITIAL_WINDOW_SIZE, 0)])


@pytest.fixture
def plain(test_server):
    """It may ask for the test routes."""
    with Http2Peer(test_server) as one:
        yield one


def assert_answered(peer, stream=1):
    answer = peer.answer(stream)
    assert answer.status == peer.status and len(answer.body) >= 5
    return answer


def continuation(block, stream=1, flags=END_HEADERS):
    return frame(CONTINUATION, flags, stream, block)


# --- 3.4: the preface ---------------------------------------------------------------------------------


def test_3_4_preface(connect):
    peer = connect(preface=False)
    peer.send(PREFACE, settings((INITIAL_WINDOW_SIZE, 65535)))
    first = peer.frame()
    assert first.kind == SETTINGS and not first.flags & ACK
    assert peer.server_settings[MAX_CONCURRENT_STREAMS] == 256
    peer.await_frame(SETTINGS, ACK)
    peer.assert_alive()


def test_3_4_preface_byte_by_byte(connect):
    peer = connect(preface=False)
    for byte in PREFACE + settings() + peer.headers(1):
        peer.send(bytes([byte]))
    assert_answered(peer)


def test_3_4_preface_and_request_at_once(connect):
    peer = connect(preface=False)
    peer.send(PREFACE + settings() + peer.headers(1))
    assert_answered(peer)


@pytest.mark.parametrize("cut", [100, 1])
def test_3_4_invalid_preface(connect, cut):
    """It is no HTTP/1 either: the server closes, and says nothing that a peer could take for frames."""
    peer = connect(preface=False)
    preface = b"UNKNOWN INITIAL BYTES\r\n\r\n"
    for at in range(0, len(preface), cut):
        peer.send(preface[at:at + cut])
    assert peer.frame() is None and not peer.received and not peer.is_reset


def test_3_4_almost_the_preface(connect):
    """A line of a request it is, so HTTP/1 answers, and closes."""
    peer = connect(preface=False)
    peer.send(PREFACE[:-4] + b"XX\r\n")
    assert peer.frame() is None and not peer.is_reset
    assert peer.received.startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("first", [ping(), settings(flags=ACK), window_update(0, 1)])
def test_3_4_first_frame_is_not_settings(connect, first):
    peer = connect(preface=False)
    peer.send(PREFACE, first)
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 4.1, 4.2, 4.3: frames ----------------------------------------------------------------------------


def test_4_1_unknown_type(peer):
    peer.send(frame(0x16, 0, 0, bytes(8)))
    peer.assert_alive()


def test_4_1_undefined_flag(peer):
    peer.send(ping(b"flagged!", flags=0x16))
    assert peer.await_frame(PING, ACK).payload == b"flagged!"


@pytest.mark.parametrize("flags", [0, 0x16])
def test_4_1_reserved_bit(peer, flags):
    peer.send(frame(PING, flags, 0x80000000, b"reserved"))
    assert peer.await_frame(PING, ACK).payload == b"reserved"


def test_4_2_data_of_the_largest_size(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM, 1, bytes(16384)))
    assert_answered(peer)


def test_4_2_data_too_large(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, END_STREAM, 1, bytes(16385)))
    peer.assert_error(1, FRAME_SIZE_ERROR)


@pytest.mark.parametrize("is_continued", [False, True])
def test_4_2_headers_too_large(peer, is_continued):
    first = peer.block(fields("/"))
    more = peer.block([(f"x-{i}", "x" * 4000) for i in range(5)])
    assert len(more) > 16384
    if is_continued:
        peer.send(peer.headers(1, flags=0, block=first), continuation(more))
    else:
        peer.send(peer.headers(1, block=first + more))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


@pytest.mark.parametrize("block", [b"\xff\xff\xff\xff\xff\xff\xff", b"\x40"])
def test_4_3_invalid_block(peer, block):
    peer.send(peer.headers(1, block=block))
    peer.assert_connection_error(COMPRESSION_ERROR)


def test_4_3_incomplete_block(peer):
    peer.send(peer.headers(1, block=peer.block(fields())[:-1]))
    peer.assert_connection_error(COMPRESSION_ERROR)


@pytest.mark.parametrize("is_continued", [False, True])
@pytest.mark.parametrize("between", [priority(1), priority(3, 1), ping(), window_update(0, 1),
                                     frame(DATA, END_STREAM, 1, b"test"), rst(1), settings()])
def test_4_3_frame_within_a_block(peer, between, is_continued):
    begin = [peer.headers(1, end=False, flags=0)]
    if is_continued:
        begin.append(continuation(peer.block(BIG), flags=0))
    peer.send(*begin, between, continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_4_3_headers_of_another_stream_within_a_block(peer):
    peer.send(peer.headers(1, end=False, flags=0), peer.headers(3), continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 5.1: states of a stream --------------------------------------------------------------------------


@pytest.mark.parametrize("one", [frame(DATA, END_STREAM, 1, b"test"), rst(1), window_update(1, 100),
                                 continuation(b"\x82")])
def test_5_1_idle(peer, one):
    peer.send(one)
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_1_idle_priority(peer):
    peer.send(priority(3), ping(b"accepted"))
    assert peer.await_frame(PING, ACK).payload == b"accepted"
    peer.send(peer.headers(3))
    assert_answered(peer, 3)


@pytest.mark.parametrize("pairs", [None, POST])
def test_5_1_half_closed_data(held, pairs):
    held.send(held.headers(1, pairs), frame(DATA, END_STREAM, 1, b"test"))
    held.assert_error(1, STREAM_CLOSED)


def test_5_1_half_closed_headers(held):
    held.send(held.headers(1), held.headers(1))
    held.assert_error(1, STREAM_CLOSED)


def test_5_1_half_closed_continuation(held):
    held.send(held.headers(1), continuation(held.block(fields())))
    held.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("some", [[window_update(1, 100)], [priority(1), window_update(1, 100)]])
def test_5_1_half_closed_takes(held, some):
    held.send(held.headers(1), *some)
    assert_answered(held)


@pytest.mark.parametrize("end", [False, True])
def test_5_1_reset(held, end):
    held.send(held.headers(1, end=end), rst(1))
    held.assert_alive()
    held.send(window_update(1, 100), held.headers(3), window_update(3, 100))
    assert_answered(held, 3)


def test_5_1_data_after_reset(peer):
    peer.send(peer.headers(1, end=False), rst(1), frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_headers_after_reset(peer):
    peer.send(peer.headers(1, end=False), rst(1), peer.headers(1))
    peer.assert_error(1, STREAM_CLOSED)


def test_5_1_continuation_after_reset(peer):
    peer.send(peer.headers(1, end=False), rst(1), continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_1_data_on_closed(peer):
    peer.ask()
    peer.send(frame(DATA, END_STREAM, 1, b"test"))
    peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_headers_on_closed(peer):
    peer.ask()
    peer.send(peer.headers(1))
    peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_continuation_on_closed(peer):
    peer.ask()
    peer.send(continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("one", [priority(1), window_update(1, 1), rst(1)])
def test_5_1_closed_takes(peer, one):
    """Those may be on their way when the peer learns that the stream is closed."""
    peer.ask()
    peer.send(one)
    peer.assert_alive()


@pytest.mark.parametrize("make", [lambda peer: frame(DATA, END_STREAM, 1, b"test"),
                                  lambda peer: peer.headers(399)])
def test_5_1_closed_long_ago(plain, make):
    """Streams that closed before many others are still known to have been used."""
    for stream in range(1, 801, 2):
        assert plain.ask(stream=stream).status == 200
    plain.send(make(plain))
    plain.assert_connection_error(STREAM_CLOSED)


def test_5_1_closed_out_of_order(test_server):
    """Most in the order of their ids, every fifth before seven lower ones."""
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        peer.send(*[peer.headers(stream) for stream in range(1, 256, 2)])
        order = sorted(range(1, 256, 2), key=lambda stream: stream if stream % 5 else stream - 14)
        for stream in order:
            peer.send(window_update(stream, 100))
            assert peer.await_frame(DATA, END_STREAM, stream)
        peer.send(frame(DATA, END_STREAM, 5, b"test"))
        peer.assert_connection_error(STREAM_CLOSED)


def test_5_1_trailers_on_the_way_after_our_reset(plain):
    """What was sent before our RST_STREAM came is decoded, for HPACK, and ignored."""
    plain.send(plain.headers(1, fields("/test/echo", ("Bad", "name"), method="POST"), end=False))
    plain.await_frame(RST_STREAM, stream=1)
    plain.send(plain.headers(1, [("x-late", "trailer")]))
    answer = plain.ask("/test/header?value=late", ("x-late", "trailer"), stream=3)
    assert answer["x-test"] == "late"


# --- 5.1.1, 5.1.2: ids and their number ---------------------------------------------------------------


@pytest.mark.parametrize("stream", [0, 2])
def test_5_1_1_id_is_not_the_clients(peer, stream):
    peer.send(peer.headers(stream))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("first, then", [(5, 3), (5, 1), (2001, 1001)])
def test_5_1_1_id_decreases(peer, first, then):
    peer.send(peer.headers(first), peer.headers(then))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_5_1_1_ids_may_be_passed_over(peer):
    for stream in (7, 101, 103, 2**31 - 1):
        assert peer.ask(stream=stream).status == peer.status


def test_5_1_2_more_streams_than_allowed(held):
    count = held.server_settings[MAX_CONCURRENT_STREAMS]
    held.assert_alive()  # so the server knows that we know
    held.send(b"".join(held.headers(1 + 2 * i) for i in range(count + 1)))
    held.assert_error(1 + 2 * count, PROTOCOL_ERROR, REFUSED_STREAM)


def test_5_1_2_more_streams_than_configured(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 10})
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        assert peer.server_settings[MAX_CONCURRENT_STREAMS] == 10
        peer.send(*[peer.headers(stream) for stream in range(1, 22, 2)])
        peer.assert_error(21, PROTOCOL_ERROR, REFUSED_STREAM)


# --- RFC 7540 5.3.1: dependencies ---------------------------------------------------------------------


def test_7540_5_3_1_headers_depend_on_themselves(peer):
    payload = struct.pack(">IB", 1, 255) + peer.block(fields("/"))
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, payload))
    peer.assert_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("is_open", [False, True])
def test_7540_5_3_1_priority_depends_on_itself(peer, is_open):
    if is_open:
        peer.send(peer.headers(1, end=False))
    peer.send(priority(1, 1))
    peer.assert_error(1, PROTOCOL_ERROR)


# --- 5.4, 5.5: errors and extensions ------------------------------------------------------------------


def test_5_4_1_goaway_then_close(peer):
    peer.send(peer.headers(1, end=False), frame(PING, 0, 3, bytes(8)))
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
    peer.send(peer.headers(1, flags=0), frame(0x16, 0, 0, bytes(8)))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 6.1: DATA ----------------------------------------------------------------------------------------


def test_6_1_data(plain):
    plain.send(plain.headers(1, fields("/test/echo", method="POST"), end=False),
               frame(DATA, 0, 1, b"one "), frame(DATA, END_STREAM, 1, b"two"))
    assert plain.answer().body == b"one two"


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_6_1_padding(plain, padding):
    payload = bytes([padding]) + b"test" + bytes(padding)
    plain.send(plain.headers(1, fields("/test/echo", method="POST"), end=False),
               frame(DATA, END_STREAM | PADDED, 1, payload))
    assert plain.answer().body == b"test"


@pytest.mark.parametrize("some", [
    [frame(DATA, END_STREAM, 1, b"test")],
    [frame(DATA, 0, 1, b"test"), frame(DATA, END_STREAM, 1, b"test")],
    [frame(DATA, END_STREAM | PADDED, 1, b"\x06test" + bytes(6))],
])
def test_6_1_data_that_nobody_wants(peer, some):
    peer.send(peer.headers(1, POST, end=False), *some)
    assert_answered(peer)
    assert peer.ask(stream=3).status == peer.status


@pytest.mark.parametrize("is_open", [False, True])
def test_6_1_stream_0(peer, is_open):
    if is_open:
        peer.send(peer.headers(1, POST, end=False))
    peer.send(frame(DATA, END_STREAM, 0, b"test"))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("payload", [b"\x05test", b"\x06test", b"\xfftest", b"\x01", b""])
def test_6_1_padding_longer_than_the_payload(peer, payload):
    pairs = fields("/", ("content-length", "4"), method="POST")
    one = frame(DATA, END_STREAM | PADDED, 1, payload)
    peer.send(peer.headers(1, pairs, end=False), one[:9], one[9:])
    peer.assert_connection_error(*[PROTOCOL_ERROR] if payload else [PROTOCOL_ERROR, FRAME_SIZE_ERROR])


# --- 6.2: HEADERS -------------------------------------------------------------------------------------


def test_6_2_padding(peer):
    payload = b"\x08" + peer.block(fields("/")) + bytes(8)
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, payload))
    assert_answered(peer)


def test_6_2_priority(peer):
    payload = struct.pack(">IB", 0, 255) + peer.block(fields("/"))
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, payload))
    assert_answered(peer)


def test_6_2_stream_0(peer):
    peer.send(peer.headers(0))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("more", [1, 2, 100])
def test_6_2_padding_longer_than_the_payload(peer, more):
    block = peer.block(fields("/"))
    payload = bytes([len(block) + more]) + block
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, payload))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("flags, payload", [(PRIORITIZED, bytes(4)), (PADDED, b""),
                                            (PADDED | PRIORITIZED, bytes(5))])
def test_6_2_too_short(peer, flags, payload):
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM | flags, 1, payload))
    peer.assert_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


# --- 6.3: PRIORITY ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream, depends_on, weight", [
    (1, 0, 0), (1, 0, 255), (1, 3, 15), (1, 0x80000000, 0), (1, 0x80000003, 15), (3, 1, 0), (3, 0, 255)])
def test_6_3_priority(peer, stream, depends_on, weight):
    """Also of a stream that is still idle when a lower one begins."""
    peer.send(priority(stream, depends_on, weight), peer.headers(1))
    assert_answered(peer)


@pytest.mark.parametrize("depends_on", [0, 1])
def test_6_3_stream_0(peer, depends_on):
    peer.send(priority(0, depends_on, 255))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [4, 6])
def test_6_3_length(peer, length):
    peer.send(peer.headers(1), frame(PRIORITY, 0, 1, bytes([0x80, 0, 0, 1, 0, 0])[:length]))
    peer.assert_error(1, FRAME_SIZE_ERROR)


# --- 6.4: RST_STREAM ----------------------------------------------------------------------------------


def test_6_4_stream_0(peer):
    peer.send(rst(0))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [3, 5])
def test_6_4_length(peer, length):
    peer.send(peer.headers(1), frame(RST_STREAM, 0, 1, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


# --- 6.5: SETTINGS ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [
    [], [(ENABLE_PUSH, 0)], [(INITIAL_WINDOW_SIZE, 100), (MAX_CONCURRENT_STREAMS, 100)],
    [(HEADER_TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_CONCURRENT_STREAMS, 100),
     (INITIAL_WINDOW_SIZE, 65535), (MAX_FRAME_SIZE, 16384), (MAX_HEADER_LIST_SIZE, 100)]])
def test_6_5_acknowledged(peer, pairs):
    peer.send(settings(*pairs))
    one = peer.frame()
    assert (one.kind, one.flags, one.payload) == (SETTINGS, ACK, b"")


@pytest.mark.parametrize("length", [1, 6])
def test_6_5_ack_with_payload(peer, length):
    peer.send(frame(SETTINGS, ACK, 0, bytes(length)))
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
    peer.send(ping(b"echo\0\0\0\0"))
    assert peer.await_frame(PING, ACK).payload == b"echo\0\0\0\0"


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


@pytest.mark.parametrize("code, more", [(0, b""), (0, b"for a reason"), (0xFF, b"")])
def test_6_8_goaway_of_an_idle_client_ends_the_connection(peer, code, more):
    """The PING behind it is answered or not; the end is orderly."""
    peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, code) + more), ping())
    kinds = [one.kind for one in peer.frames()]
    assert set(kinds) <= {PING, GOAWAY} and not peer.is_reset


def test_6_8_goaway_lets_streams_end(held):
    held.send(held.headers(1), frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)), window_update(1, 100))
    assert_answered(held)
    assert list(held.frames()) == [] and not held.is_reset


def test_7_unknown_code_in_a_reset(peer):
    peer.send(peer.headers(1, POST, end=False), rst(1, 0xFF))
    peer.assert_alive()


# --- 6.9: WINDOW_UPDATE -------------------------------------------------------------------------------


def test_6_9_taken(peer):
    peer.send(window_update(0, 1))
    peer.assert_alive()
    peer.send(peer.headers(1), window_update(1, 1))
    assert_answered(peer)


def test_6_9_windows_are_kept(held):
    held.send(held.headers(1), window_update(1, 1))
    length = int(dict(held.await_frame(HEADERS, stream=1).pairs)["content-length"])
    assert len(held.await_frame(DATA, stream=1).payload) == 1
    held.assert_alive()
    held.send(window_update(1, 2))
    assert len(held.await_frame(DATA, stream=1).payload) == 2
    held.send(window_update(1, 1000))
    assert len(held.await_frame(DATA, stream=1).payload) == length - 3


def test_6_9_increment_0_of_the_connection(peer):
    peer.send(window_update(0, 0))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_9_increment_0_of_a_stream(peer):
    peer.send(peer.headers(1, end=False), window_update(1, 0))
    peer.assert_error(1, PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [3, 5])
def test_6_9_length(peer, length):
    peer.send(frame(WINDOW_UPDATE, 0, 0, bytes(length)))
    peer.assert_connection_error(FRAME_SIZE_ERROR)


def test_6_9_1_overflow_of_the_connection(peer):
    peer.send(window_update(0, MAX_WINDOW), window_update(0, MAX_WINDOW))
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


def test_6_9_1_overflow_of_a_stream(peer):
    """The stream is reset, and this server ends the connection, too."""
    peer.send(peer.headers(1, end=False), window_update(1, MAX_WINDOW), window_update(1, MAX_WINDOW))
    assert peer.await_frame(RST_STREAM).code == FLOW_CONTROL_ERROR
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


def test_6_9_2_window_changes_after_the_request(held):
    held.send(held.headers(1))
    held.await_frame(HEADERS, stream=1)
    held.send(settings((INITIAL_WINDOW_SIZE, 1)))
    assert len(held.await_frame(DATA, stream=1).payload) == 1


def test_6_9_2_negative_window(connect):
    peer = connect(initial=[(INITIAL_WINDOW_SIZE, 3)])
    peer.send(peer.headers(1))
    assert len(peer.await_frame(DATA, stream=1).payload) == 3
    peer.send(settings((INITIAL_WINDOW_SIZE, 2)), window_update(1, 2))
    assert len(peer.await_frame(DATA, stream=1).payload) == 1


def test_6_9_2_initial_window_overflows_a_stream(held):
    held.send(held.headers(1, fields("/", method="HEAD"), end=False), window_update(1, MAX_WINDOW),
              settings((INITIAL_WINDOW_SIZE, 1)))
    held.assert_connection_error(FLOW_CONTROL_ERROR)


# --- 6.10: CONTINUATION -------------------------------------------------------------------------------


def test_6_10_continuations(peer):
    block = peer.block(fields("/"))
    peer.send(peer.headers(1, flags=0, block=block[:1]), continuation(block[1:3], flags=0),
              continuation(b"", flags=0), continuation(block[3:]))
    assert_answered(peer)


def test_6_10_continuations_of_whole_fields(peer):
    """Two fields of one name and 4000 bytes each."""
    peer.send(peer.headers(1, flags=0), continuation(peer.block(BIG), flags=0),
              continuation(peer.block(BIG)))
    assert_answered(peer)


def test_6_10_stream_0(peer):
    peer.send(peer.headers(1, flags=0), continuation(peer.block(BIG), stream=0))
    peer.assert_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("end", [False, True])
def test_6_10_after_the_end_of_the_block(peer, end):
    peer.send(peer.headers(1, POST, end=end), continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_10_after_a_continuation_that_ends_the_block(peer):
    peer.send(peer.headers(1, flags=0), continuation(peer.block(BIG)), continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


def test_6_10_after_data(peer):
    peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"test"),
              continuation(peer.block(BIG)))
    peer.assert_connection_error(PROTOCOL_ERROR)


# --- 8.4: no client pushes ----------------------------------------------------------------------------


def test_8_4_push_promise(peer):
    promise = struct.pack(">I", 3) + peer.block(fields("/"))
    peer.send(frame(PUSH_PROMISE, END_HEADERS, 1, promise))
    peer.assert_connection_error(PROTOCOL_ERROR)
