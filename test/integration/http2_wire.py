# SPDX-License-Identifier: MIT
"""HTTP/2 as frames on a socket: what a test sends is exactly what it wrote, right or wrong."""

import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR,
 ENHANCE_YOUR_CALM) = range(12)

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 2, 3, 4
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6

# An answer of six bytes.
TARGET = "/test/params/a/b"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """The bytes of a frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, flags=0):
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def ping(data=b"12345678", flags=0):
    return frame(PING, flags, 0, data)


def priority(stream, depends_on=0, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends_on, weight))


def fields(target=TARGET, *more, method="GET"):
    """The fields of a request, pseudo-header fields first."""
    return [(":method", method), (":scheme", "http"), (":path", target),
            (":authority", "test")] + list(more)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload
        self.pairs = None  # of HEADERS, decoded

    def __repr__(self):
        return f"<type {self.kind} flags {self.flags:#x} stream {self.stream} {self.payload[:40]!r}>"

    @property
    def code(self):
        """The error code of RST_STREAM and GOAWAY."""
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0]

    @property
    def last_stream(self):
        return struct.unpack(">I", self.payload[:4])[0]

    @property
    def is_end(self):
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)


class Answer:
    def __init__(self):
        self.fields, self.trailers, self.pieces, self.interim = [], [], [], []

    @property
    def body(self):
        return b"".join(self.pieces)

    @property
    def status(self):
        return int(dict(self.fields)[":status"])

    def __getitem__(self, name):
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name} is doubled: {values}"
        return values[0] if values else None


class Http2Peer:
    """One connection. `is_reset` tells whether it ended by a TCP reset. It asks for `target` unless it is
    told otherwise. One that is apart gives the server time to read each frame by itself."""

    def __init__(self, server, listener="http", initial=(), preface=True, receive_buffer_bytes=None,
                 target=TARGET, is_apart=False):
        self.target, self.is_apart = target, is_apart
        self.socket = server.connect(listener, receive_buffer_bytes=receive_buffer_bytes)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.received = b""
        self.is_reset = False
        self.server_settings = {}
        self.acks_settings = True
        if preface:
            self.send(PREFACE, settings(*initial))
            self.await_frame(SETTINGS, ACK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # --- out

    def send(self, *frames):
        """Sends what the server still takes: it may have closed already."""
        try:
            for piece in frames if self.is_apart else [b"".join(frames)]:
                self.socket.sendall(piece)
                if self.is_apart:
                    time.sleep(0.001)
        except (BrokenPipeError, ConnectionResetError):
            self.is_reset = True

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def block(self, pairs):
        """A header block. hpack is told to leave names and values as they are."""
        return self.encoder.encode(pairs)

    def headers(self, stream, pairs=None, end=True, flags=END_HEADERS, block=None):
        """The bytes of HEADERS."""
        if block is None:
            block = self.block(fields(self.target) if pairs is None else pairs)
        return frame(HEADERS, flags | (END_STREAM if end else 0), stream, block)

    def ask(self, target=None, *more, stream=1, method="GET", body=None):
        """Sends a request and reads its answer."""
        pairs = fields(target or self.target, *more, method=method)
        self.send(self.headers(stream, pairs, end=body is None))
        if body is not None:
            for at in range(0, max(len(body), 1), 16384):
                piece = body[at:at + 16384]
                is_last = at + 16384 >= len(body)
                self.send(frame(DATA, END_STREAM if is_last else 0, stream, piece))
        return self.answer(stream)

    # --- in

    def _receive(self, count):
        while len(self.received) < count:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                self.is_reset = True
                return False
            if not data:
                return False
            self.received += data
        return True

    def frame(self):
        """The next frame; None when the server has closed."""
        if not self._receive(9):
            return None
        length = int.from_bytes(self.received[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
        if not self._receive(9 + length):
            return None
        payload, self.received = self.received[9:9 + length], self.received[9 + length:]
        one = Frame(kind, flags, stream, payload)
        if kind == HEADERS:
            one.pairs = self.decoder.decode(payload)  # each, in order: the table depends on it
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, length, 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                self.server_settings[name] = value
            if self.acks_settings:
                self.send(frame(SETTINGS, ACK))
        return one

    def frames(self):
        """All frames until the server closes."""
        one = self.frame()
        while one is not None:
            yield one
            one = self.frame()

    def await_frame(self, kind, flags=None, stream=None):
        """Skips to a frame of a kind."""
        seen = []
        for one in self.frames():
            if one.kind == kind and (flags is None or one.flags & flags == flags) and (
                    stream is None or one.stream == stream):
                return one
            seen.append(one)
        raise AssertionError(f"no frame of type {kind} before the end: {seen}")

    def answer(self, stream=1, credit=True):
        """Reads the answer on a stream; frames of others are skipped."""
        answer = Answer()
        for one in self.frames():
            if one.kind == HEADERS:
                pairs = one.pairs
                if one.stream != stream:
                    continue
                if dict(pairs).get(":status", "").startswith("1"):
                    answer.interim.append(int(dict(pairs)[":status"]))
                elif answer.fields:
                    answer.trailers = pairs
                else:
                    answer.fields = pairs
            elif one.kind == DATA:
                if credit and one.payload:
                    self.send(window_update(0, len(one.payload)))
                    if not one.is_end:
                        self.send(window_update(one.stream, len(one.payload)))
                if one.stream != stream:
                    continue
                answer.pieces.append(one.payload)
            assert one.kind not in (RST_STREAM, GOAWAY) or one.stream not in (stream, 0), one
            if one.stream == stream and one.is_end:
                return answer
        raise AssertionError("the connection ended within the answer")

    # --- what must be the outcome of an error

    def assert_connection_error(self, *codes):
        """GOAWAY with one of the codes, then FIN; no reset eats the GOAWAY."""
        seen = list(self.frames())
        goaways = [one.code for one in seen if one.kind == GOAWAY]
        assert goaways and goaways[-1] in codes, f"{seen}, reset: {self.is_reset}"
        assert not self.is_reset, "the connection was reset"

    def assert_stream_error(self, stream, *codes):
        """RST_STREAM with one of the codes, and the connection goes on."""
        one = self.await_frame(RST_STREAM, stream=stream)
        assert one.code in codes, one
        self.assert_alive()

    def assert_error(self, stream, *codes):
        """A stream error, or the connection error that a server may make of it (RFC 9113 5.4.2)."""
        for one in self.frames():
            if one.kind == RST_STREAM and one.stream == stream:
                assert one.code in codes, one
                return self.assert_alive()
            if one.kind == GOAWAY:
                assert one.code in codes, one
                assert list(self.frames()) == [] and not self.is_reset
                return None
        raise AssertionError(f"the connection ended without a GOAWAY; reset: {self.is_reset}")

    def assert_alive(self):
        """The server answers a PING."""
        self.send(ping(b"is alive"))
        while self.await_frame(PING, ACK).payload != b"is alive":
            pass
