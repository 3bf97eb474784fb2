# SPDX-License-Identifier: MIT
"""gdb by its machine interface, as VS Code's C/C++ extension (cpptools) drives it with a configuration of
.vscode/launch.json: its variables and inputs filled in, its set-up commands, its environment, a terminal for the program.
"""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading

from server import PATIENCE_S, wait_until, with_default_signals
from services import ROOT


def read_jsonc(name):
    """A file of .vscode/: JSON whose lines may be comments."""
    with open(os.path.join(ROOT, ".vscode", name), encoding="utf-8") as file:
        return json.loads(re.sub(r"^\s*//.*$", "", file.read(), flags=re.M))


def fill(value, inputs):
    """Fills in what VS Code does, in keys of objects too."""
    if isinstance(value, dict):
        return {fill(key, inputs): fill(entry, inputs) for key, entry in value.items()}
    if isinstance(value, list):
        return [fill(entry, inputs) for entry in value]
    if isinstance(value, str):
        value = value.replace("${workspaceFolder}", ROOT)
        return re.sub(r"\$\{input:(\w+)\}", lambda found: inputs[found.group(1)], value)
    return value


def configuration(name, **inputs):
    """A configuration by its name, filled in; inputs that are not given are their defaults."""
    launch = read_jsonc("launch.json")
    defaults = {entry["id"]: entry["default"] for entry in launch["inputs"]}
    [found] = [entry for entry in launch["configurations"] if entry["name"] == name]
    return fill(found, {**defaults, **inputs})


class Gdb:
    """One gdb, and the terminal of what it debugs."""

    def __init__(self, config, program):
        self.config = config
        self.lines = []
        self.numbers = 0
        self.terminal, self.theirs = pty.openpty()  # kept: a terminal that nobody has open reads as its end
        self.process = subprocess.Popen(
            with_default_signals(["gdb", "--nx", "--quiet", "--interpreter=mi", f"--tty={os.ttyname(self.theirs)}"]),
            cwd=config.get("cwd", ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True)
        self.shown = bytearray()
        self.threads = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_terminal)]
        for thread in self.threads:
            thread.start()
        for entry in config["setupCommands"]:
            self.console(entry["text"])
        self.ask(f"-file-exec-and-symbols {program}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # It hears no command while the program runs; what it has started ends with it.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.theirs)
        for thread in self.threads:
            thread.join(PATIENCE_S)
        os.close(self.terminal)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _read_terminal(self):
        with contextlib.suppress(OSError):  # EIO: nobody has it open
            while chunk := os.read(self.terminal, 4096):
                self.shown.extend(chunk)

    # --- asking

    def wait(self, pattern, start=0):
        """Waits for a line behind the first `start` ones and returns the match."""
        def look():
            return next((found for line in self.lines[start:] if (found := re.search(pattern, line))), None)
        try:
            return wait_until(look, f"gdb to say {pattern}")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.lines[-30:]])) from None

    def ask(self, command):
        """Sends an MI command; it must succeed. Returns what gdb said since."""
        self.numbers += 1
        start = len(self.lines)
        self.process.stdin.write(f"{self.numbers}{command}\n")
        self.process.stdin.flush()
        result = self.wait(rf"^{self.numbers}\^(\w+)(.*)", start)
        assert result.group(1) in ("done", "running", "connected"), (command, result.group(0))
        return "\n".join(self.lines[start:])

    def console(self, command):
        """A set-up command, or one of gdb's console: its text."""
        if command.startswith("-"):
            return self.ask(command)
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        said = self.ask(f'-interpreter-exec console "{quoted}"')
        texts = re.findall(r'^~"(.*)"$', said, re.M)
        return "".join(texts).replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")

    def mark(self):
        return len(self.lines)

    def locals(self):
        """The variables of the frame as the Variables view gets them: name to value."""
        said = self.ask("-stack-list-variables --all-values")
        return dict(re.findall(r'\{name="(\w+)",(?:arg="1",)?value="((?:[^"\\]|\\.)*)"', said))

    # --- running

    def launch(self, settings):
        """Runs the program with the configuration's environment, and `settings` over it."""
        wanted = {entry["name"]: entry["value"] for entry in self.config["environment"]}
        for name, value in {**wanted, **settings}.items():
            self.console(f"set environment {name} {value}")
        self.ask("-exec-run")

    def connect(self, port):
        """Connects to a gdbserver, where commands are heard while the program runs, as the extension wants it."""
        self.ask("-gdb-set mi-async on")
        self.ask(f"-target-select remote 127.0.0.1:{port}")

    def pid(self):
        return int(self.wait(r'^=thread-group-started,id="i1",pid="(\d+)"').group(1))

    def terminal_text(self):
        return re.sub(r"\x1b\[\d*m", "", self.shown.decode(errors="replace")).replace("\r\n", "\n")

    def port(self, listener):
        """The port of a listener of the server, by the block that it shows on its terminal."""
        found = wait_until(lambda: re.search(rf"^  {listener} +\S+:(\d+)$", self.terminal_text(), re.M),
                           f"the port of {listener}")
        return int(found.group(1))
