# SPDX-License-Identifier: MIT
"""A peer of HTTP/1 for the driver: requests in pieces and pipelined, answers in order, and broken rules."""

import driver_asks
import driver_http1_breaks
from driver import Connection

PIPELINE_MAX = 6
EXTENSIONS = (b";a=b", b";a", b';a="b;\\"c"', b';a="b" ; c=d')


class Http1Connection(Connection):
    protocol = "http1"

    def __init__(self, driver, number):
        super().__init__(driver, number)
        self.asks = []  # whose answers are to come: (ask, whether it asks to close)
        self.pieces = []  # of the request that is being sent
        self.received = bytearray()
        self.answer = None  # that is being received
        self.has_closed = False  # has asked for the end, or was told of it

    # --- what may be done now

    def state(self):
        sending = "in a request" if self.pieces else "between requests"
        waiting = min(len(self.asks), 3)
        answer = f", in {self.answer.kind}" if self.answer else ""
        return f"{sending}, {waiting} to answer{answer}{', closing' if self.has_closed else ''}"

    def legal(self):
        if self.pieces:
            return [(20, self.send_piece)]
        return [(12, self.ask), (2, self.send_empty_line)]

    def ask(self):
        if self.has_closed or len(self.asks) >= PIPELINE_MAX:
            return None
        return self._send_ask(driver_asks.any_ask(self.random, False))

    def ask_for_much(self):
        if self.pieces or self.has_closed or len(self.asks) >= PIPELINE_MAX:
            return None
        return self._send_ask(driver_asks.much(self.random))

    def _send_ask(self, ask):
        version = "HTTP/1.0" if self.random.random() < 0.1 else "HTTP/1.1"
        lines = [f"{ask.method} {self._target(ask)} {version}", "Host: test"]
        fields = [(name, value) for name, value in ask.fields
                  if name != "expect" or version == "HTTP/1.1"]
        closes = self.random.random() < 0.1
        if closes:
            fields.append(("Connection", "close"))
        elif version == "HTTP/1.0":
            if self.random.random() < 0.5:
                fields.append(("Connection", "keep-alive"))
            else:
                closes = True
        body = self._frame_body(ask, fields, version)
        lines += [f"{name}:{self._blanks()}{value}{self._blanks()}" for name, value in fields]
        self._cut("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.asks.append(ask)
        self.has_closed = closes
        return f"{version} {ask.method} {ask.target}{', close' if closes else ''}"

    def _target(self, ask):
        is_absolute = ask.target != "*" and self.random.random() < 0.05
        return f"http://test{ask.target}" if is_absolute else ask.target

    def _blanks(self):
        """What may stand around a field's value."""
        return self.random.choice(("", " ", " ", " ", "\t", " \t "))

    def _frame_body(self, ask, fields, version):
        body = ask.body
        if body is None:
            return b""
        if version == "HTTP/1.0" or self.random.random() < 0.5:
            fields.append(("Content-Length", str(len(body))))
            return body
        fields.append(("Transfer-Encoding", "chunked"))
        chunks, at = [], 0
        while at < len(body):
            size = self.random.choice((1, 10, 1000, 16384, 70000)) if len(chunks) < 50 else len(body)
            piece = body[at:at + size]
            extension = self.random.choice(EXTENSIONS) if self.random.random() < 0.1 else b""
            chunks.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
            at += size
        trailers = b"X-Trailer: yes\r\n" if self.random.random() < 0.2 else b""
        return b"".join(chunks) + b"0\r\n" + trailers + b"\r\n"

    def _cut(self, data):
        """Sends a request whole, or keeps it in pieces."""
        if self.random.random() < 0.6:
            self.send(data)
            return
        cuts = sorted(self.random.randrange(len(data)) for _ in range(self.random.choice((1, 3, 8))))
        cuts = [0, *cuts, len(data)]
        self.pieces = [data[a:b] for a, b in zip(cuts, cuts[1:]) if a < b]

    def send_piece(self):
        piece = self.pieces.pop(0)
        self.send(piece)
        return f"{len(piece)} bytes"

    def send_empty_line(self):
        if self.asks or self.has_closed:
            return None
        self.send(b"\r\n")
        return "an empty line"

    def illegal(self):
        return [(20, self.ask_wrongly), (2, self.flip_a_bit), (2, self.send_garbage),
                (3, self.cut_a_body), (2, self.leave_at_once)]

    def ask_wrongly(self):
        text, data = self.random.choice(driver_http1_breaks.WRONG)
        self.break_rules()
        self.pieces = []
        self._cut(data)
        return text

    def flip_a_bit(self):
        before = len(self.unsent)
        text = self.ask() if not self.pieces else self.send_piece()
        if text is None or len(self.unsent) == before:
            return None
        self.break_rules()
        at = self.random.randrange(before, min(len(self.unsent), before + 200))
        self.unsent[at] ^= 1 << self.random.randrange(8)
        return f"a bit of this is changed: {text}"

    def send_garbage(self):
        self.break_rules()
        self.send(self.random.randbytes(self.random.choice((5, 300))))
        return "garbage"

    def cut_a_body(self):
        self.break_rules()
        self.pieces = []
        self.send(b"POST /test/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"a" * 50)
        self.flush()
        return "a part of a body, then " + self.random.choice(
            (self.close, self.reset, self.half_close, self.forget))()

    def leave_at_once(self):
        """Behind a request that is being served."""
        self.break_rules()
        self.send(b"GET " + self.random.choice((b"/test/stubborn?ms=20", b"/test/stream?bytes=300000",
                                                b"/test/drip?count=9&ms=2&bytes=9000&late=20"))
                  + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        self.flush()
        return "a request, then " + self.random.choice((self.close, self.reset, self.half_close))()

    # --- what comes

    def on_received(self, data):
        try:
            self._take(data)
        except ValueError as error:
            self.require(False, f"an answer that is none: {error}")
            self._drop()

    def _take(self, data):
        self.received += data
        while self.is_open and self.received:
            if self.answer is None and not self._take_head():
                return
            if not self.answer.take(self.received):
                return
            self._on_answer()

    def _take_head(self):
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.received[:end]).decode("latin-1").split("\r\n")
        del self.received[:end + 4]
        self.require(self.asks, f"an answer that nobody has asked for: {head}")
        status = int(head[0].split(" ")[1]) if head[0].startswith("HTTP/1.1 ") else 0
        self.require(status >= 100, f"not a status line: {head[0]!r}")
        fields = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            self.require(name.lower() not in fields, f"{name} is doubled: {head}")
            fields[name.lower()] = value
        method = self.asks[0].method if self.asks else "GET"
        self.answer = Answer(status, fields, method)
        return True

    def _on_answer(self):
        answer, self.answer = self.answer, None
        if answer.status == 100:
            return
        ask = self.asks.pop(0) if self.asks else None
        if ask is None:
            return
        wrong = ask.fault(answer.status, bytes(answer.body), answer.fields)
        self.require(wrong is None, wrong)
        if self.is_honest:
            self.driver.outcome(f"http1: {ask.name} answered {answer.status}")
        if answer.fields.get("connection") == "close":
            self.has_closed = True
            self.asks.clear()  # the server answers no more

    def on_end(self, is_reset):
        """An answer that ends with the connection may be cut: nobody can tell."""
        if self.answer is not None:
            self.driver.outcome(f"http1: the connection ended within {self.answer.kind}")


class Answer:
    """One that is being received, framed as its head says."""

    def __init__(self, status, fields, method):
        self.status, self.fields = status, fields
        self.body = bytearray()
        self.left = 0
        if method == "HEAD" or status in (100, 204, 304):
            self.kind = "none"
        elif fields.get("transfer-encoding") == "chunked":
            self.kind = "chunks"
        elif "content-length" in fields:
            self.kind, self.left = "length", int(fields["content-length"])
        else:
            self.kind = "rest"

    def take(self, received):
        """Takes what belongs to it. Returns: whether it is whole."""
        if self.kind == "none":
            return True
        if self.kind == "length":
            self.body += received[:self.left]
            taken = min(self.left, len(received))
            del received[:taken]
            self.left -= taken
            return self.left == 0
        if self.kind == "rest":
            self.body += received
            received.clear()
            return False
        return self._take_chunks(received)

    def _take_chunks(self, received):
        while True:
            end = received.find(b"\r\n")
            if end < 0:
                return False
            size = int(received[:end], 16)
            if len(received) < end + size + 4:
                return False
            self.body += received[end + 2:end + 2 + size]
            del received[:end + size + 4]
            if size == 0:
                return True
