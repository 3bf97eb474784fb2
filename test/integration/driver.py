#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""driver.py [--seed N] [--seconds N] [--server PATH] - plays clients that keep a legal state of their
connections and break one rule in ten.

Each connection knows what it may send next, and takes one step at a time, among many others; what it is
answered is checked for as long as it has broken no rule. What a connection does follows from the seed,
its number and what it receives. A fault of the server's ends the run, with the seed and the steps of the
last connections.

Here: the engine, and the server that it plays against. driver_http1, driver_http2 and driver_grpc: what
connections do, right and wrong; driver_asks: what they ask for.
"""

import argparse
import collections
import errno
import os
import random
import re
import select
import signal
import socket
import sys
import time
import urllib.request

import server as server_module
from driver_asks import BODY_MAX_BYTES
import wire

CONNECTIONS = 24  # that take steps
RESTING = 24  # that wait for something, beside them
POLITE_PART = 0.4  # of the connections: they break no rule
BROKEN_PART = 0.1 / (1 - POLITE_PART)  # of the others' steps: one in ten of all
HISTORY_STEPS = 60
HISTORY_CONNECTIONS = 12
RECEIVE_BYTES = 1 << 16
STEPS_A_TURN = 12  # then all are read and written that can be
QUIET_S = 60  # for the server to be done with what it was asked

# Every limit is low, so that all are reached.
SETTINGS = {
    "LOG_ACCESS_EVERY": "7",
    "REQUEST_TIMEOUT_MS": "1500",
    "HEADER_TIMEOUT_MS": "600",
    "BODY_TIMEOUT_MS": "900",
    "IDLE_TIMEOUT_MS": "1000",
    "WRITE_TIMEOUT_MS": "1500",
    "MAX_BODY_BYTES": str(BODY_MAX_BYTES),
    "MAX_HEADER_BYTES": "8192",
    "MAX_HEADER_COUNT": "40",
    "MAX_TARGET_BYTES": "1024",
    "HTTP2_MAX_CONCURRENT_STREAMS": "16",
    "HTTP2_STREAM_WINDOW_BYTES": "65535",
    "HTTP2_CONNECTION_WINDOW_BYTES": "131072",
    "CONN_OUTPUT_MAX_BYTES": "1048576",
    "HTTP2_CONTROL_BURST": "300",
    "HTTP2_CONTROL_RATE": "1000",
    "HTTP2_RESET_BURST": "60",
    "HTTP2_RESET_RATE": "50",
    "GRPC_MAX_RECEIVE_BYTES": "65536",
    "GRPC_MAX_SEND_BYTES": "131072",
    "GRPC_KEEPALIVE_TIME_MS": "700",
    "GRPC_KEEPALIVE_TIMEOUT_MS": "500",
    "GRPC_KEEPALIVE_MIN_TIME_MS": "100",
    "GRPC_MAX_CONNECTION_AGE_MS": "4000",
    "GRPC_MAX_CONNECTION_AGE_GRACE_MS": "1000",
    # But for this one: a connection that the server keeps for ever must not be cut off by it.
    "SHUTDOWN_TIMEOUT_MS": "600000",
}
# The least that is allowed: peers that hoard answers use it up.
SHORT_SETTINGS = {**SETTINGS, "MEMORY_MAX_BYTES": str(64 << 20)}
HOARD_WEIGHT, SHORT_HOARD_WEIGHT = 0.2, 4


class Fault(AssertionError):
    """What the server has done wrong."""


class Connection:
    """One connection of a peer. A protocol says what `legal` and `illegal` steps there are, and takes what is
    received; each step is (weight, method), and its method returns what it did, None when it could do
    nothing."""

    protocol = "?"
    listeners = ("http",)

    def __init__(self, driver, number):
        self.driver, self.number = driver, number
        self.random = random.Random(f"{driver.seed} {number}")
        self.history = collections.deque(maxlen=HISTORY_STEPS)
        self.unsent = bytearray()
        self.is_honest = True  # has broken no rule
        self.broken_part = 0 if self.random.random() < POLITE_PART else BROKEN_PART
        self.is_open = True
        self.is_reading = True
        self.has_half_closed = False
        self.resume_at = 0.0
        self.steps_left = int(self.random.triangular(2, 160, 20))
        self.listener = self.random.choice(self.listeners)
        self.socket = self._connect()

    def _connect(self):
        small = self.random.random() < 0.2
        peer = self.driver.server.connect(self.listener, receive_buffer_bytes=4096 if small else None)
        peer.setblocking(False)
        return peer

    def __str__(self):
        return f"{self.protocol} connection {self.number} on {self.listener}"

    # --- what a protocol has

    def legal(self):
        raise NotImplementedError

    def illegal(self):
        raise NotImplementedError

    def ask_for_much(self):
        raise NotImplementedError

    def state(self):
        raise NotImplementedError

    def on_received(self, data):
        raise NotImplementedError

    def on_end(self, is_reset):
        """The server has closed."""

    # --- steps

    def step(self):
        """Does one thing, as long as there are any left to do."""
        self.steps_left -= 1
        if self.steps_left <= 0:
            self.say(self._leave())
            return
        is_illegal = self.random.random() < self.broken_part
        steps = self.illegal() if is_illegal else self.legal() + self._common()
        before = self.state()
        method = self.random.choices([one for _, one in steps], [weight for weight, _ in steps])[0]
        done = method()
        if done is not None:
            name = method.__name__.strip("_")
            self.driver.count(self.protocol, before, f"!{name}" if is_illegal else name)
            self.say(f"{'! ' if is_illegal else ''}{done}")
        self.flush()

    def say(self, text):
        self.history.append(f"{self.driver.now - self.driver.started:8.3f} {text}")

    def _common(self):
        weight = SHORT_HOARD_WEIGHT if self.driver.is_short else HOARD_WEIGHT
        return [(3, self.pause), (1, self.stop_reading), (3, self.go_on_reading), (weight, self.hoard)]

    def pause(self):
        if self.random.random() < 0.97:
            seconds = self.random.random() * 0.03
        else:
            seconds = self.random.random() * 2.5
        self.resume_at = self.driver.now + seconds
        return f"pause {seconds:.3f} s"

    def stop_reading(self):
        self.is_reading = False
        return "stop reading"

    def go_on_reading(self):
        if self.is_reading:
            return None
        self.is_reading = True
        return "go on reading"

    def hoard(self):
        """Asks for much, and reads none of it for a while."""
        text = self.ask_for_much()
        if text is not None:
            self.is_reading = False
            self.resume_at = self.driver.now + self.random.random() * 4
        return text

    # --- ends

    def _leave(self):
        how = self.random.choice(self.goodbyes())
        self.driver.count(self.protocol, self.state(), f"end: {how.__name__.strip('_')}")
        return how()

    def goodbyes(self):
        return [self.close, self.reset, self.half_close, self.half_close_unread, self.forget]

    def close(self):
        self._drop()
        return "close"

    def reset(self):
        wire.reset_on_close(self.socket)
        self._drop()
        return "close by a reset"

    def half_close(self, is_reading=True):
        """The end of what this side sends; the server's is awaited."""
        self.is_reading = is_reading
        self.steps_left = 1
        self.resume_at = self.driver.now + 3
        if self.has_half_closed:
            self._drop()
            return "close"
        self.has_half_closed = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop()
        return "half-close"

    def half_close_unread(self):
        """Nobody reads the rest."""
        return f"{self.half_close(False)}, and read nothing"

    def forget(self):
        """The server is to end it by itself; at last it is closed."""
        self.steps_left = 1
        self.resume_at = self.driver.now + self.random.random() * 4
        self.goodbyes = lambda: [self.close, self.reset]
        return "do nothing any more"

    def _drop(self):
        if self.is_open:
            self.is_open = False
            self.socket.close()

    # --- bytes

    def send(self, data):
        if not self.has_half_closed:
            self.unsent += data

    def flush(self):
        while self.unsent and self.is_open:
            try:
                count = self.socket.send(self.unsent)
            except BlockingIOError:
                return
            except OSError:
                self.unsent.clear()  # what it has sent may still be read
                return
            del self.unsent[:count]

    def receive(self):
        if not self.is_open or not self.is_reading:
            return
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            is_reset = error.errno in (errno.ECONNRESET, errno.EPIPE)
            self.end(is_reset)
            return
        if data:
            self.on_received(data)
        else:
            self.end(False)

    def end(self, is_reset):
        self.say("the server closed" + (" by a reset" if is_reset else ""))
        self.driver.count(self.protocol, self.state(), "ended by the server")
        self.on_end(is_reset)
        self._drop()

    def break_rules(self):
        """From now on nothing is expected of the server but that it lives."""
        self.is_honest = False

    def require(self, condition, what):
        if self.is_honest and not condition:
            raise Fault(f"{self}: {what}")


class Driver:
    """Plays connections against one server."""

    def __init__(self, server, seed, protocols, is_short=False):
        self.server, self.seed, self.protocols = server, seed, protocols
        self.is_short = is_short  # of memory, the server is
        self.random = random.Random(seed)
        self.connections = []
        self.last = collections.deque(maxlen=HISTORY_CONNECTIONS)  # that have ended
        self.made = 0
        self.steps = 0
        self.reached = collections.Counter()  # (protocol, state, what was done in it)
        self.outcomes = collections.Counter()
        self.started = self.now = time.monotonic()
        self.may_connect = True

    def count(self, protocol, state, event):
        self.reached[protocol, state, event] += 1

    def outcome(self, text):
        self.outcomes[text] += 1

    # --- the run

    def run(self, seconds):
        """Plays for so long; ends early when the server has gone and none is let in any more."""
        deadline = time.monotonic() + seconds
        try:
            while self.now < deadline:
                self._turn()
                if not self.connections:
                    break
        except (Fault, AssertionError) as fault:
            raise Fault(f"{fault}\n{self.story()}") from fault

    def _turn(self):
        self.now = time.monotonic()
        ready = [one for one in self.connections if one.is_open and one.resume_at <= self.now]
        while self.may_connect and len(ready) < CONNECTIONS and (
                len(self.connections) < CONNECTIONS + RESTING):
            ready.append(self._add())
        for one in self.random.sample(ready, min(len(ready), STEPS_A_TURN)):
            if one.is_open:
                one.step()
                self.steps += 1
        self._exchange()
        self._bury()

    def _add(self):
        kind = self.random.choice(self.protocols)
        self.made += 1
        try:
            self.connections.append(kind(self, self.made))
            return self.connections[-1]
        except OSError as error:
            if self.server.is_running():
                raise Fault(f"no connection: {error}") from error
            raise Fault("the server has ended") from error

    def _exchange(self):
        waiting = select.poll()
        by_fd = {}
        for one in self.connections:
            if one.is_open:
                by_fd[one.socket.fileno()] = one
                waiting.register(one.socket, (select.POLLIN if one.is_reading else 0)
                                 | (select.POLLOUT if one.unsent else 0))
        for fd, events in waiting.poll(0):
            one = by_fd[fd]
            if events & select.POLLOUT:
                one.flush()
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                if one.is_reading:
                    one.receive()
                elif events & select.POLLERR:
                    one.end(True)

    def _bury(self):
        for one in [one for one in self.connections if not one.is_open]:
            self.connections.remove(one)
            self.last.append(one)

    # --- the end

    def finish(self):
        """Closes all that is left, each in its way."""
        for one in self.connections:
            self.random.choice([one.close, one.reset])()
        self._bury()

    def story(self):
        lines = [f"seed {self.seed}, step {self.steps}"]
        for one in [*self.last, *self.connections]:
            lines.append(f"--- {one}{'' if one.is_honest else ', has broken rules'}: {one.state()}")
            lines += list(one.history)
        return "\n".join(lines)

    def report(self):
        """What was reached, as lines."""
        lines = [f"seed {self.seed}: {self.steps} steps on {self.made} connections"]
        states, broken = collections.Counter(), collections.Counter()
        for (protocol, state, event), count in self.reached.items():
            states[protocol, state] += count
            if event.startswith("!"):
                broken[f"{protocol} {event}"] += count
        events = collections.Counter((protocol, state) for protocol, state, _ in self.reached)
        lines += [f"{count:9}  {protocol}: {state}; {events[protocol, state]} kinds of steps"
                  for (protocol, state), count in sorted(states.items())]
        for title, counter in (("rules broken", broken), ("outcomes", self.outcomes)):
            lines += [title, *(f"{count:9}  {text}" for text, count in sorted(counter.items()))]
        return lines


# --- a server for it


def fetch(server, listener, path):
    with urllib.request.urlopen(server.url(path, listener), timeout=QUIET_S) as answer:
        return answer.read().decode()


def in_flight(server):
    """Which requests the server says are in flight: (how many by its metrics, stacks by its profile). The one
    that asks is in each."""
    metrics = fetch(server, "metrics", "/metrics")
    active = sum(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                 if line.startswith("http_server_active_requests"))
    stacks = fetch(server, "pprof", "/debug/pprof/goroutine?debug=2").split("\n\n")
    return int(active), [one for one in stacks if re.match(r"goroutine \d+ .*(route|rpc): ", one)]


TCP_STATES = {"01": "ESTABLISHED", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "08": "CLOSE_WAIT", "0B": "CLOSING"}


def open_connections(server):
    """The connections that the server has not closed, as the kernel tells: the name of its port, the port of the
    peer, and the state."""
    names = {port: name for name, port in server.ports.items()}
    found = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            name = names.get(int(local.partition(":")[2], 16))
            # A socket that no process has open any more is number 0.
            if name and state in TCP_STATES and inode != "0":
                found.append(f"{name} {int(remote.partition(':')[2], 16)} {TCP_STATES[state]}")
    return found


def play(binary, seed, seconds, drain_seconds):
    """Runs the driver against a server of its own, then through the drain of another, which is short of memory.

    Returns: the lines of the report. Raises Fault with what went wrong, as far as it is known."""
    from driver_grpc import GrpcConnection
    from driver_http1 import Http1Connection
    from driver_http2 import Http2Connection
    protocols = [Http1Connection, Http2Connection, Http2Connection, GrpcConnection, GrpcConnection]
    lines = []
    for is_drained in (False, True):
        server = server_module.start(binary, SHORT_SETTINGS if is_drained else SETTINGS)
        driver = Driver(server, seed + (1 if is_drained else 0), protocols, is_short=is_drained)
        try:
            _play(server, driver, drain_seconds if is_drained else seconds, is_drained)
        except (AssertionError, OSError) as fault:
            said = failed_server(server)
            story = "" if "\nseed " in str(fault) else f"{driver.story()}\n"
            raise Fault(f"{fault}\n{story}{said}") from fault
        finally:
            if server.is_running():
                server.process.kill()
                server.process.wait()
        lines += driver.report()
    return lines


def _play(server, driver, seconds, is_drained):
    driver.run(seconds)
    if is_drained:
        driver.may_connect = False
        server.send_signal(signal.SIGTERM)
        driver.run(QUIET_S)
        driver.finish()
    else:
        driver.finish()
        await_quiet(server, driver)
        server.send_signal(signal.SIGTERM)
    code = server.wait_exit()
    if code != 0:
        raise Fault(f"exit code {code}")
    # A drain does not wait for handlers whose clients are gone.
    if not is_drained and not server.has_line("stopped requests_left=0"):
        raise Fault("requests were left: " + server.lines[-1])
    server.exit_code = None  # close is to judge what was said
    server.close()


def await_quiet(server, driver):
    """Waits until the server has ended every request, and closed every connection."""
    deadline = time.monotonic() + QUIET_S
    while True:
        active, tasks = in_flight(server)
        connections = open_connections(server)
        if active <= 1 and len(tasks) <= 1 and not connections:
            driver.outcome("requests in flight at the end: 0")
            driver.outcome("connections at the end: 0")
            return
        if time.monotonic() > deadline:
            raise Fault(f"{active} requests in flight at the end, {len(connections)} connections:\n"
                        + "\n\n".join([*tasks, *connections]))
        time.sleep(0.2)


def failed_server(server):
    """What a server said that is ended now, whatever it takes."""
    try:
        server.wait_exit(3)
    except AssertionError:
        server.process.kill()
        server.wait_exit()
    return f"exit code {server.exit_code}\n" + "\n".join(server.lines[-5:]) + "\n" + server.stderr()


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--server", default=os.path.join(root, "build/asan/toq_test_server"))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        print("\n".join(play(options.server, options.seed, options.seconds, 5)))
    except Fault as fault:
        sys.exit(f"{fault}\nseed {options.seed}")


if __name__ == "__main__":
    import driver  # the module that the protocols import: its Fault is the one that they raise
    driver.main()
