"""Encrypted chunks on the stream's pages: shut until a key is there and switched on, and noted when opened."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runs import keys
from runs.models import Decryption
from runs.payloads import run_key
from tests.factories import CLOSE_MARKER, devalue, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
DEPLOYMENT_KEY = bytes([9]) * 32
RUN_ID = "wrun_01M80487WGNRVXFR19ENRYRFEX"
NAME = "strm_01M80487WGNRVXFR19ENRYRFEX_user"
PAGE = f"/w/app/streams/{NAME}/"


def encrypted_frame(value):
    nonce = os.urandom(12)
    key = run_key(DEPLOYMENT_KEY, "prj_x", RUN_ID)
    body = b"encr" + nonce + AESGCM(key).encrypt(nonce, devalue(value), None)
    return len(body).to_bytes(4, "big") + body


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


@pytest.fixture
def run(db):
    run = make_run(make_world("app"), RUN_ID)
    chunks = [encrypted_frame({"type": "text-delta", "delta": word}) for word in ("sesame", "<b>opens</b>")]
    make_chunks(make_stream(run.world, NAME, run), [*chunks, {"plain": 1}, CLOSE_MARKER])
    return run


def switch_on(run, deployment_key=DEPLOYMENT_KEY):
    keys.keep_key(run.world, deployment_key, "prj_x")
    keys.switch(run.world, is_on=True)


def noted():
    return [(row.run_id, row.what) for row in Decryption.objects.order_by("id")]


def test_rows_show_what_the_key_opens(client, run):
    switch_on(run)
    html = client.get(PAGE).content.decode()
    assert "sesame" in html
    assert "&lt;b&gt;opens&lt;/b&gt;" in html
    assert ">encrypted<" not in html
    assert noted() == [(RUN_ID, f"chunks 1–4 of {NAME}")]


def test_rows_stay_shut_until_it_is_switched_on(client, run):
    keys.keep_key(run.world, DEPLOYMENT_KEY, "prj_x")
    html = client.get(PAGE).content.decode()
    assert "sesame" not in html
    assert html.count(">encrypted<") == 2
    assert "live rows stay encrypted" in html
    assert noted() == []


def test_a_wrong_key_says_so_in_the_row(client, run):
    switch_on(run, bytes(32))
    html = client.get(PAGE).content.decode()
    assert "does not open with this key" in html
    assert noted() == []


def test_a_stream_without_encryption_is_not_noted(client, run):
    switch_on(run)
    plain = make_stream(run.world, "strm_plain", run)
    make_chunks(plain, [{"plain": 1}])
    client.get("/w/app/streams/strm_plain/")
    assert noted() == []


def test_a_stream_without_a_known_run_stays_shut(client, run):
    switch_on(run)
    make_chunks(make_stream(run.world, "strm_orphan"), [encrypted_frame("sesame")])
    html = client.get("/w/app/streams/strm_orphan/").content.decode()
    assert ">encrypted<" in html
    assert noted() == []


CHUNK = f"{PAGE}chunks/1/"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({}, {}),
        ({}, {"HX-Request": "true"}),
        ({"value": "0"}, {"HX-Request": "true"}),
        ({"value": "0", "as": "json"}, {}),
        ({"value": "0", "node": "2"}, {"HX-Request": "true"}),
    ],
)
def test_a_chunk_opens_and_is_noted_only_with_the_key(client, run, query, headers):
    assert "sesame" not in client.get(CHUNK, query, headers=headers).content.decode()
    assert noted() == []
    switch_on(run)
    assert "sesame" in client.get(CHUNK, query, headers=headers).content.decode()
    assert noted() == [(RUN_ID, f"chunk 1 of {NAME}")]


@pytest.mark.parametrize("path", [f"{CHUNK}raw", f"{PAGE}chunks/3/", f"{PAGE}chunks/4/"])
def test_what_is_not_opened_is_not_noted(client, run, path):
    switch_on(run)
    assert b"sesame" not in client.get(path).content
    assert noted() == []
