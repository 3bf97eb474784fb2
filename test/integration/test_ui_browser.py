# SPDX-License-Identifier: MIT
"""The page at /debug/pprof/ui/ in Chromium, behind a prefix and with a token, while a handler spins.

One browser looks at everything (browser/look.js) and says what it saw; each test asks for a part.
"""

import contextlib
import gzip
import json
import os
import re
import subprocess

import httpx
import pytest

import server as server_module
from flight_decode import Trace, check
from heap import has_jemalloc
from pprof_decode import Profile, load_messages
from pprof_load import load
from wire import Peer, request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "test", "integration", "browser")
INSTALLED = os.path.join(ROOT, "build", "npm", "browser")
INSTALL_S = 300
LOOK_S = 120
FOR_EVER_MS = 600000  # the server is killed before
TOKEN = "a-token-of-16-chars"
HOSTILE = '<img src=x onerror=alert(1)><b>"&'
DIFF_FILL_GONE = "#b7a3ea"


def hostile_profile():
    """A profile whose names are HTML."""
    message = load_messages().Profile()
    strings = ["", "cpu", "nanoseconds", HOSTILE, "route", f"/{HOSTILE}", "thread", "</script><b>x"]
    message.string_table.extend(strings)
    message.sample_type.add(type=1, unit=2)
    message.period_type.type, message.period_type.unit = 1, 2
    message.period, message.duration_nanos, message.time_nanos = 10**7, 10**9, 10**18
    for number, name in ((1, 3), (2, 7)):
        message.function.add(id=number, name=name, system_name=name, filename=3)
        message.location.add(id=number, address=number).line.add(function_id=number, line=1)
    sample = message.sample.add(location_id=[2, 1], value=[10**9])
    sample.label.add(key=4, str=5)
    sample.label.add(key=6, str=3)
    message.comment.append(3)
    return gzip.compress(message.SerializeToString())


@pytest.fixture(scope="module")
def browser():
    """Where what drives Chromium is installed."""
    subprocess.run([os.path.join(ROOT, "scripts", "npm-ci"), SOURCE, INSTALLED], check=True,
                   timeout=INSTALL_S)
    return os.path.join(INSTALLED, "node_modules")


@pytest.fixture(scope="module")
def look(browser, test_server_binary, tmp_path_factory):
    """(what the browser saw, the folder with what it left). The loop is held all the time."""
    folder = tmp_path_factory.mktemp("ui")
    (folder / "hostile.pb.gz").write_bytes(hostile_profile())
    server = server_module.start(test_server_binary, {"PPROF_TOKEN": TOKEN})
    try:
        for path in ("/test/burn", "/health/live"):
            with load(server, f"{path}?ms=5", connections=4):
                wait_history(server, path, cpu_ms=500)
        with held(server):
            done = subprocess.run(
                ["node", os.path.join(SOURCE, "look.js"), server.url("", "pprof"), TOKEN, str(folder)],
                env={**os.environ, "NODE_PATH": browser}, capture_output=True, text=True,
                timeout=LOOK_S, check=False)
            still = ask(server, "health/live")
    finally:
        server.process.kill()
        server.process.wait()
    assert done.returncode == 0, done.stderr + done.stdout[:2000]
    assert b'"work_loop":"held"' in still
    return json.loads(done.stdout), folder


def ask(server, path):
    answer = httpx.get(server.url(f"/{path}", "pprof"), auth=("any", TOKEN),
                       timeout=server_module.PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.content


def wait_history(server, route, cpu_ms):
    """Waits until the history has so much CPU time of a route, in whole seconds."""
    def has_cpu():
        if json.loads(ask(server, "debug/pprof/ui/profiles"))["history_seconds"] < 2:
            return False
        rows = json.loads(ask(server, "debug/pprof/ui/history"))["rows"]
        return sum(ms for row in rows if row["route"] == route for _, ms in row["cells"]) >= cpu_ms

    server_module.wait_until(has_cpu, f"samples of {route}")


@contextlib.contextmanager
def held(server):
    with Peer(server) as peer:
        peer.send(request(f"/test/burn?ms={FOR_EVER_MS}"))
        server_module.wait_until(lambda: b'"work_loop":"held"' in ask(server, "health/live"), "held")
        yield


def names(frames):
    return {frame["name"] for frame in frames}


def test_nothing_goes_wrong_and_the_policy_is_kept(look):
    saw, _ = look
    assert saw["problems"] == []
    assert "default-src 'none'" in saw["policy"] and "unsafe" not in saw["policy"]


def test_a_capture_is_drawn_while_a_handler_spins(look):
    saw, _ = look
    frames = names(saw["captured"])
    assert {"all", "main", "http_request_dispatch", "routes_test.handle_burn"} <= frames
    assert not {name for name in frames if name.startswith("health")}


def test_a_click_zooms(look):
    saw, _ = look
    assert saw["clicked"]["details"].startswith("routes_test.handle_burn")
    assert saw["below"].startswith(("http_request_dispatch", "request.run_handler"))  # as gcc inlines


def test_a_search_marks_what_it_finds(look):
    saw, _ = look
    assert re.fullmatch(r"\d+\.\d\d % found", saw["search"]["found"])
    marked = {frame["name"] for frame in saw["search"]["frames"] if frame["fill"] == "#d28bff"}
    assert marked == {"routes_test.handle_burn"}


def test_routes_are_groups_and_a_filter(look):
    saw, _ = look
    assert {"route /test/burn", "route /health/live"} <= names(saw["grouped"])
    assert "routes_test.handle_burn" in names(saw["grouped"])
    assert "route /health/live" in names(saw["filtered"])
    assert not {"route /test/burn", "routes_test.handle_burn"} & names(saw["filtered"])


def test_a_difference_is_coloured(look):
    saw, _ = look
    fills = {frame["name"]: frame["fill"] for frame in saw["diff"]["frames"]}
    assert fills["route /health/live"] == DIFF_FILL_GONE
    assert fills["route /test/burn"].startswith("hsl(4 ")  # more
    assert "appeared" in saw["diff"]["legend"]
    kinds = {row["name"]: row["kind"] for row in saw["diff"]["share"]}
    assert kinds["routes_test.handle_burn"] == "more" and "gone" in kinds.values()


def pprof_top(folder, *options):
    """{function: (flat, cum)} by go tool pprof."""
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0",
         "-unit=ns", "-symbolize=none", *options, str(folder / "now.pb.gz")],
        capture_output=True, text=True, check=True)
    rows = re.findall(r"^ *(-?\d+)(?:ns)? +\S+ +\S+ +(-?\d+)(?:ns)? +\S+  (.*)$", done.stdout, re.M)
    return {re.sub(r" \((partial-)?inline\)$", "", name): (int(flat), int(cum)) for flat, cum, name in rows}


def test_a_difference_is_that_of_go_tool_pprof(look):
    saw, folder = look
    base = str(folder / "base.pb.gz")
    total = {name: Profile((folder / name).read_bytes()).total() for name in ("base.pb.gz", "now.pb.gz")}
    # pprof's -normalize brings the second to the total of the first; here the first is brought to the second's.
    for scale, options, factor in (
            ("absolute", (), 1),
            ("share", ("-normalize",), total["base.pb.gz"] / total["now.pb.gz"])):
        wanted = pprof_top(folder, f"-diff_base={base}", *options)
        rows = {row["name"]: row for row in saw["diff"][scale]}
        assert len(wanted) > 20
        slack = 0.001 * total["base.pb.gz"]
        for name, (flat, cum) in wanted.items():
            row = rows.get(name, {"flatDelta": 0, "cumDelta": 0})
            assert abs(row["flatDelta"] * factor - flat) <= slack, (scale, name)
            assert abs(row["cumDelta"] * factor - cum) <= slack, (scale, name)
        assert max(abs(flat) for flat, _ in wanted.values()) > 10 * slack
    # By duration: what the base would have been in as long a time.
    now, then = (Profile((folder / name).read_bytes()) for name in ("now.pb.gz", "base.pb.gz"))
    factor = now.message.duration_nanos / then.message.duration_nanos
    row = next(row for row in saw["diff"]["duration"] if row["name"] == "routes_test.handle_burn")
    assert row["baseCum"] == pytest.approx(then.total_of("handle_burn") * factor, rel=0.001)


def test_the_past_is_a_click_away(look):
    saw, _ = look
    assert re.search(r", 1 s of the past$", saw["past"]["title"])
    assert re.search(r", 1 s of the past$", saw["past"]["base"])
    assert saw["past"]["title"] != saw["past"]["base"]
    assert "routes_test.handle_burn" in names(saw["past"]["frames"])
    assert "vanished" in saw["past"]["legend"]


def test_a_function_has_callers_and_lines(look):
    saw, _ = look
    assert saw["sandwich"]["titles"] == ["Who calls routes_test.handle_burn",
                                         "What routes_test.handle_burn calls"]
    assert "http_request_dispatch" in names(saw["sandwich"]["frames"])
    assert "test/support/routes_test.c" in saw["source"]["title"]
    with open(os.path.join(ROOT, "test", "support", "routes_test.c"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    assert saw["source"]["hot"] in lines and "burn" in saw["source"]["hot"]
    assert "\n".join(saw["source"]["lines"]) in "\n".join(lines)


def test_a_saved_page_needs_nobody(look):
    saw, folder = look
    assert [url.split("/")[-1] for url in saw["saved"]["asked"]] == ["saved.html"]
    assert "main" in names(saw["saved"]["frames"]) and saw["saved"]["captures"] == 1
    assert Profile((folder / "downloaded.pb.gz").read_bytes()).samples


def test_the_recorder_s_button_hands_the_trace_to_perfetto(look):
    saw, folder = look
    flight = saw["flight"]
    assert "default-src 'none'" in flight["policy"] and "unsafe" not in flight["policy"]
    assert flight["link"] == "../flight?ago=120s"
    handed = flight["handed"]
    assert (handed["from"], handed["title"], handed["fileName"]) == (flight["base"], "toq", "toq.pftrace")
    assert flight["said"] == f"Opened: {handed['bytes']} bytes." and handed["first"] == 0x0a  # a packet of a trace
    trace = check(Trace((folder / "flight.pftrace").read_bytes()))
    assert "/test/burn" in {one.name for one in trace.requests()}  # it holds the loop now


def test_the_profiler_s_own_can_be_left_out(look):
    saw, _ = look
    assert "symbol_lookup" in saw["heap"]["all"]
    assert not [name for name in saw["heap"]["rest"] if name.startswith("symbol")]


test_the_profiler_s_own_can_be_left_out.__test__ = has_jemalloc()


def test_names_stay_text(look):
    saw, _ = look
    assert {HOSTILE, "</script><b>x"} <= names(saw["hostile"]["frames"])
    assert f"route /{HOSTILE}" in names(saw["hostile"]["grouped"])
    assert HOSTILE in saw["hostile"]["rows"]
    assert saw["hostile"]["elements"] == 0
