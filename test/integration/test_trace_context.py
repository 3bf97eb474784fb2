# SPDX-License-Identifier: MIT
"""W3C trace context end to end: what a server that is asked in a trace asks another one with, case by case as the
recommendation's own test suite has them. The grammar alone is test/unit/telemetry/test_trace.c's."""

import http.server
import re
import threading

import pytest

import server as server_module
from wire import Peer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"
MANY = [f"k{i}={i}" for i in range(33)]
EVERY_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
EVERY_VALUE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in ",=")

# Fields of traceparent that go on, and those in whose place a trace begins.
GOES_ON = {
    "valid": [("traceparent", VALID)],
    "mixed case name": [("TrAcEpArEnT", VALID)],
    "upper case name": [("TRACEPARENT", VALID)],
    "not sampled": [("traceparent", VALID[:-1] + "0")],
    "later version": [("traceparent", "cc" + VALID[2:])],
    "later version, longer": [("traceparent", "cc" + VALID[2:] + "-and-more")],
    "blanks before": [("traceparent", " \t " + VALID)],
    "blanks behind": [("traceparent", VALID + " \t")],
}
BEGINS = {
    "none": [],
    "twice, other traces": [("traceparent", VALID), ("traceparent", VALID.replace("4bf9", "5bf9"))],
    "twice the same": [("traceparent", VALID), ("traceparent", VALID)],
    "hyphen in the name": [("trace-parent", VALID)],
    "dot in the name": [("trace.parent", VALID)],
    "trailing dot": [("traceparent", VALID + ".")],
    "longer than version 00": [("traceparent", VALID + "-and-more")],
    "later version, no hyphen": [("traceparent", "cc" + VALID[2:] + ".and-more")],
    "version ff": [("traceparent", "ff" + VALID[2:])],
    "no digit first in version": [("traceparent", ".0" + VALID[2:])],
    "no digit last in version": [("traceparent", "0." + VALID[2:])],
    "version of 1": [("traceparent", VALID[1:])],
    "version of 3": [("traceparent", "0" + VALID)],
    "version of 4": [("traceparent", "00" + VALID)],
    "trace all zero": [("traceparent", f"00-{'0' * 32}-{SPAN}-01")],
    "no digit first in trace": [("traceparent", f"00-.{TRACE[1:]}-{SPAN}-01")],
    "no digit last in trace": [("traceparent", f"00-{TRACE[:-1]}.-{SPAN}-01")],
    "trace of 33": [("traceparent", f"00-{TRACE}1-{SPAN}-01")],
    "trace of 31": [("traceparent", f"00-{TRACE[:-1]}-{SPAN}-01")],
    "parent all zero": [("traceparent", f"00-{TRACE}-{'0' * 16}-01")],
    "no digit first in parent": [("traceparent", f"00-{TRACE}-.{SPAN[1:]}-01")],
    "no digit last in parent": [("traceparent", f"00-{TRACE}-{SPAN[:-1]}.-01")],
    "parent of 17": [("traceparent", f"00-{TRACE}-{SPAN}1-01")],
    "parent of 15": [("traceparent", f"00-{TRACE}-{SPAN[:-1]}-01")],
    "no digit first in flags": [("traceparent", VALID[:-2] + ".0")],
    "no digit last in flags": [("traceparent", VALID[:-2] + "0.")],
    "flags of 3": [("traceparent", VALID[:-2] + "001")],
    "flags of 1": [("traceparent", VALID[:-2] + "1")],
}
# Fields of tracestate, and what is passed on of them; None: nothing.
STATES = {
    "one": (["foo=1"], "foo=1"),
    "two members": (["foo=1,bar=2"], "foo=1,bar=2"),
    "in several fields": (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
    "empty": ([""], None),
    "empty field behind": (["foo=1", ""], "foo=1"),
    "empty field before": (["", "foo=1"], "foo=1"),
    "the same key and value": (["foo=1,foo=1"], None),
    "the same key": (["foo=1,foo=2"], None),
    "the same in two fields": (["foo=1", "foo=1"], None),
    "the same key in two fields": (["foo=1", "foo=2"], None),
    "every character": ([f"{EVERY_KEY}= {EVERY_VALUE}"], f"{EVERY_KEY}= {EVERY_VALUE}"),
    "every character, a tenant": ([f"{EVERY_KEY}@a-z0-9_-*/={EVERY_VALUE}"], f"{EVERY_KEY}@a-z0-9_-*/={EVERY_VALUE}"),
    "blanks between": (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
    "tabs between": (["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
    "blank before": ([" foo=1"], "foo=1"),
    "tab behind": (["foo=1\t"], "foo=1"),
    "blanks round": (["\t foo=1 \t"], "foo=1"),
    "blank in a key": (["foo =1"], None),
    "upper case key": (["FOO=1"], None),
    "dot in a key": (["foo.bar=1"], None),
    "no vendor": (["foo@=1,bar=2"], None),
    "no tenant": (["@foo=1,bar=2"], None),
    "two at signs": (["foo@@bar=1,bar=2"], None),
    "two vendors": (["foo@bar@baz=1,bar=2"], None),
    "32 members": ([",".join(MANY[:10]), ",".join(MANY[10:20]), ",".join(MANY[20:32])], ",".join(MANY[:32])),
    "33 members": ([",".join(MANY[:20]), ",".join(MANY[20:])], None),
    "key of 256": (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
    "key of 257": (["foo=1", "z" * 257 + "=1"], None),
    "tenant of 241": (["foo=1", "t" * 241 + "@" + "v" * 14 + "=1"], "foo=1," + "t" * 241 + "@" + "v" * 14 + "=1"),
    "tenant of 242": (["foo=1", "t" * 242 + "@v=1"], None),
    "vendor of 15": (["foo=1", "t@" + "v" * 15 + "=1"], None),
    "equals in a value": (["foo=bar=baz"], None),
    "empty value": (["foo=,bar=3"], None),
}


class Upstream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.headers)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def ask(test_server_binary):
    """ask(fields) asks a server that asks another one, and returns what that saw."""
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    upstream.seen = []
    threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    server = server_module.start(test_server_binary, {"UPSTREAM_URL": f"http://127.0.0.1:{upstream.server_port}"})

    def ask_and_see(fields):
        with Peer(server) as peer:
            assert peer.ask("/upstream/v1/x", *(f"{name}: {value}" for name, value in fields)).status == 204
        return upstream.seen.pop()
    yield ask_and_see
    server.close()
    upstream.shutdown()
    upstream.server_close()


def sent(headers):
    """The trace and the span of a traceparent that is well-formed."""
    assert len(headers.get_all("traceparent")) == 1
    trace, span = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", headers["traceparent"]).groups()
    assert int(trace, 16) != 0 and int(span, 16) != 0
    return trace, span


@pytest.mark.parametrize("name", GOES_ON)
def test_a_trace_goes_on(ask, name):
    trace, span = sent(ask(GOES_ON[name]))
    assert trace == TRACE and span != SPAN


@pytest.mark.parametrize("name", BEGINS)
def test_a_trace_begins(ask, name):
    headers = ask(BEGINS[name] + [("tracestate", "foo=1")])
    trace, _ = sent(headers)
    assert trace not in (TRACE, TRACE.replace("4bf9", "5bf9"))
    assert headers["tracestate"] is None


@pytest.mark.parametrize("name", STATES)
def test_what_is_passed_on(ask, name):
    fields, passed_on = STATES[name]
    headers = ask([("traceparent", VALID)] + [("tracestate", one) for one in fields])
    assert sent(headers)[0] == TRACE  # whatever that is worth
    members = headers["tracestate"] and [one.strip(" \t") for one in headers["tracestate"].split(",")]
    assert (members and [one for one in members if one]) == (passed_on and passed_on.split(","))


def test_no_caller_can_make_a_call_fail(ask):
    """By tabs, which are blanks to the next one, or by more than a call takes."""
    headers = ask([("traceparent", VALID), ("tracestate", ",".join(f"{one}{'x' * 250}" for one in MANY[:32])),
                   ("tracestate", "more=" + "y" * 200), ("baggage", "a = 1\t;\tp,b\t=2")])
    assert sent(headers)[0] == TRACE and headers["baggage"] == "a = 1 ; p,b =2"
    headers = ask([("traceparent", VALID), ("tracestate", ",".join(f"{one}{'x' * 250}" for one in MANY[:32]))])
    assert headers["tracestate"] is None or len(headers["tracestate"]) > 8000


@pytest.mark.parametrize("name", ["TraceState", "TrAcEsTaTe", "TRACESTATE"])
def test_names_of_any_case(ask, name):
    assert ask([("traceparent", VALID), (name, "foo=1")])["tracestate"] == "foo=1"


@pytest.mark.parametrize("name", ["trace-state", "trace.state"])
def test_other_names(ask, name):
    assert ask([("traceparent", VALID), (name, "foo=1")])["tracestate"] is None


def test_each_call_is_a_span_of_its_own(ask):
    for fields, traces in (([("traceparent", VALID)], 1), ([], 3), ([("traceparent", f"00-{'0' * 32}-{SPAN}-01")], 3)):
        calls = [sent(ask(fields)) for _ in range(3)]
        assert len({span for _, span in calls}) == 3 and len({trace for trace, _ in calls}) == traces
