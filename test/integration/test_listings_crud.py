# SPDX-License-Identifier: MIT
"""Listings over HTTP: created, read, written over, patched and deleted, each on the version known."""

import re

import pytest

from listings import (EXAMPLE, JSON, PATCH_JSON, PATH, Api, assert_problem, decoded, example, if_match,
                      without)

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OWN = ("id", "version", "created_at", "updated_at")
NOBODY = "01890000-0000-7000-8000-000000000000"
DEFAULTS = {"description": "", "currency": "BRL", "street": "", "neighborhood": "", "postal_code": "",
            "bedrooms": 0, "bathrooms": 0, "area_m2": 0, "status": "draft"}


def row_of(database, listing_id):
    """The listing as MySQL has it; None when it has none."""
    names = ", ".join(EXAMPLE)
    rows = database.query(f"SELECT {names} FROM listings WHERE id = %s", listing_id)
    return dict(zip(EXAMPLE, rows[0])) if rows else None


# --- create

def test_post_stores_every_field(api, database):
    answer = api.post(EXAMPLE)
    assert answer.status == 201
    made = decoded(answer)
    assert without(made, *OWN) == EXAMPLE
    assert UUID7.fullmatch(made["id"])
    assert made["version"] == 1
    assert TIME.fullmatch(made["created_at"]) and made["updated_at"] == made["created_at"]
    assert answer["Content-Type"].split(";")[0] == JSON
    assert answer["Location"] == f"{PATH}/{made['id']}"
    assert answer["ETag"] == '"1"'
    assert row_of(database, made["id"]) == EXAMPLE
    assert decoded(api.ask("GET", answer["Location"])) == made


def test_post_fills_in_what_may_be_absent(api):
    made = decoded(api.post(without(EXAMPLE, *DEFAULTS)))
    assert {name: made[name] for name in DEFAULTS} == DEFAULTS


def test_post_takes_null_for_what_may_be_absent(api):
    made = decoded(api.post(example(**{name: None for name in DEFAULTS})))
    assert {name: made[name] for name in DEFAULTS} == DEFAULTS


def test_ids_sort_by_the_order_of_creation(api):
    ids = [api.create()["id"] for _ in range(20)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)


@pytest.mark.parametrize("text", [
    "Casa com vista 🏡🌊", "Übergröße – 50 %", "日本語", 'quo"te \\ back / slash', "<b>&amp;</b>",
    "%00 %s %n {0} ${x}", "\u2028\u2029", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301", "\ufeff"], ids=ascii)
def test_text_comes_back_as_it_was_sent(api, database, text):
    changes = {name: text for name in ("title", "description", "street", "neighborhood", "city")}
    made = api.create(**changes)
    assert without(made, *OWN) == example(**changes) == without(api.read(made["id"]), *OWN)
    assert row_of(database, made["id"]) == example(**changes)


@pytest.mark.parametrize("changes", [
    {"title": "🏡" * 200}, {"description": "🌊" * 5000}, {"price_cents": 10**13}, {"price_cents": 0},
    {"area_m2": 100000000, "bedrooms": 100, "bathrooms": 100}, {"postal_code": "13083970"},
    {"city": "x"}, {"kind": "land", "purpose": "rent", "state": "TO", "status": "archived"}],
    ids=lambda changes: "-".join(changes))
def test_what_is_just_allowed_is_stored(api, changes):
    made = api.create(**changes)
    assert without(api.read(made["id"]), *OWN) == example(**changes)


# --- read

def test_get_carries_an_etag_that_spares_the_body(api):
    made = api.create()
    answer = api.get(made["id"])
    assert (answer.status, answer["ETag"]) == (200, '"1"')
    assert answer["Content-Type"].split(";")[0] == JSON
    for tag in ('"1"', 'W/"1"', '"0", "1"', "*"):
        spared = api.get(made["id"], f"If-None-Match: {tag}")
        assert (spared.status, spared["ETag"], spared.body) == (304, '"1"', b"")
    for tag in ('"2"', '"11"', '""', '"2", "3"'):
        assert api.get(made["id"], f"If-None-Match: {tag}").status == 200
    for tag in ("1", '"1', '"1" "2"', "W/1"):
        assert_problem(api.get(made["id"], f"If-None-Match: {tag}"), 400)
    api.update(made, title="Outra")
    assert api.get(made["id"], 'If-None-Match: "1"').status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("fields, status", [
    (['If-Match: "1"'], 200), (['If-Match: "2", "1"'], 200), (["If-Match: *"], 200),
    (['If-Match: "2"', 'If-Match: "1"'], 200),
    (['If-Match: "2"'], 412), (['If-Match: W/"1"'], 412), (["If-Match: 1"], 400),
    (['If-Match: "1"', 'If-None-Match: "1"'], 304), (['If-Match: "2"', 'If-None-Match: "1"'], 412),
    (['If-None-Match: "2"', 'If-None-Match: "1"'], 304)])
def test_a_read_may_depend_on_versions(api, method, fields, status):
    made = api.create()
    answer = api.ask(method, f"{PATH}/{made['id']}", *fields)
    assert answer.status == status
    if status in (200, 304):
        assert answer["ETag"] == '"1"'


def test_head_is_get_without_the_body(api):
    made = api.create()
    answer = api.ask("HEAD", f"{PATH}/{made['id']}")
    assert (answer.status, answer["ETag"], answer.body) == (200, '"1"', b"")
    assert int(answer["Content-Length"]) == len(api.get(made["id"]).body)


@pytest.mark.parametrize("listing_id", [
    NOBODY, "1", "x" * 36, "0" * 36, "' OR 1=1 -- ", "01890000-0000-7000-8000-00000000000g",
    NOBODY + "0", "%F0%9F%8F%A1"])
def test_what_is_not_there_is_404(api, listing_id):
    target = f"{PATH}/" + listing_id.replace(" ", "%20").replace("'", "%27")
    assert_problem(api.ask("GET", target), 404)
    assert_problem(api.ask("DELETE", target, 'If-Match: "1"'), 404)
    for method, kind in (("PUT", JSON), ("PATCH", PATCH_JSON)):
        assert_problem(api.send(method, target, EXAMPLE, 'If-Match: "1"', content_type=kind), 404)


# --- write

def test_put_writes_every_field_over(api, database):
    made = api.create()
    wanted = example(title="Casa", kind="house", purpose="rent", price_cents=1, status="archived")
    answer = api.put(made, without(wanted, "street"))
    assert (answer.status, answer["ETag"]) == (200, '"2"')
    written = decoded(answer)
    assert without(written, *OWN) == {**wanted, "street": ""} == row_of(database, made["id"])
    assert (written["id"], written["version"]) == (made["id"], 2)
    assert written["created_at"] == made["created_at"] < written["updated_at"]
    assert api.read(made["id"]) == written


def test_patch_changes_what_it_names(api, database):
    made = api.create()
    answer = api.patch(made, {"price_cents": 7, "city": "São Paulo"})
    assert (answer.status, answer["ETag"]) == (200, '"2"')
    wanted = example(price_cents=7, city="São Paulo")
    assert without(decoded(answer), *OWN) == wanted == row_of(database, made["id"])
    assert api.read(made["id"]) == decoded(answer)


def test_patch_takes_null_for_the_default(api):
    made = api.create()
    changed = api.update(made, **{name: None for name in DEFAULTS})
    assert without(changed, *OWN) == {**EXAMPLE, **DEFAULTS}
    assert_problem(api.patch(changed, {"title": None, "price_cents": None}), 422, "title", "price_cents")
    assert api.read(made["id"]) == changed


def test_patch_may_be_empty(api):
    made = api.create()
    answer = api.patch(made, {})
    assert answer.status == 200
    assert without(decoded(answer), *OWN) == EXAMPLE


def test_delete_then_404(api, database):
    made = api.create()
    api.read(made["id"])
    answer = api.delete(made)
    assert (answer.status, answer.body, answer["Content-Type"]) == (204, b"", None)
    assert row_of(database, made["id"]) is None
    assert_problem(api.get(made["id"]), 404)
    assert_problem(api.delete(made), 404)
    assert_problem(api.patch(made, {"bedrooms": 1}), 404)
    assert_problem(api.put(made, EXAMPLE), 404)


# --- on the version known

def attempt(api, made, method, *fields):
    """A write that would be well but for these fields."""
    target = f"{PATH}/{made['id']}"
    if method == "DELETE":
        return api.ask(method, target, *fields)
    kind = PATCH_JSON if method == "PATCH" else JSON
    return api.send(method, target, example(title="X"), *fields, content_type=kind)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag, status", [
    ('"2"', 412), ('W/"1"', 412), ('"x"', 412), ('"01"', 412), ('"18446744073709551617"', 412),
    ('""', 412), ("1", 400), ('"1', 400)])
def test_another_version_changes_nothing(api, method, tag, status):
    made = api.create()
    assert_problem(attempt(api, made, method, f"If-Match: {tag}"), status)
    assert api.read(made["id"]) == made


@pytest.mark.parametrize("method, status", [("PUT", 428), ("PATCH", 428), ("DELETE", 204)])
def test_writing_over_needs_a_version(api, method, status):
    made = api.create()
    assert attempt(api, made, method).status == status
    assert api.get(made["id"]).status == (404 if method == "DELETE" else 200)


def test_any_of_several_versions_will_do(api):
    made = api.create()
    target = f"{PATH}/{made['id']}"
    for tags, version in (('"9", "1"', 2), ("*", 3)):
        answer = api.send("PATCH", target, {"bedrooms": version}, f"If-Match: {tags}",
                          content_type=PATCH_JSON)
        assert (answer.status, answer["ETag"]) == (200, f'"{version}"')
    assert api.ask("DELETE", target, "If-Match: *").status == 204


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tags, status", [("*", 412), ('"1"', 412), ('W/"1"', 412), ('"2", "1"', 412),
                                          ("1", 400)])
def test_a_version_that_must_not_be_there(api, method, tags, status):
    made = api.create()
    match = 'If-Match: "1"'
    assert_problem(attempt(api, made, method, match, f"If-None-Match: {tags}"), status)
    if method == "DELETE":
        assert_problem(attempt(api, made, method, f"If-None-Match: {tags}"), status)
    assert api.read(made["id"]) == made
    assert attempt(api, made, method, match, 'If-None-Match: "2"').status in (200, 204)


def test_the_loser_reads_the_winners_version(api):
    made = api.create()
    won = api.update(made, bedrooms=4)
    assert_problem(api.patch(made, {"bedrooms": 5}), 412)
    assert api.read(made["id"]) == won
    assert api.update(won, bedrooms=5)["version"] == 3


# --- forms

def test_only_json_is_taken(api):
    made = api.create()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                 "multipart/form-data", "application/json; charset=latin1"):
        assert_problem(api.post(EXAMPLE, content_type=kind), 415)
        assert_problem(api.put(made, EXAMPLE, content_type=kind), 415)
        assert_problem(api.patch(made, {"bedrooms": 9}, content_type=kind), 415)
    assert_problem(api.put(made, EXAMPLE, content_type=PATCH_JSON), 415)
    assert_problem(api.ask("POST", PATH, body=b"{}"), 415)  # it does not say what it is
    assert api.read(made["id"]) == made


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON",
                                  "application/json;charset=UTF-8",
                                  'application/json; profile="a;charset=x"', 'application/json;charset="u\\tf-8"',
                                  'application/json; a="\\";charset=x" ;; charset = "UTF-8"'])
def test_json_may_name_its_charset(api, kind):
    assert api.post(EXAMPLE, content_type=kind).status == 201


@pytest.mark.parametrize("codings, is_taken", [
    (["gzip"], False), (["identity, gzip"], False), (["identity", "br"], False), (["x-unknown"], False),
    (["identity"], True), (["IDENTITY,identity"], True), ([""], True)])
def test_an_encoded_body_is_not_taken(api, codings, is_taken):
    fields = [f"Content-Encoding: {coding}" for coding in codings]
    made = api.create()
    answers = [api.post(EXAMPLE, *fields), api.put(made, EXAMPLE, *fields)]
    made["version"] += is_taken
    answers.append(api.patch(made, {"bedrooms": 9}, *fields))
    for answer in answers:
        if is_taken:
            assert answer.status in (200, 201)
        else:
            assert_problem(answer, 415)
            assert answer["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", PATH, {"GET", "HEAD", "POST"}), ("DELETE", PATH, {"GET", "HEAD", "POST"}),
    ("POST", f"{PATH}/{NOBODY}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"})])
def test_a_method_that_is_not_served_is_405(api, method, path, allowed):
    answer = api.send(method, path, EXAMPLE)
    assert answer.status == 405
    assert set(answer["Allow"].replace(" ", "").split(",")) - {"OPTIONS"} == allowed


def test_two_servers_of_one_database_agree(api, database, start_server, server_binary):
    with Api(start_server(database.variables, binary=server_binary)) as other:
        made = api.create()
        assert other.read(made["id"]) == made
        changed = other.update(made, title="Do outro")
        assert_problem(api.patch(made, {"title": "tarde"}), 412)
        assert api.read(made["id"]) == changed
        assert other.ask("DELETE", f"{PATH}/{made['id']}", if_match(changed)).status == 204
        assert_problem(api.get(made["id"]), 404)
