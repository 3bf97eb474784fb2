# SPDX-License-Identifier: MIT
"""A server process for a test: start it on free ports, wait until it serves, stop it, read its log.

start() -> Server -> stop(). The ports are taken from the "listening" lines of its log; where a test
sends the log elsewhere it fixes the ports itself, with free_port().
"""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

running = []  # the servers that were started and not closed

# Sanitized servers are 5-10 times slower, and the machine may be busy: this ends hung tests only.
PATIENCE_S = 60

LISTENING = re.compile(r'"?server"?[=:]"?(\w+)"?[, ]"?address"?[=:]"?([^ "}]+):(\d+)"?')
# Passed on from the environment of the tests; nothing else is, so that no setting of the machine
# changes what is tested.
INHERITED = ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")

PORTS = {"http": "HTTP_PORT", "grpc": "GRPC_PORT", "metrics": "METRICS_PORT", "pprof": "PPROF_PORT"}

# No MySQL and no Redis, whatever the machine has: a test that needs them names them.
DEFAULTS = {
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
    "GRPC_HOST": "127.0.0.1",
    "GRPC_PORT": "0",
    "METRICS_PORT": "0",
    "PPROF_PORT": "0",
    "ALLOWED_HOSTS": "test,t",  # what requests name in wire.py and in tests
    "LOG_LEVEL": "info",
    "LOG_ACCESS_MAX_PER_S": "0",  # tests look for the line of each request
    "SERVER_TIMING": "false",  # tests compare fields, and these are others each time
    "SHUTDOWN_DELAY_MS": "0",
    "MYSQL_HOST": "127.0.0.1",
    "MYSQL_PORT": "1",
    "REDIS_HOST": "127.0.0.1",
    "REDIS_PORT": "1",
}


def environment(settings=None):
    """The environment of a server: `settings` over DEFAULTS; None leaves a name out."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env.update(DEFAULTS)
    for name, value in (settings or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Waits until `condition()` is true and returns what it returned; fails with `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {timeout_s} s for: {what}"
        time.sleep(0.01)


DEFAULT_SIGNALS = ("HUP", "INT", "QUIT")


def with_default_signals(command):
    """The command, begun by env where a signal is ignored that a user's shell would not ignore."""
    ignored = [name for name in DEFAULT_SIGNALS
               if signal.getsignal(getattr(signal, f"SIG{name}")) == signal.SIG_IGN]
    return ["env", f"--default-signal={','.join(ignored)}", *command] if ignored else command


def popen_with_defaults(binary, preexec, **options):
    """Starts a program with no signal blocked, and SIGHUP, SIGINT and SIGQUIT as they are by default: whoever
    runs the tests may have them ignored, as nohup and a shell's background jobs do.

    Without `preexec` the process is not forked but, as Python does then, vforked: a fork ends this process
    when gRPC's C-core is ending a channel's threads.
    """
    def prepare():
        for name in DEFAULT_SIGNALS:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
        preexec()

    command = [binary]
    if preexec is not None:
        options["preexec_fn"] = prepare
    else:
        command = with_default_signals(command)
    before = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        return subprocess.Popen(command, **options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Server:
    """One running server. `lines` is its log so far, `ports` maps a listener's name to its port."""

    def __init__(self, binary, settings=None, stdout=None, preexec=None):
        self.binary = os.path.abspath(binary)
        self.env = environment(settings)
        self.lines = []
        # Those that the settings fix; the others come from the log.
        self.ports = {name: int(self.env[variable]) for name, variable in PORTS.items()
                      if self.env.get(variable, "0") != "0"}
        self.exit_code = None
        self.told_leaks = set()  # ids of requests that nothing will wake

        self._stderr = tempfile.TemporaryFile()
        self._folder = tempfile.TemporaryDirectory(prefix="toq-server-")
        self.process = popen_with_defaults(
            self.binary, preexec, env=self.env, cwd=self._folder.name, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout, stderr=self._stderr)
        self._reader = None
        if stdout is None:
            self._reader = threading.Thread(target=self._read_log, daemon=True)
            self._reader.start()
        running.append(self)

    # --- what it says

    def _read_log(self):
        for line in self.process.stdout:
            line = line.decode("utf-8", "replace").rstrip("\n")
            found = LISTENING.search(line) if "listening" in line else None
            if found:
                self.ports[found.group(1)] = int(found.group(3))
            self.lines.append(line)

    def has_line(self, text):
        return any(text in line for line in list(self.lines))

    def wait_line(self, text):
        """Waits for a log line that contains `text` and returns it."""
        return wait_until(lambda: next((line for line in list(self.lines) if text in line), None),
                          f"the log line {text!r}")

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")

    # --- life

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def wait_ready(self):
        """Waits until it serves; by its log, or by its HTTP port where the log goes elsewhere."""
        def is_ready():
            assert self.is_running(), f"ended with {self.process.returncode}: {self.stderr()}"
            if self._reader is None:
                return self._answers()
            # Both formats end the message with what follows it: a blank or a quote.
            return any(re.search(r'main(: |","message":")ready\b', line) for line in list(self.lines))
        wait_until(is_ready, "the server to be ready")
        return self

    def _answers(self):
        try:
            self.connect().close()
            return True
        except ConnectionRefusedError:
            return False

    def send_signal(self, signo):
        self.process.send_signal(signo)

    def wait_exit(self, timeout_s=PATIENCE_S):
        """Waits for the end and returns the exit code; -N when signal N killed it."""
        try:
            self.exit_code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n" + "\n".join(self.lines[-20:]))
        if self._reader is not None:
            self._reader.join(PATIENCE_S)
        return self.exit_code

    def stop(self, signo=signal.SIGTERM):
        """Ends it gracefully and returns the exit code."""
        if self.is_running():
            self.send_signal(signo)
        return self.wait_exit()

    def close(self):
        """Ends it whatever it takes and checks that it ended well, unless the test saw it end."""
        running.remove(self)
        was_seen = self.exit_code is not None
        try:
            if not was_seen:
                self.stop()
        finally:
            if self.is_running():
                self.process.kill()
                self.process.wait()
            said = self.stderr()
            if self.process.stdout is not None and not self.process.stdout.closed:
                self.process.stdout.close()
            self._stderr.close()
            self._folder.cleanup()
        assert was_seen or self.exit_code == 0, f"exit code {self.exit_code}: {said}"
        assert "Sanitizer" not in said and "runtime error" not in said, said

    # --- talking to it

    def connect(self, listener="http", timeout_s=PATIENCE_S, receive_buffer_bytes=None):
        """A connection that sends at once; its receive buffer counts from the handshake on."""
        peer = socket.socket()
        try:
            if receive_buffer_bytes:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            peer.settimeout(timeout_s)
            peer.connect(("127.0.0.1", self.ports[listener]))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            peer.close()
            raise
        return peer

    def url(self, path, listener="http"):
        return f"http://127.0.0.1:{self.ports[listener]}{path}"


def start(binary, settings=None, **options):
    """Starts a server and waits until it serves; the caller closes it."""
    server = Server(binary, settings, **options)
    try:
        return server.wait_ready()
    except BaseException:
        running.remove(server)
        server.process.kill()
        server.process.wait()
        raise
