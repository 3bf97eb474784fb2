# SPDX-License-Identifier: MIT
"""The command line and the configuration: what is refused, in which words, with which exit code."""

import os
import re
import socket
import subprocess

import pytest
from server import DEFAULTS, PATIENCE_S, environment, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USAGE, UNAVAILABLE, CONFIG = 64, 69, 78
TOKEN = "0123456789abcdef-secret"


class Run:
    def __init__(self, finished):
        self.code = finished.returncode
        self.out = finished.stdout.decode()
        self.err = finished.stderr.decode()

    def error_line(self):
        """The one line on stderr, and nothing on stdout."""
        assert self.out == ""
        assert self.err.endswith("\n") and self.err.count("\n") == 1, self.err
        assert self.err.startswith("toq: ")
        return self.err[len("toq: "):-1]


@pytest.fixture
def run(server_binary, tmp_path):
    """run(option..., NAME=value...) runs the server to its end, in an empty folder."""
    def run_it(*options, **settings):
        return Run(subprocess.run([server_binary, *options], env=environment(settings),
                                  cwd=tmp_path, capture_output=True, timeout=PATIENCE_S,
                                  stdin=subprocess.DEVNULL, check=False))
    return run_it


@pytest.fixture
def env_file(tmp_path):
    """env_file(text) writes a development.env and returns its folder, for CONFIG_DIR."""
    def write(text, name="development.env"):
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(folder)
    return write


# --- wrong values

@pytest.mark.parametrize("name, value, allowed", [
    ("ENV", "staging", "development or production"),
    ("LOG_LEVEL", "verbose", "debug, info, warn or error"),
    ("LOG_LEVEL", "DEBUG", "debug, info, warn or error"),
    ("LOG_FORMAT", "xml", "text or json"),
    ("ENABLE_PPROF", "yes", "true or false"),
    ("ENABLE_METRICS", "1", "true or false"),
    ("HTTP_PORT", "65536", "0 to 65535"),
    ("HTTP_PORT", "-1", "0 to 65535"),
    ("HTTP_PORT", "80a", "0 to 65535"),
    ("HTTP_PORT", " 80", "0 to 65535"),
    ("HTTP_PORT", "0x50", "0 to 65535"),
    ("METRICS_PORT", "99999999999999999999999", "0 to 65535"),
    ("PPROF_PORT", "6060.0", "0 to 65535"),
    ("HTTP_HOST", "example.com", "an IPv4 or IPv6 address, or localhost"),
    ("HTTP_HOST", "256.0.0.1", "an IPv4 or IPv6 address, or localhost"),
    ("PPROF_MAX_SECONDS", "0", "1 to 3600"),
    ("PPROF_MUTEX_FRACTION", "-1", "contentions per sample, 0 to 1000000"),
    ("PPROF_BLOCK_MS", "60001", "milliseconds, 0 to 60000"),
    ("PPROF_HISTORY_WINDOWS", "361", "windows, 0 to 360"),
    ("SHUTDOWN_TIMEOUT_MS", "30s", "milliseconds"),
    ("REQUEST_TIMEOUT_MS", "0", "milliseconds, 1 to"),
    ("HEADER_TIMEOUT_MS", "3600001", "milliseconds, 1 to 3600000"),
    ("MAX_HEADER_BYTES", "255", "bytes, 256 to"),
    ("MAX_HEADER_COUNT", "0", "fields, 1 to"),
    ("MAX_TARGET_BYTES", "15", "bytes, 16 to"),
    ("MAX_BODY_BYTES", "1M", "bytes, 0 to"),
    ("MAX_CONNECTIONS", "0", "connections, 1 to"),
    ("LISTEN_BACKLOG", "0", "connections, 1 to 65535"),
    ("LOG_ACCESS_EVERY", "-1", "requests per line, 0 to"),
])
@pytest.mark.parametrize("option", [[], ["--check-config"], ["--print-config"]], ids=str)
def test_a_wrong_value_is_named(run, name, value, allowed, option):
    ended = run(*option, **{name: value})
    line = ended.error_line()
    assert ended.code == CONFIG
    assert line.startswith(f'{name}: "{value}" is not allowed: ')
    assert allowed in line


def test_a_secret_is_not_shown(run):
    ended = run(PPROF_TOKEN="too-short")
    line = ended.error_line()
    assert ended.code == CONFIG
    assert line.startswith('PPROF_TOKEN: "***" is not allowed: 16 to 255 ')
    assert "too-short" not in ended.err


def test_a_public_profiler_needs_a_token(run):
    ended = run(PPROF_HOST="0.0.0.0")
    assert ended.code == CONFIG
    assert ended.error_line().startswith("PPROF_TOKEN: ")
    assert run("--check-config", PPROF_HOST="0.0.0.0", PPROF_TOKEN=TOKEN).code == 0
    assert run("--check-config", PPROF_HOST="0.0.0.0", ENABLE_PPROF="false").code == 0


def test_two_listeners_on_one_port(run):
    port = str(free_port())
    ended = run(HTTP_PORT=port, METRICS_PORT=port)
    assert ended.code == CONFIG
    assert ended.error_line().startswith(f'METRICS_PORT: "{port}" is not allowed: ')


def test_nothing_is_opened_when_the_configuration_is_wrong(run):
    """The listener that would be fine is not there either: its port is free for us all the time."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        # A taken port would be exit code 69, had it been tried before all values were checked.
        ended = run(HTTP_PORT=ours.getsockname()[1], LISTEN_BACKLOG="none")
        assert (ended.code, ended.error_line().split(":")[0]) == (CONFIG, "LISTEN_BACKLOG")


@pytest.mark.parametrize("variable", ["HTTP_PORT", "GRPC_PORT", "METRICS_PORT", "PPROF_PORT"])
def test_a_port_in_use(run, variable):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(**{variable: port})
    line = ended.error_line()
    assert ended.code == UNAVAILABLE
    assert line.startswith(f"{variable}: ")
    assert f"port {port}" in line and "in use" in line
    assert f"; stop process {os.getpid()} (" in line


def test_an_address_of_another_machine(run):
    ended = run(HTTP_HOST="192.0.2.1")
    assert ended.code not in (0, UNAVAILABLE, CONFIG)
    assert ended.error_line().startswith("HTTP_PORT: ") or "HTTP_HOST" in ended.error_line()


# --- the env file

def test_the_environment_goes_over_the_file_over_the_defaults(run, env_file):
    folder = env_file("LOG_LEVEL=warn\nMAX_BODY_BYTES=10\n")
    out = run("--print-config", CONFIG_DIR=folder, LOG_LEVEL="error").out
    assert "\nLOG_LEVEL=error\n" in out
    assert "\nMAX_BODY_BYTES=10\n" in out
    assert "\nMAX_HEADER_BYTES=16384\n" in out


def test_an_empty_variable_is_unset(run, env_file):
    out = run("--print-config", CONFIG_DIR=env_file("LOG_LEVEL=warn\n"), LOG_LEVEL="").out
    assert "\nLOG_LEVEL=warn\n" in out


def test_a_file_may_have_comments_quotes_and_exports(run, env_file):
    folder = env_file("# comment\n\n  LOG_LEVEL = \"warn\"  \r\nexport MAX_BODY_BYTES=10\n")
    out = run("--print-config", CONFIG_DIR=folder, LOG_LEVEL=None).out
    assert "\nLOG_LEVEL=warn\n" in out and "\nMAX_BODY_BYTES=10\n" in out


def test_each_environment_has_its_file(run, env_file):
    env_file("MAX_BODY_BYTES=1\n")
    folder = env_file("MAX_BODY_BYTES=2\n", "production.env")
    assert "\nMAX_BODY_BYTES=1\n" in run("--print-config", CONFIG_DIR=folder).out
    assert "\nMAX_BODY_BYTES=2\n" in run("--print-config", CONFIG_DIR=folder, ENV="production").out


@pytest.mark.parametrize("env", ["development", "production"])
def test_the_files_that_ship_say_the_defaults(run, env):
    unset = dict.fromkeys(DEFAULTS)
    with_file = run("--print-config", ENV=env, CONFIG_DIR=os.path.join(ROOT, "config"), **unset)
    without = run("--print-config", ENV=env, **unset)
    assert (with_file.code, without.code) == (0, 0), with_file.err
    without_folder = re.compile("^# CONFIG_DIR=.*$", re.M)
    assert without_folder.sub("", with_file.out) == without_folder.sub("", without.out)


@pytest.mark.parametrize("text, words", [
    ("LOG_LVEL=debug\n", "1: LOG_LVEL is not a variable; did you mean LOG_LEVEL?"),
    ("\nHTTP_PROT=1\n", "2: HTTP_PROT is not a variable; did you mean HTTP_PORT?"),
    ("http_port=1\n", "1: http_port is not a variable; did you mean HTTP_PORT?"),
    ("PPROF_TOKEN_FLIE=x\n", "did you mean PPROF_TOKEN_FILE?"),
    ("COMPLETELY_ELSE=1\n", "1: COMPLETELY_ELSE is not a variable; --help lists them"),
    ("LOG_LEVEL=loud\n", '1: LOG_LEVEL: "loud" is not allowed: debug, info, warn or error'),
    ("HTTP_PORT=1\nHTTP_PORT=2\n", "2: HTTP_PORT is set twice: first in line 1"),
    ("HTTP_PORT\n", "1: expected NAME=value"),
    ("ENV=production\n", "1: ENV is not allowed in an env file"),
    ("HTTP_HOST='::1'\n", "1: single quotes"),
    ('HTTP_HOST="::1\n', "1: the closing double quote is missing"),
    (b"HTTP_HOST=\0\n", "1: a NUL byte"),
])
def test_a_wrong_line_is_named(run, env_file, text, words):
    ended = run(CONFIG_DIR=env_file(text))
    assert ended.code == CONFIG
    line = ended.error_line()
    assert "development.env:" in line and words in line


def test_a_wrong_line_counts_even_when_the_environment_overrides_it(run, env_file):
    ended = run(CONFIG_DIR=env_file("LOG_LEVEL=loud\n"), LOG_LEVEL="info")
    assert ended.code == CONFIG


def test_a_missing_folder(run, tmp_path):
    ended = run(CONFIG_DIR=str(tmp_path / "nowhere"))
    line = ended.error_line()
    assert ended.code == CONFIG
    assert line.startswith('CONFIG_DIR: "') and "No such file" in line


def test_an_unreadable_file(run, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "development.env").mkdir()  # root may read any file, but no folder
    ended = run(CONFIG_DIR=str(tmp_path / "config"))
    assert ended.code == CONFIG
    assert "cannot read" in ended.error_line()


# --- secrets

def test_a_secret_may_come_from_a_file(run, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    ended = run("--print-config", PPROF_TOKEN_FILE=str(path), PPROF_HOST="0.0.0.0")
    assert ended.code == 0
    assert "\nPPROF_TOKEN=***\n" in ended.out
    assert TOKEN not in ended.out


def test_a_missing_secret_file(run):
    ended = run(PPROF_TOKEN_FILE="/nowhere/token")
    assert ended.code == CONFIG
    assert ended.error_line().startswith('PPROF_TOKEN_FILE: "/nowhere/token" is not allowed: ')


def test_a_secret_given_twice(run, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    ended = run(PPROF_TOKEN_FILE=str(path), PPROF_TOKEN=TOKEN)
    assert ended.code == CONFIG
    assert TOKEN not in ended.err


# --- options

def test_check_config(run):
    ended = run("--check-config")
    assert (ended.code, ended.out, ended.err) == (0, "toq: the configuration is valid\n", "")


def test_print_config_can_be_read_again(run, env_file):
    first = run("--print-config", MAX_BODY_BYTES="4321", ENABLE_PPROF="false", HTTP_PORT="1234")
    assert first.code == 0
    folder = env_file(first.out)
    second = run("--print-config", CONFIG_DIR=folder, HTTP_PORT=None, LOG_LEVEL=None,
                 METRICS_PORT=None, PPROF_PORT=None, HTTP_HOST=None)
    assert second.code == 0, second.err
    strip = re.compile("^#.*$", re.M)  # CONFIG_DIR, which is another now
    assert strip.sub("", second.out) == strip.sub("", first.out)
    assert "MAX_BODY_BYTES=4321\n" in second.out


def test_printed_secrets_are_masked(run):
    ended = run("--print-config", PPROF_TOKEN=TOKEN)
    assert "\nPPROF_TOKEN=***\n" in ended.out
    assert TOKEN not in ended.out + ended.err


def test_version(run):
    ended = run("--version")
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"toq \S+\n", ended.out)


def test_help_names_every_variable(run):
    ended = run("--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("usage: toq_server ")
    for line in run("--print-config").out.splitlines():
        name = line.lstrip("# ").split("=")[0]
        assert re.search(rf"^  {name}=", ended.out, re.M), name


def test_help_needs_no_configuration(run):
    assert run("--help", HTTP_PORT="x").code == 0
    assert run("--version", HTTP_PORT="x").code == 0


@pytest.mark.parametrize("options", [["--halp"], ["help"], ["-h"], ["--help", "--version"], [""]])
def test_an_unknown_option(run, options):
    ended = run(*options)
    assert ended.code == USAGE
    assert ended.error_line() == f'unknown option "{options[-1]}"; --help lists them'


def test_output_that_cannot_be_written(server_binary, tmp_path):
    for option in ("--print-config", "--check-config", "--help", "--version"):
        with open("/dev/full", "w", encoding="ascii") as full:
            ended = subprocess.run([server_binary, option], env=environment(), cwd=tmp_path,
                                   stdout=full, timeout=PATIENCE_S, check=False)
        assert ended.returncode == os.EX_IOERR, option


# --- listeners

def test_a_listener_that_is_off_is_not_open(start_server):
    port = free_port()
    server = start_server({"ENABLE_PPROF": "false", "PPROF_PORT": port, "ENABLE_METRICS": "false"})
    assert [line for line in server.lines if "main: listening " in line] == [
        server.wait_line("server=http"), server.wait_line("server=grpc")]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("host, address", [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"),
                                           ("0.0.0.0", "0.0.0.0"), ("::1", "[::1]"),
                                           ("::", "[::]")])
def test_the_bound_address_is_logged(start_server, host, address):
    server = start_server({"HTTP_HOST": host})
    line = server.wait_line("server=http")
    assert f"address={address}:{server.ports['http']}" in line.replace('"', "")


# --- a block of variables as a Go service has it

GUIDE = """\
ENV=development
LOG_LEVEL=debug
ENABLE_PPROF=true
PPROF_PORT={pprof}
MYSQL_HOST=localhost
MYSQL_PORT=1
REDIS_HOST=localhost
REDIS_PORT=1
GRPC_PORT={grpc}
HTTP_PORT={http}
JAEGER_ENDPOINT=http://127.0.0.1:{jaeger}/api/traces
ENABLE_METRICS=true
GOMAXPROCS=4
GOGC=100
GODEBUG=gctrace=1
"""


@pytest.mark.parametrize("by_file", [False, True])
def test_the_block_of_a_go_service_starts_the_server(start_server, env_file, by_file):
    text = GUIDE.format(pprof=free_port(), grpc=free_port(), http=free_port(), jaeger=free_port())
    block = dict(line.split("=", 1) for line in text.splitlines())
    if by_file:
        # What the file sets is not in the environment, which would win.
        server = start_server({**dict.fromkeys(block), "CONFIG_DIR": env_file(text)})
    else:
        server = start_server(block)
    assert server.stop() == 0
    warnings = [line for line in server.lines if "WARN  config:" in line]
    named = {re.search(r"name=(\w+)", line).group(1): line for line in warnings}
    assert sorted(named) == ["GODEBUG", "GOGC", "GOMAXPROCS"] and len(warnings) == 3
    assert "ALLOC_TRACE_MS" in named["GODEBUG"] and "MALLOC_CONF" in named["GOGC"]
