# SPDX-License-Identifier: MIT
"""`go tool pprof` on every profile that has a name, its difference and its text."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import heap
import server as server_module
from pprof_decode import KINDS, Profile, decode_named
from test_pprof_named import GOS, NAMES, ask
from test_pprof_tool import Tool, texts_of

DIFFERENCE_S = 3


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    return Tool(tmp_path_factory.mktemp("pprof"))


def work(server):
    """Something for every profile: memory, waits, a held loop, a contended mutex, threads."""
    for path in ("/test/leak?count=4&bytes=4194304", "/test/churn?count=4&bytes=4194304",
                 "/test/burn?ms=100", "/test/sleep?ms=50", "/test/contend?ms=50",
                 "/test/thread?ms=1"):
        assert httpx.get(server.url(path), timeout=server_module.PATIENCE_S).status_code == 200


@pytest.fixture(scope="module")
def worked(test_server_binary):
    shared = server_module.start(test_server_binary)
    if "heap" in NAMES:
        heap.wait_sampling(shared)
    yield shared
    shared.close()


def write(tool, name, content):
    with open(tool.path(name), "wb") as file:
        file.write(content)
    return tool.path(name)


@pytest.fixture(scope="module")
def files(tool, worked):
    """{name: (path, profile)} of all profiles, their differences ("heap-delta") and texts
    ("heap.txt")."""
    def get(path):
        answer = ask(worked, f"/debug/pprof/{path}")
        assert answer.status_code == 200, answer.text
        return answer.content

    work(worked)
    with ThreadPoolExecutor(len(GOS)) as pool:
        deltas = pool.map(lambda name: get(f"{name}?seconds={DIFFERENCE_S}"), GOS)
        server_module.wait_until(lambda: b'"state":"profile"' in get("goroutine?debug=1"), "a query")
        work(worked)
        made = {f"{name}-delta": body for name, body in zip(GOS, deltas)}
    made.update({name: get(name) for name in NAMES})
    saved = {name: (write(tool, f"{name}.pb.gz", body), Profile(body))
             for name, body in made.items()}
    for name in GOS:
        saved[f"{name}.txt"] = (write(tool, f"{name}.txt", get(f"{name}?debug=1")), None)
    return saved


ALL = NAMES + [f"{name}-delta" for name in GOS]


def kind_of(name):
    return KINDS[name.removesuffix("-delta")]


def types_of(name):
    return [kind for kind, _ in kind_of(name).types]


def default_of(name):
    return kind_of(name).default or types_of(name)[-1]


def biggest(profile, value):
    """The function with the most of a value, itself and what it calls; only real code, and not a
    sanitizer's templates, whose names pprof shortens."""
    totals = {}
    for sample in profile.samples:
        for function in {frame.function for frame in sample.frames
                         if frame.file.startswith("/") and "<" not in frame.function}:
            totals[function] = totals.get(function, 0) + sample.values[value]
    # In a difference what came and what went may be equal.
    found = max(totals, key=lambda function: abs(totals[function]), default=None)
    return found if totals.get(found) else None


@pytest.mark.parametrize("name", ALL)
def test_each_type_can_be_looked_at(tool, files, name):
    path, profile = files[name]
    for i, kind in enumerate(types_of(name)):
        output = tool.run("-top", "-nodefraction=0", f"-sample_index={kind}", path)
        assert f"Type: {kind}" in output
        assert bool(profile.total(value=i)) == bool(re.search(r"^ +\S+ +[\d.]+%", output, re.M)) or (
            name.endswith("-delta"))  # what came and what went may be equal
    assert f"Type: {default_of(name)}" in tool.run("-top", path)


@pytest.mark.parametrize("name", ALL)
def test_raw_shows_ids_in_order(tool, files, name):
    path, profile = files[name]
    output = tool.run("-raw", path)
    assert re.search(r"^PeriodType: " + " ".join(kind_of(name).period_type), output, re.M)
    assert f"Period: {kind_of(name).period}\n" in output
    assert bool(re.search("^Duration: ", output, re.M)) == name.endswith("-delta")
    types = "/".join(kind_of(name).types[0])
    assert re.search(rf"^{re.escape(types)}", output, re.M)
    default = kind_of(name).default
    assert not default or f"{default}/bytes[dflt]" in output
    locations = output.partition("Locations\n")[2].partition("Mappings\n")[0]
    found = re.findall(r"^ +(\d+): 0x([0-9a-f]+) ", locations, re.M)
    assert [int(number) for number, _ in found] == list(range(1, len(profile.message.location) + 1))
    addresses = [int(address, 16) for _, address in found]
    assert 0 not in addresses and len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("name", ALL)
def test_list_and_graph(tool, files, name):
    path, profile = files[name]
    index = types_of(name).index(default_of(name))
    function = biggest(profile, index)
    if function is None:
        return  # nothing in it: a thread that nobody created, a mutex that nobody waited for
    listing = tool.run("-list", f"^{re.escape(function)}$", path)
    assert f"= {function} in /" in listing
    tool.run("-svg", "-nodefraction=0", "-edgefraction=0", "-output", tool.path("graph.svg"), path)
    texts = "".join(filter(None, texts_of(tool.path("graph.svg"))))
    assert "Type: " + default_of(name) in texts
    tool.run("-dot", "-output", tool.path("graph.dot"), path)


@pytest.mark.parametrize("name", ALL)
def test_proto_is_kept(tool, files, name):
    path, profile = files[name]
    tool.run("-proto", "-output", tool.path("copy.pb.gz"), path)
    with open(tool.path("copy.pb.gz"), "rb") as file:
        copy = Profile(file.read())
    assert copy.sample_types() == profile.sample_types()
    assert copy.message.time_nanos == profile.message.time_nanos
    assert copy.message.duration_nanos == profile.message.duration_nanos
    for value in range(len(profile.message.sample_type)):
        assert copy.total(value=value) == profile.total(value=value)


@pytest.mark.parametrize("name", ALL)
def test_base_takes_it_away(tool, files, name):
    path, _ = files[name]
    for option in ("-base", "-diff_base"):
        output = tool.run("-top", "-nodefraction=0", option, path, path)
        assert re.search(r"Showing nodes accounting for 0\D", output)


@pytest.mark.parametrize("name", [name for name in ALL if name != "threadcreate-delta"])
def test_tags(tool, files, name):
    path, profile = files[name]
    routes = {sample.labels.get("route") for sample in profile.samples} - {None}
    tags = tool.run("-tags", path)
    for route in routes:
        assert route in tags
        focused = tool.run("-traces", f"-tagfocus=route=^{re.escape(route)}$", path)
        found = set(re.findall(r"^ +route:(\S+)$", focused, re.M))
        assert found <= {route}


@pytest.mark.parametrize("name", GOS)
def test_texts_are_read_back(tool, files, name):
    """From a file, without the server: numbers and addresses."""
    path, _ = files[f"{name}.txt"]
    tool.run("-proto", "-output", tool.path("text.pb.gz"), path)
    with open(tool.path("text.pb.gz"), "rb") as file:
        parsed = Profile(file.read())
    with open(path, encoding="utf-8") as file:
        text = file.read()
    entries = re.findall(r"^(?:\d[^@\n]*) @((?: 0x[0-9a-f]+)+)$", text, re.M)
    # Each address in a text is that which a call returns to; pprof takes one off.
    wanted = {int(word, 16) - 1 for entry in entries for word in entry.split()}
    assert {one.address for one in parsed.message.location} == wanted
    assert " @\n" not in text
    if name in ("goroutine", "threadcreate", "wall"):
        head = int(re.match(rf"{name} profile: total (\d+)\n", text).group(1))
        assert sum(sample.value[0] for sample in parsed.message.sample) == head
    elif name in ("heap", "allocs"):
        assert parsed.message.period == KINDS["heap"].period


@pytest.mark.parametrize("name", GOS)
def test_texts_are_named_by_the_server(tool, worked, name):
    """Over HTTP the tool asks /debug/pprof/symbol for the names."""
    index = ["-sample_index=alloc_space"] if name == "allocs" else []  # a text cannot say it
    output = tool.run("-top", "-nodefraction=0", *index,
                      worked.url(f"/debug/pprof/{name}?debug=1", "pprof"))
    assert "unknown" not in output
    functions = re.findall(r"^ *\S+ +\S+% +\S+% +\S+ +\S+% +(.+)$", output, re.M)
    wanted = {"heap": "leak_blocks", "allocs": "churn_blocks", "mutex": "contend_hold",
              "goroutine": "pprof_handle_named", "block": "handle_sleep"}.get(name)
    assert wanted is None or any(wanted in function for function in functions), output


def test_heap_text_and_protobuf_agree(tool, files):
    """pprof scales up what the text has; the protobuf is scaled up already."""
    if "heap" not in NAMES:
        return
    tool.run("-proto", "-output", tool.path("text.pb.gz"), files["heap.txt"][0])
    with open(tool.path("text.pb.gz"), "rb") as file:
        parsed = Profile(file.read())
    # In the text the objects in use come first.
    types = [kind for kind, _ in parsed.sample_types()]
    shown = parsed.total(value=types.index("inuse_space"))
    assert shown == pytest.approx(files["heap"][1].total(value=3), rel=0.2)


def test_scraped_by_url(tool, worked):
    """As people call it: a URL with seconds, and its file's name."""
    for name in ("heap", "goroutine", "block"):
        if name in NAMES:
            output = tool.run("-top", worked.url(f"/debug/pprof/{name}?seconds=1", "pprof"))
            assert re.search(r"^Duration: 1", output, re.M)
    output = tool.run("-top", worked.url("/debug/fgprof?seconds=1", "pprof"))
    assert "Type: time" in output


def test_an_error_is_told_to_the_user(tool, worked):
    url = worked.url("/debug/pprof/heap?seconds=abc", "pprof")
    refused = subprocess.run(["go", "tool", "pprof", "-top", url], env=tool.env, cwd=tool.folder,
                             capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert 'invalid value for "seconds" - must be a positive integer' in refused.stderr


def test_a_url_is_saved_and_valid(tool, worked):
    tool.run("-proto", "-output", tool.path("saved.pb.gz"),
             worked.url("/debug/pprof/goroutine", "pprof"))
    with open(tool.path("saved.pb.gz"), "rb") as file:
        assert Profile(file.read()).total(value=0) > 0
    assert os.path.getsize(tool.path("saved.pb.gz")) > 0
    decode_named(ask(worked, "/debug/pprof/goroutine").content, "goroutine")
