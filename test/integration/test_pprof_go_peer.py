# SPDX-License-Identifier: MIT
"""The same requests to toq and to a Go program: status, fields and bodies are equal where they
must be.

Go 1.19 is the reference. Left out: Date, the length of what is compressed, and Transfer-Encoding,
which Go chooses by the size of an answer.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from heap import has_jemalloc
from pprof_decode import Profile, assert_samples, assert_tables

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "go")
IGNORED = ("date", "content-length", "transfer-encoding", "connection")
# A sanitizer has malloc and the mutexes to itself: test_heap_refused.py and test_mutex.py look at that.
NAMES = ("block", "goroutine", "threadcreate",
         *(("allocs", "heap", "mutex") if has_jemalloc() else ()))


class Peer:
    """Go's own server, as far as these tests need one."""

    def __init__(self):
        self.binary = os.path.join(BUILD, "go_pprof_peer")
        env = dict(os.environ, GO111MODULE="off", GOCACHE=os.path.join(BUILD, "cache"))
        source = os.path.join(HERE, "go_pprof_peer.go")
        subprocess.run(["go", "build", "-o", self.binary, source], env=env, check=True)
        self.process = subprocess.Popen([self.binary], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def url(self, path, _listener):
        return f"http://{self.address}{path}"

    def close(self):
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def peer():
    program = Peer()
    yield program
    program.close()


def ask(server, method, path, body):
    answer = httpx.request(method, server.url(path, "pprof"), content=body, timeout=60)
    fields = sorted(item for item in answer.headers.multi_items() if item[0] not in IGNORED)
    return answer.status_code, fields, answer


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/debug/pprof", None),
    ("HEAD", "/debug/pprof", None),
    ("GET", "/debug/pprof?debug=1", None),
    ("GET", "/debug/pprof?a=%3Cb%3E&c='d'", None),
    ("GET", "/debug/pprof/symbol", None),
    ("HEAD", "/debug/pprof/symbol", None),
    ("GET", "/debug/pprof/symbol?0x0+0x1+x+-1+", None),
    ("POST", "/debug/pprof/symbol", b""),
    ("POST", "/debug/pprof/symbol", b"0x1+0x2"),
    ("GET", "/debug/pprof/nope", None),
    ("HEAD", "/debug/pprof/nope", None),
    ("GET", "/debug/pprof/nope?seconds=abc&debug=1", None),
    ("GET", "/debug/pprof/heap?seconds=0", None),
    ("GET", "/debug/pprof/heap?seconds=-1", None),
    ("GET", "/debug/pprof/heap?seconds=0.5", None),
    ("GET", "/debug/pprof/heap?seconds=abc", None),
    ("HEAD", "/debug/pprof/heap?seconds=abc", None),
    ("GET", "/debug/pprof/heap?seconds=99999999999999999999", None),
    ("GET", "/debug/pprof/goroutine?seconds=abc&debug=1", None),
    ("GET", "/debug/pprof/goroutine?debug=1&seconds=1", None),
    ("GET", "/debug/pprof/goroutine?debug=2&seconds=1", None),
    ("GET", "/debug/pprof/goroutine?debug=-1&seconds=1", None),
    ("GET", "/debug/pprof/goroutine?debug=99999999999999999999&seconds=1", None),
    ("GET", "/debug/pprof/mutex?debug=1&seconds=1&gc=1", None),
])
def test_equal_to_the_byte(server, peer, method, path, body):
    status, fields, answer = ask(server, method, path, body)
    go_status, go_fields, go_answer = ask(peer, method, path, body)
    assert (status, fields, answer.text) == (go_status, go_fields, go_answer.text)


@pytest.mark.parametrize("method,path", [
    ("GET", "/debug/pprof/"),
    ("HEAD", "/debug/pprof/"),
    ("GET", "/debug/pprof/cmdline"),
    ("HEAD", "/debug/pprof/cmdline"),
    ("GET", "/debug/pprof/profile?seconds=1"),
    ("HEAD", "/debug/pprof/profile?seconds=1"),
    *[(method, f"/debug/pprof/{name}{query}")
      for name in NAMES
      for method, query in (("GET", ""), ("HEAD", ""), ("GET", "?seconds="), ("GET", "?debug=0"),
                            ("GET", "?debug=abc"), ("GET", "?debug=1"), ("HEAD", "?debug=1"),
                            ("GET", "?debug=%2B1"), ("GET", "?gc=1"))],
    ("GET", "/debug/pprof/block?seconds=%2B1"),
    ("HEAD", "/debug/pprof/goroutine?seconds=1&debug=0"),
    ("GET", "/debug/pprof/goroutine?debug=2"),
    ("HEAD", "/debug/pprof/goroutine?debug=2"),
])
def test_equal_but_for_what_is_each_programs_own(server, peer, method, path):
    status, fields, _ = ask(server, method, path, None)
    go_status, go_fields, _ = ask(peer, method, path, None)
    assert (status, fields) == (go_status, go_fields)


def test_the_index_says_what_go_says_of_the_profiles_that_both_have(server, peer):
    ours, go = (ask(one, "GET", "/debug/pprof/", None)[2].text for one in (server, peer))
    frame = re.compile(r"<(?:tr|li)>.*?</(?:tr|li)>\n?", re.S)
    # The counts, what is traced, and what Go or toq alone has are each program's own.
    own = re.compile(r"symbol|wall|goroutineleak|trace: |'trace|goroutine: ")
    count = re.compile("<td>[0-9]+</td>")
    rows = [[count.sub("", row) for row in frame.findall(page) if not own.search(row)]
            for page in (ours, go)]
    assert rows[0] == rows[1]
    # Around the rows both pages are the same.
    assert frame.sub("", ours).split() == frame.sub("", go).split()


def test_columns_are_those_of_gos_tabwriter(server, peer, tmp_path):
    """A text whose columns are parted by single tabs comes back as we aligned it."""
    for name in ("goroutine", "heap", "mutex", "block", "threadcreate"):
        text = ask(server, "GET", f"/debug/pprof/{name}?debug=1", None)[2].text
        done = subprocess.run([peer.binary, "align"], input=re.sub("\t+", "\t", text), text=True,
                              capture_output=True, check=True)
        assert done.stdout == text


def ask_twice(server):
    """Two captures at once; the answer to the one that was refused."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(
            lambda _: ask(server, "GET", "/debug/pprof/profile?seconds=1", None), range(2)))
    assert sorted(status for status, _, _ in answers) == [200, 500]
    status, fields, answer = next(one for one in answers if one[0] == 500)
    return status, fields, answer.text


def test_a_second_capture_is_refused_alike(server, peer):
    assert ask_twice(server) == ask_twice(peer)


def test_our_decoder_reads_what_go_writes(peer):
    """So what it finds right in our profiles is right by Go's definition of the format."""
    wrk = subprocess.Popen(["wrk", "-t1", "-c4", "-d2s", peer.url("/debug/pprof/", "pprof")],
                           stdout=subprocess.DEVNULL)
    profile = Profile(ask(peer, "GET", "/debug/pprof/profile?seconds=1", None)[2].content)
    wrk.wait()
    assert_tables(profile)
    assert_samples(profile, is_rooted=False)
    assert profile.sample_types() == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.text[profile.message.mapping[0].filename] == peer.binary
    assert profile.total_of("net/http/pprof.Index") > 0
