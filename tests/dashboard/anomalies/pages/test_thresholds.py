"""The page of thresholds: what counts and why, forms that change it, what a change would do, who changed what."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User

from dashboard.anomalies import detect
from dashboard.anomalies.models import WorldTime
from dashboard.anomalies.pages._action_form import LOCAL
from dashboard.anomalies.threshold_changes import set_threshold, store_learned
from dashboard.anomalies.threshold_medians import Learned, Lesson
from dashboard.anomalies.threshold_models import Reevaluation, ThresholdValue
from dashboard.anomalies.thresholds import ABOUT
from dashboard.lib.clock import NS_PER_S, now_ns
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.dashboard.anomalies.test_threshold_changes import quiet_run
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db
URL = "/w/app/thresholds/"


@pytest.fixture(autouse=True)
def _fresh():
    detect.forget()


@pytest.fixture
def world():
    world = make_world("app")
    make_run(world, workflow="workflow//./flows//slow")
    return world


def text_of(client, query: str = "", status: int = 200) -> str:
    answer = client.get(URL + query)
    assert answer.status_code == status
    return answer.content.decode()


def row_of(html: str, name: str) -> str:
    found = re.search(rf'<li class="threshold" id="{name}">.*?</li>', html, re.DOTALL)
    assert found, name
    return re.sub(r"\s+", " ", found[0])


def change(client, name: str, value: str, action: str = "set", workflow: str = ""):
    return client.post(URL, {"name": name, "value": value, "action": action, "workflow": workflow})


def test_it_shows_every_threshold_with_its_value_and_what_it_decides(client, world):
    html = text_of(client)
    for name, about in ABOUT.items():
        row = row_of(html, name)
        assert about.words(about.default) in row and about.kinds[0] in row and "default" in row


def test_it_says_where_a_value_comes_from(client, world):
    store_learned(world.pk, "slow", Learned({"step_s": Lesson(2400, 600)}, 214), 1)
    set_threshold(world, "", "idle_s", 7200, "ada <b>")
    set_threshold(world, "slow", "retries", 4, "ben")
    html = text_of(client, "?workflow=slow")
    assert "learned from 214 finished runs" in row_of(html, "step_s") and "40 min" in row_of(html, "step_s")
    assert "4 times the median 10 min" in row_of(html, "step_s")
    assert "set for all workflows by ada &lt;b&gt; on" in row_of(html, "idle_s")
    assert "set by ben on" in row_of(html, "retries") and "Reset" in row_of(html, "retries")
    assert "Reset" not in row_of(html, "idle_s"), "that is set elsewhere"
    assert "15 min" in row_of(text_of(client), "step_s"), "for all workflows nothing is learned"


def test_a_value_is_set_and_reset(client, world):
    answer = change(client, "idle_s", "2 h", workflow="slow")
    assert answer.status_code == 302 and answer["Location"] == f"{URL}?workflow=slow&done=idle_s#idle_s"
    row = ThresholdValue.objects.get()
    assert (row.workflow, row.name, row.value, row.who) == ("slow", "idle_s", 7200, LOCAL)
    assert Reevaluation.objects.get().workflow == "slow"
    html = text_of(client, "?workflow=slow&done=idle_s")
    assert "was changed" in html and 'value="2 h"' in row_of(html, "idle_s")
    assert "back to 10 min" in row_of(html, "idle_s")
    change(client, "idle_s", "", "reset", "slow")
    assert not ThresholdValue.objects.exists()


@pytest.mark.parametrize(
    ("value", "says"), [("soon", "not a time"), ("1", "from 10 s to 30 days"), ("", "not a time")]
)
def test_what_cannot_be_is_said_at_its_field_and_changes_nothing(client, world, value, says):
    answer = change(client, "idle_s", value)
    row = row_of(answer.content.decode(), "idle_s")
    assert answer.status_code == 422 and says in row
    assert 'aria-invalid="true" aria-describedby="error-idle_s"' in row and f'value="{value}"' in row
    assert answer.content.decode().count("aria-invalid") == 1 and not ThresholdValue.objects.exists()


@pytest.mark.parametrize("form", [{"name": "absent", "action": "set"}, {"name": "idle_s", "action": "drop"}])
def test_a_form_that_names_nothing_is_refused(client, world, form):
    assert client.post(URL, form).status_code == 400


def test_untrusted_names_of_workflows_are_text(client, world):
    make_run(world, workflow="<script>alert(1)</script>")
    html = text_of(client, "?workflow=%3Cscript%3Ealert(1)%3C/script%3E&kind=%3Cb%3E")
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert change(client, "idle_s", "60", workflow="a\x00b").status_code == 302
    assert "a␀b" in text_of(client)


def test_a_kind_shows_only_what_decides_it(client, world):
    html = text_of(client, "?kind=run_stuck&workflow=slow")
    assert set(re.findall(r'class="threshold" id="(\w+)"', html)) == {
        "pending_s",
        "idle_s",
        "step_s",
        "slack_s",
    }
    assert len(re.findall('class="threshold"', text_of(client, "?kind=absent"))) == len(ABOUT)


def test_the_history_names_who_and_the_values(client, world):
    assert "Nothing was changed or learned yet." in text_of(client)
    change(client, "idle_s", "2 h")
    change(client, "idle_s", "3 h")
    history = text_of(client).partition('id="history"')[2]
    assert "2 h</td>" in history and "3 h</td>" in history and LOCAL in history and "all workflows" in history


def test_the_preview_says_what_a_value_would_do(client, world):
    quiet_run(world, 3600)
    WorldTime.objects.create(world=world, newest_ns=now_ns() - NS_PER_S, observed_ns=now_ns())
    html = client.get(f"{URL}preview/?name=idle_s&workflow=slow&value=2+h").content.decode()
    assert "2 h would concern 1 run;" in html and "<b>1 → 0</b>" in html
    html = client.get(f"{URL}preview/?name=idle_s&workflow=slow&value=20+min").content.decode()
    assert "stays at 1" in html


def test_the_preview_of_nothing_is_empty_and_of_nonsense_says_so(client, world):
    for query in ("?name=idle_s&value=", "?value=5", ""):
        assert client.get(f"{URL}preview/{query}").content.strip() == b"", query
    assert b"not a time" in client.get(f"{URL}preview/?name=idle_s&value=soon").content
    assert client.get(f"{URL}preview/?name=absent&value=1").status_code == 404


def test_only_the_owner_may_see_and_change_them_where_people_sign_in(client, world, settings):
    settings.SIGN_IN = True
    client.force_login(User.objects.create_user("guest"))
    assert client.get(URL).status_code == 403 and change(client, "idle_s", "60").status_code == 403
    assert client.get(f"{URL}preview/?name=idle_s&value=60").status_code == 403
    client.force_login(User.objects.create_user("ada", is_superuser=True))
    assert change(client, "idle_s", "60").status_code == 302
    assert ThresholdValue.objects.get().who == "ada"


def test_an_anomaly_leads_to_the_thresholds_that_decide_it(client, world):
    stream = make_stream_of(make_run(world, workflow="a/b c"))
    html = client.get(f"/anomalies/{find(stream, kind='stream_silent').anomaly_id}/").content.decode()
    assert f'href="{URL}?workflow=a%2Fb+c&amp;kind=stream_silent"' in html
    html = client.get(f"/anomalies/{find(stream, kind='write_after_close').anomaly_id}/").content.decode()
    assert URL not in html


def test_a_world_that_is_not_there_is_not_found(client):
    assert client.get("/w/absent/thresholds/").status_code == 404
