# SPDX-License-Identifier: MIT
"""make demo: each fault that it brings about is found by the command that its page shows."""

import os
import re
import subprocess
import threading
import time
import urllib.request

import pytest

import server as server_module
from conftest import binary_path
from pprof_load import is_sanitized
from server import PATIENCE_S, free_port, wait_until
from services import ROOT


# It is a binary of release builds, whose tools a sanitizer would leave without answers.
__test__ = not is_sanitized(binary_path("TOQ_SERVER", "build/release/toq_server"))


@pytest.fixture(scope="module")
def demo(database):
    """The server with the faults, whose page has the ports of the tools: so they are fixed."""
    binary = binary_path("TOQ_DEMO", "build/release/toq_demo")
    one = server_module.start(binary, {**database.variables, "REQUEST_TIMEOUT_MS": "2500",
                                       "PPROF_PORT": free_port(), "METRICS_PORT": free_port()})
    yield one
    one.close()


def ask(server, path, method="GET"):
    request = urllib.request.Request(server.url(path), method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def command_of(server, scenario):
    """What the page says to type, with a capture that is shorter."""
    page = ask(server, "/demo/")
    found = re.search(rf'id: "{scenario}",.*?command: "((?:[^"\\]|\\.)*)"', page, re.S).group(1)
    found = found.replace("\\\\", "\\").replace("HOST", "127.0.0.1").replace("seconds=5", "seconds=2")
    found = found.replace("go tool pprof ", f"go tool pprof -timeout={PATIENCE_S} ")  # else half of the seconds more
    return found.replace("PPROF", str(server.ports["pprof"])).replace("METRICS", str(server.ports["metrics"]))


def find(server, scenario, bring_about=lambda: None):
    """Runs the scenario's command while the fault is brought about; returns what it prints."""
    process = subprocess.Popen(["sh", "-c", command_of(server, scenario)], cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    stop = threading.Event()

    def repeat():
        while not stop.is_set():
            bring_about()
    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    said, _ = process.communicate(timeout=PATIENCE_S)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    return said


def test_load_is_found_by_the_labels_of_a_cpu_profile(demo):
    said = find(demo, "load", lambda: [ask(demo, "/demo/hot"), *(ask(demo, "/v1/listings?limit=20") for _ in range(20))])
    routes = set(re.findall(r"^\s+[\d.]+m?s \(\s*[\d.]+%\): (/\S+)$", said, re.M))
    assert {"/demo/hot", "/v1/listings"} <= routes, said


def test_a_hot_route_is_found_by_its_lines(demo):
    said = find(demo, "hot", lambda: ask(demo, "/demo/hot"))
    assert "demo_module.count_primes in " in said, said
    assert re.search(r"[\d.]+m?s +\d+: +while \(d \* d <= n && n % d != 0\)", said), said


def test_a_slow_statement_is_found_in_flight(demo):
    slow = threading.Thread(target=ask, args=(demo, "/demo/slow"), daemon=True)
    slow.start()
    said = wait_until(lambda: find(demo, "slow"), "the statement in the dump")
    assert re.search(r"^goroutine \d+ \[mysql\] \{method: GET, route: /demo/slow\}:$", said, re.M), said
    assert "demo_module.handle_slow(...)" in said
    slow.join(PATIENCE_S)


def test_a_leak_is_found_in_the_difference_of_heaps(demo):
    clicked = threading.Lock()

    def click_once():
        if clicked.acquire(timeout=0.1):
            time.sleep(0.5)  # the first look of the two is at the start
            ask(demo, "/demo/leak", "POST")
    said = find(demo, "leak", click_once)
    assert re.search(r"^ *[\d.]+[kMG]B +[\d.]+% +[\d.]+% .* demo_module\.handle_leak$", said, re.M), said


def test_a_held_loop_is_found_by_the_log_and_the_block_profile(demo):
    assert "held the loop for 1500 ms" in ask(demo, "/demo/hold?ms=1500", "POST")
    line = demo.wait_line("the work loop is held")
    assert "route=/demo/hold" in line and "demo_module.hold_the_loop" in line
    said = wait_until(lambda: "handle_hold" in find(demo, "hold") and find(demo, "hold"), "the stall")
    assert re.search(r"route:\s+/demo/hold$", said, re.M) and re.search(r"state:\s+stall$", said, re.M)


def test_a_forgotten_request_is_found_in_flight(demo):
    answers = []
    forgotten = threading.Thread(target=lambda: answers.append(ask(demo, "/demo/forget", "POST")), daemon=True)
    forgotten.start()
    said = wait_until(lambda: find(demo, "forget"), "the request in the dump")
    assert re.search(r"^goroutine \d+ \[waiting \(leaked\)\] \{method: POST, route: /demo/forget\}:\n"
                     r"demo_module\.handle_forget\(\.\.\.\)\n\t.*/demo_module\.c:\d+", said, re.M), said
    forgotten.join(PATIENCE_S)
    assert answers == ["503 Service Unavailable: deadline passed\n"]


def test_the_server_has_nothing_of_it(server_binary, demo):
    def symbols(binary):
        said = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
        return [line for line in said.splitlines() if "demo" in line]
    assert symbols(server_binary) == []
    assert any("demo_page" in line for line in symbols(demo.binary))
    with open(server_binary, "rb") as file:
        assert b"/demo/" not in file.read()


def test_the_tools_of_the_page_are_those_of_the_server(demo):
    assert ask(demo, "/demo/ports") == f'{{"pprof":{demo.ports["pprof"]},"metrics":{demo.ports["metrics"]}}}\n'
    assert os.path.exists(os.path.join(ROOT, "docs", "tour.md"))
