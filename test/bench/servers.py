# SPDX-License-Identifier: MIT
"""The servers that are compared, each on its own free loopback port and pinned to the same core.

All answer GET with the same body and Content-Type. toq runs as in production, with metrics and
pprof on; nginx answers with `return 200`, h2o with a file of that size.
"""

import contextlib
import http.client
import os
import pwd
import shutil
import subprocess
import sys

import load
import usage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "integration"))
import server as toq_server  # pylint: disable=wrong-import-position

TARGET = "/health/live"
TEXT = '{"status":"ok"}\\n'  # as nginx and a shell quote it
BODY = TEXT.encode().decode("unicode_escape").encode()
CONTENT_TYPE = "application/json"
STOP_SECONDS = 10
SPARE_CONNECTIONS = 500

NGINX_CONFIG = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    default_type {content_type};
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location = {target} {{ return 200 '{text}'; }}
    }}
}}
"""

H2O_CONFIG = """\
user: {user}
num-threads: 1
listen: {{host: 127.0.0.1, port: {port}}}
http1-request-timeout: 600
file.mime.addtypes: {{{content_type}: .json}}
hosts:
  default:
    paths:
      {target}: {{file.file: {folder}/body.json}}
"""


def prepare(command, seconds, env=None):
    """Runs a command that the bench needs done before it begins: what fails, or takes longer, ends it."""
    try:
        subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=seconds, check=True, cwd=ROOT)
    except FileNotFoundError as error:
        raise load.Failure(f"{error.filename} is not installed; run: make deps FOR=bench") from None
    except subprocess.SubprocessError as error:
        raise load.Failure(f"{error}\n{error.output}") from None


class Server:
    """A running server: name, url, port, pids()."""

    def __init__(self, name, port, pid, target=TARGET):
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}{target}"
        self._pid = pid

    def pids(self):
        return usage.tree(self._pid)


def _answer(port):
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(peer):
        peer.request("GET", TARGET)
        answer = peer.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()


def _check(server):
    """Refuses to compare what is not the same."""
    got = _answer(server.port)
    if got != (200, CONTENT_TYPE, BODY):
        raise load.Failure(f"{server.name} answers {got}")
    return server


@contextlib.contextmanager
def toq(binary, settings=None, target=TARGET):
    core, _ = load.cores()
    process = toq_server.Server(binary, preexec=load.pin(core), settings={
        "ENV": "production",
        "CONFIG_DIR": os.path.join(ROOT, "config"),
        "ENABLE_PPROF": "true",
        "IDLE_TIMEOUT_MS": "600000",
        **(settings or {}),
    })
    try:
        process.wait_ready()
        running = Server("toq", process.ports["http"], process.pid, target)
        running.pprof_port = process.ports.get("pprof")
        running.metrics_port = process.ports.get("metrics")
        running.process = process.process
        yield _check(running)
    finally:
        if process.is_running():
            process.process.terminate()
        _end(process.process)


def _end(process):
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_answering(process, port):
    if process.poll() is not None:
        raise load.Failure(f"{process.args[0]} ended: {process.stderr.read().decode().strip()}")
    try:
        _answer(port)
        return True
    except ConnectionError:
        return False


@contextlib.contextmanager
def peer(name, port, command, env=None, target=TARGET):
    """A server that is none of ours, of which TARGET must answer as toq's does."""
    core, _ = load.cores()
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, preexec_fn=load.pin(core)) as process:
        try:
            toq_server.wait_until(lambda: _is_answering(process, port), f"{name} to answer", 10)
            yield _check(Server(name, port, process.pid, target))
        finally:
            process.terminate()
            _end(process)


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def find(name):
    """The path of a server's program; None when it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def nginx(folder, connections):
    program = find("nginx")
    if program is None:
        raise load.Failure("nginx is not installed; run: make deps FOR=bench")
    port = toq_server.free_port()
    config = os.path.join(folder, "nginx.conf")
    _write(config, NGINX_CONFIG.format(
        port=port, target=TARGET, text=TEXT, content_type=CONTENT_TYPE,
        # nginx closes idle ones when less than a sixteenth of its connections are free.
        connections=connections + connections // 8 + SPARE_CONNECTIONS))
    return peer("nginx", port, [program, "-p", folder, "-e", "stderr", "-c", config])


def h2o(folder):
    port = toq_server.free_port()
    config = os.path.join(folder, "h2o.conf")
    _write(os.path.join(folder, "body.json"), BODY.decode())
    _write(config, H2O_CONFIG.format(port=port, target=TARGET, folder=folder,
                                     content_type=CONTENT_TYPE,
                                     user=pwd.getpwuid(os.geteuid()).pw_name))
    return peer("h2o", port, [find("h2o"), "-c", config])
