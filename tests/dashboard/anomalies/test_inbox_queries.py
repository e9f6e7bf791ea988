"""Lists of anomalies: what is in them, in which order, page by page."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.anomalies import inbox_queries, life
from dashboard.anomalies.inbox_queries import InboxFilter, InboxKey, inbox, parse_inbox_key
from dashboard.anomalies.models import Anomaly
from dashboard.anomalies.states import STATES, Asked
from dashboard.lib.clock import now_ns
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world("app")


def found(world, kind, **values):
    run = {name: values.pop(name) for name in ("workflow", "sdk_version", "deployment") if name in values}
    return find(make_stream_of(make_run(world, **run)), kind=kind, **values).anomaly


def kinds(wanted=InboxFilter(), **how):  # noqa: B008 - frozen
    return [one.kind for one in inbox(wanted, **how).rows]


def test_the_worst_come_first_and_the_newest_within_them(world):
    found(world, "never_closed", severity="warning")
    found(world, "chunk_lost", severity="error")
    found(world, "write_after_close", severity="error")
    assert kinds() == ["write_after_close", "chunk_lost", "never_closed"]
    assert kinds(newest=True) == ["write_after_close", "chunk_lost", "never_closed"]
    Anomaly.objects.filter(kind="never_closed").update(last_seen_ns=now_ns())
    assert kinds(newest=True)[0] == "never_closed" and kinds()[0] == "write_after_close"


def test_only_what_waits_is_listed_unless_another_state_is_asked_for(world):
    one = found(world, "chunk_lost")
    found(world, "never_closed")
    life.act([one.pk], Asked("acknowledge", now_ns()), "me")
    assert kinds() == ["never_closed"]
    assert kinds(InboxFilter(("acknowledged",))) == ["chunk_lost"]
    assert sorted(kinds(InboxFilter(STATES))) == ["chunk_lost", "never_closed"]
    assert inbox_queries.waiting_count(world.pk) == 1
    assert inbox_queries.state_counts(world.pk)["acknowledged"] == 1


def test_what_was_withdrawn_is_in_no_list(world):
    withdraw(find(make_stream_of(make_run(world))))
    assert kinds(InboxFilter(STATES)) == [] and inbox_queries.waiting_count(None) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "chunk_lost"},
        {"severity": "critical"},
        {"certainty": "at_risk"},
        {"workflow": "workflow//./w//pay"},
        {"sdk": "5.0.0"},
        {"deployment": "dpl_2"},
        {"text": "LOST in tran"},
    ],
)
def test_each_filter_finds_it_and_leaves_out_the_other(world, wanted):
    found(world, "never_closed", sdk_version="4.8.9", deployment="dpl_1")
    found(
        world, "chunk_lost", severity="critical", certainty="at_risk", workflow="workflow//./w//pay",
        sdk_version="5.0.0", deployment="dpl_2", message="Lost in transit.",
    )  # fmt: skip
    for newest in (False, True):
        assert kinds(InboxFilter(**wanted), newest=newest) == ["chunk_lost"]


def test_worlds_and_times_are_filters_too(world):
    found(make_world("other"), "never_closed")
    found(world, "chunk_lost")
    assert kinds(InboxFilter(world=world.pk)) == ["chunk_lost"]
    assert kinds(InboxFilter(since_ns=now_ns() + 10**9)) == []


@pytest.mark.parametrize("newest", [False, True])
def test_pages_follow_each_other_without_gap_or_repetition(world, monkeypatch, newest):
    monkeypatch.setattr(inbox_queries, "PAGE", 3)
    for at in range(11):
        severity = ("info", "warning", "error")[at % 3]
        one = found(world, "chunk_lost", severity=severity, workflow=f"workflow//./w//{at}")
        Anomaly.objects.filter(pk=one.pk).update(last_seen_ns=at // 2)  # several of the same time
        if at % 4 == 0:
            Anomaly.objects.filter(pk=one.pk).update(state="regressed")
    seen, place = [], None
    while True:
        page = inbox(InboxFilter(), place, newest=newest)
        seen += [one.pk for one in page.rows]
        if page.older is None:
            break
        place = parse_inbox_key(str(page.older))
    order = ("-last_seen_ns", "-id") if newest else ("-severity", "-last_seen_ns", "-id")
    assert seen == list(Anomaly.objects.order_by(*order).values_list("pk", flat=True))


@pytest.mark.parametrize("text", ["", "1.2", "x.1.1", "1.99999999999999999999.1", "1.1.1 ", "1.-.1"])
def test_what_is_no_key_is_none(text):
    assert parse_inbox_key(text) is None
    assert parse_inbox_key("2.17.4") == InboxKey(2, 17, 4)


def test_a_page_never_sorts_nor_looks_at_all_of_them(world):
    found(world, "chunk_lost")
    with CaptureQueriesContext(
        connection,
    ) as ran:
        inbox(InboxFilter(world=world.pk), InboxKey(3, now_ns(), 9))
    plans = []
    with connection.cursor() as cursor:
        for query in ran.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans += [row[3] for row in cursor.fetchall()]
    assert plans and not [
        plan for plan in plans if "TEMP B-TREE" in plan or plan == "SCAN anomalies_anomaly"
    ], plans


def test_the_next_affected_run_is_another_run_and_ends_somewhere(world):
    runs = [make_run(world) for _ in range(3)]
    findings = [find(make_stream_of(run)) for run in (runs[0], runs[1], runs[1], runs[2])]
    assert inbox_queries.neighbours(findings[3]) == (findings[2].pk, None)
    assert inbox_queries.neighbours(findings[2]) == (findings[0].pk, findings[3].pk)
    assert inbox_queries.neighbours(findings[0]) == (None, findings[1].pk)


def test_other_kinds_of_the_same_runs_are_related_and_no_others(world):
    run = make_run(world)
    one = find(make_stream_of(run), kind="chunk_lost").anomaly
    other = find(make_stream_of(run), kind="never_closed").anomaly
    find(make_stream_of(make_run(world)), kind="write_after_close")
    assert inbox_queries.related(one, 5) == [other]


def test_what_becomes_less_severe_while_it_is_listed_stands_there_once(world, monkeypatch):
    one = found(world, "chunk_lost", severity="error")
    found(world, "never_closed", severity="warning")
    read = inbox_queries._newest

    def easing(rows, after, limit):
        listed = read(rows, after, limit)
        Anomaly.objects.filter(pk=one.pk).update(severity=1)
        return listed

    monkeypatch.setattr(inbox_queries, "_newest", easing)
    assert sorted(kinds()) == ["chunk_lost", "never_closed"]
