# SPDX-License-Identifier: MIT
"""SIGTERM under load: a client that counts finds every request answered that the server accepted.

What became of a request can be one of three: answered in full; broken off within its answer; or
lost, its connection closed without a byte for it. A connection that is in use may lose none: the
server either reads its next request and answers it with Connection: close, or has said so before.
A new connection may be refused, or reset while the kernel still has it: no byte of it was read.
"""

import collections
import re
import signal
import socket
import threading
import time

import pytest
from server import PATIENCE_S

ANSWER = re.compile(rb"HTTP/1\.1 200 OK\r\n(.*?)\r\n\r\n", re.S)
LENGTH = re.compile(rb"Content-Length: (\d+)")


class Counts:
    def __init__(self):
        self.lock = threading.Lock()
        self.of = collections.Counter()
        self.problems = []

    def add(self, outcome, detail=None):
        with self.lock:
            self.of[outcome] += 1
            if outcome in ("lost", "broken"):
                self.problems.append(detail)


class Ended(Exception):
    """The connection ended before the answer was complete; `args[0]` is what had come."""


def read_answer(connection):
    """Reads one answer; returns its body and whether the connection goes on."""
    data = b""
    while True:
        found = ANSWER.match(data)
        if found:
            end = found.end() + int(LENGTH.search(found.group(1)).group(1))
            if len(data) >= end:
                return data[found.end():end], b"Connection: close" not in found.group(1)
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            raise Ended(data)
        data += more


class Client(threading.Thread):
    """Asks one request after another; over one connection, or over a new one for each."""

    def __init__(self, server, counts, number, is_kept, target):
        super().__init__(daemon=True)
        self.address = ("127.0.0.1", server.ports["http"])
        self.counts = counts
        self.number = number
        self.is_kept = is_kept
        self.target = target

    def run(self):
        asked = 0
        while True:
            try:
                connection = socket.create_connection(self.address, PATIENCE_S)
            except (ConnectionRefusedError, ConnectionResetError):
                return  # the listener has closed
            with connection:
                goes_on, is_first = True, True
                while goes_on:
                    asked += 1
                    goes_on = self.ask(connection, asked, is_first) and self.is_kept
                    is_first = False

    def ask(self, connection, asked, is_first):
        """Counts what becomes of one request; returns whether the connection goes on."""
        value = f"{self.number}-{asked}"
        try:
            connection.sendall(self.target.format(value).encode())
            body, goes_on = read_answer(connection)
        except Ended as ended:
            came = ended.args[0]
            outcome = "broken" if came else "never accepted" if is_first else "lost"
            self.counts.add(outcome, (value, came))
            return False
        except (BrokenPipeError, ConnectionResetError):
            self.counts.add("never accepted" if is_first else "lost", (value, "at the write"))
            return False
        is_right = value.encode() in body or body == b"slept\n"
        self.counts.add("answered" if is_right else "broken", (value, body))
        return goes_on


QUICK = "GET /test/params/n/{} HTTP/1.1\r\nHost: test\r\n\r\n"
SLOW = "GET /test/sleep?ms=5&{} HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_no_accepted_request_is_lost(start_server, signo):
    server = start_server({"LOG_LEVEL": "debug"})
    counts = Counts()
    clients = [Client(server, counts, i, is_kept, target)
               for i, (is_kept, target) in enumerate([(True, QUICK), (True, SLOW), (False, QUICK),
                                                      (False, SLOW)] * 8)]
    for client in clients:
        client.start()
    time.sleep(0.7)  # not a bound on anything: the longer, the more requests are under way
    server.send_signal(signo)
    for client in clients:
        client.join(PATIENCE_S)
        assert not client.is_alive()
    assert server.wait_exit() == 0
    assert counts.problems == []
    assert counts.of["answered"] > len(clients)
    # The server's own account: it has no request that it read and the client did not see answered.
    assert not server.has_line("log lines dropped")
    logged = sum(" access: request " in line and " status=200 " in line for line in server.lines)
    assert logged == counts.of["answered"]
    assert "requests_left=0" in server.wait_line("main: stopped")


def test_a_burst_at_the_listener_is_taken(start_server):
    """Connections that the kernel has accepted when the signal comes are served, not reset."""
    server = start_server()
    # The burning handler holds the loop, so the burst waits in the listener's queue.
    with socket.create_connection(("127.0.0.1", server.ports["http"]), PATIENCE_S) as burner:
        burner.sendall(b"GET /test/burn?ms=500 HTTP/1.1\r\nHost: test\r\n\r\n")
        time.sleep(0.1)
        burst = []
        for i in range(100):
            burst.append(socket.create_connection(("127.0.0.1", server.ports["http"]), PATIENCE_S))
            burst[-1].sendall(QUICK.format(i).encode())
        server.send_signal(signal.SIGTERM)
        for i, connection in enumerate(burst):
            body, goes_on = read_answer(connection)
            assert (body, goes_on) == (b'"n""%d"' % i, False)
            connection.close()
        assert read_answer(burner)[0] == b"burnt\n"
    assert server.wait_exit() == 0
