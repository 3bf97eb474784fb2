# SPDX-License-Identifier: MIT
"""The listings' API as a client uses it, and what its answers have in common."""

import json
import os
import subprocess
import tempfile

from server import PATIENCE_S, environment
from wire import Peer

PATH = "/v1/listings"
JSON = "application/json"
PATCH_JSON = "application/merge-patch+json"

# What a client sends; each field differs from what it would be by default.
EXAMPLE = {
    "title": "Apartamento com varanda",
    "description": "Sol da manhã.\nPerto do metrô.",
    "kind": "apartment",
    "purpose": "sale",
    "price_cents": 53000000,
    "currency": "BRL",
    "street": "Rua das Flores, 10",
    "neighborhood": "Cambuí",
    "city": "Campinas",
    "state": "SP",
    "postal_code": "13083-970",
    "bedrooms": 3,
    "bathrooms": 2,
    "area_m2": 74,
    "status": "published",
}


def example(**changes):
    return {**EXAMPLE, **changes}


def without(listing, *names):
    return {name: value for name, value in listing.items() if name not in names}


def migrate(binary, settings):
    """Runs `toq_server --migrate` to its end."""
    with tempfile.TemporaryDirectory(prefix="toq-migrate-") as folder:
        return subprocess.run([os.path.abspath(binary), "--migrate"], env=environment(settings),
                              cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)


def decoded(answer):
    return json.loads(answer.body)


class Api:
    """A client with one connection; it connects again when the server has closed that."""

    def __init__(self, server, token=None):
        self.server = server
        self.fields = [f"Authorization: Bearer {token}"] if token else []
        self.peer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.peer is not None:
            self.peer.socket.close()
            self.peer = None

    def ask(self, method, path, *fields, body=b""):
        self.peer = self.peer or Peer(self.server)
        try:
            answer = self.peer.ask(path, *self.fields, *fields, method=method, body=body)
        except BaseException:
            self.close()
            raise
        if answer["Connection"] == "close":
            self.close()
        return answer

    def send(self, method, path, content, *fields, content_type=JSON):
        """Sends a body: bytes as they are, anything else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask(method, path, f"Content-Type: {content_type}", *fields, body=body)

    # --- verbs

    def post(self, content, *fields, **options):
        return self.send("POST", PATH, content, *fields, **options)

    def put(self, known, content, *fields, **options):
        """PUT over the version that the client knows."""
        return self.send("PUT", f"{PATH}/{known['id']}", content, if_match(known), *fields, **options)

    def patch(self, known, content, *fields, **options):
        return self.send("PATCH", f"{PATH}/{known['id']}", content, if_match(known), *fields,
                         **{"content_type": PATCH_JSON, **options})

    def delete(self, known, *fields):
        return self.ask("DELETE", f"{PATH}/{known['id']}", if_match(known), *fields)

    def get(self, listing_id, *fields):
        return self.ask("GET", f"{PATH}/{listing_id}", *fields)

    # --- verbs that must succeed

    def create(self, **changes):
        answer = self.post(example(**changes))
        assert answer.status == 201, answer.body
        return decoded(answer)

    def read(self, listing_id):
        answer = self.get(listing_id)
        assert answer.status == 200, answer.body
        return decoded(answer)

    def update(self, known, **changes):
        answer = self.patch(known, changes)
        assert answer.status == 200, answer.body
        return decoded(answer)

    def page(self, query=""):
        answer = self.ask("GET", PATH + query)
        assert answer.status == 200, answer.body
        return decoded(answer)


def if_match(known):
    return f'If-Match: "{known["version"]}"'


def assert_problem(answer, status, *fields):
    """Whether it is a problem as RFC 9457 has it, which names exactly these fields."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer["Content-Type"] == "application/problem+json"
    problem = decoded(answer)
    assert problem["status"] == status
    assert problem["type"] and problem["title"] == answer.reason
    assert sorted({one["field"] for one in problem.get("errors", [])}) == sorted(fields), problem
    assert all(one["message"] for one in problem.get("errors", []))
    return problem
