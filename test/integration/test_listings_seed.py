# SPDX-License-Identifier: MIT
"""scripts/seed: the same plausible listings each time, which the API pages through."""

import os
import subprocess

from server import PATIENCE_S
from services import ROOT


def seed(database, count):
    return subprocess.run([os.path.join(ROOT, "scripts", "seed"), str(count)],
                          env=dict(os.environ, **database.variables), capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)


def content(database):
    return database.query("CHECKSUM TABLE listings"), database.query("SELECT COUNT(*) FROM listings")


def test_pages_hold_every_seeded_listing_once_while_others_come(api, database):
    assert seed(database, 250).returncode == 0
    rows = database.query("SELECT id, status FROM listings ORDER BY created_at DESC, id DESC")
    assert len(rows) == 250
    found, cursor = [], ""
    while cursor is not None:
        page = api.page("?limit=7" + (f"&cursor={cursor}" if cursor else ""))
        found += page["items"]
        cursor = page["next_cursor"]
        api.create()
    seeded = {row[0] for row in rows}
    assert [item["id"] for item in found if item["id"] in seeded] == [
        row[0] for row in rows if row[1] == "published"]
    for item in found:
        assert api.update(item, title=item["title"])["version"] == item["version"] + 1


def test_seeding_again_changes_nothing(database):
    database.query("DELETE FROM listings")
    assert seed(database, 100).returncode == 0
    before = content(database)
    assert before[1] == ((100,),)
    assert seed(database, 100).returncode == 0
    assert content(database) == before
    assert seed(database, 120).returncode == 0
    assert content(database)[1] == ((120,),)


def test_what_is_no_count(database):
    before = content(database)
    for count in ("", "x", "-1", "1.5"):
        done = seed(database, count)
        assert done.returncode != 0 and done.stderr
    assert content(database) == before
