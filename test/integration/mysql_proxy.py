# SPDX-License-Identifier: MIT
"""A proxy that speaks MySQL: it knows statements from one another, and answers some itself with an error.

MysqlProxy(port) -> refuse("INSERT", 1213, "40001", times=2) -> refused -> close(); or hold("FROM listings") ->
held.wait() -> free.set(). Statements are told by how
their text begins.
"""

import socket
import struct
import threading

COM_QUERY, COM_PREPARE, COM_EXECUTE = 0x03, 0x16, 0x17


def error_packet(sequence, number, sqlstate, text):
    body = b"\xff" + struct.pack("<H", number) + b"#" + sqlstate.encode() + text.encode()
    return struct.pack("<I", len(body))[:3] + bytes([sequence]) + body


def read_exactly(source, count):
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise OSError("ended")
        data += more
    return data


def read_packet(source):
    """One packet, with its header."""
    header = read_exactly(source, 4)
    return header + read_exactly(source, int.from_bytes(header[:3], "little"))


class Connection:
    """One client's: what it has prepared, and whether it was refused."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.client = client
        self.server = server
        self.texts = {}
        self.preparing = None
        self.was_refused = False
        self.is_closed = False

    def pump_up(self):
        """From the client to the server; the packets of the handshake have a number above 0."""
        while True:
            packet = read_packet(self.client)
            if packet[3] != 0:
                self.server.sendall(packet)
                continue
            command, rest = packet[4], packet[5:]
            text = rest.decode("utf-8", "replace")
            if command == COM_EXECUTE:
                text = self.texts.get(rest[:4], "")
            self.proxy.wait_free(text)
            if command in (COM_QUERY, COM_EXECUTE) and self.proxy.must_refuse(self, text):
                continue
            self.preparing = text if command == COM_PREPARE else None
            self.server.sendall(packet)

    def pump_down(self):
        while True:
            packet = read_packet(self.server)
            if self.preparing is not None and packet[4] == 0 and packet[3] == 1:
                self.texts[packet[5:9]] = self.preparing
                self.preparing = None
            self.client.sendall(packet)

    def run(self, pump):
        try:
            pump()
        except OSError:
            pass
        self.is_closed = True
        for one in (self.client, self.server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class MysqlProxy:
    def __init__(self, target_port):
        self.target = ("127.0.0.1", target_port)
        self.connections = []
        self.refused = 0
        self._lock = threading.Lock()
        self._rule = None
        self._held_text = None
        self.held, self.free = threading.Event(), threading.Event()
        self.free.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def refuse(self, beginning, number, sqlstate, text="injected", times=1):
        """Refuses the next `times` statements that begin so."""
        with self._lock:
            self.refused = 0
            self._rule = [beginning, number, sqlstate, text, times]
            for one in self.connections:
                one.was_refused = False

    def hold(self, text):
        """Keeps statements that have this in them back until `free` is set; `held` is set when there is one."""
        self.held.clear()
        self.free.clear()
        self._held_text = text

    def heal(self):
        with self._lock:
            self._rule = None

    def wait_free(self, text):
        if self._held_text is not None and self._held_text in text and not self.free.is_set():
            self.held.set()
            self.free.wait()

    def must_refuse(self, connection, text):
        with self._lock:
            if self._rule is None or not text.startswith(self._rule[0]) or self._rule[4] == 0:
                return False
            self._rule[4] -= 1
            self.refused += 1
            connection.was_refused = True
            packet = error_packet(1, *self._rule[1:4])
        connection.client.sendall(packet)
        return True

    def dropped(self):
        """Of the connections that were refused: which of them has been closed."""
        return [one.is_closed for one in self.connections if one.was_refused]

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for one in self.connections:
            one.run(lambda: None)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client, server)
            with self._lock:
                self.connections.append(connection)
            for pump in (connection.pump_up, connection.pump_down):
                threading.Thread(target=connection.run, args=(pump,), daemon=True).start()
