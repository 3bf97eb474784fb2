# SPDX-License-Identifier: MIT
"""GET /v1/listings: filters, order, pages that neither skip nor repeat, limits, totals, refusals."""

import datetime
import itertools
import random
import unicodedata
import urllib.parse
import uuid

import pytest

from listings import EXAMPLE, PATH, Api, assert_problem, decoded

COUNT = 250
CITIES = [("Campinas", "SP"), ("São Paulo", "SP"), ("Florianópolis", "SC"), ("Recife", "PE")]
WORDS = ["Casa", "Terraço", "varanda", "50%", "under_score", "Praia", "céu", "o'hara"]
SORTS = {"created_at": "created_at", "price_cents": "price_cents", "area_m2": "area_m2"}
START = datetime.datetime(2024, 2, 29, 23, 59, 58)


def make_rows():
    """Rows with many equal prices, areas and times, so that only the id tells them apart."""
    chance = random.Random(7)
    for number in range(COUNT):
        city, state = CITIES[number % len(CITIES)]
        created = START + datetime.timedelta(microseconds=number // 5)
        yield {**EXAMPLE,
               "id": str(uuid.UUID(int=chance.getrandbits(128))),
               "title": " ".join(chance.sample(WORDS, 3)),
               "kind": chance.choice(["apartment", "house", "land", "commercial"]),
               "purpose": chance.choice(["sale", "rent"]),
               "price_cents": chance.choice([0, 100, 250000, 99999999, 10**13]),
               "area_m2": chance.choice([0, 40, 75, 3000]),
               "bedrooms": number % 6,
               "city": city, "state": state,
               "status": "draft" if number % 10 == 0 else "published",
               "version": 1 + number % 3, "created_at": created, "updated_at": created}


def insert(database, rows):
    names = list(rows[0])
    places = ", ".join(["%s"] * len(names))
    connection = database.mysql()
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO listings ({', '.join(names)}) VALUES ({places})",
                           [list(row.values()) for row in rows])
    connection.close()


@pytest.fixture(scope="module")
def rows(database):
    made = list(make_rows())
    insert(database, made)
    return made


def ids(items):
    return [item["id"] for item in items]


def query_of(parameters):
    return "?" + urllib.parse.urlencode(parameters)


def walk(api, parameters, between=lambda: None):
    """All items of all pages."""
    items, cursor = [], None
    while True:
        page = api.page(query_of({**parameters, **({"cursor": cursor} if cursor else {})}))
        assert len(page["items"]) <= int(parameters.get("limit", 20))
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
        assert page["items"]
        between()


def folded(text):
    """A text without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()


# --- filters

FILTERS = [
    ({}, lambda row: True),
    ({"city": "Campinas"}, lambda row: row["city"] == "Campinas"),
    ({"city": "São Paulo"}, lambda row: row["city"] == "São Paulo"),
    ({"city": "sao paulo"}, lambda row: row["city"] == "São Paulo"),
    ({"city": "Campin"}, lambda row: False),
    ({"city": "Campinas", "state": "SC"}, lambda row: False),
    ({"state": "SP"}, lambda row: row["state"] == "SP"),
    ({"kind": "land"}, lambda row: row["kind"] == "land"),
    ({"purpose": "rent"}, lambda row: row["purpose"] == "rent"),
    ({"min_price_cents": 100}, lambda row: row["price_cents"] >= 100),
    ({"max_price_cents": 100}, lambda row: row["price_cents"] <= 100),
    ({"min_price_cents": 100, "max_price_cents": 250000}, lambda row: 100 <= row["price_cents"] <= 250000),
    ({"min_price_cents": 101, "max_price_cents": 99}, lambda row: False),
    ({"min_price_cents": 0, "max_price_cents": 10**13}, lambda row: True),
    ({"max_price_cents": 0}, lambda row: row["price_cents"] == 0),
    ({"min_area_m2": 41}, lambda row: row["area_m2"] > 40),
    ({"max_area_m2": 40}, lambda row: row["area_m2"] <= 40),
    ({"min_area_m2": 75, "max_area_m2": 75}, lambda row: row["area_m2"] == 75),
    ({"min_bedrooms": 3}, lambda row: row["bedrooms"] >= 3),
    ({"title": "varanda"}, lambda row: "varanda" in row["title"]),
    ({"title": "VARANDA terraco"}, lambda row: "varanda" in row["title"] and "Terraço" in row["title"]),
    ({"title": "ceu"}, lambda row: "céu" in row["title"]),
    ({"title": "50%"}, lambda row: "50%" in row["title"]),
    ({"title": "%"}, lambda row: "50%" in row["title"]),
    ({"title": "_"}, lambda row: "under_score" in row["title"]),
    ({"title": "o'hara"}, lambda row: "o'hara" in row["title"]),
    ({"title": "\\"}, lambda row: False),
    ({"title": "  casa  "}, lambda row: "Casa" in row["title"]),
    ({"state": "SP", "kind": "house", "purpose": "sale", "min_price_cents": 100, "max_area_m2": 75,
      "min_bedrooms": 1, "title": "praia"},
     lambda row: (row["state"], row["kind"], row["purpose"]) == ("SP", "house", "sale")
     and row["price_cents"] >= 100 and row["area_m2"] <= 75 and row["bedrooms"] >= 1
     and "Praia" in row["title"]),
]


@pytest.mark.parametrize("parameters, wanted", FILTERS, ids=lambda value: query_of(value)
                         if isinstance(value, dict) else "")
def test_filters(api, rows, parameters, wanted):
    found = walk(api, {**parameters, "limit": 100})
    assert sorted(ids(found)) == sorted(row["id"] for row in rows
                                        if row["status"] == "published" and wanted(row))


@pytest.mark.parametrize("status", ["draft", "published", "archived"])
def test_only_what_is_published_unless_asked(api, rows, status):
    assert sorted(ids(walk(api, {"status": status, "limit": 100}))) == sorted(
        row["id"] for row in rows if row["status"] == status)


def test_an_item_is_the_listing(api, rows):
    item = api.page("?limit=1")["items"][0]
    assert api.read(item["id"]) == item
    row = next(row for row in rows if row["id"] == item["id"])
    assert {name: item[name] for name in EXAMPLE} == {name: row[name] for name in EXAMPLE}
    assert item["version"] == row["version"]
    assert datetime.datetime.fromisoformat(item["created_at"].rstrip("Z")) == row["created_at"]


# --- order and pages

@pytest.mark.parametrize("sort", [sign + name for name in SORTS for sign in ("", "-")])
def test_pages_hold_everything_once_in_order(api, rows, sort):
    found = walk(api, {"sort": sort, "limit": 7})
    published = [row for row in rows if row["status"] == "published"]
    assert sorted(ids(found)) == sorted(row["id"] for row in published)
    keys = [(item[sort.lstrip("-")], item["id"]) for item in found]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_the_newest_come_first(api, rows):
    assert ids(walk(api, {"limit": 50})) == ids(walk(api, {"limit": 31, "sort": "-created_at"}))
    assert len(api.page()["items"]) == 20


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "price_cents", "-area_m2"])
def test_pages_hold_everything_once_while_listings_come_and_go(api, rows, sort):
    chance = random.Random(sort)
    made = []

    def change():
        """One comes before or behind where the walk is, and sometimes one goes."""
        made.append(api.create(price_cents=chance.choice([0, 250000, 10**13]),
                               area_m2=chance.choice([0, 75, 100000000])))
        if len(made) % 3 == 0:
            assert api.delete(made.pop(chance.randrange(len(made)))).status == 204

    found = walk(api, {"sort": sort, "limit": 7}, change)
    for one in made:
        assert api.delete(one).status == 204
    wanted = {row["id"] for row in rows if row["status"] == "published"}
    assert len(ids(found)) == len(set(ids(found)))
    old = [item for item in found if item["id"] in wanted]
    assert len(old) == len(wanted)
    keys = [(item[sort.lstrip("-")], item["id"]) for item in found]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_the_last_page_is_said_to_be_the_last(api, rows):
    parameters = {"status": "draft", "limit": 5}  # a whole number of pages
    pages = [api.page(query_of(parameters))]
    while pages[-1]["next_cursor"]:
        pages.append(api.page(query_of({**parameters, "cursor": pages[-1]["next_cursor"]})))
    assert [len(page["items"]) for page in pages] == [5] * 5
    assert api.page("?city=Nowhere") == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 99, 100])
def test_limits(api, rows, limit):
    assert len(api.page(f"?limit={limit}")["items"]) == limit


@pytest.mark.parametrize("limit", ["0", "101", "-1", "", "x", "1.5", "1e1", "+1", "0x10", " 1",
                                   "18446744073709551617"])
def test_limits_out_of_bounds(api, limit):
    assert_problem(api.ask("GET", PATH + query_of({"limit": limit})), 400, "limit")


def test_the_total_only_on_demand(api, rows):
    published = sum(row["status"] == "published" for row in rows)
    assert "total" not in api.page("?limit=1") and "total" not in api.page("?total=false&limit=1")
    assert api.page("?total=true&limit=1")["total"] == published
    first = api.page("?total=true&limit=3&city=Recife")
    wanted = sum(row["city"] == "Recife" and row["status"] == "published" for row in rows)
    assert first["total"] == wanted
    second = api.page(f"?total=true&limit=3&city=Recife&cursor={first['next_cursor']}")
    assert second["total"] == wanted
    assert api.page("?total=true&city=Nowhere")["total"] == 0


# --- refusals

@pytest.mark.parametrize("query, name", [
    ("colour=red", "colour"), ("City=Campinas", "City"), ("offset=10", "offset"), ("=1", ""),
    ("page=2", "page"), ("%C3%A9=1", "é"), ("city=a&city=b", "city"), ("limit=1&limit=1", "limit"),
    ("state=sp", "state"), ("state=XX", "state"), ("kind=castle", "kind"), ("purpose=", "purpose"),
    ("status=gone", "status"), ("min_price_cents=-1", "min_price_cents"),
    ("max_price_cents=1e3", "max_price_cents"), ("max_price_cents=9223372036854775808",
                                                 "max_price_cents"),
    ("min_area_m2=99999999999", "min_area_m2"), ("min_bedrooms=101", "min_bedrooms"),
    ("sort=title", "sort"), ("sort=", "sort"), ("sort=--price_cents", "sort"),
    ("sort=price_cents%20DESC", "sort"), ("total=1", "total"), ("total=TRUE", "total"),
    ("city=", "city"), ("city=" + "x" * 101, "city"), ("city=%FF", "city"), ("title=%01", "title"),
    ("title=" + "+".join("abcdefghi"), "title"), ("city=%ED%A0%80", "city")])
def test_a_parameter_that_is_wrong_is_named(api, query, name):
    assert_problem(api.ask("GET", f"{PATH}?{query}"), 400, name)


@pytest.mark.parametrize("query", ["city=%00", "city=Camp%00inas", "city=%", "city=%4", "city=%zz"])
def test_escapes_that_are_broken(api, query):
    assert_problem(api.ask("GET", f"{PATH}?{query}"), 400, "city")


def test_a_plus_is_a_blank(api, rows):
    assert ids(api.page("?city=S%C3%A3o+Paulo")["items"]) == ids(api.page("?city=sao%20paulo")["items"])


def test_all_that_is_wrong_is_named_at_once(api):
    assert_problem(api.ask("GET", f"{PATH}?limit=0&kind=castle&colour=red"), 400, "limit", "kind",
                   "colour")


@pytest.mark.parametrize("cursor", ["", "x", "AA==", "A" * 46, "A" * 45 + "=", "A" * 47, "-" * 46,
                                    "_" * 4000, "é" * 23, "null", "0", "%00", "' OR 1=1 -- "])
def test_a_cursor_that_is_broken(api, cursor):
    answer = api.ask("GET", PATH + query_of({"cursor": cursor}))
    assert_problem(answer, 400, "cursor")


def test_a_cursor_with_any_letter_changed(api, rows):
    cursor = api.page("?limit=7")["next_cursor"]
    for place in range(len(cursor)):
        other = "B" if cursor[place] == "A" else "A"
        changed = cursor[:place] + other + cursor[place + 1:]
        assert_problem(api.ask("GET", f"{PATH}?limit=7&cursor={changed}"), 400, "cursor")
    for part in (cursor[:-1], cursor[1:], cursor + "A", cursor * 2):
        assert_problem(api.ask("GET", f"{PATH}?limit=7&cursor={part}"), 400, "cursor")


def test_a_cursor_of_another_list(api, rows):
    lists = [{}, {"sort": "price_cents"}, {"sort": "-price_cents"}, {"sort": "area_m2"},
             {"city": "Campinas"}, {"state": "SP"}, {"kind": "house"}, {"purpose": "sale"},
             {"min_price_cents": 1}, {"max_price_cents": 10**13}, {"min_area_m2": 1},
             {"max_area_m2": 3000}, {"min_bedrooms": 1}, {"title": "casa"}, {"status": "draft"}]
    cursors = [api.page(query_of({**one, "limit": 1}))["next_cursor"] for one in lists]
    for (mine, _), (_, cursor) in itertools.permutations(list(zip(lists, cursors)), 2):
        answer = api.ask("GET", PATH + query_of({**mine, "limit": 1, "cursor": cursor}))
        assert_problem(answer, 400, "cursor")


def test_the_limit_may_change_between_pages(api, rows):
    first = api.page("?limit=3&sort=price_cents")
    second = api.page(f"?limit=100&sort=price_cents&cursor={first['next_cursor']}")
    assert ids(first["items"] + second["items"]) == ids(walk(api, {"sort": "price_cents", "limit": 100})
                                                        )[:103]


def test_a_cursor_outlives_its_listing_and_its_server(api, rows, database, start_server, server_binary):
    made = api.create(city="Efêmera")
    other = api.create(city="Efêmera")
    page = api.page(query_of({"city": "Efêmera", "limit": 1}))
    assert ids(page["items"]) == [other["id"]]
    assert api.delete(other).status == 204
    with Api(start_server(database.variables, binary=server_binary)) as second:
        query = query_of({"city": "Efêmera", "limit": 1, "cursor": page["next_cursor"]})
        assert ids(second.page(query)["items"]) == [made["id"]]
    assert api.delete(made).status == 204


def test_a_new_listing_shows_at_once(api, rows):
    query = query_of({"city": "Novidade"})
    assert api.page(query)["items"] == []
    made = api.create(city="Novidade")
    assert api.page(query)["items"] == [made]
    changed = api.update(made, bedrooms=1)
    assert api.page(query)["items"] == [changed]
    assert api.delete(changed).status == 204
    assert api.page(query)["items"] == []


def test_a_list_is_json(api, rows):
    answer = api.ask("GET", PATH)
    assert answer["Content-Type"].split(";")[0] == "application/json"
    assert set(decoded(answer)) == {"items", "next_cursor"}
    head = api.ask("HEAD", PATH)
    assert (head.status, head.body) == (200, b"")
