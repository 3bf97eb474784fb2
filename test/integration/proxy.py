# SPDX-License-Identifier: MIT
"""A TCP proxy that breaks: it passes bytes on, or stalls, cuts or garbles them.

Proxy(port) -> stall(), hold(text), cut(), garble(), heal() -> close(). Connections that are open when it changes
are hit as well as new ones.
"""

import os
import socket
import threading

from wire import reset, reset_on_close

PASS, STALL, CUT, GARBLE = "pass", "stall", "cut", "garble"


class Proxy:
    def __init__(self, target_port):
        self.target = ("127.0.0.1", target_port)
        self._mode = PASS
        self._held = None
        self._changed = threading.Condition()
        self._open = set()
        self._is_closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    # --- what it does to the bytes

    def heal(self):
        self._held = None
        self._set(PASS)

    def hold(self, text):
        """A connection on which a client says this stalls; all others go on."""
        self._held = text

    def stall(self):
        """Nothing passes in either direction; connections are still accepted."""
        self._set(STALL)

    def cut(self):
        """Every connection is reset, and every new one as soon as it comes."""
        self._set(CUT)
        self._reset_all()

    def garble(self):
        """What the server says becomes noise of the same length."""
        self._set(GARBLE)

    def close(self):
        with self._changed:
            self._is_closed = True
            self._mode = CUT
            self._changed.notify_all()
        # Wakes the thread in accept(), which closing the descriptor would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self._reset_all()

    def _set(self, mode):
        with self._changed:
            self._mode = mode
            self._changed.notify_all()

    # --- connections

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if self._wait() == CUT:
            reset(client)
            return
        try:
            server = socket.create_connection(self.target)
        except OSError:
            reset(client)
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            self._open |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
        back.start()
        self._pump(client, server, False)
        back.join()
        with self._changed:
            self._open -= {client, server}
        client.close()
        server.close()

    def _wait(self, data=b""):
        """Waits while it stalls, or holds back what a client says; returns the mode then."""
        with self._changed:
            self._changed.wait_for(lambda: self._mode == CUT or
                                   self._mode != STALL and (self._held is None or self._held not in data))
            return self._mode

    def _pump(self, source, sink, is_answer):
        try:
            while True:
                data = source.recv(65536)
                mode = self._wait(b"" if is_answer else data)
                if not data or mode == CUT:
                    break
                sink.sendall(os.urandom(len(data)) if is_answer and mode == GARBLE else data)
        except OSError:
            pass
        # Ends the other direction's pump, too.
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _reset_all(self):
        with self._changed:
            doomed = list(self._open)
        for one in doomed:
            try:
                reset_on_close(one)
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
