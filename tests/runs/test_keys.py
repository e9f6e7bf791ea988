"""Keys of encrypted values: where they come from, when they are given out, and what is written down."""

from __future__ import annotations

import base64
import logging

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from runs import keys
from runs.models import Decryption, WorldKey
from runs.payloads import RunKey, decode, run_key
from runs.worlds.base import World as Adapter
from runs.worlds.base import WorldError
from runs.worlds.local import LocalWorld
from tests.factories import make_run, make_world
from tests.runs.payloads.cases import KEY, case, devl
from tests.runs.payloads.test_crypto import sealed

pytestmark = pytest.mark.django_db

# Written by the SDK (5.0.0-beta.4) with the deployment key of 32 bytes of 9 in the project prj_x.
DEPLOYMENT_KEY = bytes([9]) * 32
RUN_ID = "wrun_01M80487WGNRVXFR19ENRYRFEX"
WRITTEN = base64.b64decode("ZW5jcnJjpicpk+svHpdAAsg+z8u2Y7Cy24q5PaH+kdM2aJdXVn30aUspJ1xOVS7EGxJYNUY=")


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


@pytest.fixture
def run(db):
    return make_run(make_world(), RUN_ID)


def request(address="127.0.0.1", user=None):
    made = RequestFactory().get("/", REMOTE_ADDR=address)
    made.user = user or AnonymousUser()
    return made


def switched_on(run, deployment_key=DEPLOYMENT_KEY):
    keys.keep_key(run.world, deployment_key, "prj_x")
    keys.switch(run.world, is_on=True)


def test_it_opens_what_the_sdk_wrote(run):
    switched_on(run)
    decoded = decode(WRITTEN, key=keys.key_for(run))
    assert (decoded.status, decoded.value, decoded.layers) == ("ok", {"secret": 42}, ("encr", "devl"))


def test_each_run_has_a_key_of_its_own(run):
    switched_on(run)
    other = make_run(run.world, "wrun_2")
    assert keys.key_for(other) == run_key(DEPLOYMENT_KEY, "prj_x", "wrun_2") != keys.key_for(run)


def test_nothing_is_given_out_before_it_is_switched_on(run):
    keys.keep_key(run.world, DEPLOYMENT_KEY, "prj_x")
    assert keys.key_for(run) is None
    switched_on(run)
    keys.switch(run.world, is_on=False)
    assert keys.key_for(run) is None


def test_a_key_is_of_one_world(run):
    switched_on(run)
    assert keys.key_for(make_run(make_world("shop"))) is None
    assert keys.key_for(None) is None


def test_a_key_does_not_open_in_the_row_of_another_world(run):
    switched_on(run)
    other = make_run(make_world("shop"))
    stolen = WorldKey.objects.get(world=run.world).sealed
    kept = WorldKey.objects.create(world=other.world, sealed=stolen, created_ns=1, is_on=True)
    assert keys.key_for(other) is None
    assert "belongs to something else" in keys.trouble_with(kept)


def test_a_changed_environment_gives_no_key_and_says_why(run, settings, caplog):
    switched_on(run)
    settings.KEY_SECRET = "another secret of the environment"
    assert keys.key_for(run) is None
    assert "the key was sealed with another TAILRACE_KEY_SECRET" in caplog.text
    settings.KEY_SECRET = ""
    assert "TAILRACE_KEY_SECRET, which is not set" in keys.trouble_with(keys.key_of_world(run.world))


def test_the_adapter_may_know_the_key(run, monkeypatch):
    monkeypatch.setattr(LocalWorld, "run_key", lambda self, run_id: run_id.encode()[:32])
    assert keys.has_own_keys(run.world)
    assert keys.key_for(run) is None
    keys.switch(run.world, is_on=True)
    assert keys.key_for(run) == RUN_ID.encode()[:32]


def test_an_adapter_that_fails_gives_no_key(run, monkeypatch):
    def fail(self: Adapter, run_id: str) -> bytes | None:
        raise WorldError("401 from the API")

    assert not keys.has_own_keys(run.world)
    keys.switch(run.world, is_on=True)
    assert keys.key_for(run) is None
    monkeypatch.setattr(LocalWorld, "run_key", fail)
    assert keys.key_for(run) is None


def test_no_log_line_holds_a_key(run, caplog):
    caplog.set_level(logging.DEBUG)
    switched_on(run)
    key = keys.key_for(run)
    for secret in (DEPLOYMENT_KEY, key):
        assert base64.b64encode(secret).decode() not in caplog.text
        assert secret.hex() not in caplog.text
    opener = keys.opener_for(request(), run)
    assert repr(bytes(key))[2:-1] not in f"{opener!r} {opener.key} {WorldKey.objects.get()!r}"


@pytest.mark.parametrize(
    "data",
    [
        case("5.0.0-beta.55/encp_sealed").data,
        case("5.0.0-beta.55/encp_comp").data,
        sealed(b"????"),
        sealed(b"devl["),
        sealed(sealed(b"", bytes(32))),
    ],
)
def test_whatever_was_opened_is_noted(run, data):
    with keys.Opener(request(), run, RunKey(KEY)).noting("run.input") as key:
        decode(data, key=key)
    assert [row.what for row in keys.decryptions(run.world_id).rows] == ["run.input"]


@pytest.mark.parametrize(
    "data", [devl("plain"), b"encr", sealed(devl(1), bytes(32)), b"", b"encp" + bytes(80)]
)
def test_what_was_not_opened_is_not_noted(run, data):
    with keys.Opener(request(), run, RunKey(KEY)).noting("run.input") as key:
        decode(data, key=key)
    with keys.Opener(request(), run, None).noting("run.output") as key:
        decode(sealed(devl(1)), key=key)
    assert not Decryption.objects.exists()


def test_one_value_is_noted_not_its_neighbours(run):
    opener = keys.Opener(request(), run, RunKey(KEY))
    for what, data in (("run.input", sealed(devl(1))), ("run.output", devl(1))):
        with opener.noting(what) as key:
            decode(data, key=key)
    assert [row.what for row in keys.decryptions(run.world_id).rows] == ["run.input"]


def test_a_decryption_is_written_down_once_a_minute_for_each_person_and_value(run, monkeypatch):
    now = [10**18]
    monkeypatch.setattr(keys, "now_ns", lambda: now[0])
    for what, address in [
        ("run.input", "::1"),
        ("run.input", "::1"),
        ("run.output", "::1"),
        ("run.input", ""),
    ]:
        keys.note_decryption(request(address), run, what)
    assert Decryption.objects.count() == 3
    now[0] += keys.SAME_VIEW_NS
    keys.note_decryption(request("::1"), run, "run.input")
    newest = keys.decryptions(run.world_id).rows[0]
    assert Decryption.objects.count() == 4
    assert (newest.what, newest.who, newest.address, newest.at_ns) == ("run.input", "local", "::1", now[0])
    assert (newest.world, newest.run_id) == (run.world, RUN_ID)


def test_the_signed_in_person_is_named(run, settings):
    settings.SIGN_IN = True
    keys.note_decryption(request(user=User(username="ann")), run, "run.input")
    keys.note_decryption(request(user=User(username="bob")), run, "run.input")
    assert [row.who for row in keys.decryptions(run.world_id).rows] == ["bob", "ann"]


def test_a_hostile_name_fits_the_log(run):
    keys.note_decryption(request("x" * 500), run, "chunk 1 of \x00\ud800" + "s" * 500)
    row = Decryption.objects.get()
    assert len(row.what) == 300
    assert "\x00" not in row.what
    assert len(row.address) == 100


def test_removing_the_key_keeps_the_log(run):
    switched_on(run)
    keys.note_decryption(request(), run, "run.input")
    keys.remove_key(run.world)
    assert keys.key_for(run) is None
    assert Decryption.objects.count() == 1
