"""The intake: each answer of docs/probe.md, who may send, and what no batch may do."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from django.db import OperationalError, transaction
from django.test import Client

from dashboard.api import _limits, _store, probe
from dashboard.api._batch import MAX_BYTES
from dashboard.worlds.known import MAX_PROBE_WORLDS, ensure_probe_world
from runs import tokens
from runs.models import InboxItem, ProbeToken, World
from tests.factories import START_NS, make_world

pytestmark = pytest.mark.django_db
URL = "/api/v1/probe"
REMOTE = {"REMOTE_ADDR": "192.0.2.7"}


def batch(**fields):
    whole = {
        "v": 1,
        "process": "01M803XX9EKPGB0DR66MWJRZ8Z",
        "number": 1,
        "sent": 1795300592001.25,
        "records": [],
    }
    return whole | fields


def post(client, body=None, *, token="", content_type="application/json", **extra):
    if token:
        extra["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    raw = body if isinstance(body, bytes | str) else json.dumps(batch() if body is None else body)
    return client.post(URL, raw, content_type=content_type, **extra)


@pytest.fixture(autouse=True)
def untouched():
    _limits.forget_all()


@pytest.fixture
def world():
    return make_world("shop")


@pytest.fixture
def token(world):
    return tokens.create(world, "laptop")[1]


def test_a_batch_is_stored_as_it_came_and_answered_with_both_times(client, world):
    raw = json.dumps(batch(number=12, records=[{"type": "write"}, {"type": "?"}])).encode()
    answer = post(client, raw)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["world"]) == (2, "shop")
    assert told["received"] <= told["answered"]
    item = InboxItem.objects.get()
    assert (item.world, item.process, item.number) == (world, "01M803XX9EKPGB0DR66MWJRZ8Z", 12)
    assert bytes(item.body) == raw
    assert item.applied_ns is None
    assert item.received_ns / 1e6 == pytest.approx(told["received"], abs=0.01)


def test_a_batch_that_is_sent_again_is_taken_once(client, world):
    assert post(client, batch(app={"pid": 1})).status_code == 202
    assert post(client, batch(app={"pid": 2})).status_code == 202
    assert json.loads(bytes(InboxItem.objects.get().body))["app"] == {"pid": 1}


def test_the_same_number_of_another_process_or_world_is_another_batch(client, world):
    post(client)
    post(client, batch(process="other"))
    post(client, batch(world="elsewhere"))
    assert InboxItem.objects.count() == 3


def test_a_worker_is_asked_for_after_the_batch_is_stored(
    client, world, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []
    task = SimpleNamespace(delay=lambda world_id: asked.append((world_id, InboxItem.objects.count())))
    monkeypatch.setattr("dashboard.celery.apply_inbox", task, raising=False)
    with django_capture_on_commit_callbacks(execute=True):
        assert post(client).status_code == 202
        assert asked == []
    assert asked == [(world.pk, 1)]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_nothing_but_time(client, world, monkeypatch):
    def away(world_id):
        raise ConnectionError("no broker")

    monkeypatch.setattr("dashboard.celery.apply_inbox", SimpleNamespace(delay=away), raising=False)
    assert post(client).status_code == 202
    assert InboxItem.objects.count() == 1


def test_a_database_that_is_away_is_said_so(client, world, monkeypatch):
    def away(*_):
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(probe, "store", away)
    answer = post(client)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
    assert "error" in answer.json()


@pytest.mark.parametrize("method", ["get", "put", "delete", "options"])
def test_it_takes_only_post(client, world, method):
    answer = getattr(client, method)(URL)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
def test_it_takes_only_json(client, world, content_type):
    assert post(client, json.dumps(batch()), content_type=content_type).status_code == 415
    assert not InboxItem.objects.exists()


def test_it_takes_json_that_names_its_encoding_but_nothing_compressed(client, world):
    assert post(client, content_type="application/json; charset=utf-8").status_code == 202
    assert post(client, HTTP_CONTENT_ENCODING="gzip").status_code == 415


def test_a_batch_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(client, world):
    whole = json.dumps(batch()).encode()
    assert post(client, whole + b" " * (MAX_BYTES - len(whole))).status_code == 202
    assert post(client, whole + b" " * (MAX_BYTES - len(whole) + 1)).status_code == 413


def test_a_wrong_length_does_not_let_more_in(rf, world):
    request = rf.post(URL, b" " * (MAX_BYTES + 1), content_type="application/json")
    request.META["CONTENT_LENGTH"] = ""
    assert probe.probe(request).status_code == 413


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b" ", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON in UTF-8"),
        (json.dumps(batch()).encode("utf-16"), "not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "a JSON object"),
        (b"null", "a JSON object"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (json.dumps(batch(sent=float("nan"))), "NaN"),
        (json.dumps(batch(records=[float("inf")])), "Infinity"),
        (json.dumps(batch()).replace("1795300592001.25", "1e999"), "sent"),
        (json.dumps(batch()).replace("1795300592001.25", "9" * 1000), "sent"),
        (json.dumps(batch()).replace("1795300592001.25", "9" * 100_000), "not JSON"),
        (batch(v=2), "v must be 1"),
        (batch(v=True), "v must be 1"),
        (batch(v="1"), "v must be 1"),
        ({}, "v must be 1"),
        (batch(process=""), "process"),
        (batch(process="a b"), "process"),
        (batch(process="a\n"), "process"),
        (batch(process="é"), "process"),
        (batch(process="x" * 101), "process"),
        (batch(process=None), "process"),
        (batch(number=0), "number"),
        (batch(number=1.5), "number"),
        (batch(number=True), "number"),
        (batch(number=2**63), "number"),
        (batch(number="1"), "number"),
        (batch(sent=None), "sent"),
        (batch(sent=True), "sent"),
        (batch(records=None), "records"),
        (batch(records={}), "records"),
        (batch(records=[{}] * 2001), "records has 2,001"),
        (batch(world=7), "world"),
    ],
)
def test_what_is_no_batch_is_refused_with_a_sentence(client, world, body, said):
    answer = post(client, body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert len(answer.json()["error"]) < 400
    assert not InboxItem.objects.exists()


def test_a_full_batch_with_odd_records_is_taken_whole(client, world):
    """A record that cannot be read must not cost the rest."""
    odd = [None, 7, "text", [], {"type": []}, {"\u0000": "\ud800"}] + [{}] * 1994
    answer = post(client, batch(records=odd, unknown={"x": 1}, app="?", clock=[], number=2**63 - 1, v=1.0))
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2000


def test_without_a_token_the_served_world_is_meant(client, world, settings):
    served = make_world("served")
    settings.SERVED_WORLD = served.pk
    assert post(client).json()["world"] == "served"
    settings.SERVED_WORLD = None
    answer = post(client)
    assert answer.status_code == 400
    assert "TAILRACE_WORLD_NAME" in answer.json()["error"]
    served.delete()
    assert post(client).json()["world"] == "shop", "it is the only one"


def test_without_any_world_one_has_to_be_named(client):
    assert post(client).status_code == 400
    assert post(client, batch(world="mine")).status_code == 202


def test_a_known_world_is_found_by_slug_or_name(client, world):
    make_world("shop-2", name="My shop")
    assert post(client, batch(world="shop-2")).json()["world"] == "shop-2"
    assert post(client, batch(world=" My shop ")).json()["world"] == "shop-2"
    assert World.objects.count() == 2


def test_a_name_that_is_not_known_becomes_a_world_of_kind_probe(client, world):
    assert post(client, batch(world="Ünit Tests")).json()["world"] == "unit-tests"
    assert post(client, batch(world="Ünit Tests", number=2)).json()["world"] == "unit-tests"
    made = World.objects.get(slug="unit-tests")
    assert (made.kind, made.location, made.name) == ("probe", "Ünit Tests", "Ünit Tests")
    assert made.inbox.count() == 2


@pytest.mark.parametrize("name", ["\u0000", "\ud800", "<b>" * 300, "../../x", "a\nb", "界"])
def test_any_name_makes_a_world_with_a_usable_slug(client, world, name):
    answer = post(client, batch(world=name))
    assert answer.status_code == 202
    assert client.get(f"/w/{answer.json()['world']}/runs/").status_code == 200
    assert post(client, batch(world=name, number=2)).json()["world"] == answer.json()["world"]


def test_names_do_not_make_worlds_without_end(client, world):
    for at in range(MAX_PROBE_WORLDS):
        ensure_probe_world(f"w{at}")
    answer = post(client, batch(world="one more"))
    assert answer.status_code == 400
    assert "100 worlds" in answer.json()["error"]
    assert post(client, batch(world="w99")).status_code == 202


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_token(client, world, address):
    assert post(client, REMOTE_ADDR=address).status_code == 202


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "::ffff:192.0.2.7", "fe80::1", "0.0.0.0", "::", "", "localhost"]
)
def test_every_other_address_does(client, world, address):
    assert post(client, REMOTE_ADDR=address).status_code == 401
    assert not InboxItem.objects.exists()


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"])
def test_what_a_header_says_of_the_address_helps_nobody(client, world, header):
    assert post(client, **REMOTE, **{header: "127.0.0.1"}).status_code == 401
    assert post(client, **{header: "127.0.0.1"}).status_code == 401, "it came through a proxy"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "https://testserver", ""]
)
def test_no_web_page_can_report(client, world, origin):
    assert post(client, HTTP_ORIGIN=origin).status_code == 403
    assert not InboxItem.objects.exists()


def test_a_page_of_this_dashboard_could(client, world):
    assert post(client, HTTP_ORIGIN="http://testserver").status_code == 202


def test_no_cookie_and_no_csrf_token_is_needed(world):
    assert post(Client(enforce_csrf_checks=True)).status_code == 202


def test_where_people_sign_in_a_token_is_needed_on_loopback_too(client, world, token, settings, admin_user):
    settings.SIGN_IN = True
    assert post(client).status_code == 401
    client.force_login(admin_user)
    assert post(client).status_code == 401, "a signed-in browser has no right here"
    assert post(client, token=token).status_code == 202


def test_only_the_intake_itself_is_open_where_people_sign_in(client, settings):
    settings.SIGN_IN = True
    for path in ("/api/v1/probe/", "/api/v1/probes", "/api/v1/probe/../../w/x/runs/"):
        assert client.get(path).json() == {"error": "sign in first"}


def test_a_token_writes_to_its_world_from_anywhere(client, world, token):
    make_world("other")
    assert post(client, token=token, **REMOTE).json()["world"] == "shop"
    assert post(client, batch(world="shop", number=2), token=token).json()["world"] == "shop"
    assert ProbeToken.objects.get().last_used_ns is not None


def test_a_token_is_for_no_other_world(client, world, token):
    make_world("other")
    for name in ("other", "made-up"):
        assert post(client, batch(world=name), token=token).status_code == 403
    assert not World.objects.filter(slug="made-up").exists()


def test_nothing_is_added_to_a_bundle_of_evidence(client, world):
    make_world("evidence", kind="bundle")
    answer = post(client, batch(world="evidence"))
    assert answer.status_code == 403 and "bundle" in answer.json()["error"]
    assert not InboxItem.objects.exists()


def test_a_revoked_token_is_refused(client, world, token):
    tokens.revoke(ProbeToken.objects.get().pk)
    assert post(client, token=token).status_code == 403
    assert not InboxItem.objects.exists()


@pytest.mark.parametrize(
    "header", ["Bearer trp_guess", "Bearer ", "Bearer", "", "Basic dTpw", "Bearer \udcff"]
)
def test_an_unknown_token_is_refused_on_loopback_too(client, world, header):
    answer = post(client, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_refused_sender_has_its_body_not_read(client, world, monkeypatch):
    monkeypatch.setattr(probe, "read_batch", lambda request: pytest.fail("it was read"))
    assert post(client, **REMOTE).status_code == 401


def test_too_many_requests_are_sent_away_for_a_while(client, world, token, settings):
    settings.INTAKE_REQUESTS = 0.5
    assert post(client).status_code == 202
    answer = post(client, batch(number=2))
    assert answer.status_code == 429
    assert answer["Retry-After"] == "2"
    assert post(client, batch(number=2), token=token).status_code == 202, "another sender"


def test_too_many_records_are_sent_away_for_a_while(client, world, settings):
    settings.INTAKE_RECORDS = 10
    assert post(client, batch(records=[{}] * 2000)).status_code == 202, "the fullest batch fits once"
    answer = post(client, batch(number=2, records=[{}] * 50))
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 5
    assert post(client, batch(number=3)).status_code == 202, "a sign of life has no record"


def test_a_bucket_fills_again(monkeypatch):
    now = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(_limits, "time", now)
    bucket = _limits.Bucket(rate=10, burst=20)
    assert bucket.take(20) == 0
    assert bucket.take(5) == pytest.approx(0.5)
    now.monotonic = lambda: 0.5
    assert bucket.take(5) == 0
    now.monotonic = lambda: 1000.0
    assert bucket.take(21) > 0, "it holds no more than its burst"


def test_a_world_whose_inbox_is_full_takes_no_more_until_it_is_applied(client, world, settings, monkeypatch):
    settings.INTAKE_WAITING_MB = 1
    monkeypatch.setattr(_limits, "BACKLOG_EVERY", -1)
    body = json.dumps(batch()).encode()
    assert post(client, body + b" " * 1_100_000).status_code == 202
    answer = post(client, batch(number=2))
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    assert post(client, batch(world="other")).status_code == 202, "only that world"
    InboxItem.objects.update(applied_ns=START_NS)
    assert post(client, batch(number=2, world="shop")).status_code == 202


def test_what_was_stored_counts_before_the_database_is_asked_again(client, world, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_WAITING", 2)
    answers = [post(client, batch(number=at)).status_code for at in (1, 2, 3)]
    assert answers == [202, 202, 429]


def test_a_failed_store_leaves_nothing_behind(client, world, token, monkeypatch):
    def fail(_):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(_store.tokens, "note_use", fail)
    with transaction.atomic():
        assert post(client, token=token).status_code == 503
    assert not InboxItem.objects.exists()
