# SPDX-License-Identifier: MIT
"""The rules of HTTP/2 that the driver breaks, one a method: of a connection, or of one stream."""

import struct

from http2_wire import (ACK, CANCEL, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, GOAWAY,
                        HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, PADDED, PING, PRIORITY, PUSH_PROMISE,
                        RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, ping, priority, rst, settings,
                        window_update)

FLOOD = 400  # above every burst that the driver's server has


class Breaks:
    """Mixed into the driver's peer of HTTP/2."""

    def illegal(self):
        return [(6, self.overflow_stream_window), (2, self.overflow_window), (2, self.credit_nothing),
                (3, self.lie_about_size), (3, self.send_wrong_settings), (3, self.miss_a_stream),
                (2, self.promise), (3, self.use_wrong_id), (4, self.write_on_closed),
                (2, self.leave_head_open), (2, self.send_too_big), (2, self.break_hpack),
                (2, self.pad_too_much), (1, self.send_garbage), (2, self.flood), (3, self.flip_a_bit),
                (12, self.ask_wrongly), (4, self.lie_about_length), (2, self.exceed_window),
                (3, self.open_too_many), (2, self.depend_on_itself), (3, self.reset_twice),
                (2, self.end_wrongly), (1, self.cut_a_frame), (4, self.abuse_and_leave)]

    def _some_stream(self):
        return self.random.choice(list(self.streams.values())) if self.streams else None

    def _break(self, text, *frames):
        self.break_rules()
        self.tail = []
        self.send(b"".join(frames))
        return text

    # --- of the connection

    def overflow_stream_window(self):
        stream = self._some_stream()
        if stream is None:
            return None
        return self._break(f"WINDOW_UPDATE too many on {stream.id}",
                           window_update(stream.id, 0x7FFFFFFF), window_update(stream.id, 0x7FFFFFFF))

    def overflow_window(self):
        return self._break("WINDOW_UPDATE too many", window_update(0, 0x7FFFFFFF))

    def credit_nothing(self):
        stream = self._some_stream()
        number = stream.id if stream else 0
        return self._break(f"WINDOW_UPDATE 0 on {number}", window_update(number, 0))

    def lie_about_size(self):
        kind = self.random.choice((PING, RST_STREAM, PRIORITY, WINDOW_UPDATE, SETTINGS, GOAWAY))
        size = self.random.choice((0, 1, 3, 5, 7, 9, 20))
        stream = self._some_stream()
        number = stream.id if stream and kind in (RST_STREAM, PRIORITY) else 0
        return self._break(f"type {kind} of {size} bytes", frame(kind, 0, number, bytes(size)))

    def send_wrong_settings(self):
        return self._break("wrong SETTINGS", self.random.choice((
            settings((ENABLE_PUSH, 2)), settings((INITIAL_WINDOW_SIZE, 1 << 31)),
            settings((MAX_FRAME_SIZE, 100)), settings((MAX_FRAME_SIZE, 1 << 24)),
            frame(SETTINGS, ACK), frame(SETTINGS, ACK, 0, bytes(6)), frame(SETTINGS, 0, 1))))

    def miss_a_stream(self):
        kind = self.random.choice((DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION))
        return self._break(f"type {kind} on stream 0", frame(kind, END_HEADERS, 0, bytes(5)))

    def promise(self):
        return self._break("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)))

    def use_wrong_id(self):
        number = self.random.choice((2, self.next_id + 1, self.next_id, max(1, self.next_id - 4)))
        head = frame(HEADERS, END_HEADERS | END_STREAM, number,
                     self.encoder.encode(self.fields_of(self.make_ask())))
        return self._break(f"a wrong stream id, {number}", self.random.choice((
            head, frame(DATA, 0, self.next_id, b"x"), rst(self.next_id), window_update(self.next_id, 1))))

    def write_on_closed(self):
        """A stream that this side has ended or reset."""
        ended = [one.id for one in self.streams.values() if one.local == "ended"] + self.over[-20:]
        if not ended:
            return None
        number = self.random.choice(ended)
        head = frame(HEADERS, END_HEADERS | END_STREAM, number, self.encoder.encode([("x", "y")]))
        return self._break(f"more on {number}", self.random.choice(
            (frame(DATA, END_STREAM, number, b"more"), frame(DATA, 0, number), head,
             frame(CONTINUATION, END_HEADERS, number, b""))))

    def leave_head_open(self):
        block = self.encoder.encode(self.fields_of(self.make_ask()))
        more = self.random.choice((ping(), b"", frame(HEADERS, END_HEADERS, self.next_id, block),
                                   frame(CONTINUATION, END_HEADERS, self.next_id + 2, b"")))
        return self._break("a head without end", frame(HEADERS, 0, self._take_id(), block), more)

    def send_too_big(self):
        stream = self._some_stream()
        kind = self.random.choice((DATA, HEADERS, CONTINUATION, PING))
        number = stream.id if stream and kind == DATA else self.next_id
        return self._break(f"type {kind} of 20000 bytes", frame(kind, 0, number, bytes(20000)))

    def break_hpack(self):
        block = self.random.choice((b"\xff\xff\xff\xff\xff\x0f", b"\x80", b"\x3f\xff\xff\x7f", b"\x40",
                                    b"\x00\x7f\xff\xff\xff\xff\x7f", b"\xbf" * 50,
                                    b"\x40\x01a\x7f\xc0\x00" + b"z" * 8255 + b"\xbe" * 300))
        return self._break("a broken header block",
                           frame(HEADERS, END_HEADERS | END_STREAM, self._take_id(), block))

    def pad_too_much(self):
        stream = self._some_stream()
        number, kind = (stream.id, DATA) if stream else (self._take_id(), HEADERS)
        return self._break("more padding than frame",
                           frame(kind, PADDED | END_HEADERS, number, b"\xff" + bytes(10)))

    def send_garbage(self):
        return self._break("garbage", self.random.choice((
            self.random.randbytes(200), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(300))))

    def flood(self):
        number = max(1, self.next_id - 2)
        one = self.random.choice((ping(), settings(), priority(1, 3), frame(DATA, 0, number),
                                  window_update(0, 1), frame(0xE0, 0, 0, b""), None, b"heads"))
        if one is None:
            block = self.encoder.encode(self.fields_of(self.make_ask()))
            frames = []
            for _ in range(FLOOD // 4):
                stream = self._take_id()
                frames += [frame(HEADERS, END_HEADERS, stream, block), rst(stream)]
            return self._break("a flood of resets", *frames)
        if one == b"heads":
            return self._break("a flood of CONTINUATION", frame(HEADERS, 0, self._take_id()),
                               *[frame(CONTINUATION, 0, self.next_id - 2)] * FLOOD)
        return self._break(f"a flood of {one[3]}", one * FLOOD)

    def flip_a_bit(self):
        """A legal step with one bit changed."""
        before = len(self.unsent)
        steps = [one for _, one in self.legal()]
        text = self.random.choice(steps)()
        if len(self.unsent) == before:
            return None
        self.break_rules()
        at = self.random.randrange(before, len(self.unsent))
        if self.random.random() < 0.5:
            at = before + self.random.randrange(min(9, len(self.unsent) - before))
        self.unsent[at] ^= 1 << self.random.randrange(8)
        return f"a bit of this is changed: {text}"

    def exceed_window(self):
        stream = next((one for one in self.streams.values() if one.local == "open"), None)
        if stream is None:
            return None
        return self._break(f"more than the window on {stream.id}",
                           *[frame(DATA, 0, stream.id, bytes(16384))] * 10)

    def depend_on_itself(self):
        stream = self._some_stream()
        number = stream.id if stream else 1
        return self._break(f"{number} depends on itself", priority(number, number))

    def reset_twice(self):
        stream = self._some_stream()
        if stream is None:
            return None
        return self._break(f"RST_STREAM of {stream.id} twice", rst(stream.id), rst(stream.id),
                           self.random.choice((b"", window_update(stream.id, 5),
                                               frame(DATA, 0, stream.id, b"x"))))

    def cut_a_frame(self):
        self._break("a part of a frame, then the end", frame(DATA, 0, 1, b"x", length=1000)
                    if self.random.random() < 0.5 else ping()[:self.random.randrange(1, 17)])
        self.flush()
        return self.half_close()

    def abuse_and_leave(self):
        """What a peer does to a stream just before it is gone."""
        stream = self._some_stream()
        if stream is None:
            return None
        self._break(f"abuse of {stream.id}", self.random.choice((
            window_update(stream.id, 0x7FFFFFFF) * 2, window_update(stream.id, 0), rst(stream.id),
            priority(stream.id, stream.id), frame(DATA, END_STREAM, stream.id, b"") * 2,
            rst(stream.id, CANCEL) + window_update(0, 0x7FFFFFFF))))
        self.flush()
        return f"abuse of {stream.id}, then " + self.random.choice(
            (self.close, self.reset, self.half_close, self.forget))()

    # --- of one stream

    def _ask(self, pairs, body=None):
        """An ask that is known to be wrong: any answer, or none, is right."""
        number = self._take_id()
        stream = self.make_stream(number)
        stream.is_honest = False
        stream.local = "ended" if body is None else "open"
        self.streams[number] = stream
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if body is None else 0), number,
                        self.encoder.encode(pairs)))
        return number

    def ask_wrongly(self):
        if self.tail:
            return None
        legal = [pair for pair in self.fields_of(self.make_ask()) if pair[0] != "content-length"]
        text, pairs = self.random.choice((
            ("upper case", legal + [("X-Upper", "a")]), ("no path", legal[:2] + legal[3:]),
            ("a doubled method", [legal[0]] + legal), ("a hop's field", legal + [("connection", "close")]),
            ("a wrong te", legal + [("te", "gzip")]), ("a late pseudo-header", legal[1:] + [legal[0]]),
            ("an unknown pseudo-header", [(":unknown", "1")] + legal),
            ("an empty path", [(":path", "") if one == ":path" else (one, value) for one, value in legal]),
            ("a bad escape", self._with(legal, "/test/params/%zz/b")),
            ("a fragment", self._with(legal, "/a#b")), ("a target above ASCII", self._with(legal, "/\xe9")),
            ("a long target", self._with(legal, "/" + "a" * 1100)),
            ("many fields", legal + [(f"x-{i}", "a") for i in range(60)]),
            ("a big head", legal + [("x-big", "a" * 9000)]),
            ("a control byte", legal + [("x-bad", "a\x01b")]), ("no name", legal + [("", "a")]),
            ("another host", legal + [("host", "other")]),
            ("a bad host", legal[:3] + [(":authority", "a b")]),
            ("another bad host", legal[:3] + [(":authority", "a/b")]),
            ("an expectation", legal + [("expect", "200-ok")]),
            ("a bad length", legal + [("content-length", "12x")]),
            ("a huge length", legal + [("content-length", "99999999999999999999")]),
            ("CONNECT", [(":method", "CONNECT"), (":authority", "a:1")]),
            ("an odd method", [(":method", "BREW")] + legal[1:]), ("no path at all", self._with(legal, "a"))))
        number = self._ask(pairs, b"" if self.random.random() < 0.3 else None)
        return f"{text} on {number}"

    @staticmethod
    def _with(pairs, target):
        return [(name, target if name == ":path" else value) for name, value in pairs]

    def lie_about_length(self):
        if self.tail:
            return None
        pairs = [pair for pair in self.fields_of(self.make_ask()) if pair[0] != "content-length"]
        number = self._ask(pairs + [("content-length", "5")], b"")
        stream = self.streams[number]
        size = self.random.choice((0, 4, 6, 100))
        if size <= min(stream.send_window, self.send_window):
            self.send(frame(DATA, END_STREAM, number, bytes(size)))
            self.send_window -= size
            stream.local = "ended"
        return f"content-length 5 and {size} bytes on {number}"

    def open_too_many(self):
        if self.tail:
            return None
        self.break_rules()  # nghttp2 may end the connection for it
        numbers = [self._ask(self.fields_of(self.make_ask())) for _ in range(20)]
        return f"streams {numbers[0]} to {numbers[-1]}"

    def end_wrongly(self):
        """Trailers that are none, or that do not end the stream."""
        stream = next((one for one in self.streams.values() if one.local == "open"), None)
        if stream is None or self.tail:
            return None
        pairs, flags = self.random.choice((([("x", "y")], END_HEADERS),
                                           ([(":path", "/")], END_HEADERS | END_STREAM)))
        return self._break(f"wrong trailers on {stream.id}",
                           frame(HEADERS, flags, stream.id, self.encoder.encode(pairs)))
