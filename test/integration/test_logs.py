# SPDX-License-Identifier: MIT
"""The log: its lines, its levels, and that nothing it is written to can stop the server."""

import contextlib
import json
import os
import pty
import re
import resource
import signal

import pytest
from server import free_port, wait_until
from wire import Peer, request

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (DEBUG|INFO |WARN |ERROR) [a-z0-9_]+: "
                       r"[^=\"]+( [a-z_]+=(\"([^\"\\]|\\.)*\"|[^ \"=]+))*")
LEVELS = ["debug", "info", "warn", "error"]


def metric(server, name):
    with Peer(server, "metrics") as peer:
        text = peer.ask("/metrics").body.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))


def ask(server, target, *fields, **options):
    with Peer(server) as peer:
        return peer.ask(target, *fields, **options)


def access_lines(server):
    return [line for line in list(server.lines) if re.search(r'access(: |","message":")request', line)]


# --- lines

def test_text_lines(start_server):
    server = start_server({"LOG_LEVEL": "debug"})
    ask(server, '/x?quote="&equals=%20', "X: y")
    assert server.stop() == 0
    assert len(server.lines) >= 6
    for line in server.lines:
        assert TEXT_LINE.fullmatch(line), line


def test_json_lines(start_server):
    server = start_server({"LOG_LEVEL": "debug", "LOG_FORMAT": "json"})
    ask(server, '/x?quote="&back\\slash')
    assert server.stop() == 0
    assert len(server.lines) >= 6
    for line in server.lines:
        event = json.loads(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["time"])
        assert event["level"] in LEVELS
        assert event["component"] and event["message"]
    [access] = [json.loads(line) for line in access_lines(server)]
    assert access["target"] == '/x?quote="&back\\slash'
    assert (access["method"], access["status"], access["server"]) == ("GET", 404, "http")


def test_the_start_and_the_end_are_logged(start_server):
    server = start_server({"LOG_FORMAT": "json"})
    assert server.stop() == 0
    events = [json.loads(line) for line in server.lines]
    events = [event for event in events if event["component"] == "main"]
    *listening, ready, shutting_down, closing, stopped = events
    assert [event["message"] for event in listening] == ["listening"] * 4
    assert [event["server"] for event in listening] == ["http", "grpc", "metrics", "pprof"]
    assert (ready["message"], ready["env"]) == ("ready", "development") and ready["version"]
    assert (shutting_down["message"], stopped["message"]) == ("shutting down", "stopped")
    assert (closing["message"], closing["phase"]) == ("closing the listeners of traffic", "traffic")


def fixed_ports():
    """For a server whose log does not tell them."""
    return {"HTTP_PORT": free_port(), "METRICS_PORT": free_port()}


@pytest.mark.parametrize("level", LEVELS)
def test_events_below_the_level_are_not_logged(start_server, tmp_path, level):
    log = tmp_path / "log"
    with open(log, "wb") as stdout:
        server = start_server({"LOG_LEVEL": level, "LOG_FORMAT": "json", "SHUTDOWN_TIMEOUT_MS": 0,
                               **fixed_ports()}, stdout=stdout)
    ask(server, "/health/live")
    # The drain's end is a warning: something is in flight, and there is no time for it.
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000"))
        wait_until(lambda: metric(server, "http_server_active_requests") == 2, "the request")
        assert server.stop() == 0
    seen = {json.loads(line)["level"] for line in log.read_text().splitlines()}
    assert seen == set(LEVELS[LEVELS.index(level):]) - {"error"}


# --- access lines

def test_access_lines_in_development(start_server):
    server = start_server({"LOG_LEVEL": "debug"})
    with Peer(server) as peer:
        port = peer.socket.getsockname()[1]
        peer.ask("/test/params/a/b?c=d")
        peer.ask("/nowhere", method="POST", body=b"xyz")
        peer.send(b"nonsense\r\n\r\n")
        peer.answer()
    assert server.stop() == 0
    first, second, third = access_lines(server)
    assert " DEBUG access: request server=http method=GET " in first
    assert 'target="/test/params/a/b?c=d" route=/test/params/:a/:b status=200 body_bytes=6' in first
    assert re.search(rf" duration_us=\d+ cpu_us=\d+ peer=127\.0\.0\.1:{port} task=\d+ trace_id=", first)
    assert ' method=POST target=/nowhere route="" status=404 ' in second
    assert " status=400 " in third


def test_access_lines_of_what_was_not_answered(start_server):
    server = start_server({"LOG_LEVEL": "debug", "REQUEST_TIMEOUT_MS": 3000})
    assert ask(server, "/test/sleep?ms=3600000&late").status == 503
    with Peer(server) as peer:
        peer.send(request("/test/sleep?ms=3600000&left"))
        wait_until(lambda: metric(server, "http_server_active_requests") == 2, "the request")
        peer.reset()
    server.wait_line("&left")
    assert " status=503 " in server.wait_line("&late")
    assert " status=499 " in server.wait_line("&left")


@pytest.mark.parametrize("settings, asked, logged", [
    ({}, 5, 5),
    ({"LOG_LEVEL": "info"}, 5, 0),
    ({"LOG_ACCESS_EVERY": 0}, 5, 0),
    ({"LOG_ACCESS_EVERY": 10}, 100, 10),
    ({"ENV": "production"}, 5, 0),
    ({"ENV": "production", "LOG_ACCESS_EVERY": 10, "LOG_LEVEL": "info"}, 100, 10),
], ids=str)
def test_how_many_access_lines(start_server, settings, asked, logged):
    server = start_server({"LOG_LEVEL": "debug", **settings})
    with Peer(server) as peer:
        for _ in range(asked):
            assert peer.ask("/health/live").status == 200
    assert server.stop() == 0
    assert len(access_lines(server)) == logged


def test_a_line_cannot_be_forged(start_server):
    """What a client sends stays within its value, and does not reach a terminal as a command."""
    server = start_server({"LOG_LEVEL": "debug"})
    for target in ("/x%0aforged", '/"forged="x', "/a=b", "/" + "long" * 1900):
        assert ask(server, target).status == 404
    assert server.stop() == 0
    assert len(access_lines(server)) == 4
    for line in server.lines:
        assert TEXT_LINE.fullmatch(line), line
        assert len(line) < 4096
    assert access_lines(server)[3].endswith("cut=true")


# --- SIGHUP

def test_sighup_reads_the_level_again(start_server, tmp_path):
    env_file = tmp_path / "development.env"
    env_file.write_text("LOG_LEVEL=info\n")
    server = start_server({"CONFIG_DIR": tmp_path, "LOG_LEVEL": None})
    ask(server, "/health/live?one")
    env_file.write_text("LOG_LEVEL=debug\n")
    server.send_signal(signal.SIGHUP)
    server.wait_line("log level reloaded level=debug")
    ask(server, "/health/live?two")
    server.wait_line("?two")
    assert not server.has_line("?one")


def test_sighup_says_so_before_it_falls_silent(start_server, tmp_path):
    env_file = tmp_path / "development.env"
    env_file.write_text("LOG_LEVEL=info\n")
    server = start_server({"CONFIG_DIR": tmp_path, "LOG_LEVEL": None})
    env_file.write_text("LOG_LEVEL=error\n")
    server.send_signal(signal.SIGHUP)
    server.wait_line("log level reloaded level=error")


def test_sighup_with_a_wrong_file_changes_nothing(start_server, tmp_path):
    env_file = tmp_path / "development.env"
    env_file.write_text("LOG_LEVEL=debug\n")
    server = start_server({"CONFIG_DIR": tmp_path, "LOG_LEVEL": None})
    env_file.write_text("LOG_LEVEL=loud\n")
    server.send_signal(signal.SIGHUP)
    assert "is not allowed" in server.wait_line("log level not reloaded")
    ask(server, "/health/live?still")
    server.wait_line("?still")


def test_the_environment_goes_over_the_file_at_sighup(start_server, tmp_path):
    (tmp_path / "development.env").write_text("LOG_LEVEL=error\n")
    server = start_server({"CONFIG_DIR": tmp_path, "LOG_LEVEL": "debug"})
    server.send_signal(signal.SIGHUP)
    server.wait_line("log level reloaded")
    ask(server, "/health/live?still")
    server.wait_line("?still")


# --- when the log cannot be written

LONG = "/" + "q" * 3000  # a log line of about 3 KB


def flood(server, count):
    """Requests whose access lines come to `count` * 3 KB."""
    with Peer(server) as peer:
        for _ in range(count // 50):
            peer.send(request(LONG) * 50)
            assert [peer.answer().status for _ in range(50)] == [404] * 50


def test_the_reader_of_stdout_leaves(start_server):
    reader, writer = os.pipe()
    with open(writer, "wb", closefd=True) as stdout:
        server = start_server({"LOG_LEVEL": "debug", **fixed_ports()}, stdout=stdout)
    os.close(reader)
    flood(server, 100)
    wait_until(lambda: metric(server, "toq_log_lines_dropped_total") > 90, "lost lines counted")
    assert ask(server, "/health/live").status == 200
    assert server.stop() == 0


def test_the_reader_of_stdout_sleeps(start_server):
    """A full pipe blocks the log's thread and nobody else."""
    reader, writer = os.pipe()
    with open(writer, "wb") as stdout:
        server = start_server({"LOG_LEVEL": "debug", **fixed_ports()}, stdout=stdout)
    flood(server, 1500)  # 4.5 MB: the pipe holds 64 KiB, the queue and its batch 1 MiB each
    dropped = metric(server, "toq_log_lines_dropped_total")
    assert dropped > 0
    assert ask(server, "/health/live").status == 200
    # It does not wait for the reader at the end, either.
    assert server.stop() == 0
    os.close(reader)


def test_lost_lines_are_announced(start_server):
    reader, writer = os.pipe()
    with open(writer, "wb") as stdout:
        server = start_server({"LOG_LEVEL": "debug", "LOG_FORMAT": "json", **fixed_ports()},
                              stdout=stdout)
    flood(server, 1500)
    dropped = metric(server, "toq_log_lines_dropped_total")
    # Read on: all that was queued comes, and where lines are missing one that says how many.
    announced = 0
    with open(reader, "r", encoding="utf-8") as log:
        for event in map(json.loads, log):
            if event["message"] == "log lines dropped":
                assert event["level"] == "warn"
                announced += event["count"]
            if announced >= dropped:
                break
        assert announced <= dropped + 2  # the scrapes themselves are logged, or not
        server.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in log]
    assert server.wait_exit() == 0
    assert rest[-1]["message"] == "stopped"


def test_a_full_disk(start_server):
    with open("/dev/full", "wb") as stdout:
        server = start_server({"LOG_LEVEL": "debug", **fixed_ports()}, stdout=stdout)
    flood(server, 100)
    wait_until(lambda: metric(server, "toq_log_lines_dropped_total") > 90, "lost lines counted")
    assert metric(server, "toq_log_lines_total") == 0
    assert server.stop() == 0


def test_a_file_that_may_not_grow(start_server, tmp_path):
    """RLIMIT_FSIZE comes with a signal of its own, SIGXFSZ."""
    log = tmp_path / "log"
    with open(log, "wb") as stdout:
        server = start_server({"LOG_LEVEL": "debug", **fixed_ports()}, stdout=stdout,
                              preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                 (10000, 10000)))
    flood(server, 100)
    wait_until(lambda: metric(server, "toq_log_lines_dropped_total") > 90, "lost lines counted")
    assert server.stop() == 0
    assert log.stat().st_size <= 10000


def test_a_closed_stdout(start_server):
    server = start_server({"LOG_LEVEL": "debug", **fixed_ports()}, stdout=os.open(os.devnull, 1),
                          preexec=lambda: os.close(1))
    flood(server, 100)
    assert server.stop() == 0


# --- what a person sees

def watch(start_server, settings):
    """Starts a server whose log goes to a terminal; returns it and what reads the terminal so far."""
    ours, theirs = pty.openpty()
    server = start_server({"HTTP_PORT": free_port(), "LOG_LEVEL": "debug", "TERM": "xterm", **settings},
                          stdout=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = bytearray()

    def read():
        with contextlib.suppress(BlockingIOError, OSError):  # EIO: the server has ended
            while chunk := os.read(ours, 65536):
                seen.extend(chunk)
        return seen.decode().replace("\r\n", "\n")
    return server, read


def test_a_terminal_gets_colours_and_a_block_that_says_what_next(start_server):
    server, read = watch(start_server, {})
    wait_until(lambda: "again: at once" in read(), "the block")
    pprof = re.search(r"^  pprof +127\.0\.0\.1:(\d+)$", read(), re.M).group(1)
    assert f"\n  http     127.0.0.1:{server.ports['http']}\n" in read()
    assert len(re.findall(r"^  (?:try  |     )    (?:curl|go tool)", read(), re.M)) == 3
    assert f"\n  open     http://localhost:{pprof}/debug/\n" in read()
    assert ask(server, "/nope?a=b").status == 404
    wait_until(lambda: "GET /nope?a=b \033[33m404\033[0m" in read(), "the access line")
    shown = [re.sub(r"\033\[\d+m", "", line) for line in read().splitlines()]
    assert max(len(line) for line in shown) <= 120
    assert re.fullmatch(r"\S+ DEBUG GET \S+ 404 \d+us [0-9a-f]{32}",
                        next(line for line in shown if "/nope" in line))


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(start_server, plain):
    server, read = watch(start_server, plain)
    wait_until(lambda: "again: at once" in read(), "the block")
    assert "\033" not in read()
    assert server.stop() == 0


def test_access_lines_are_sampled_and_say_so(start_server):
    server = start_server({"LOG_LEVEL": "debug", "LOG_ACCESS_MAX_PER_S": "5"})
    with Peer(server) as peer:
        for _ in range(200):
            peer.ask("/nope")
    left_out = int(re.search(r"max_per_s=5 left_out=(\d+)", server.wait_line("access: lines left out")).group(1))
    assert server.stop() == 0
    counts = [int(n) for line in server.lines for n in re.findall(r"access: lines left out.* left_out=(\d+)", line)]
    assert left_out == counts[0] and sum(counts) + len(access_lines(server)) == 200
    assert "server=http" in next(line for line in server.lines if "access: lines left out" in line)


def test_pprof_that_is_off_says_how_to_switch_it_on(start_server):
    server = start_server({"ENABLE_PPROF": "false"})
    assert "ENABLE_PPROF=true" in server.wait_line("pprof: off")


def test_the_allocator_is_traced(start_server):
    server = start_server({"ALLOC_TRACE_MS": "100"})
    ask(server, "/test/leak?count=64&bytes=65536")
    def lines_of_it(count):
        return wait_until(lambda: len(found := [one for one in server.lines if " alloc: " in one]) >= count and found,
                          "lines of the allocator")

    if "not jemalloc" in lines_of_it(1)[0]:  # a sanitizer's
        return
    lines = lines_of_it(4)
    assert server.stop() == 0
    totals = [int(re.search(r"allocated_bytes=(\d+)", line).group(1)) for line in lines]
    changes = [int(re.search(r"change_bytes=(-?\d+)", line).group(1)) for line in lines]
    assert [b - a for a, b in zip(totals, totals[1:])] == changes[1:] and changes[0] == totals[0]
    assert max(totals) - totals[0] > 3 << 20
    assert all(re.search(r"active_bytes=\d+ resident_bytes=\d+ retained_bytes=\d+", line) for line in lines)
