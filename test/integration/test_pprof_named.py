# SPDX-License-Identifier: MIT
"""The profiles that have a name: answers, parameters, differences, and what ends them."""

import gzip
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import heap
import server as server_module
from pprof_decode import KINDS, decode_named, has_frame
from conftest import binary_path
from pprof_load import is_sanitized, load, metric, wait_captured
from scrape import Scrape
from wire import reset, reset_on_close

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
LACKING = [name for name in sorted(KINDS) if re.search("heap|allocs|mutex", name)
           if is_sanitized(binary_path("TOQ_SERVER", "build/toq_server"))]
NAMES = [name for name in sorted(KINDS) if name not in LACKING]
GOS = [name for name in NAMES if not name.startswith("delta_")]
SINCE_LAST = [name for name in NAMES if name.startswith("delta_")]
CAP_S = 1
LIMIT = 24  # NAMED_QUERIES_MAX


def ask(server, path, method="GET", **options):
    return httpx.request(method, server.url(path, "pprof"), timeout=server_module.PATIENCE_S,
                         **options)


def get(server, name, seconds=0):
    query = f"?seconds={seconds}" if seconds else ""
    answer = ask(server, f"/debug/pprof/{name}{query}")
    assert answer.status_code == 200, answer.text
    return decode_named(answer.content, name, seconds)


def fields(answer):
    ignored = ("date", "content-length", "transfer-encoding", "connection")
    return {name: value for name, value in answer.headers.items() if name not in ignored}


def file_fields(name):
    return {"content-type": BINARY, "x-content-type-options": "nosniff",
            "content-disposition": f'attachment; filename="{name}"'}


# --- one answer


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_a_gzip_file_to_save(server, name):
    answer = ask(server, f"/debug/pprof/{name}", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, fields(answer)) == (200, file_fields(name))
    assert answer.content[:2] == b"\x1f\x8b" and gzip.decompress(answer.content)
    decode_named(answer.content, name)


@pytest.mark.parametrize("name", GOS)
def test_a_difference_is_one_to_save_under_another_name(server, name):
    answer = ask(server, f"/debug/pprof/{name}?seconds=1")
    assert (answer.status_code, fields(answer)) == (200, file_fields(f"{name}-delta"))
    decode_named(answer.content, name, 1)


@pytest.mark.parametrize("name", GOS)
@pytest.mark.parametrize("debug", ["1", "2", "-1", "%2B1", "99999999999999999999"])
def test_a_text(server, name, debug):
    answer = ask(server, f"/debug/pprof/{name}?debug={debug}")
    assert answer.status_code == 200
    assert fields(answer) == {"content-type": TEXT, "x-content-type-options": "nosniff"}
    assert answer.content


@pytest.mark.parametrize("name", GOS)
@pytest.mark.parametrize("query", ["debug=0", "debug=abc", "debug=", "debug=1x", "seconds=", "gc=1",
                                   "seconds=&debug=0"])
def test_what_is_no_number_is_none(server, name, query):
    answer = ask(server, f"/debug/pprof/{name}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, BINARY)
    decode_named(answer.content, name)


@pytest.mark.parametrize("name", GOS)
@pytest.mark.parametrize("query,problem", [
    ("seconds=0", 'invalid value for "seconds" - must be a positive integer\n'),
    ("seconds=abc&debug=1", 'invalid value for "seconds" - must be a positive integer\n'),
    ("seconds=1&debug=1", "seconds and debug params are incompatible\n"),
])
def test_errors_come_in_gos_order(server, name, query, problem):
    answer = ask(server, f"/debug/pprof/{name}?{query}")
    assert (answer.status_code, answer.text) == (400, problem)
    assert fields(answer) == {"content-type": TEXT, "x-content-type-options": "nosniff",
                              "x-go-pprof": "1"}


def test_what_cannot_be_taken_says_why(server, start_server):
    refusing = [(server, name) for name in LACKING]
    if not LACKING:
        without = start_server({"MALLOC_CONF": "prof:false"})
        refusing = [(without, name) for name in ("heap", "allocs", "delta_heap")]
    for one, name in refusing:
        for query in ("", "?seconds=1", "?debug=1", "?gc=1"):
            answer = ask(one, f"/debug/pprof/{name}{query}")
            assert answer.status_code == 500 and len(answer.text.split()) > 3
            assert fields(answer) == {"content-type": TEXT, "x-content-type-options": "nosniff",
                                      "x-go-pprof": "1"}


@pytest.mark.parametrize("name", NAMES)
def test_head_has_the_fields_and_no_body(server, name):
    head = ask(server, f"/debug/pprof/{name}", "HEAD")
    assert (head.status_code, fields(head), head.content) == (200, file_fields(name), b"")


@pytest.mark.parametrize("path", ["pprof/heap", "pprof/delta_heap", "pprof/goroutine", "fgprof"])
def test_other_methods_are_not_allowed(server, path):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = ask(server, f"/debug/{path}", method)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == {"GET", "HEAD"}


def test_the_token_guards_them(start_server):
    guarded = start_server({"PPROF_TOKEN": "a-token-of-these-tests"})
    for path in [f"/debug/pprof/{name}" for name in NAMES] + ["/debug/fgprof"]:
        assert ask(guarded, path).status_code == 401
    bearer = {"Authorization": "Bearer a-token-of-these-tests"}
    assert ask(guarded, "/debug/pprof/goroutine", headers=bearer).status_code == 200


def test_the_index_counts_and_links(server):
    page = ask(server, "/debug/pprof/").text
    rows = re.findall(r"<tr><td>(\d+)</td><td><a href='(\w+)\?debug=1'>(\w+)</a></td></tr>", page)
    names = [name for _, name, _ in rows]
    assert names == sorted(names)
    assert set(names) == set(GOS) | {"cmdline", "profile", "symbol"} | {
        name for name in LACKING if not name.startswith("delta_")}
    assert not set(SINCE_LAST) & set(names)  # a look at one takes from what its scraper gets
    counts = {name: int(count) for count, name, _ in rows}
    assert counts["goroutine"] > 0
    assert '<a href="goroutine?debug=2">full goroutine stack dump</a>' in page
    for name in names:
        assert f"<li><div class=profile-name>{name}: </div> " in page


# --- differences


def test_seconds_are_capped(start_server):
    capped = start_server({"PPROF_MAX_SECONDS": CAP_S})
    for path in ("pprof/goroutine?seconds=3600", "fgprof?seconds=3600", "fgprof"):
        profile = ask(capped, f"/debug/{path}")
        assert profile.status_code == 200


def test_a_difference_outlasts_the_timeouts_of_other_requests(start_server):
    hasty = start_server({"REQUEST_TIMEOUT_MS": 300, "IDLE_TIMEOUT_MS": 300, "BODY_TIMEOUT_MS": 300,
                          "WRITE_TIMEOUT_MS": 300, "HEADER_TIMEOUT_MS": 300})
    get(hasty, "goroutine", 2)


def test_a_difference_counts_what_came_and_what_went(test_server):
    """Requests that sleep: some only before, some only after."""
    def sleeping(profile):
        return profile.total(lambda sample: sample.labels.get("route") == "/test/sleep", 0)

    def open_sleeper(seconds):
        peer = test_server.connect()
        peer.sendall(f"GET /test/sleep?ms={seconds * 1000} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        return peer

    def wait_sleeping(count):
        server_module.wait_until(lambda: sleeping(get(test_server, "goroutine")) == count, "sleepers")

    def looks(server):
        """Jobs of diagnostics so far, and those that are not over."""
        scrape = Scrape(server, at_once=True)
        return (scrape.get("toq_threadpool_jobs_total", pool="diagnostics"),
                scrape.get("toq_threadpool_active_jobs", pool="diagnostics"))

    def wait_looked(server, sleepers, before):
        """The query beside the sleepers, and the one for the metrics; and its first look: a job for what is mapped, and one for the stacks."""
        server_module.wait_until(lambda: metric(server, "http_server_active_requests") ==
                                 sleepers + 2, "the query")
        server_module.wait_until(lambda: looks(server)[0] >= before + 2 and looks(server)[1] == 0, "its look")

    early = [open_sleeper(60) for _ in range(5)]
    wait_sleeping(5)
    with ThreadPoolExecutor(1) as pool:
        before, _ = looks(test_server)
        future = pool.submit(get, test_server, "goroutine", 3)
        wait_looked(test_server, 5, before)
        for peer in early[:3]:
            reset(peer)
        profile = future.result()
        assert sleeping(profile) == -3
        before, _ = looks(test_server)
        future = pool.submit(get, test_server, "goroutine", 3)
        wait_looked(test_server, 2, before)
        late = [open_sleeper(60) for _ in range(4)]
        assert sleeping(future.result()) == 4
    for peer in early[3:] + late:
        reset(peer)
    wait_sleeping(0)


def test_what_came_since_the_last_time(start_server):
    """delta_heap: what was allocated since then; what is in use is that of the moment."""
    lonely = start_server()
    if LACKING:
        return

    def leaked(profile, value):
        return profile.total(lambda sample: has_frame(sample, "leak_blocks"), value)

    heap.wait_sampling(lonely)
    assert leaked(get(lonely, "delta_heap"), 1) == 0
    for total_mib in (64, 128):
        # Blocks of 4 MiB are all sampled: twice in 3,000 one is missed.
        assert httpx.get(lonely.url("/test/leak?count=16&bytes=4194304")).status_code == 200
        profile = get(lonely, "delta_heap")
        assert leaked(profile, 1) == pytest.approx(64 << 20, rel=0.1)
        assert leaked(profile, 3) == pytest.approx(total_mib << 20, rel=0.1)
    profile = get(lonely, "delta_heap")
    assert leaked(profile, 1) == 0
    assert leaked(profile, 3) == pytest.approx(128 << 20, rel=0.1)
    assert leaked(get(lonely, "heap"), 1) == pytest.approx(128 << 20, rel=0.1)


def test_seconds_and_debug_mean_nothing_since_the_last_time(server):
    for query in ("seconds=5", "debug=1", "seconds=abc", "gc=1"):
        for name in SINCE_LAST:
            answer = ask(server, f"/debug/pprof/{name}?{query}")
            assert (answer.status_code, fields(answer)) == (200, file_fields(name))
            decode_named(answer.content, name)


# --- clients that leave, many at once, the end


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_ends_a_difference(start_server, leave):
    lonely = start_server()
    for path in ("pprof/block?seconds=60", "pprof/goroutine?seconds=60", "fgprof?seconds=60"):
        peer = lonely.connect("pprof")
        peer.sendall(f"GET /debug/{path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        wait_captured(lonely)
        if leave == "reset":
            reset_on_close(peer)
        peer.close()
        server_module.wait_until(lambda: metric(lonely, "http_server_active_requests") == 1,
                                 "the query to end")
    assert lonely.stop() == 0


def test_clients_that_leave_at_any_time(start_server):
    left = start_server()
    for _ in range(5):
        for name in NAMES + ["goroutine?debug=1", "goroutine?debug=2", "heap?debug=1"]:
            with left.connect("pprof") as peer:
                peer.sendall(f"GET /debug/pprof/{name} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    server_module.wait_until(lambda: metric(left, "http_server_active_requests") == 1, "the queries")
    get(left, "goroutine")
    assert left.stop() == 0


def test_all_profiles_at_once(start_server):
    busy = start_server()
    paths = [f"pprof/{name}" for name in NAMES] + [f"pprof/{name}?seconds=1" for name in GOS]
    with load(busy, "/health/live", 8), ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: ask(busy, f"/debug/{path}"), paths))
    assert [answer.status_code for answer in answers] == [200] * len(paths)


def test_there_is_a_limit_and_it_is_told_as_go_tells(start_server):
    busy = start_server()
    request = b"GET /debug/pprof/goroutine?seconds=60 HTTP/1.1\r\nHost: t\r\n\r\n"
    peers = [busy.connect("pprof") for _ in range(LIMIT)]
    for peer in peers:
        peer.sendall(request)
    server_module.wait_until(lambda: metric(busy, "http_server_active_requests") == LIMIT + 1, "the queries")
    answer = ask(busy, "/debug/pprof/block")
    assert (answer.status_code, answer.text) == (500, "too many profiles are being taken\n")
    assert answer.headers["x-go-pprof"] == "1" and "content-disposition" not in answer.headers
    assert ask(busy, "/debug/pprof/").status_code == 200
    for peer in peers:
        peer.close()
    server_module.wait_until(lambda: ask(busy, "/debug/pprof/block").status_code == 200, "an end")


def test_they_are_counted(start_server):
    counted = start_server()
    for _ in range(3):
        get(counted, "block")
    assert ask(counted, "/debug/pprof/block?debug=1").status_code == 200
    text = httpx.get(counted.url("/metrics", "metrics")).text
    assert 'toq_profiler_profiles_total{profile="block"} 4\n' in text
    assert re.search(r'toq_profiler_samples_total\{profile="heap"\} \d+\n', text)
    assert re.search(r"toq_profiler_label_overflow_total 0\n", text)


def test_a_drain_waits_for_a_difference(start_server):
    draining = start_server()
    with draining.connect("pprof") as peer:
        peer.sendall(b"GET /debug/pprof/goroutine?seconds=2 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_captured(draining)
        draining.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    decode_named(body, "goroutine", 2)
    assert draining.wait_exit() == 0


def test_a_drain_that_runs_out_of_time_cancels_a_difference(start_server):
    draining = start_server({"SHUTDOWN_TIMEOUT_MS": 200})
    with draining.connect("pprof") as peer:
        peer.sendall(b"GET /debug/pprof/threadcreate?seconds=60 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_captured(draining)
        draining.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503 ")
    assert draining.wait_exit() == 0
