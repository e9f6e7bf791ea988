"""What messages say, and what they keep to themselves."""

from __future__ import annotations

import json

import pytest

from dashboard.alerts import mute_link
from dashboard.anomalies.documentation import documentation_of
from dashboard.anomalies.models import Anomaly
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_chunks, make_run, make_world

pytestmark = pytest.mark.django_db
EVIDENCE = {
    "violations": {"delta-before-start": 2},
    "quotes": ["s3cret words"],
    "ai_sdk_majors_that_throw": [5],
}


@pytest.fixture
def channel(clock, counting, settings):
    forget_first_rules()
    settings.BASE_URL = "https://tailrace.example/"
    return make_channel()


@pytest.fixture
def stream(channel):
    made = make_stream_of(make_run(make_world("app"), deployment="dpl_1"))
    make_chunks(made, [{"type": "text-delta", "delta": "s3cret words"}])
    return made


def told(stream, counting, **values):
    values = {"kind": "protocol_violation", "evidence": EVIDENCE} | values
    find(stream, **values)
    run()
    return counting.sent[-1]


def test_it_says_what_where_how_sure_since_when_and_the_way_out(channel, counting, stream):
    make_rule(channel)
    message = told(stream, counting, certainty="suspected", missing=["the writer's order"], step_name="emit")
    facts, anomaly = dict(message.facts), Anomaly.objects.get()
    assert message.title == "Protocol violation in chatTurn" and message.severity == "error"
    assert message.lines[:2] == ("Something is wrong.", "Seen for the first time.")
    assert facts["World"] == "app" and facts["Workflow"].endswith("//chatTurn") and facts["Step"] == "emit"
    assert facts["Run"] == stream.run.run_id and facts["Stream"] == stream.name
    assert facts["How sure"] == "suspected (to be surer: the writer's order)"
    assert facts["Since"].endswith(" UTC") and facts["Count"] == "1"
    assert (facts["Violations"], facts["Ai sdk majors that throw"]) == ("delta-before-start: 2", "5")
    assert message.fix == documentation_of("protocol_violation").fix
    assert message.url == f"https://tailrace.example/anomalies/{anomaly.pk}/"
    assert message.data["anomaly"]["fingerprint"] == anomaly.fingerprint


def test_payload_content_is_only_there_if_the_rule_says_so(channel, counting, stream):
    rule = make_rule(channel, triggers=["every"])
    message = told(stream, counting, chunks=[{"chunk_id": "x", "arrival": 1, "position": 0}])
    assert "s3cret" not in json.dumps(message.as_json())
    rule.with_payload = True
    rule.save()
    other = make_stream_of(stream.run)
    make_chunks(other, [{"type": "text-delta", "delta": "s3cret words"}])
    message = told(other, counting, chunks=[{"chunk_id": "x", "arrival": 1, "position": 0}])
    assert 'delta: "s3cret words"' in dict(message.facts)["Chunk 1"]


def test_there_is_no_link_where_nobody_knows_the_address(channel, counting, stream, settings):
    settings.BASE_URL = ""
    make_rule(channel)
    message = told(stream, counting)
    assert message.url == "" and "Mute it" not in message.text()


def test_untrusted_text_is_made_visible(channel, counting, stream):
    make_rule(channel)
    message = told(stream, counting, message="line\nbreak \u202e", evidence={"violations": "a\rb"})
    assert message.lines[0] == "line⏎break ⟨202E⟩"
    assert dict(message.facts)["Violations"] == "a␍b"


def test_the_link_in_it_is_for_its_anomaly(channel, counting, stream):
    make_rule(channel)
    message = told(stream, counting)
    link = str(message.data["mute_url"])
    token = link.removeprefix("https://tailrace.example/alerts/mute/").removesuffix("/")
    assert f"Mute it: {link}" in message.lines
    assert mute_link.anomaly_of(token) == Anomaly.objects.get().pk


def test_a_link_that_was_changed_or_is_old_mutes_nothing(monkeypatch):
    token = mute_link.token_of(7)
    assert mute_link.anomaly_of(token) == 7
    for wrong in (token[:-2], "x" + token, "", "a:b:c"):
        with pytest.raises(mute_link.MuteLinkError, match="not one that Tailrace has made"):
            mute_link.anomaly_of(wrong)
    monkeypatch.setattr(mute_link, "VALID_S", -1)
    with pytest.raises(mute_link.MuteLinkError, match="older than a week"):
        mute_link.anomaly_of(token)
