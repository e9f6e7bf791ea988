"""Encrypted values on pages: shut until a key is there and switched on, and noted when a person opens one."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.contrib.auth.models import User

from runs import keys
from runs.models import Decryption
from runs.payloads import run_key
from tests.factories import devalue, make_event, make_hook, make_run, make_step, make_world

pytestmark = pytest.mark.django_db
DEPLOYMENT_KEY = bytes([9]) * 32
RUN_ID = "wrun_01M80487WGNRVXFR19ENRYRFEX"
RUN = f"/w/app/runs/{RUN_ID}/"
VALUE = f"{RUN}value/"


def encrypted(value):
    nonce = os.urandom(12)
    key = run_key(DEPLOYMENT_KEY, "prj_x", RUN_ID)
    return b"encr" + nonce + AESGCM(key).encrypt(nonce, devalue(value), None)


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


@pytest.fixture
def run(db):
    run = make_run(make_world("app"), RUN_ID, input=encrypted("sesame-in"), output=devalue("plain-out"))
    make_step(run, "step_1", input=encrypted("sesame-step"), output=encrypted({"deep": ["sesame-deep"]}))
    make_hook(run, hook_id="hook_1", metadata=encrypted("sesame-hook"))
    result = {"__type": "Uint8Array", "data": base64.b64encode(encrypted("sesame-event")).decode()}
    make_event(run, "step_completed", {"result": result, "stepName": "s"}, event_id="evnt_1")
    return run


def switch_on(run, deployment_key=DEPLOYMENT_KEY):
    keys.keep_key(run.world, deployment_key, "prj_x")
    keys.switch(run.world, is_on=True)


def noted():
    return [row.what for row in Decryption.objects.order_by("id")]


PLACES = [
    (RUN, {}, "sesame-in", ["run.input"]),
    (f"{RUN}steps/step_1/", {}, "sesame-deep", ["step:step_1.input", "step:step_1.output"]),
    (VALUE, {"of": "run.input"}, "sesame-in", ["run.input"]),
    (VALUE, {"of": "run.input", "as": "json"}, "sesame-in", ["run.input"]),
    (VALUE, {"of": "step:step_1.output", "node": "1"}, "sesame-deep", ["step:step_1.output"]),
    (VALUE, {"of": "hook:hook_1.metadata"}, "sesame-hook", ["hook:hook_1.metadata"]),
    (VALUE, {"of": "event:evnt_1"}, "sesame-event", ["event:evnt_1"]),
    (VALUE, {"of": "event:evnt_1", "as": "json"}, "sesame-event", ["event:evnt_1"]),
    (VALUE, {"of": "event:evnt_1.result"}, "sesame-event", ["event:evnt_1.result"]),
]


@pytest.mark.parametrize(("path", "query", "inside", "rows"), PLACES)
def test_a_value_opens_and_is_noted(client, run, path, query, inside, rows):
    switch_on(run)
    assert inside in client.get(path, query).content.decode()
    assert noted() == rows


@pytest.mark.parametrize(("path", "query", "inside", "rows"), PLACES)
def test_a_value_stays_shut_until_it_is_switched_on(client, run, path, query, inside, rows):
    keys.keep_key(run.world, DEPLOYMENT_KEY, "prj_x")
    page = client.get(path, query)
    assert page.status_code == 200
    assert "sesame" not in page.content.decode()
    assert noted() == []


def test_without_a_key_it_shows_what_is_known(client, run):
    html = client.get(VALUE, {"of": "run.input"}).content.decode()
    assert "encr" in html
    assert f"{len(devalue('sesame-in'))}" in html


@pytest.mark.parametrize(("path", "query", "inside", "rows"), PLACES)
def test_a_wrong_key_opens_nothing(client, run, path, query, inside, rows):
    switch_on(run, bytes(32))
    assert "sesame" not in client.get(path, query).content.decode()
    assert noted() == []


def test_a_wrong_key_says_so(client, run):
    switch_on(run, bytes(32))
    assert "does not open with this key" in client.get(VALUE, {"of": "run.input"}).content.decode()


@pytest.mark.parametrize("query", [{"as": "hex"}, {"raw": "1"}])
def test_bytes_are_shown_as_they_are_stored(client, run, query):
    switch_on(run)
    assert b"sesame" not in client.get(VALUE, {"of": "run.input"} | query).content
    assert noted() == []


def test_lists_stay_encrypted(client, run):
    switch_on(run)
    html = client.get(RUN).content.decode()
    assert "sesame-event" not in html
    assert "sesame-hook" not in html


def test_it_notes_who_opened_it(client, run, settings):
    settings.SIGN_IN = True
    switch_on(run)
    client.force_login(User.objects.create_superuser("owner"))
    client.get(VALUE, {"of": "run.input"}, REMOTE_ADDR="10.0.0.7")
    row = Decryption.objects.get()
    assert (row.who, row.address, row.run_id) == ("owner", "10.0.0.7", RUN_ID)
    html = client.get("/w/app/decryptions/").content.decode()
    assert "run.input" in html
    assert "10.0.0.7" in html


def test_no_page_shows_a_key(client, run):
    switch_on(run)
    key = run_key(DEPLOYMENT_KEY, "prj_x", RUN_ID)
    for path, query, _, _ in PLACES:
        html = client.get(path, query).content.decode()
        for secret in (key, DEPLOYMENT_KEY):
            assert secret.hex() not in html
            assert base64.b64encode(secret).decode() not in html
