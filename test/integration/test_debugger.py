# SPDX-License-Identifier: MIT
"""gdb on a server: scripts/debug, the configurations of .vscode/, and what scripts/toq-gdb.py shows."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request

import pytest

from mi import Gdb, configuration, read_jsonc
from pprof_load import is_sanitized
from server import DEFAULTS, PATIENCE_S, environment, free_port, wait_until
from services import ROOT

HANDLE_SIGPROF = "handle SIGPROF nostop noprint pass"
HANDLER = os.path.join(ROOT, "handlers", "listings", "http", "listings_http.c")
SCRIPT = os.path.join(ROOT, "scripts", "toq-gdb.py")
DEVELOPMENT = "TOQ Server (Development with pprof)"
PRODUCTION = "TOQ Server (Production Mode)"
ID = "018cc383-fb3c-7d9a-8627-c965e4865154"


def is_running(pid, binary):
    """Whether a process is, and still runs the server."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(binary).encode() in file.read()
    except OSError:
        return False


def ask_later(port, target):
    """Asks for a target on a thread, for the answer waits for the debugger; returns what waits for the status."""
    answer = []

    def ask():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=PATIENCE_S) as got:
                answer.append(got.status)
        except urllib.error.HTTPError as error:
            answer.append(error.code)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def wait():
        thread.join(PATIENCE_S)
        return answer[0]
    return wait


def line_of(text):
    """The number of the line of the handler's file that has a text."""
    with open(HANDLER, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def check_request(gdb, target):
    """Where gdb stands in the handler of a listing: the request is printed, and is among those in flight."""
    shown = gdb.console("print *req")
    assert f'GET "{target}" route=/v1/listings/:id life=open' in shown
    assert 'Host = "' in shown and "[running]" in shown
    assert re.search(r"http +running .*GET /v1/listings/:id", gdb.console("toq tasks"))


def check_locals(gdb):
    """Every local of the frame is readable."""
    values = gdb.locals()
    assert {"req", "arg", "listings", "reading"} <= set(values), values
    assert values["req"].startswith("0x") and "<optimized out>" not in values.values(), values


@pytest.fixture(scope="session")
def debug_binary():
    """The variant `debug`, which F5 builds."""
    subprocess.run(["make", "-s", "VARIANT=debug"], cwd=ROOT, check=True, timeout=600,
                   env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "0"}, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    return os.path.join(ROOT, "build", "debug", "toq_server")


# --- a server that lives as long as its debugger

@contextlib.contextmanager
def debug_server(binary):
    """scripts/debug with a server: its port, that of HTTP, and a function that reads the server's log."""
    port = free_port()
    settings = {"ENABLE_PPROF": "false", "HTTP_PORT": free_port(),
                "ASAN_OPTIONS": "detect_leaks=0"}  # LSan cannot be traced
    with tempfile.TemporaryFile() as log, \
            subprocess.Popen([os.path.join(ROOT, "scripts", "debug"), binary, str(port)], env=environment(settings),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                             start_new_session=True) as process:
        yield port, settings["HTTP_PORT"], lambda: os.pread(log.fileno(), 1 << 20, 0).decode("utf-8", "replace")
        try:
            process.wait(PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def waiting(server_binary):
    with debug_server(server_binary) as one:
        yield one


def debug(binary, port, *commands):
    """Runs gdb against the port and returns the pid of the server."""
    script = ["set sysroot /", f"target remote 127.0.0.1:{port}", HANDLE_SIGPROF, "break app_serve",
              "continue", "python print('server', gdb.selected_inferior().pid)", *commands]

    def run():
        done = subprocess.run(
            ["gdb", "--nx", "--batch", binary, *(f"--eval-command={line}" for line in script)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=2 * PATIENCE_S, check=False)
        return re.search(r"^server (\d+)$", done.stdout, re.M)

    return int(wait_until(run, "the debugger's port").group(1))


@pytest.mark.parametrize("last", ["detach", "kill"])
def test_the_server_ends_with_its_debugger(waiting, server_binary, last):
    pid = debug(server_binary, waiting[0], last)
    try:
        wait_until(lambda: not is_running(pid, server_binary), "the server to end")
    finally:
        if is_running(pid, server_binary):
            os.kill(pid, signal.SIGKILL)


def is_listening(port):
    with open("/proc/net/tcp", encoding="ascii") as file:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in list(file)[1:])


def test_attach_to_a_debug_server_which_drains_when_the_debugger_goes(debug_binary):
    config = configuration("Attach to running TOQ Server")
    assert config["miDebuggerServerAddress"] == "127.0.0.1:2345" and config["program"] == debug_binary
    with debug_server(debug_binary) as (port, http, log):
        wait_until(lambda: is_listening(port), "socat")
        with Gdb(config, debug_binary) as gdb:
            gdb.connect(port)
            gdb.ask(f"-break-insert -f {HANDLER}:{line_of('listings_cache_get(')}")
            start = gdb.mark()
            gdb.ask("-exec-continue")
            wait_until(lambda: is_listening(http), "the server")
            answer = ask_later(http, f"/v1/listings/{ID}")
            gdb.wait(r'^\*stopped,reason="breakpoint-hit".*func="listings_handle_get"', start)
            check_locals(gdb)
            check_request(gdb, f"/v1/listings/{ID}")
            gdb.ask("-exec-continue")
            assert answer() == 503  # there is no MySQL
            start = gdb.mark()
            gdb.ask("-exec-interrupt")  # as Pause does over gdbserver
            gdb.wait(r"^\*stopped", start)
            assert is_listening(http) and "shutting down" not in log()
            gdb.ask("-target-detach")
            wait_until(lambda: "stopped requests_left=0" in log(), "the drain")


# --- the configurations that launch

@pytest.mark.parametrize("name, expected", [
    (DEVELOPMENT, {"ENV": "development", "LOG_LEVEL": "debug", "ENABLE_PPROF": "true", "PPROF_PORT": "6060"}),
    (PRODUCTION, {"ENV": "production", "LOG_LEVEL": "info", "ENABLE_PPROF": "false"}),
])
def test_a_launch_stops_in_a_handler_pauses_and_drains(debug_binary, database, name, expected):
    config = configuration(name)
    wanted = {entry["name"]: entry["value"] for entry in config["environment"]}
    assert {key: wanted[key] for key in expected} == expected
    settings = {**DEFAULTS, **database.variables, "TERM": "xterm", "LOG_FORMAT": "text", "PPROF_PORT": "0",
                "CONFIG_DIR": os.path.join(ROOT, "config"), "LOG_LEVEL": wanted["LOG_LEVEL"]}
    with Gdb(config, debug_binary) as gdb:
        gdb.ask(f"-break-insert -f {HANDLER}:{line_of('listings_cache_get(')}")
        gdb.launch(settings)
        http = gdb.port("http")
        start = gdb.mark()
        answer = ask_later(http, f"/v1/listings/{ID}?fields=all")
        gdb.wait(r'^\*stopped,reason="breakpoint-hit"', start)
        check_locals(gdb)
        check_request(gdb, f"/v1/listings/{ID}?fields=all")
        gdb.ask("-exec-continue")
        assert answer() == 404
        # Pause is SIGTRAP, and what it stops goes on as before.
        pid, start = gdb.pid(), gdb.mark()
        os.kill(pid, signal.SIGTRAP)
        gdb.wait(r'^\*stopped,reason="signal-received",signal-name="SIGTRAP"', start)
        # Printers of what handlers work with.
        gdb.ask("-break-insert -t buf_append_cstr")
        start = gdb.mark()
        gdb.ask("-exec-continue")
        answer = ask_later(http, "/v1/listings?limit=1")
        gdb.wait(r'^\*stopped,reason="breakpoint-hit"', start)
        assert re.search(r"= .*\(\d+ of \d+ bytes, at most \d+\)", gdb.console("print *b")), gdb.lines[-4:]
        assert "list with 1 other nodes" in gdb.console("print app_serve::app.conns[0].conns")
        gdb.ask("-exec-continue")
        assert answer() == 200
        # Ctrl-C goes to the server.
        start = gdb.mark()
        os.write(gdb.terminal, b"\x03")
        gdb.wait(r'^\*stopped,reason="exited-normally"', start)
        for text in ("shutting down", "stopped requests_left=0"):
            wait_until(lambda text=text: text in gdb.terminal_text(), text)  # gdb may tell of the end before


def test_f5_has_what_it_needs():
    tasks = {task["label"]: task for task in read_jsonc("tasks.json")["tasks"]}
    for config in read_jsonc("launch.json")["configurations"]:
        if "preLaunchTask" in config:
            assert config["preLaunchTask"] in tasks
        assert {"text": "source ${workspaceFolder}/scripts/toq-gdb.py"} in config["setupCommands"]
    for label in ("run-dev", "run-prod", "debug-server"):  # else VS Code waits for their end
        assert tasks[label]["isBackground"] and "background" in tasks[label]["problemMatcher"]
    assert "ms-vscode.cpptools" in read_jsonc("extensions.json")["recommendations"]


# --- a server that runs

def test_attach_to_a_process_which_drains_at_ctrl_c(start_server, server_binary, database):
    config = configuration("Attach to process")
    assert config["program"] == os.path.join(ROOT, "build", "toq_server")
    settings = {**database.variables, "ASAN_OPTIONS": "detect_leaks=0"}  # LSan cannot be traced
    server = start_server(settings, binary=server_binary)
    with Gdb(config, server_binary) as gdb:
        gdb.ask(f"-target-attach {server.pid}")
        gdb.ask("-break-insert -f listings_handle_get")
        start = gdb.mark()
        gdb.ask("-exec-continue")
        answer = ask_later(server.ports["http"], f"/v1/listings/{ID}")
        gdb.wait(r'^\*stopped,reason="breakpoint-hit".*func="listings_handle_get"', start)
        values = gdb.locals()  # of the release build: arguments, where a function begins
        assert values["req"].startswith("0x") and values["arg"].startswith("0x"), values
        check_request(gdb, f"/v1/listings/{ID}")
        gdb.ask("-exec-continue")
        assert answer() == 404
        start = gdb.mark()
        server.send_signal(signal.SIGINT)
        gdb.wait(r'^\*stopped,reason="exited-normally"', start)
        assert server.wait_exit() == 0 and server.has_line("stopped requests_left=0")


def test_attach_by_pid_shows_what_is_in_flight_live_and_in_a_core(start_server, test_server_binary, tmp_path):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": "100"})
    answer = ask_later(server.ports["http"], "/test/sleep?ms=59000")
    wait_until(lambda: b'state="sleep"' in ask_tasks(server) or b"[sleep" in ask_tasks(server), "the request")
    commands = ["toq tasks", "toq conns", "toq pools"]
    attach = [os.path.join(ROOT, "scripts", "attach"), str(server.pid), "--batch"]
    shown = [run_gdb(attach, commands)]
    if not is_sanitized(test_server_binary):  # its core would fill the disk
        run_gdb(attach, [f"generate-core-file {tmp_path}/core"])
        shown.append(run_gdb(["gdb", "--nx", "--batch", "-x", SCRIPT, test_server_binary, f"{tmp_path}/core"], commands))
    for said in shown:
        assert re.search(r"http +sleep +[\d.]+s +[\d.]+s +GET /test/sleep +timer +start_sleep routes_test.c:\d+", said), said
        assert re.search(r"^traffic +127\.0\.0\.1:\d+ +open ", said, re.M), said
        assert re.search(r"^threads toq-diag-pool +\d threads +\d+ +\d+ +2$", said, re.M)
        assert re.search(r"^mysql +0 connections +0 +\d+ +16$", said, re.M), said
    assert server.is_running() and ask_tasks(server)
    assert server.stop() == 0
    assert answer() == 503


def ask_tasks(server):
    with urllib.request.urlopen(server.url("/debug/pprof/goroutine?debug=2", "pprof"), timeout=PATIENCE_S) as got:
        return got.read()


def run_gdb(command, lines):
    done = subprocess.run([*command, *(f"--eval-command={line}" for line in lines)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=2 * PATIENCE_S,
                          check=False)
    return done.stdout


# --- a server with other paths: its own root, its own libraries, its sources elsewhere

def copy_with_libraries(program, root, name):
    """Copies a program to a root of its own, with the libraries that it is linked with."""
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in [*re.findall(r"(/\S+) \(0x", said)]:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    os.makedirs(os.path.dirname(root + name), exist_ok=True)
    shutil.copy(program, root + name)


def test_attach_elsewhere_by_inputs(server_binary, tmp_path):
    root, sources = str(tmp_path / "root"), str(tmp_path / "sources")
    copy_with_libraries(server_binary, root, "/srv/toq_server")
    copy_with_libraries(shutil.which("gdbserver"), root, "/usr/bin/gdbserver")
    for folder in ("proc", "dev", "tmp"):
        os.makedirs(os.path.join(root, folder))
    here = os.path.join(sources, os.path.relpath(HANDLER, ROOT))
    os.makedirs(os.path.dirname(here))
    shutil.copy(HANDLER, here)
    port, http = free_port(), free_port()
    config = configuration("Attach to TOQ Server elsewhere", toqPort=str(port), toqBuiltIn=ROOT)
    assert config["miDebuggerServerAddress"] == f"127.0.0.1:{port}" and config["sourceFileMap"] == {ROOT: ROOT}
    # In namespaces of its own: another root, and pids that are not those of here.
    inside = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", f"--root={root}",
              "--mount-proc=/proc", "--wd=/srv", "gdbserver", "--no-startup-with-shell", "--once", f"127.0.0.1:{port}", "/srv/toq_server"]
    # TSAN_OPTIONS names a file that is not in there.
    env = environment({"HTTP_PORT": http, "ENABLE_PPROF": "false", "TSAN_OPTIONS": ""})
    with subprocess.Popen(inside, env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: is_listening(port) or process.poll() is not None, "gdbserver")
            assert process.poll() is None, process.stderr.read()
            with Gdb(config, server_binary) as gdb:
                gdb.console(f"set substitute-path {ROOT} {sources}")  # a sourceFileMap to another folder
                gdb.connect(port)
                gdb.ask("-break-insert -f listings_handle_get")
                start = gdb.mark()
                gdb.ask("-exec-continue")
                wait_until(lambda: is_listening(http), "the server")
                answer = ask_later(http, f"/v1/listings/{ID}")
                gdb.wait(rf'^\*stopped,reason="breakpoint-hit".*fullname="{re.escape(here)}"', start)
                libraries = gdb.console("info sharedlibrary")
                assert re.search(r"Yes .*target:/\S*libuv", libraries), libraries
                check_request(gdb, f"/v1/listings/{ID}")
                gdb.ask("-exec-continue")
                assert answer() == 503
                start = gdb.mark()
                gdb.ask("-exec-interrupt")
                gdb.wait(r"^\*stopped", start)
        finally:
            if process.poll() is None:
                process.kill()
