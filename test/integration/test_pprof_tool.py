# SPDX-License-Identifier: MIT
"""`go tool pprof` on our profiles: each command that the README names, and what it then shows."""

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import server as server_module
from pprof_decode import Profile
from pprof_load import capture, load

TOKEN = "a-token-of-these-tests"
TEXT_S = 0.01  # go tool pprof prints hundredths of a second
NUMBER = r"(-?[\d.]+)(ms|s|mins)?"
# What a burning request runs: local functions, whose names begin with their file's.
BURN = "routes_test.burn"
BURNING = tuple(f"routes_test.{name}"
                for name in ("handle_burn", "burn_three_parts", "burn_one_part"))
UNITS = {"": 1, "ms": 1e-3, "s": 1, "mins": 60}


class Tool:
    """`go tool pprof` with a home of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.env = dict(os.environ, PPROF_TMPDIR=self.folder, HOME=self.folder)

    def run(self, *arguments, commands=None, **extra_env):
        done = subprocess.run(["go", "tool", "pprof", *arguments], cwd=self.folder, text=True,
                              env=dict(self.env, **extra_env), input=commands, timeout=120,
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, profile):
        with open(self.path(name), "wb") as file:
            file.write(profile.body)
        return self.path(name)


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    return Tool(tmp_path_factory.mktemp("pprof"))


@pytest.fixture(scope="module")
def profile(test_server):
    """Of two routes at once."""
    with load(test_server, "/test/burn?ms=1", 2), load(test_server, "/health/live"):
        return capture(test_server, 2)


@pytest.fixture(scope="module")
def file(tool, profile):
    return tool.save("both.pb.gz", profile)


def seconds(text):
    number, unit = re.fullmatch(NUMBER, text).groups("")
    return float(number) * UNITS[unit]


def read_top(output):
    """{function: (flat, cumulative)} in seconds, from the table that -top prints."""
    rows = re.findall(rf"^ *{NUMBER} +[\d.]+% +[\d.]+% +{NUMBER} +[\d.]+% +(\S+)", output, re.M)
    return {name: (float(flat) * UNITS[flat_unit], float(cum) * UNITS[cum_unit])
            for flat, flat_unit, cum, cum_unit, name in rows}


def shown_total(output):
    return seconds(re.search(rf"% of ({NUMBER}) total", output).group(1))


def test_top(tool, file, profile):
    output = tool.run("-top", "-nodefraction=0", file)
    rows = read_top(output)
    assert "Type: cpu" in output
    assert shown_total(output) == pytest.approx(profile.total() / 1e9, abs=TEXT_S)
    for name in (*BURNING, "main"):
        assert rows[name][1] == pytest.approx(profile.total_of(name) / 1e9, abs=TEXT_S)
    leaves = profile.total(lambda sample: sample.frames[0].function == BURN) / 1e9
    assert rows[BURN][0] == pytest.approx(leaves, abs=TEXT_S)
    assert rows[BURN][1] == pytest.approx(profile.total_of(BURN) / 1e9, abs=TEXT_S)


def test_list_shows_the_source_with_its_cost(tool, file):
    output = tool.run("-list", "burn_three_parts|handle_burn", file)
    assert re.search(r"ROUTINE =+ routes_test\.burn_three_parts in \S+/test/support/routes_test\.c", output)
    assert re.search(rf" {NUMBER} +\d+: +burn\(3 \* part_ns\);", output)
    assert re.search(rf" {NUMBER} +\d+: +burn_three_parts\(part_ns\);", output)


def test_disasm_shows_the_instructions_with_their_cost(tool, file):
    output = tool.run("-disasm", "burn_three_parts", file)
    assert re.search(r"ROUTINE =+ routes_test\.burn_three_parts\n", output)
    assert re.search(rf"^ +\S+ +{NUMBER} +[0-9a-f]+: .*routes_test\.c:\d+$", output, re.M)
    assert len(re.findall(r"^ +\S+ +\S+ +[0-9a-f]+: \w+", output, re.M)) >= 5


def test_tags_and_tagfocus(tool, file, profile):
    tags = tool.run("-tags", file)
    assert re.search(r"route: Total .*\n +\S+ \([\d. ]+%\): /test/burn\n", tags)
    for route in ("/test/burn", "/health/live"):
        wanted = profile.total(lambda sample: sample.labels.get("route") == route) / 1e9
        output = tool.run("-top", "-nodefraction=0", f"-tagfocus=route=^{route}$", file)
        shown = seconds(re.search(rf"accounting for ({NUMBER}),", output).group(1))
        assert shown == pytest.approx(wanted, abs=TEXT_S) and wanted > 0
        assert (BURNING[0] in read_top(output)) == (route == "/test/burn")
    output = tool.run("-top", "-tagfocus=method=GET", "-tagignore=route=/test/burn", file)
    assert BURN not in read_top(output)


def test_base_subtracts(tool, file, test_server):
    assert read_top(tool.run("-top", "-nodefraction=0", "-base", file, file)) == {}
    with load(test_server, "/test/burn?ms=1", 2):
        burnt = capture(test_server, 1)
    other = tool.save("burnt.pb.gz", burnt)
    both = Profile(open(file, "rb").read())
    rows = read_top(tool.run("-top", "-nodefraction=0", "-base", other, file))
    for name in ("main", *BURNING, "http_request_dispatch"):
        want = (both.total_of(name) - burnt.total_of(name)) / 1e9
        assert rows.get(name, (0, 0))[1] == pytest.approx(want, abs=TEXT_S)


def test_proto_keeps_the_profile(tool, file, profile):
    tool.run("-proto", "-output", tool.path("copy.pb.gz"), file)
    copy = Profile(open(tool.path("copy.pb.gz"), "rb").read())

    def rows(one):
        # The tool shortens C++ names, which a sanitizer's library has.
        return sorted(([frame[:3] for frame in sample.frames if frame.mapping == 1], sample.values,
                       sorted(sample.labels.items())) for sample in one.samples)

    assert rows(copy) == rows(profile)
    assert copy.message.duration_nanos == profile.message.duration_nanos
    assert copy.message.time_nanos == profile.message.time_nanos


def texts_of(svg):
    return [text.text for text in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_svg_draws_the_graph(tool, file, profile):
    tool.run("-svg", "-nodecount=1000", "-output", tool.path("graph.svg"), file)
    texts = texts_of(tool.path("graph.svg"))
    # A dot in a name begins a new line there.
    big = {name.rpartition(".")[2] for name in ("main", *BURNING, BURN)
           if profile.total_of(name) > 0.05 * profile.total()}
    assert big and big <= set(texts)
    assert any(re.fullmatch(r"of .*\([\d.]+%\)|.*\([\d.]+%\)", text or "") for text in texts)
    assert any("route:/test/burn" in (text or "") for text in texts)


def test_the_commands_that_people_type(tool, test_server):
    """A session as in the README: fetch, look, draw; the browser is a program of ours."""
    browser = tool.path("browser")
    with open(browser, "w", encoding="ascii") as script:
        script.write('#!/bin/sh\ncp "$1" "$HOME/shown"; mv "$HOME/shown" "$HOME/shown.svg"\n')
    os.chmod(browser, 0o755)
    with load(test_server, "/test/burn?ms=1", 2):
        output = tool.run(test_server.url("/debug/pprof/profile?seconds=1", "pprof"),
                          commands="top10\nlist burn_one_part\ndisasm burn_one_part\nweb\n",
                          BROWSER=browser)
    assert len(read_top(output)) == 10
    assert "    burn(part_ns);" in output
    assert output.count("ROUTINE ===") == 2
    server_module.wait_until(lambda: os.path.exists(tool.path("shown.svg")), "the browser")
    assert "burn_one_part" in texts_of(tool.path("shown.svg"))


def test_a_token_in_the_url(tool, start_server):
    guarded = start_server({"PPROF_TOKEN": TOKEN})
    address = f"127.0.0.1:{guarded.ports['pprof']}/debug/pprof/profile?seconds=1"
    tool.run("-proto", "-output", tool.path("guarded.pb.gz"), f"http://any:{TOKEN}@{address}")
    assert Profile(open(tool.path("guarded.pb.gz"), "rb").read()).message.time_nanos
    refused = subprocess.run(["go", "tool", "pprof", "-top", f"http://{address}"], env=tool.env,
                             cwd=tool.folder, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "the token is missing or wrong" in refused.stderr  # shown only with X-Go-Pprof


def test_a_busy_profiler_is_told_to_the_user(tool, test_server):
    url = test_server.url("/debug/pprof/profile?seconds=1", "pprof")
    first = subprocess.Popen(["go", "tool", "pprof", "-top", url], env=tool.env, cwd=tool.folder,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    second = subprocess.run(["go", "tool", "pprof", "-top", url], env=tool.env, cwd=tool.folder,
                            capture_output=True, text=True, check=False)
    said = first.communicate(timeout=120)[1] + second.stderr
    assert sorted([first.returncode != 0, second.returncode != 0]) == [False, True]
    assert "cpu profiling already in use" in said
