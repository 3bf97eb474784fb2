# SPDX-License-Identifier: MIT
"""Names of local functions: the same in profiles, in the symbol table and for a debugger."""

import re
import subprocess

import httpx
import pytest

import server as server_module
from pprof_decode import Profile, has_frame
from pprof_load import capture, load
from test_pprof_tool import Tool

PART = re.compile(r"\.(part|constprop|isra|cold|lto_priv)\b.*$")  # of a function that gcc split or copied
ASKED_AT_ONCE = 200


def local_functions(binary):
    """[(address, symbol)] of the functions that only their own file can call."""
    lines = subprocess.run(["nm", "--defined-only", binary], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    found = [line.split() for line in lines]
    # Names with an underscore are the C library's start-up code's.
    return [(int(address, 16), name) for address, kind, name in found
            if kind == "t" and name[0] not in "._"]


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    return Tool(tmp_path_factory.mktemp("pprof"))


@pytest.fixture(scope="module")
def burnt(tool, test_server):
    with load(test_server, "/test/burn?ms=1", 2):
        return tool.save("burnt.pb.gz", capture(test_server, 2))


def namesakes(binary):
    """{name in the source: its symbols} of the names that local functions of several files have."""
    found = {}
    for _, symbol in local_functions(binary):
        _, dot, name = symbol.rpartition(".")
        if dot and not PART.search(symbol):
            found.setdefault(name, set()).add(symbol)
    return {name: symbols for name, symbols in found.items() if len(symbols) > 1}


def test_no_two_functions_share_a_symbol(server_binary):
    names = [name for _, name in local_functions(server_binary)]
    assert len(names) > 100
    assert sorted(names) == sorted(set(names))
    assert len(namesakes(server_binary)) > 10


def test_the_server_knows_its_symbols_at_the_addresses_that_profiles_show(test_server):
    """Profiles show the main binary's addresses as its file has them, wherever it is loaded."""
    wanted = [(address, PART.sub("", name)) for address, name in local_functions(test_server.binary)
              if "asan" not in name and "tsan" not in name]
    answers = {}
    for first in range(0, len(wanted), ASKED_AT_ONCE):
        body = "+".join(hex(address) for address, _ in wanted[first:first + ASKED_AT_ONCE])
        text = httpx.post(test_server.url("/debug/pprof/symbol", "pprof"), content=body,
                          timeout=server_module.PATIENCE_S).text
        answers.update(re.findall(r"^(0x[0-9a-f]+) (.+)$", text, re.M))
    # What begins with an inlined call is named by that, and by a header where it is defined in one.
    differ = [(name, answers.get(hex(address))) for address, name in wanted
              if answers.get(hex(address)) != name]
    assert len(answers) == len(wanted)
    assert len(differ) < len(wanted) / 5, differ


NAME = r"routes_test\.burn_three_parts"


def test_list_and_disasm_find_a_local_function(tool, burnt):
    output = tool.run("-list", NAME, burnt)
    assert re.search(rf"^ROUTINE =+ {NAME} in /\S+/test/support/routes_test\.c$", output, re.M)
    assert "burn(3 * part_ns);" in output
    output = tool.run("-disasm", NAME, burnt)
    assert re.search(rf"^ROUTINE =+ {NAME}$", output, re.M)
    assert re.search(r": \w+ .*;.*routes_test\.c:\d+$", output, re.M)


def test_weblist_shows_source_and_instructions_from_any_directory(tool, burnt):
    """The tool runs in a directory of its own; instructions show inlined calls with their source."""
    tool.run("-weblist", NAME, "-output", tool.path("list.html"), burnt)
    with open(tool.path("list.html"), encoding="utf-8") as file:
        page = file.read()
    assert re.search(rf"{NAME}.*/test/support/routes_test\.c", page)
    assert "burn(3 * part_ns);" in page and re.search(r"class=asm>.*routes_test\.c:\d+", page)
    assert "???" not in page


def test_a_debugger_stops_at_one_by_its_symbol(server_binary):
    def breakpoints(place):
        output = subprocess.run(["gdb", "-q", "-batch", "-nx", "-ex", f"break {place}", "-ex",
                                 "info breakpoints", server_binary], check=True, text=True,
                                capture_output=True, timeout=server_module.PATIENCE_S).stdout
        return re.findall(r" in (\w+) at (\S+):\d+$", output, re.M)

    name, symbols = min(namesakes(server_binary).items())
    for symbol in symbols:
        found = [(at, path.rpartition("/")[2]) for at, path in breakpoints(symbol)]
        assert found == [(name, symbol.rpartition(".")[0] + ".c")]
    # By its name in the source it is one of several.
    assert len(breakpoints(name)) >= len(symbols)


def test_code_without_a_table_of_its_units_is_named_as_well(tmp_path, test_server_binary):
    """gcc writes .debug_aranges, clang does not: files, lines and inlined calls are there all the same."""
    binary = str(tmp_path / "toq_test_server")
    subprocess.run(["objcopy", "--remove-section", ".debug_aranges", test_server_binary, binary],
                   check=True)
    names = ("routes_test.burn_three_parts", "routes_test.handle_burn", "routes_test.thread_cpu_ns")
    frames = {}

    def profile_with_all():
        """A busy machine may leave the server too little CPU for a sample of each."""
        profile = capture(server, 2)
        frames.update((frame.function, frame) for sample in profile.samples
                      if has_frame(sample, "burn_three_parts") for frame in sample.frames)
        return profile if all(name in frames for name in names) else None

    server = server_module.start(binary)
    try:
        with load(server, "/test/burn?ms=1", 2):
            profile = server_module.wait_until(profile_with_all, "a sample of each function")
    finally:
        server.close()
    for name in names:
        assert frames[name].file.endswith("test/support/routes_test.c") and frames[name].line > 0
    # The innermost is inlined: it shares its address with its caller.
    inlined = frames["routes_test.thread_cpu_ns"]
    assert len(profile.frames) > 0 and any(
        len(location) > 1 and location[0].function == inlined.function
        for location in profile.frames.values())


def test_library_functions_without_a_symbol_are_told_apart(burnt):
    """A box for the whole library would seem to call itself."""
    with open(burnt, "rb") as file:
        profile = Profile(file.read())
    for sample in profile.samples:
        names = [frame.function for frame in sample.frames]
        assert not any(a == b and re.match(r"\[?lib", a) for a, b in zip(names, names[1:])), names
    assert any(re.fullmatch(r"lib\w+\+0x[0-9a-f]+", frame.function)
               for sample in profile.samples for frame in sample.frames)
