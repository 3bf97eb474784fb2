# SPDX-License-Identifier: MIT
"""HTTP/1 as bytes on a socket: what a test sends is exactly what it wrote."""

import socket
import struct
import time


def request(target, *fields, method="GET", version="HTTP/1.1", body=b"", host="Host: test"):
    """The bytes of a request; a body brings its Content-Length."""
    lines = [f"{method} {target} {version}"]
    lines += [host] if host else []
    lines += fields
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*parts, trailers=b""):
    """A chunked body of these parts, its last chunk included."""
    framed = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part]
    return b"".join(framed) + b"0\r\n" + trailers + b"\r\n"


def reset_on_close(peer):
    """Has closing a socket send an RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(peer):
    """Leaves: a FIN would only say that no more requests come."""
    reset_on_close(peer)
    peer.close()


class Answer:
    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.body = b""

    def __getitem__(self, name):
        """The value of a field, None when it is missing; a doubled one fails."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is doubled: {values}"
        return values[0] if values else None


class Peer:
    """One connection. It keeps what it has received and not used in `received`."""

    def __init__(self, server, listener="http", receive_buffer_bytes=None):
        self.socket = server.connect(listener, receive_buffer_bytes=receive_buffer_bytes)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # --- out

    def send(self, data):
        self.socket.sendall(data)

    def send_apart(self, *pieces):
        """Sends the pieces one after another, with time for the server to read each by itself."""
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(0.001)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        reset(self.socket)

    # --- in

    def _receive(self):
        data = self.socket.recv(1 << 20)
        self.received += data
        return len(data) > 0

    def _take(self, count):
        while len(self.received) < count:
            assert self._receive(), f"the answer ends early: {self.received[:300]!r}"
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def _take_through(self, mark):
        while mark not in self.received:
            assert self._receive(), f"the connection closed within: {self.received[:300]!r}"
        return self._take(self.received.index(mark) + len(mark))

    def _take_chunks(self):
        body = []
        while True:
            size = int(self._take_through(b"\r\n"), 16)
            body.append(self._take(size))
            assert self._take(2) == b"\r\n"
            if size == 0:
                return b"".join(body)

    def answer(self, method="GET"):
        """Reads the next answer; `method` is that of its request."""
        answer = Answer(self._take_through(b"\r\n\r\n")[:-4])
        if method == "HEAD" or answer.status in (100, 204, 304):
            return answer
        if answer["Transfer-Encoding"] == "chunked":
            answer.body = self._take_chunks()
        elif answer["Content-Length"] is not None:
            answer.body = self._take(int(answer["Content-Length"]))
        else:
            answer.body = self.rest()
        return answer

    def ask(self, target, *fields, method="GET", **options):
        """Sends a request and reads its answer."""
        self.send(request(target, *fields, method=method, **options))
        return self.answer(method)

    def rest(self):
        """Everything until the server closes; what comes before a reset counts too."""
        try:
            while self._receive():
                pass
        except ConnectionResetError:
            pass
        taken, self.received = self.received, b""
        return taken

    def is_closed(self):
        """Waits for the server's end of the connection; False when anything else comes."""
        return self.rest() == b""
