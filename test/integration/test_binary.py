# SPDX-License-Identifier: MIT
"""How the server was built: what a fault in memory meets."""

import subprocess

import pytest

from pprof_load import is_sanitized


def read_elf(binary, option):
    return subprocess.run(["readelf", "--wide", option, binary], check=True, text=True,
                          capture_output=True).stdout


def imported(binary):
    return {line.split()[7].partition("@")[0] for line in read_elf(binary, "--dyn-syms").splitlines()
            if " UND " in line and len(line.split()) > 7}


@pytest.fixture(params=["server_binary", "test_server_binary"])
def binary(request):
    return request.getfixturevalue(request.param)


def test_addresses_are_random_and_tables_read_only(binary):
    assert "DYN (Position-Independent Executable file)" in read_elf(binary, "--file-header")
    flags = read_elf(binary, "--dynamic")
    assert "BIND_NOW" in flags and "TEXTREL" not in flags
    segments = read_elf(binary, "--program-headers")
    assert "GNU_RELRO" in segments
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert "RWE" not in stack and " RW " in stack
    assert not any("RWE" in line for line in segments.splitlines())


def test_stacks_have_canaries_and_copies_are_checked(binary):
    if is_sanitized(binary):
        assert imported(binary) & {"__asan_init", "__tsan_init"}  # it checks both, and more
        return
    names = imported(binary)
    assert "__stack_chk_fail" in names
    assert {"__memcpy_chk", "__snprintf_chk"} <= names
