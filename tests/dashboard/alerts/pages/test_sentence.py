from __future__ import annotations

import pytest

from dashboard.alerts.models import AlertChannel, AlertRule
from dashboard.alerts.pages._rule_form import form_of
from dashboard.alerts.pages._sentence import headline_of, sentences_of
from dashboard.alerts.pages._words import listed, span
from runs.models import World


def say(worlds=(), channels=("Ops",), **fields):
    rule = AlertRule(**({"name": "x", "triggers": ["first_time"]} | fields))
    return form_of(rule, [World(name=one) for one in worlds], [AlertChannel(name=one) for one in channels])


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (say(), "Any kind of anomaly, warning or worse, however sure: Ops is told the first time."),
        (
            say(kinds=["a", "b"], min_severity=3, min_certainty=2, triggers=["first_time", "regressed"]),
            "A finding of a or b, critical, proved: Ops is told the first time and when it comes back.",
        ),
        (
            say(min_severity=0, triggers=["more_than"], threshold=1200, period_s=5400, channels=("A", "B")),
            "Any kind of anomaly, however severe, however sure: A and B are told when it is seen more than 1,200 times"
            " within 90 minutes.",
        ),
        (
            say(worlds=("shop",), workflows=["chat*", "x"], deployments=["dpl_1"], triggers=["every"]),
            "Any kind of anomaly, warning or worse, however sure in workflows like chat* or x of shop, seen in"
            " deployments like dpl_1: Ops is told every time.",
        ),
        (
            say(triggers=["absent"], workflows=["nightly"], period_s=86_400, worlds=("shop",)),
            "No run of nightly has begun for 1 day in shop: Ops is told.",
        ),
        (
            say(triggers=["silent"], period_s=90, deployments=["of no meaning here"]),
            "A stream of a running run has had no chunk for 90 seconds: Ops is told.",
        ),
    ],
)
def test_it_says_what_is_told_to_whom(form, said):
    assert headline_of(form) == said


def test_it_says_that_nobody_is_told():
    assert "nobody is told yet, for no channel is chosen" in headline_of(say(channels=()))


def test_it_says_how_often_and_when_not():
    said = sentences_of(
        say(cooldown_s=7200, hourly_cap=1, quiet_from="22:00", quiet_until="07:00", time_zone="Europe/Vienna")
    )
    assert "Of the same thing there is no second message within 2 hours." in said
    assert "At most 1 message an hour; what is beyond is counted and comes as a digest." in said
    assert (
        "From 22:00 until 07:00 (Europe/Vienna) everything but critical waits for a digest at 07:00." in said
    )


def test_it_says_what_leaves_the_machine_and_that_it_is_off():
    said = " ".join(sentences_of(say(with_payload=True, is_on=False, tells_recovery=False, cooldown_s=0)))
    assert "its data leaves this machine" in said and "The rule is switched off" in said
    assert "Nothing is said when it is over." in said and "no second message" not in said
    assert "its data leaves" not in " ".join(sentences_of(say()))


def test_hidden_signs_are_made_visible():
    assert "⟨202E⟩" in headline_of(say(channels=("\u202eevil",), workflows=["a"]))


def test_spans_and_lists():
    assert [span(1), span(60), span(5400), span(86_400), span(0)] == [
        "1 second", "1 minute", "90 minutes", "1 day", "0 seconds",
    ]  # fmt: skip
    assert listed([]) == "" and listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh"), "or") == "a, b, c, d or 4 more"
