# SPDX-License-Identifier: MIT
"""scripts/profile: a profile saved by name and time, its functions, and the difference of two."""

import os
import re
import subprocess

import pytest

from server import PATIENCE_S, free_port
from services import ROOT

TOKEN = "0123456789abcdef"


@pytest.fixture
def profile(start_server, tmp_path):
    """profile(*arguments, host=..., token=...) runs the script in a folder of its own, for a server with a token."""
    server = start_server({"PPROF_TOKEN": TOKEN})

    def run(*arguments, host=f"127.0.0.1:{server.ports['pprof']}", token=TOKEN):
        return subprocess.run([os.path.join(ROOT, "scripts", "profile"), *arguments], cwd=tmp_path,
                              env={**os.environ, "HOST": host, "PPROF_TOKEN": token}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return run


def test_profiles_are_saved_and_compared(profile, tmp_path):
    names = [profile("goroutine").stdout.rstrip("\n") for _ in range(2)]
    assert len(set(names)) == 2 and sorted(names) == sorted(os.listdir(tmp_path))
    for name in names:
        assert re.fullmatch(r"profile_\d{8}_\d{6}(_2)?\.pb\.gz", name)
    top = profile("top", names[0])
    assert top.returncode == 0 and re.search(r"^ +flat +flat% +sum% +cum +cum%$", top.stdout, re.M), top.stderr
    compared = profile("compare", *names)
    assert compared.returncode == 0 and "Type: goroutine" in compared.stdout, compared.stderr


def test_what_cannot_be_saved_is_said(profile, tmp_path):
    port = free_port()
    for done, said in [
        (profile("cpx"), "profile: cpx: cpu, heap, allocs, goroutine, block, mutex, wall or threadcreate\n"),
        (profile("goroutine", host=f"127.0.0.1:{port}"),
         f"profile: http://127.0.0.1:{port} is not there: is the server up, with ENABLE_PPROF=true?\n"),
    ]:
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    refused = profile("goroutine", token="another token....")
    assert refused.returncode == 1 and "/debug/pprof/goroutine: 401, " in refused.stderr
    assert os.listdir(tmp_path) == []
