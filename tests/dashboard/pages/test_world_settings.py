"""The settings of a world and its audit log: what is shown, who may change it, and that no key comes back."""

from __future__ import annotations

import base64
import hashlib
import logging

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runs.models import Decryption, WorldKey
from tests.factories import MS, START_NS, make_world

pytestmark = pytest.mark.django_db
KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()
PAGE = "/w/app/settings/"
LOG = "/w/app/decryptions/"


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


@pytest.fixture
def world():
    return make_world("app", location="/srv/<app>", generation=41, read_ns=START_NS)


def keep(client, **fields):
    given = {"action": "keep", "project_id": "prj_1", "deployment_key": KEY_TEXT}
    return client.post(PAGE, given | fields, follow=True)


def test_it_shows_where_the_world_is_and_how_far_it_was_read(client, world):
    html = client.get(PAGE).content.decode()
    assert "/srv/&lt;app&gt;" in html
    assert "batch 41" in html
    assert "22:26:40" in html


def test_every_page_of_a_world_leads_to_its_settings(client, world):
    assert f'href="{PAGE}"' in client.get("/w/app/runs/").content.decode()


def test_it_stores_a_key_sealed_and_shows_its_fingerprint_only(client, world):
    html = keep(client).content.decode()
    kept = WorldKey.objects.get(world=world)
    assert KEY not in bytes(kept.sealed)
    assert not kept.is_on
    assert hashlib.sha256(KEY).hexdigest()[:8] in html
    assert "prj_1" in html


def test_a_key_never_comes_back(client, world, caplog):
    caplog.set_level(logging.DEBUG)
    pages = [keep(client), keep(client, project_id="no good"), client.get(PAGE), client.get(LOG)]
    written = "".join(page.content.decode() for page in pages) + caplog.text
    assert KEY_TEXT not in written
    assert KEY.hex() not in written


def test_it_is_switched_on_and_off_and_forgotten(client, world):
    keep(client)
    assert "On:</span>" in client.post(PAGE, {"action": "on"}, follow=True).content.decode()
    assert "Off:</span>" in client.post(PAGE, {"action": "off"}, follow=True).content.decode()
    client.post(PAGE, {"action": "remove"})
    assert not WorldKey.objects.exists()


def test_a_replaced_key_stays_switched_on(client, world):
    keep(client)
    client.post(PAGE, {"action": "on"})
    keep(client, deployment_key=base64.b64encode(bytes(32)).decode())
    kept = WorldKey.objects.get(world=world)
    assert kept.is_on
    assert kept.fingerprint == hashlib.sha256(bytes(32)).hexdigest()[:8]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"deployment_key": "not base64!"}, "This is not base64."),
        ({"deployment_key": "ünïcode"}, "This is not base64."),
        ({"deployment_key": base64.b64encode(bytes(31)).decode()}, "These are 31 bytes"),
        ({"deployment_key": "A" * 201}, "at most 200 characters"),
        ({"deployment_key": "\x00" * 44}, "Null characters are not allowed"),
        ({"deployment_key": ""}, "This field is required."),
        ({"project_id": "a|b"}, "A project id is letters"),
        ({"project_id": "prj_1\n"}, ""),
        ({"project_id": "<script>alert(1)</script>"}, "A project id is letters"),
    ],
)
def test_bad_input_is_refused_with_a_reason(client, world, fields, said):
    response = keep(client, **fields)
    assert said in response.content.decode()
    assert "<script>alert" not in response.content.decode()
    assert WorldKey.objects.exists() == (not said)


def test_an_unknown_action_is_refused(client, world):
    assert client.post(PAGE, {"action": "drop"}).status_code == 400
    assert client.post(PAGE, {}).status_code == 400
    assert client.delete(PAGE).status_code == 405


def test_without_anything_to_seal_with_it_says_what_to_set(client, world, settings):
    settings.KEY_SECRET, settings.DATABASE_URL = "", "postgresql://elsewhere/tailrace"
    html = client.get(PAGE).content.decode()
    assert "set <code>TAILRACE_KEY_SECRET</code>" in html
    assert "<fieldset disabled" in html
    assert "Nothing was stored: TAILRACE_KEY_SECRET is not set." in keep(client).content.decode()
    assert not WorldKey.objects.exists()


def test_it_says_when_the_variable_was_changed(client, world, settings):
    keep(client)
    settings.KEY_SECRET = "another secret of the environment"
    assert "the key was sealed with another TAILRACE_KEY_SECRET" in client.get(PAGE).content.decode()


def test_it_takes_no_post_from_another_site(world):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PAGE, {"action": "on"}).status_code == 403
    assert not WorldKey.objects.exists()


@pytest.mark.parametrize("path", [PAGE, LOG])
def test_only_the_owner_may_look_where_people_sign_in(client, world, settings, path):
    settings.SIGN_IN = True
    assert client.get(path).status_code == 302
    client.force_login(User.objects.create_user("reader"))
    assert client.get(path).status_code == 403
    assert client.post(PAGE, {"action": "on"}).status_code == 403
    client.force_login(User.objects.create_superuser("owner"))
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/w/nope/settings/", "/w/nope/decryptions/"])
def test_an_unknown_world_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_the_log_is_paged_newest_first(client, world):
    other = make_world("shop")
    fields = {"run_id": "wrun_1", "who": "owner", "address": "10.0.0.7"}
    for at in range(60):
        Decryption.objects.create(world=world, what=f"value {at}.", at_ns=START_NS + at // 2 * MS, **fields)
    Decryption.objects.create(world=other, what="of another world", at_ns=START_NS, **fields)
    first = client.get(LOG)
    older = first.context["listed"].older
    second = client.get(LOG, {"older": str(older)})
    shown = [row.what for page in (first, second) for row in page.context["listed"].rows]
    assert shown == [f"value {at}." for at in reversed(range(60))]
    assert "10.0.0.7" in first.content.decode()
    assert 'href="/w/app/runs/wrun_1/"' in first.content.decode()


@pytest.mark.parametrize("older", ["x", "1", "9" * 40 + ".1", "-1.1", "%00"])
def test_the_log_stands_any_place_to_begin_at(client, world, older):
    assert client.get(LOG, {"older": older}).status_code == 200
