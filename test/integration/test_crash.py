# SPDX-License-Identifier: MIT
"""What a server says when it crashes, and when SIGQUIT asks: the signal, where, for whom, and what was in flight."""

import os
import re
import signal
import subprocess

import pytest

from conftest import binary_path
from pprof_load import is_sanitized
from server import PATIENCE_S, wait_until
from wire import Peer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
SLEEP = "/test/sleep?ms=60000"
END = "toq: end of the crash report\n"

# How it crashes -> the signal, what its first line says, and the functions that the stack must have.
CRASHES = {
    "null": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there (si_code 1), address 0x0", ["crash_by_null"]),
    "call": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there (si_code 1), address 0x0", ["crash_by_call"]),
    "overflow": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there", ["crash_by_overflow"]),
    "divide": (signal.SIGFPE, "SIGFPE, division by zero", ["crash_by_division"]),
    "bus": (signal.SIGBUS, "SIGBUS, behind the end of a mapped file", ["crash_by_bus"]),
    "require": (signal.SIGABRT, "SIGABRT, sent by a process", ["base_fail"]),
    "malloc": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there (si_code 1), address 0x0",
               ["crash_in_malloc", "crash_by_malloc"]),
    "offload": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there (si_code 1), address 0x0",
                ["work_null"]),
    "offload-overflow": (signal.SIGSEGV, "SIGSEGV", ["crash_by_overflow"]),
    "both": (signal.SIGSEGV, "SIGSEGV, nothing is mapped there", ["crash_by_null"]),
}

# With the profiler, which knows frames of libraries, too.
WALKED = ("malloc", "offload-overflow")


@pytest.fixture
def crash(start_server, tmp_path):
    """crash(how) has a server crash that also serves a request which waits, and returns its report."""
    def run(how, settings=None, **options):
        server = start_server({"CRASH_DIR": tmp_path, **(settings or {})}, **options)
        if "ENABLE_PPROF" in (settings or {}):
            with Peer(server, "pprof") as peer:
                assert peer.ask("/debug/pprof/goroutine").status == 200  # the unwinder's table is there then
        with Peer(server) as sleeper, Peer(server) as peer:
            sleeper.send(f"GET {SLEEP} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_until(lambda: b" GET /test/sleep" in ask_tasks(server).encode(), "the request that waits")
            peer.send(f"GET /test/crash/{how} HTTP/1.1\r\nHost: test\r\ntraceparent: {TRACEPARENT}\r\n\r\n"
                      .encode())
            code = server.wait_exit()
        return code, server.stderr()
    return run


def test_a_start_removes_the_oldest_reports(start_server, tmp_path):
    for number in range(6):
        path = tmp_path / f"crash-{9 - number}-{number}.txt"
        path.write_text("old")
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
    for name in ("crash-of-a-car.pdf", "notes.txt"):
        (tmp_path / name).write_text("not ours")
    start_server({"CRASH_DIR": tmp_path, "CRASH_FILES": "3"})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["crash-4-5.txt", "crash-5-4.txt", "crash-of-a-car.pdf",
                                                              "notes.txt"]


def ask_tasks(server):
    with Peer(server) as peer:
        return "\n" + peer.ask("/test/tasks").body.decode().replace("GET", " GET")


def part(report, head):
    """The indented lines below a head."""
    return re.search(rf"^{head}.*\n((?:  .*\n)*)", report, re.M).group(1)


def check_report(report, first_line, functions, how):
    assert report.count("toq: crash: ") == 1 and report.endswith(END), report
    assert f"toq: crash: {first_line}" in report
    assert re.search(r"^build id: [0-9a-f]{40}$", report, re.M)
    assert re.search(r"^registers: \w+=0x[0-9a-f]+ ", report, re.M)
    assert re.search(r"^  #0 0x", part(report, "stack, innermost first"), re.M)
    names = part(report, "names:")
    for function in functions:
        assert re.search(rf"^  #\d+ \S*{function}\b", names, re.M), report
    flight = part(report, "in flight: 2")
    assert re.search(r'^  id=\d+ http GET /test/sleep state="sleep" age_ms=[\d.]+ .* woken_by="timer" ', flight, re.M)
    assert re.search(r"^  id=\d+ http GET /test/crash/:how ", flight, re.M)
    events = part(report, 'last events of the loop "work"')
    assert re.search(r"^  [\d.]+ ms ago park id=\d+ sleep$", events, re.M)
    assert re.search(r"^  [\d.]+ ms ago begin id=\d+ /test/crash/:how$", events, re.M)
    if how == "both":  # whichever of the two threads was first; the other one works for no request
        return
    task = re.search(r"^task: id=\d+ http GET /test/crash/:how .* age_ms=[\d.]+ .* handler=/\S+\+0x.*$", report, re.M)
    if "offload" in how:
        assert f"trace_id={TRACE} span_id=" in task.group()
    else:
        assert re.search(rf"^trace: {TRACE} span [0-9a-f]{{16}}$", report, re.M)
    assert re.search(r"^  handler routes_crash.handle_crash at \S+/routes_crash.c:\d+$", names, re.M)


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_is_reported(crash, tmp_path, how):
    signo, first_line, functions = CRASHES[how]
    is_walked = how in WALKED
    code, report = crash(how, {"ENABLE_PPROF": "true"} if is_walked else {})
    assert code == -signo
    assert ("by unwind tables:" if is_walked else "by frame pointers:") in report
    check_report(report, first_line, functions, how)
    [file] = tmp_path.iterdir()
    assert re.fullmatch(r"crash-\d+-\d+\.txt", file.name) and file.stat().st_mode & 0o777 == 0o600
    # what a broken check says stands before the report on stderr
    assert file.read_text() == report[report.index("toq: crash: "):]


def test_a_broken_check_is_the_reason(crash):
    _, report = crash("require", {"CRASH_DIR": None})
    said = re.search(r"^reason: REQUIRE\(how.len == 0\) failed at test/support/routes_crash.c:\d+$", report, re.M)
    assert said and "file:" not in report


def behind_a_full_disk(binary, folder):
    """A program that runs the binary where the folder has no room: in a namespace of its own, as anybody may."""
    path = os.path.join(os.path.dirname(folder), "full-disk")
    with open(path, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexec unshare --map-root-user --mount sh -c "
                   "'mount -t tmpfs -o size=4k tmpfs \"$0\" && head -c 4096 /dev/zero >\"$0/full\" && exec \"$@\"' "
                   f"'{folder}' '{binary}' \"$@\"\n")
    os.chmod(path, 0o755)
    return path


def test_a_full_disk_takes_nothing_from_stderr(crash, tmp_path, test_server_binary):
    folder = tmp_path / "disk"
    folder.mkdir()
    code, report = crash("null", {"CRASH_DIR": folder}, binary=behind_a_full_disk(test_server_binary, folder))
    assert code == -signal.SIGSEGV
    check_report(report, *CRASHES["null"][1:], "null")
    assert re.search(r"^file: in CRASH_DIR the report is not whole, errno 28 \(no space left\)$", report, re.M)


def test_a_signal_from_outside(start_server):
    """kill -SEGV: who sent it stands in the report, and the process dies of it."""
    server = start_server({"ENABLE_PPROF": "true"})
    server.send_signal(signal.SIGSEGV)
    assert server.wait_exit() == -signal.SIGSEGV
    assert f"toq: crash: SIGSEGV, sent by a process (si_code 0), sender pid {os.getpid()} " in server.stderr()
    assert "\ntask: none\n" in server.stderr() and server.stderr().endswith(END)


# In sanitized builds it is the sanitizer that reports crashes.
for _test in (test_a_crash_is_reported, test_a_broken_check_is_the_reason, test_a_full_disk_takes_nothing_from_stderr,
              test_a_signal_from_outside):
    _test.__test__ = not is_sanitized(binary_path("TOQ_TEST_SERVER", "build/release/toq_test_server"))


@pytest.mark.parametrize("folder, error", [
    ("/nowhere/at/all", "no such file or directory"), ("/bin/sh", "not a directory"), ("/dev/null", "not a directory")])
def test_a_folder_that_is_none(test_server_binary, folder, error):
    done = subprocess.run([test_server_binary], env={"CRASH_DIR": folder, "HTTP_PORT": "0", "GRPC_PORT": "0",
                                                     "METRICS_PORT": "0", "PPROF_PORT": "0"},
                          capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 78
    assert done.stderr == f'toq: CRASH_DIR: "{folder}" is not allowed: {error}\n'


def test_symbolize_by_hand(test_server_binary):
    done = subprocess.run([test_server_binary, "--symbolize", "toq_test_server+0xffffffffff", "x=nothing+0x1", "junk"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("  toq_test_server+0xffffffffff ")


@pytest.mark.parametrize("pprof", ["true", "false"])
def test_sigquit_prints_what_is_in_flight(start_server, pprof):
    server = start_server({"ENABLE_PPROF": pprof})
    with Peer(server) as sleeper, Peer(server) as peer:
        sleeper.send(b"GET /test/long?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: " GET /test/long" in ask_tasks(server), "the request that waits")
        server.send_signal(signal.SIGQUIT)
        wait_until(lambda: "SIGQUIT: end\n" in server.stderr(), "the dump")
        said = server.stderr()
        assert said.startswith("SIGQUIT: what is in flight\n")
        if pprof == "true":
            assert re.search(r"^goroutine \d+ \[sleep\] \{method: GET, route: /test/long\}:$", said, re.M)
            assert "goroutine 1 [" in said and "routes_test.handle_sleep(...)" in said
        else:
            assert re.search(r'^  id=\d+ http GET /test/long state="sleep" ', said, re.M)
        assert peer.ask("/test/cancelled").status == 200  # it goes on
