# SPDX-License-Identifier: MIT
"""What listings refuse: a clear 4xx that names the field, and nothing stored."""

import json
import urllib.parse

import pytest

from listings import EXAMPLE, PATH, Api, assert_problem, decoded, example, without

TEXTS = ("title", "description", "street", "neighborhood", "city")
CHOICES = ("kind", "purpose", "currency", "state", "status")
NUMBERS = ("price_cents", "bedrooms", "bathrooms", "area_m2")
REQUIRED = ("title", "kind", "purpose", "price_cents", "city", "state")
INJECTIONS = ("' OR '1'='1", "'; DROP TABLE listings; -- ", '" OR ""="', "\\' OR 1=1 -- ",
              "1 UNION SELECT * FROM mysql.user", "%' OR title LIKE '%", "x'||sleep(5)||'", "?", "`")


@pytest.fixture(autouse=True)
def nothing_is_stored(database):
    """Holds for every test: one that stores something takes it away again."""
    before = stored(database)
    yield
    assert stored(database) == before


def stored(database):
    return database.query("SELECT COUNT(*), COALESCE(SUM(version), 0) FROM listings")


@pytest.fixture(scope="module")
def known(listings_server):
    """A listing that every test finds unchanged."""
    with Api(listings_server) as client:
        return client.create()


def refused(api, known, content, status, *fields):
    """Sends a whole document, bytes or a value, as POST and as PUT."""
    assert_problem(api.post(content), status, *fields)
    assert_problem(api.put(known, content), status, *fields)


def document(**raw):
    """A document in which some values are JSON as given."""
    members = {name: json.dumps(value) for name, value in EXAMPLE.items()}
    members.update(raw)
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


# --- not JSON, or not an object

@pytest.mark.parametrize("body", [
    b"{", b"nonsense", b"[]", b"null", b"1", b'"text"', b"{}{}", b'{"title":}', b'{"title":"a",}',
    b"{'title':'a'}", b'{"title":"a"} x', b'\xef\xbb\xbf{"title":"a"}', b'{"title":"\xff"}',
    b'{"title":"\xed\xa0\x80"}', b'{"title":"\xc0\xaf"}', b'{"title":"\\ud800"}', b'{"title":"\\x41"}',
    b'{"title":"a\nb"}', b'{"price_cents":01}', b'{"price_cents":NaN}', b'{"price_cents":0x10}',
    b'{"title":"a" /* why */}', b"[" * 100000, b'{"a":' * 100000, b'{"title":"a\x00b"}',
    b"\x00", b" " * 1000], ids=lambda body: ascii(body[:24]))
def test_malformed_json(api, known, body):
    refused(api, known, body, 400, "")
    assert_problem(api.patch(known, body), 400, "")


def test_an_empty_body(api, known):
    kind = "Content-Type: application/json"
    assert api.ask("POST", PATH, kind, "Content-Length: 0").status == 400
    assert api.ask("PUT", f"{PATH}/{known['id']}", kind, 'If-Match: "1"',
                   "Content-Length: 0").status == 400


def test_trailing_bytes(api, known):
    for tail in ("{}", "x", "\x00", "]", ","):
        refused(api, known, (document() + tail).encode(), 400, "")


@pytest.mark.parametrize("name", EXAMPLE)
def test_a_key_twice(api, known, name):
    body = (document()[:-1] + f',"{name}":{json.dumps(EXAMPLE[name])}' + "}").encode()
    answer = api.post(body)
    assert answer.status in (400, 422)
    assert name in answer.body.decode()
    answer = api.patch(known, body)
    assert answer.status in (400, 422)
    assert name in answer.body.decode()


def test_a_key_twice_in_other_letters(api, known):
    refused(api, known, (document()[:-1] + ',"t\\u0069tle":"B"}').encode(), 400, "")


# --- fields

@pytest.mark.parametrize("name", ["prize", "Title", "id", "version", "created_at", "updated_at", "",
                                  "__proto__", "title ", "preço", "🏡", "' OR 1=1 -- "])
def test_a_field_that_there_is_not(api, known, name):
    refused(api, known, {**EXAMPLE, name: 1}, 422, name)
    assert_problem(api.patch(known, {name: 1}), 422, name)


def test_a_long_name_is_cut(api):
    problem = decoded(api.post({**EXAMPLE, "é" * 5000: 1}))
    assert problem["status"] == 422
    assert 0 < len(problem["errors"][0]["field"]) <= 64


def test_a_thousand_unknown_fields(api):
    problem = decoded(api.post({**EXAMPLE, **{f"x{i}": i for i in range(1000)}}))
    assert problem["status"] == 422
    assert 1 <= len(problem["errors"]) <= 16


@pytest.mark.parametrize("name", REQUIRED)
def test_a_field_that_is_missing(api, known, name):
    refused(api, known, without(EXAMPLE, name), 422, name)
    refused(api, known, {**EXAMPLE, name: None}, 422, name)
    assert_problem(api.patch(known, {name: None}), 422, name)


def test_all_that_is_wrong_is_named_at_once(api):
    answer = api.post({"title": 1, "kind": "castle", "bedrooms": -1, "prize": 1})
    assert_problem(answer, 422, "title", "kind", "purpose", "price_cents", "city", "state", "bedrooms",
                   "prize")


@pytest.mark.parametrize("name", (*TEXTS, "postal_code"))
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["a"], {"a": "b"}], ids=str)
def test_a_text_of_another_type(api, known, name, value):
    refused(api, known, {**EXAMPLE, name: value}, 422, name)
    assert_problem(api.patch(known, {name: value}), 422, name)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["1", 1.5, 1.0, True, [], {}, ""], ids=repr)
def test_a_number_of_another_type(api, known, name, value):
    refused(api, known, {**EXAMPLE, name: value}, 422, name)
    assert_problem(api.patch(known, {name: value}), 422, name)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["", "x", "SALE ", 1, True, [], " ", "sp", "🏡"], ids=repr)
def test_a_choice_that_there_is_not(api, known, name, value):
    refused(api, known, {**EXAMPLE, name: value}, 422, name)
    assert_problem(api.patch(known, {name: value}), 422, name)


@pytest.mark.parametrize("name, value", [
    ("price_cents", -1), ("price_cents", 10**13 + 1), ("price_cents", 2**63 - 1),
    ("price_cents", -2**63), ("bedrooms", -1), ("bedrooms", 101), ("bathrooms", 101),
    ("area_m2", -1), ("area_m2", 10**8 + 1)])
def test_a_number_out_of_bounds(api, known, name, value):
    refused(api, known, {**EXAMPLE, name: value}, 422, name)
    assert_problem(api.patch(known, {name: value}), 422, name)


@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400,
                                   "1e400", "-1e400"], ids=lambda value: value[:20])
def test_a_number_that_no_machine_holds(api, value):
    answer = api.post(document(price_cents=value).encode())
    assert_problem(answer, answer.status, *[one["field"] for one in decoded(answer)["errors"]])
    assert answer.status in (400, 422)


@pytest.mark.parametrize("name, value", [
    ("title", ""), ("city", ""), ("title", "x" * 201), ("city", "x" * 101), ("street", "x" * 201),
    ("neighborhood", "x" * 101), ("description", "x" * 5001), ("title", "🏡" * 201),
    ("postal_code", "1308397"), ("postal_code", "13083 970"), ("postal_code", "1308-3970"),
    ("postal_code", "abcde-fgh"), ("postal_code", "130839700"), ("postal_code", "१३०८३९७०"),
    ("title", "a\tb"), ("city", "a\nb"), ("title", "\x7f"), ("description", "\x1b[31m")],
    ids=lambda value: ascii(value)[:20])
def test_a_text_that_does_not_fit(api, known, name, value):
    refused(api, known, {**EXAMPLE, name: value}, 422, name)
    assert_problem(api.patch(known, {name: value}), 422, name)


@pytest.mark.parametrize("name", (*TEXTS, *CHOICES, "postal_code"))
def test_a_nul(api, known, name):
    body = document(**{name: '"a\\u0000b"'}).encode()
    for answer in (api.post(body), api.put(known, body), api.patch(known, body)):
        assert answer.status in (400, 422)
        assert_problem(answer, answer.status, *[e["field"] for e in decoded(answer)["errors"]])


def test_a_nul_in_a_name(api, known):
    refused(api, known, document()[:-1].encode() + b',"ti\\u0000tle":"a"}', 400, "")


@pytest.mark.parametrize("name", (*TEXTS, "postal_code"))
def test_a_text_of_a_mebibyte(api, known, name):
    size = 1 << 20
    fits = size - len(document(**{name: '""'}))
    for length, status in ((fits, 422), (size, 413)):
        body = document(**{name: '"' + "x" * length + '"'}).encode()
        with Api(api.server) as other:
            answer = other.post(body)
            assert answer.status == status
            assert status == 413 or name in answer.body.decode()


def test_deep_nesting_in_a_field(api, known):
    body = document(title="[" * 5000 + "]" * 5000).encode()
    answer = api.post(body)
    assert answer.status in (400, 422)
    assert api.read(known["id"]) == known


# --- SQL

@pytest.mark.parametrize("name", (*CHOICES, *NUMBERS, "postal_code"))
@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_where_no_text_belongs(api, known, name, text):
    refused(api, known, {**EXAMPLE, name: text}, 422, name)
    assert_problem(api.patch(known, {name: text}), 422, name)


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_a_text_is_text(api, text):
    changes = {name: text for name in TEXTS}
    made = api.create(**changes)
    assert without(made, "id", "version", "created_at", "updated_at") == example(**changes)
    quoted = urllib.parse.quote(text)
    assert api.page(f"?city={quoted}&title={quoted}")["items"] == [made]
    changed = api.update(made, street="'" + text)
    assert api.read(made["id"]) == changed
    assert api.delete(changed).status == 204


@pytest.mark.parametrize("name", ["state", "kind", "purpose", "status", "min_price_cents",
                                  "max_price_cents", "min_area_m2", "max_area_m2", "min_bedrooms",
                                  "sort", "limit", "total", "cursor"])
@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_a_filter(api, name, text):
    assert_problem(api.ask("GET", f"{PATH}?{name}={urllib.parse.quote(text)}"), 400, name)


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_a_filter_of_text(api, text):
    for name in ("city", "title"):
        assert api.page(f"?{name}={urllib.parse.quote(text)}")["items"] == []


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_the_fields_of_the_head(api, known, text):
    target = f"{PATH}/{known['id']}"
    answer = api.send("PATCH", target, {"bedrooms": 9}, f'If-Match: "{text}"',
                      content_type="application/merge-patch+json")
    assert answer.status in (400, 412)
    assert api.get(known["id"], f'If-None-Match: "{text}"').status in (200, 400)
    assert api.read(known["id"]) == known
