# SPDX-License-Identifier: MIT
"""A peer of HTTP/2 for the driver: its streams, windows and settings, and the rules it breaks."""

import struct

import hpack

import driver_asks
import driver_http2_breaks
from driver import Connection
from http2_wire import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY,
                        HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, MAX_FRAME_SIZE,
                        NO_ERROR, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY, REFUSED_STREAM, RST_STREAM,
                        SETTINGS, WINDOW_UPDATE, frame, ping, rst, settings, window_update)

WINDOW = 65535
WINDOW_MAX = (1 << 31) - 1
CREDIT_MAX = WINDOW_MAX - (1 << 21)  # room for what SETTINGS add
FRAME_MAX = 16384
HOARDED = 3  # streams
OPEN_MAX = 12  # below the server's limit: it takes those that are closed for open a little longer
BLAMELESS = (NO_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM)


class Stream:
    """One request and its answer. `local` and `remote` are how far each half has come."""

    def __init__(self, number, ask, send_window, receive_window):
        self.id, self.ask = number, ask
        self.local, self.remote = "open", "none"
        self.send_window, self.receive_window = send_window, receive_window
        self.sent = 0  # of the body
        self.status, self.fields, self.body = None, {}, bytearray()
        self.is_honest = True

    @property
    def state(self):
        return f"{self.local}/{self.remote}"

    @property
    def left(self):
        return len(self.ask.body or b"") - self.sent

    @property
    def is_over(self):
        return self.local != "open" and self.remote in ("ended", "reset") or "reset" in self.state


class Http2Connection(driver_http2_breaks.Breaks, Connection):
    protocol = "http2"
    listeners = ("http", "http", "http", "http", "http", "http", "pprof")

    def __init__(self, driver, number):
        super().__init__(driver, number)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.received = bytearray()
        self.streams = {}  # that are not over
        self.over = []  # ids
        self.next_id = 1
        self.block = b""  # of a header block that is being received
        self.send_window = self.receive_window = WINDOW
        self.peer_window, self.peer_frame = WINDOW, FRAME_MAX
        self.own_window, self.own_frame = WINDOW, FRAME_MAX
        self.pending = []  # our SETTINGS that are not acknowledged
        self.is_leaving = False  # the server is
        self.tail = []  # frames that must follow at once, of a header block
        self.replies = []  # that wait for its end
        self.stops_acks = self.random.random() < 0.03
        self.send(PREFACE)
        if self.random.random() < 0.97:
            self.say(self.change_settings())
        else:
            self.break_rules()
            self.resume_at = driver.now + self.random.choice((0, 2))
        self.flush()

    # --- what may be done now

    def state(self):
        """Of the connection: how many streams, and the furthest of their answers."""
        if self.tail:
            return "in a header block"
        if not self.streams:
            return "leaving, idle" if self.is_leaving else "idle"
        states = sorted({one.state for one in self.streams.values()})
        return ("leaving, " if self.is_leaving else "") + " ".join(states[:3])

    def legal(self):
        if self.tail:
            return [(10, self.go_on_with_head)]
        return [(12, self.ask), (14, self.send_body), (8, self.credit), (2, self.change_settings),
                (1, self.ping), (1, self.prioritize), (3, self.reset_stream), (1, self.send_unknown),
                (1, self.say_goaway)]

    def _common(self):
        return super()._common() if not self.tail else [(1, self.pause)]

    def go_on_with_head(self):
        self.send(self.tail.pop(0))
        if not self.tail:
            self.send(b"".join(self.replies))
            self.replies.clear()
        return "CONTINUATION"

    def reply(self, data):
        """Sends what a frame of the server's asks for."""
        if self.stops_acks:
            return
        if self.tail:
            self.replies.append(data)
        else:
            self.send(data)

    def ask(self):
        if self.is_leaving and self.random.random() < 0.9 or len(self.streams) >= OPEN_MAX:
            return None
        stream = self.make_stream(self._take_id())
        self.streams[stream.id] = stream
        end = stream.ask.body is None
        stream.local = "ended" if end else "open"
        pairs = self.fields_of(stream.ask)
        self.send_head(stream.id, pairs, end)
        return f"{stream.ask.method} {stream.ask.target} on {stream.id}{', end' if end else ''}"

    def ask_for_much(self):
        """With windows for all of it, or as they are."""
        if self.is_leaving or self.listener == "pprof" or len(self.streams) + HOARDED > OPEN_MAX:
            return None
        opens_windows = self.random.random() < 0.5
        if opens_windows:
            self._open_window(0)
        numbers = []
        while len(numbers) < HOARDED and not self.tail:
            stream = self.make_stream(self._take_id())
            stream.ask = self.make_much()
            stream.local = "ended" if stream.ask.body is None else "open"
            self.streams[stream.id] = stream
            self.send_head(stream.id, self.fields_of(stream.ask), stream.ask.body is None)
            if opens_windows and not self.tail:
                self._open_window(stream.id)
            numbers.append(stream.id)
        return f"{stream.ask.target} on {numbers}, unread{', with windows' if opens_windows else ''}"

    def make_much(self):
        return driver_asks.much(self.random)

    def make_stream(self, number):
        return Stream(number, self.make_ask(), self.peer_window, self.own_window)

    def make_ask(self):
        if self.listener == "pprof":
            return driver_asks.symbol(self.random)
        return driver_asks.any_ask(self.random, True)

    def fields_of(self, ask):
        pairs = [(":method", ask.method), (":scheme", "http"), (":path", ask.target),
                 (":authority", "test")]
        if ask.body is not None and self.random.random() < 0.4:
            pairs.append(("content-length", str(len(ask.body))))
        return pairs + ask.fields

    def _take_id(self):
        number = self.next_id
        self.next_id += 2 if self.random.random() < 0.95 else 2 * self.random.randrange(1, 50)
        return number

    def send_head(self, number, pairs, end):
        """HEADERS in one of their forms: padded, with a priority, in pieces."""
        block = self.encoder.encode(pairs)
        flags, before, after = END_STREAM if end else 0, b"", b""
        if self.random.random() < 0.1:
            size = self.random.randrange(0, 40)
            flags, before, after = flags | PADDED, bytes([size]), bytes(size)
        if self.random.random() < 0.1:
            flags |= PRIORITIZED
            before += struct.pack(">IB", 0, 7)
        if self.random.random() < 0.9:
            self.send(frame(HEADERS, flags | END_HEADERS, number, before + block + after))
            return
        cut = self.random.randrange(len(block))
        self.send(frame(HEADERS, flags, number, before + block[:cut] + after))
        rest = block[cut:]
        middle = self.random.randrange(len(rest) + 1)
        self.tail = [frame(CONTINUATION, 0, number, rest[:middle]),
                     frame(CONTINUATION, END_HEADERS, number, rest[middle:])]

    def send_body(self):
        can = [one for one in self.streams.values() if one.local == "open"]
        if not can:
            return None
        stream = self.random.choice(can)
        window = max(0, min(stream.send_window, self.send_window))
        size = min(stream.left, window, self.peer_frame - 1,
                   self.random.choice((0, 1, 100, 5000, FRAME_MAX, FRAME_MAX)))
        padding = min(self.random.randrange(30) if self.random.random() < 0.1 else 0, window - size,
                      self.peer_frame - size)
        if size == 0 and stream.left > 0:
            return None if self.random.random() < 0.9 else self._send_data(stream, 0, False, 0)
        is_last = size == stream.left and self.random.random() < 0.8
        if size == stream.left and not is_last and self.random.random() < 0.3:
            stream.local = "ended" if self._send_data(stream, size, False, 0) else "open"
            self.send_head(stream.id, [("x-trailer", "yes")], True)
            return f"the end of {stream.id}, by trailers"
        return self._send_data(stream, size, is_last, padding)

    def _send_data(self, stream, size, is_last, padding):
        data = (stream.ask.body or b"")[stream.sent:stream.sent + size]
        flags = END_STREAM if is_last else 0
        if padding:
            flags |= PADDED
            data = bytes([padding - 1]) + data + bytes(padding - 1)
        self.send(frame(DATA, flags, stream.id, data))
        stream.sent += size
        stream.send_window -= len(data)
        self.send_window -= len(data)
        if is_last:
            stream.local = "ended"
            self._bury(stream)
        return f"DATA {len(data)} on {stream.id}{', end' if is_last else ''}"

    def credit(self):
        """WINDOW_UPDATE, by what brings the windows to a usual size, or by any legal number."""
        number = self.random.choice([0, *self.streams])
        window = self.receive_window if number == 0 else self.streams[number].receive_window
        return self._grow_window(number, self.random.choice((WINDOW, WINDOW, 1 << 20, CREDIT_MAX)) - window)

    def _open_window(self, number):
        window = self.receive_window if number == 0 else self.streams[number].receive_window
        self._grow_window(number, CREDIT_MAX - window)

    def _grow_window(self, number, size):
        if size <= 0:
            return None
        self.send(window_update(number, size))
        if number == 0:
            self.receive_window += size
        else:
            self.streams[number].receive_window += size
        return f"WINDOW_UPDATE {size} on {number}"

    def change_settings(self):
        changes = {}
        if self.random.random() < 0.7:
            changes[INITIAL_WINDOW_SIZE] = self.random.choice((0, 1, 100, 20000, WINDOW, 1 << 20))
        if self.random.random() < 0.2:
            changes[MAX_FRAME_SIZE] = self.random.choice((FRAME_MAX, 1 << 16))
        if self.random.random() < 0.2:
            changes[HEADER_TABLE_SIZE] = self.random.choice((0, 64, 4096))
        if self.random.random() < 0.1:
            changes[self.random.choice((2, 3, 6, 0x99))] = 0 if self.random.random() < 0.5 else 1
        changes.pop(3, None)
        self.send(settings(*changes.items()))
        self.pending.append(changes)
        return f"SETTINGS {changes}"

    def ping(self):
        self.send(ping(self.random.randbytes(8)))
        return "PING"

    def prioritize(self):
        number = self.random.randrange(1, 200)
        self.send(frame(PRIORITY, 0, number, struct.pack(">IB", 0, self.random.randrange(256))))
        return f"PRIORITY of {number}"

    def reset_stream(self):
        if not self.streams:
            return None
        stream = self.random.choice(list(self.streams.values()))
        self.send(rst(stream.id, self.random.choice((CANCEL, NO_ERROR, INTERNAL_ERROR))))
        self.driver.count(self.protocol, f"stream {stream.state}, {stream.ask.name}", "RST_STREAM")
        stream.local = "reset"
        self._bury(stream)
        return f"RST_STREAM of {stream.id}"

    def send_unknown(self):
        self.send(frame(0xE0, self.random.randrange(256), 0, self.random.randbytes(5)))
        return "a frame of an unknown type"

    def say_goaway(self):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR)))
        self.is_leaving = True
        return "GOAWAY"

    # --- what comes

    def on_received(self, data):
        self.received += data
        while self.is_open and len(self.received) >= 9:
            size = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + size:
                break
            kind, flags, number = struct.unpack(">BBI", self.received[3:9])
            payload = bytes(self.received[9:9 + size])
            del self.received[:9 + size]
            self.require(size <= max([self.own_frame] + [one.get(MAX_FRAME_SIZE, 0)
                                                         for one in self.pending]),
                         f"a frame of {size} bytes")
            self._on_frame(kind, flags, number, payload)

    def _on_frame(self, kind, flags, number, payload):
        if kind == HEADERS:
            self.require(flags & END_HEADERS, "an answer's head in pieces")
            self._on_head(number, payload, flags & END_STREAM)
        elif kind == DATA:
            self._on_data(number, payload, flags & END_STREAM)
        elif kind == SETTINGS:
            self._on_settings(payload, flags & ACK)
        elif kind == WINDOW_UPDATE:
            self._on_credit(number, struct.unpack(">I", payload)[0])
        elif kind == RST_STREAM:
            self._on_reset(number, struct.unpack(">I", payload)[0])
        elif kind == GOAWAY:
            self._on_goaway(*struct.unpack(">II", payload[:8]))
        elif kind == PING and not flags & ACK:
            self.reply(ping(payload, ACK))
        else:
            self.require(kind == PING, f"a frame of type {kind}")

    def _stream(self, number, what):
        """The stream that a frame is about; None for one that is over on this side."""
        stream = self.streams.get(number)
        self.require(stream is not None or number in self.over[-400:], f"{what} on stream {number}")
        return stream

    def _expect(self, stream, condition, what):
        self.require(condition or not stream.is_honest, f"stream {stream.id}, {stream.ask.name}: {what}")

    def _on_head(self, number, block, is_end):
        try:
            pairs = dict(self.decoder.decode(block))
        except hpack.HPACKError as error:
            self.require(False, f"a head that cannot be decoded: {error}")
            return
        stream = self._stream(number, "HEADERS")
        if stream is None:
            return
        self._expect(stream, stream.remote in ("none", "data", "head"), f"a head behind {stream.remote}")
        if pairs.get(":status") == "100":
            return
        if stream.remote == "none":
            self._expect(stream, pairs.get(":status", "").isdigit(), f"a head without a status: {pairs}")
            stream.status = int(pairs.get(":status", 0))
            stream.remote = "head"
        else:
            self._expect(stream, is_end and ":status" not in pairs, f"trailers {pairs}")
        stream.fields.update(pairs)
        if is_end:
            self._on_end(stream)

    def _on_data(self, number, payload, is_end):
        self.receive_window -= len(payload)
        self.require(self.receive_window >= 0, "more than the connection's window")
        stream = self._stream(number, "DATA")
        if stream is None:
            return
        stream.receive_window -= len(payload)
        self._expect(stream, not payload or stream.receive_window >= 0, "more than the stream's window")
        self._expect(stream, stream.remote in ("head", "data"), f"DATA behind {stream.remote}")
        stream.remote = "data"
        stream.body += payload
        if is_end:
            self._on_end(stream)

    def _on_end(self, stream):
        stream.remote = "ended"
        wrong = self.fault_of(stream)
        self._expect(stream, wrong is None, wrong)
        if self.is_honest and stream.is_honest:
            self.driver.outcome(f"{self.protocol}: {stream.ask.name} answered {self.verdict(stream)}")
        self._bury(stream)

    def fault_of(self, stream):
        return stream.ask.fault(stream.status, bytes(stream.body), stream.fields)

    def verdict(self, stream):
        return stream.status

    def _on_settings(self, payload, is_ack):
        if not is_ack:
            values = dict(struct.iter_unpack(">HI", payload))
            change = values.get(INITIAL_WINDOW_SIZE, self.peer_window) - self.peer_window
            self.peer_window += change
            for one in self.streams.values():
                one.send_window += change
            self.reply(frame(SETTINGS, ACK))
            return
        self.require(self.pending, "an ACK of no SETTINGS")
        changes = self.pending.pop(0) if self.pending else {}
        change = changes.get(INITIAL_WINDOW_SIZE, self.own_window) - self.own_window
        self.own_window += change
        for one in self.streams.values():
            one.receive_window += change
        self.own_frame = changes.get(MAX_FRAME_SIZE, self.own_frame)
        if HEADER_TABLE_SIZE in changes:
            self.decoder.max_allowed_table_size = changes[HEADER_TABLE_SIZE]

    def _on_credit(self, number, size):
        if number == 0:
            self.send_window += size
            self.require(self.send_window <= WINDOW_MAX, "too much credit")
        elif number in self.streams:
            self.streams[number].send_window += size

    def _on_reset(self, number, code):
        stream = self._stream(number, "RST_STREAM")
        if stream is None:
            return
        is_allowed = code in BLAMELESS or stream.ask.may_reset and code == INTERNAL_ERROR
        self._expect(stream, is_allowed, f"RST_STREAM with code {code}")
        if self.is_honest and stream.is_honest:
            self.driver.outcome(f"{self.protocol}: {stream.ask.name} reset with code {code}")
        stream.remote = "reset"
        self._bury(stream)

    def _on_goaway(self, last, code):
        self.say(f"GOAWAY {last} code {code}")
        self.require(code in (NO_ERROR, ENHANCE_YOUR_CALM), f"GOAWAY with code {code}")
        self.driver.outcome(f"{self.protocol}: GOAWAY with code {code}")
        self.is_leaving = True
        for stream in [one for one in self.streams.values() if one.id > last]:
            stream.remote = "reset"
            self._bury(stream)

    def _bury(self, stream):
        if stream.is_over:
            self.over.append(stream.id)
            self.streams.pop(stream.id, None)
