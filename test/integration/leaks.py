# SPDX-License-Identifier: MIT
"""After each test: no server that runs has a request that nothing will ever wake.

A test that leaves such requests on purpose names their routes: @pytest.mark.leaks("/test/misuse/forget").
"""

import http.client
import re

import server as server_module

PATH = "/debug/pprof/goroutineleak"
TOTAL = re.compile(r"goroutineleak profile: total (\d+)\n")
LEAKED = re.compile(r"^goroutine (\d+) \[[^\]]*\(leaked\)[^\]]*\] \{([^}]*)\}:\n(.*?)\n\n", re.M | re.S)


class NoProfiler(Exception):
    """It could not start, or there is no memory for what it finds."""


def get(server, path):
    headers = {"Host": "localhost"}
    if server.env.get("PPROF_TOKEN"):
        headers["Authorization"] = f"Bearer {server.env['PPROF_TOKEN']}"
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["pprof"], timeout=server_module.PATIENCE_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
    finally:
        connection.close()
    if answer.status == 500 and body.endswith(("/proc is not mounted\n", "out of memory\n")):
        raise NoProfiler(body)
    assert answer.status == 200, (answer.status, body)
    return body


def count(server):
    """How many requests nothing will wake."""
    return int(TOTAL.match(get(server, f"{PATH}?debug=1")).group(1))


def leaked(server):
    """Those requests, by id: labels and stack."""
    return {int(number): (labels, stack) for number, labels, stack in LEAKED.findall(get(server, f"{PATH}?debug=2"))}


def may_be_asked(server):
    """Its profiler is on and listens, and nobody has stopped the process."""
    if not server.is_running() or "pprof" not in server.ports:
        return False
    with open(f"/proc/{server.pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] not in "TtZ"


def ask(server):
    """As leaked(); nothing of a server that has no profiler, or ends while it is asked."""
    try:
        return leaked(server) if count(server) > 0 else {}
    except (ConnectionRefusedError, NoProfiler):
        return {}
    except (OSError, http.client.HTTPException, AssertionError):
        if server.is_running() and not server.has_line("shutting down"):
            raise
        return {}


def check(declared):
    """Fails for a leaked request of a route that is not declared; each is told of once."""
    found = []
    for server in [one for one in server_module.running if may_be_asked(one)]:
        for number, (labels, stack) in ask(server).items():
            if number not in server.told_leaks and not any(route in labels for route in declared):
                found.append(f"goroutine {number} {{{labels}}}:\n{stack}")
            server.told_leaks.add(number)
    assert not found, "nothing will wake these requests:\n" + "\n\n".join(found)
