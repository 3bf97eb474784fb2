# SPDX-License-Identifier: MIT
"""The listings over gRPC, one at a time and in pages: the same ones as over HTTP."""

import grpc
import pytest

from listings import decoded, example as json_example
from rpc import refusal
from rpc_listings import NO_ID, PROTO, Listing, Rpc, as_json, example, violations

Code = grpc.StatusCode


def refused(call, code):
    error = refusal(call)
    assert error.code() == code, error
    return error


# --- create, get

def test_created_here_and_read_there(rpc, api):
    made = rpc.create(example())
    assert made.version == 1
    assert {**json_example(), **as_json(made)} == as_json(made)
    assert api.read(made.id) == as_json(made)
    assert rpc.get(made.id) == made


def test_created_there_and_read_here(rpc, api):
    made = api.create(title='Casa "azul" \\ verde', description="uma\n\tlinha\r\ne outra ☺")
    assert as_json(rpc.get(made["id"])) == made
    assert as_json(rpc.get(made["id"])) == made, "the second time it comes from Redis"


def test_fields_that_are_left_out_take_their_defaults(rpc, api):
    names = ("description", "currency", "street", "neighborhood", "postal_code", "bedrooms",
             "bathrooms", "area_m2", "status")
    made = rpc.create(example(**dict.fromkeys(names)))
    there = decoded(api.post({name: value for name, value in json_example().items()
                              if name not in names}))
    assert [getattr(made, name) for name in names] == [there[name] for name in names]


def test_zero_is_a_price_and_nothing_is_none(rpc):
    assert rpc.create(example(price_cents=0)).price_cents == 0
    error = refused(lambda: rpc.create(example(price_cents=None)), Code.INVALID_ARGUMENT)
    assert violations(error) == {"price_cents": "is required"}


@pytest.mark.parametrize("changes", [
    {"title": ""}, {"title": "a\rb"}, {"title": "x" * 201}, {"kind": "castle"}, {"state": "XX"},
    {"price_cents": -1}, {"bedrooms": 101}, {"postal_code": "1"}, {"description": "\x7f"}])
def test_a_value_is_refused_as_over_http(rpc, api, changes):
    error = refused(lambda: rpc.create(example(**changes)), Code.INVALID_ARGUMENT)
    there = decoded(api.post(json_example(**changes)))
    assert violations(error) == {one["field"]: one["message"] for one in there["errors"]}


def test_a_text_does_not_end_at_a_nul(rpc):
    error = refused(lambda: rpc.create(example(title="a\0b")), Code.INVALID_ARGUMENT)
    assert violations(error) == {"title": "must not hold control characters"}


def test_all_that_is_wrong_is_named(rpc):
    error = refused(lambda: rpc.create(Listing(id=NO_ID, version=3, kind="castle")),
                    Code.INVALID_ARGUMENT)
    assert set(violations(error)) == {"id", "version", "title", "kind", "purpose", "price_cents",
                                      "city", "state"}


@pytest.mark.parametrize("listing_id", [NO_ID, "", "x", NO_ID.upper()])
def test_one_that_is_not_there(rpc, listing_id):
    error = refused(lambda: rpc.get(listing_id), Code.NOT_FOUND)
    assert error.details() == "no such listing"


# --- once for each key

def test_a_key_makes_one_listing(rpc):
    made = rpc.create(example(), key="once")
    assert rpc.create(example(), key="once") == made
    assert rpc.create(example(), ("idempotency-key", "once")) == made
    error = refused(lambda: rpc.create(example(title="another"), key="once"),
                    Code.INVALID_ARGUMENT)
    assert "another listing" in error.details()


def test_an_answer_that_is_repeated_says_so(rpc):
    def replayed():
        call = rpc.stub.CreateListing.with_call(
            rpc_request(), metadata=[("idempotency-key", "says so")])[1]
        return dict(call.initial_metadata()).get("idempotency-replayed")

    def rpc_request():
        return PROTO.CreateListingRequest(listing=example())

    assert [replayed(), replayed()] == [None, "true"]


def test_a_key_that_is_none(rpc):
    error = refused(lambda: rpc.create(example(), key="é"), Code.INVALID_ARGUMENT)
    assert set(violations(error)) == {"idempotency_key"}


# --- update, delete

def test_an_update_changes_what_is_present(rpc, api):
    made = rpc.create(example())
    now = rpc.update(made, title="Outro", bedrooms=9)
    assert now.version == 2 and now.created_at == made.created_at
    assert as_json(now) == {**as_json(made), "title": "Outro", "bedrooms": 9, "version": 2,
                            "updated_at": as_json(now)["updated_at"]}
    assert api.read(made.id) == as_json(now) and rpc.get(made.id) == now


def test_an_update_by_a_mask(rpc):
    made = rpc.create(example())
    now = rpc.update(made, "title", "street", title="Outro", bedrooms=9)
    assert (now.title, now.street, now.bedrooms) == ("Outro", "", made.bedrooms)
    now = rpc.update(now, "*", title="Todo", kind="land", purpose="rent", price_cents=1, city="X",
                     state="SP")
    assert (now.version, now.title, now.bedrooms, now.status) == (3, "Todo", 0, "draft")


def test_what_was_read_can_be_sent_back(rpc):
    made = rpc.create(example())
    wanted = rpc.get(made.id)
    wanted.title = "Outro"
    request = PROTO.UpdateListingRequest(listing=wanted)
    request.update_mask.paths.append("*")
    assert rpc.call("UpdateListing", request).title == "Outro"


@pytest.mark.parametrize("mask, changes, fields", [
    ((), {"title": ""}, {"title"}), (("title",), {}, {"title"}), (("id",), {}, {"id"}),
    (("nonsense", "version"), {}, {"nonsense", "version"}), (("x" * 65,), {}, {"update_mask"}),
    (("",), {"title": "x"}, {"update_mask"}), (("priceCents",), {"price_cents": 1}, {"priceCents"}),
    (("title.x", "listing.title"), {"title": "x"}, {"title.x", "listing.title"}),
    (("title", "created_at.seconds"), {"title": "x"}, {"created_at.seconds"}),
    (("*",), {"title": "x"}, {"kind", "purpose", "price_cents", "city", "state"})])
def test_an_update_that_is_refused(rpc, mask, changes, fields):
    made = rpc.create(example())
    error = refused(lambda: rpc.update(made, *mask, **changes), Code.INVALID_ARGUMENT)
    assert set(violations(error)) == fields
    assert rpc.get(made.id) == made


def test_a_mask_may_name_a_field_twice(rpc):
    now = rpc.update(rpc.create(example()), "title", "*", "title", **{**json_example(), "title": "x"})
    assert (now.title, now.version) == ("x", 2)


def test_an_update_of_another_version(rpc, api):
    made = rpc.create(example())
    api.update(as_json(made), title="Mais rápido")
    refused(lambda: rpc.update(made, title="Tarde"), Code.ABORTED)
    refused(lambda: rpc.update(made, "*", **json_example()), Code.ABORTED)
    refused(lambda: rpc.update(Listing(id=made.id), title="Cego"), Code.FAILED_PRECONDITION)
    refused(lambda: rpc.update(Listing(id=NO_ID, version=1), title="Nada"), Code.NOT_FOUND)
    assert rpc.get(made.id).title == "Mais rápido"


def test_delete(rpc, api):
    made = rpc.create(example())
    refused(lambda: rpc.delete(made.id, 2), Code.ABORTED)
    rpc.delete(made.id, 1)
    refused(lambda: rpc.delete(made.id), Code.NOT_FOUND)
    refused(lambda: rpc.get(made.id), Code.NOT_FOUND)
    assert api.get(made.id).status == 404
    other = api.create()
    rpc.delete(other["id"])
    assert api.get(other["id"]).status == 404


# --- who may write

def test_tokens(database, start_server, server_binary):
    server = start_server({**database.variables, "API_TOKENS": "a-token-of-16-chars"},
                          binary=server_binary)
    with Rpc(server) as nobody, Rpc(server, "another-token-of-16") as other, \
            Rpc(server, "a-token-of-16-chars") as somebody:
        made = somebody.create(example())
        for one in (nobody, other):
            refused(lambda: one.create(example()), Code.UNAUTHENTICATED)
            refused(lambda: one.update(made, title="x"), Code.UNAUTHENTICATED)
            refused(lambda: one.delete(made.id), Code.UNAUTHENTICATED)
            assert one.get(made.id) == made
            assert one.list(page_size=1).listings
        somebody.delete(made.id)


def test_production_without_tokens_lets_nobody_write(database, start_server, server_binary):
    server = start_server({**database.variables, "ENV": "production"}, binary=server_binary)
    with Rpc(server, "a-token-of-16-chars") as rpc:
        refused(lambda: rpc.create(example()), Code.UNAUTHENTICATED)


# --- pages

def test_pages_one_after_the_other(rpc, api):
    made = [rpc.create(example(city="Paginópolis", price_cents=n)).id for n in range(7)]
    found, token = [], ""
    while True:
        page = rpc.list(city="paginopolis", sort="price_cents", page_size=3, page_token=token,
                        with_total=True)
        assert page.total == 7
        found += [one.id for one in page.listings]
        token = page.next_page_token
        if not token:
            break
    assert found == made
    there = api.page("?city=paginopolis&sort=price_cents&limit=3")
    here = rpc.list(city="paginopolis", sort="price_cents", page_size=3)
    assert [as_json(one) for one in here.listings] == there["items"]
    assert here.next_page_token == there["next_cursor"] and not here.HasField("total")


def test_filters(rpc):
    rpc.create(example(city="Filtrópolis", price_cents=100, bedrooms=1, area_m2=10))
    wanted = rpc.create(example(city="Filtrópolis", price_cents=200, bedrooms=2, area_m2=20))
    for filters in ({"min_price_cents": 101}, {"min_area_m2": 11}, {"min_bedrooms": 2},
                    {"min_price_cents": 200, "max_price_cents": 200, "max_area_m2": 20}):
        assert list(rpc.list(city="Filtrópolis", **filters).listings) == [wanted], filters
    assert not rpc.list(city="Filtrópolis", status="draft").listings
    assert not rpc.list(city="Filtrópolis", max_price_cents=0).listings


@pytest.mark.parametrize("field, value", [
    ("page_size", -1), ("page_size", 101), ("page_token", "x"), ("state", "XX"), ("sort", "title"),
    ("min_price_cents", -1), ("title", "a b c d e f g h i")])
def test_a_query_that_is_refused(rpc, field, value):
    error = refused(lambda: rpc.list(**{field: value}), Code.INVALID_ARGUMENT)
    assert set(violations(error)) == {field}


def test_a_token_that_was_altered(rpc):
    for _ in range(2):
        rpc.create(example(city="Alterada"))
    token = rpc.list(city="Alterada", page_size=1).next_page_token
    assert rpc.list(city="Alterada", page_size=1, page_token=token).listings
    altered = [token[:n] + ("B" if one == "A" else "A") + token[n + 1:]
               for n, one in enumerate(token)]
    for one in (*altered, token[:-1], token + "A", token * 1000, "é"):
        error = refused(lambda: rpc.list(city="Alterada", page_size=1, page_token=one),
                        Code.INVALID_ARGUMENT)
        assert set(violations(error)) == {"page_token"}


def test_a_token_of_another_query(rpc):
    rpc.create(example(city="Tokenópolis"))
    rpc.create(example(city="Tokenópolis"))
    token = rpc.list(city="Tokenópolis", page_size=1).next_page_token
    error = refused(lambda: rpc.list(city="Campinas", page_size=1, page_token=token),
                    Code.INVALID_ARGUMENT)
    assert set(violations(error)) == {"page_token"}
