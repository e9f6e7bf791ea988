"""The life of an anomaly in the database: facts, states, moves, history, undo."""

from __future__ import annotations

import pytest

from dashboard.anomalies import life, life_facts
from dashboard.anomalies.life import Group
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour, AnomalySeenIn, Finding
from dashboard.anomalies.states import Asked, Change, Life, Mute
from dashboard.lib.clock import now_ns
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db
MINUTE = 60_000_000_000
ME = "mira"


@pytest.fixture
def world():
    return make_world("app")


def only() -> Anomaly:
    return Anomaly.objects.get()


def do(action: str, **how) -> life.Done:
    pks = Anomaly.objects.values_list("pk", flat=True)
    return life.act(pks, Asked(action, now_ns(), **how), ME)


def story(anomaly: Anomaly) -> list[tuple[str, str]]:
    return list(AnomalyEvent.objects.filter(anomaly=anomaly).order_by("id").values_list("who", "what"))


def test_findings_of_one_group_are_one_anomaly_with_its_facts(world):
    run, other = (
        make_run(world, deployment="dpl_1"),
        make_run(world, sdk_version="4.8.10", deployment="dpl_1"),
    )
    find(make_stream_of(run), severity="warning", certainty="suspected")
    find(make_stream_of(run), severity="error", certainty="at_risk")
    find(make_stream_of(other), severity="warning", certainty="proved")
    anomaly = only()
    assert (anomaly.count, anomaly.total, anomaly.runs, anomaly.streams) == (3, 3, 2, 3)
    assert (anomaly.severity, anomaly.certainty) == (2, 2)
    seen = AnomalySeenIn.objects.order_by("what", "value").values_list("what", "value", "count")
    assert list(seen) == [("deployment", "dpl_1", 3), ("sdk", "4.8.10", 1), ("sdk", "4.8.9", 2)]
    assert AnomalyHour.objects.get().count == 3
    assert story(anomaly) == [("Tailrace", "opened")]


def test_what_is_withdrawn_is_taken_off_the_facts_and_told(world):
    run = make_run(world, deployment="dpl_1")
    worst = find(make_stream_of(run), severity="error", certainty="proved")
    find(make_stream_of(run), severity="warning", certainty="suspected")
    withdraw(worst)
    anomaly = only()
    assert (anomaly.count, anomaly.total, anomaly.runs, anomaly.streams) == (1, 2, 1, 1)
    assert (anomaly.severity, anomaly.certainty) == (1, 1)
    assert AnomalySeenIn.objects.get(what="sdk").count == 1
    withdraw(Finding.objects.get())
    assert (only().count, only().runs) == (0, 0)
    last = AnomalyEvent.objects.last()
    assert (last.what, last.times) == ("withdrawn", 2), "the same again is one line with a number"


def test_a_change_of_certainty_is_told_and_the_best_there_is_stays_known(world):
    stream = make_stream_of(make_run(world))
    find(stream, certainty="suspected")
    find(stream, certainty="proved")
    event = AnomalyEvent.objects.get(what="certainty")
    assert (event.before, event.after, only().certainty, only().count) == ("suspected", "proved", 2, 1)
    find(stream, certainty="at_risk")
    assert only().certainty == 0, "downgraded"
    assert AnomalyEvent.objects.filter(what="certainty").count() == 2


def test_resolved_and_seen_again_is_a_regression(world):
    find(make_stream_of(make_run(world)))
    assert do("resolve").changed == 1
    find(make_stream_of(make_run(world)))
    assert only().state == "regressed"
    assert story(only()) == [("Tailrace", "opened"), (ME, "resolved"), ("Tailrace", "regressed")]


def test_a_finding_that_is_only_judged_again_is_no_regression(world):
    stream = make_stream_of(make_run(world))
    find(stream)
    do("resolve")
    find(stream, message="said in other words")
    assert (only().state, only().count) == ("resolved", 1)


def test_resolved_by_the_next_deployment_regresses_in_a_newer_one_only(world):
    find(make_stream_of(make_run(world, deployment="dpl_1")))
    do("resolve", by_next=True)
    find(make_stream_of(make_run(world, deployment="dpl_1")))
    find(make_stream_of(make_run(world, deployment="dpl_1", sdk_version="4.8.2")))
    assert (only().state, only().count) == ("resolved", 3), (
        "an older version is none that should have the fix"
    )
    find(make_stream_of(make_run(world, deployment="dpl_2")))
    assert only().state == "regressed"


def test_a_newer_sdk_version_is_a_regression_too(world):
    find(make_stream_of(make_run(world, sdk_version="4.8.9")))
    do("resolve", by_next=True)
    find(make_stream_of(make_run(world, sdk_version="4.8.10")))
    assert only().state == "regressed"


def test_muted_for_two_more_the_third_reopens_it(world):
    find(make_stream_of(make_run(world)))
    do("mute", mute=Mute(left=2))
    for state in ("muted", "muted", "open"):
        find(make_stream_of(make_run(world)))
        assert only().state == state
    assert AnomalyEvent.objects.last().note == "seen more often than it was muted for"


def test_muted_while_under_a_rate_the_one_that_reaches_it_reopens_it(world):
    find(make_stream_of(make_run(world)))
    do("mute", mute=Mute(rate=3, per_ns=60 * MINUTE))
    Finding.objects.update(found_ns=now_ns() - 61 * MINUTE)  # too long ago to count
    for state in ("muted", "muted", "open"):
        find(make_stream_of(make_run(world)))
        assert only().state == state


def test_muted_until_a_time_it_reopens_by_itself_and_not_before(world):
    find(make_stream_of(make_run(world)))
    do("mute", mute=Mute(until_ns=now_ns() + MINUTE))
    assert life.wake() == [] and only().state == "muted"
    Anomaly.objects.update(mute_until_ns=now_ns() - 1)
    assert life.wake() == [only().pk] and only().state == "open"
    assert life.wake() == []
    assert story(only())[-1] == ("Tailrace", "reopened")


def test_muted_for_good_stays_so(world):
    find(make_stream_of(make_run(world)))
    do("mute", mute=Mute())
    find(make_stream_of(make_run(world, sdk_version="5.0.0", deployment="dpl_9")))
    assert (only().state, life.wake()) == ("muted", [])


def test_when_the_step_becomes_known_the_finding_moves_and_its_state_goes_along(world):
    stream = make_stream_of(make_run(world))
    find(stream)
    do("mute", mute=Mute(left=5))
    find(stream, step_name="step//./w//send")
    old, new = Anomaly.objects.order_by("pk")
    assert (old.count, old.moved_to, new.count, new.step_name) == (0, new, 1, "step//./w//send")
    assert (new.state, new.mute_left, new.streams, new.runs) == ("muted", 5, 1, 1)
    find(make_stream_of(make_run(world)))
    old.refresh_from_db()
    assert (old.count, old.moved_to) == (1, None), "it has a finding of its own again"


def test_an_anomaly_that_keeps_other_findings_does_not_redirect(world):
    stream = make_stream_of(make_run(world))
    find(stream)
    find(make_stream_of(make_run(world)))
    find(stream, step_name="step//./w//send")
    old = Anomaly.objects.order_by("pk")[0]
    assert (old.count, old.moved_to) == (1, None)


def test_a_late_change_does_not_undo_one_that_was_quicker(world):
    find(make_stream_of(make_run(world)))
    late = only()
    do("acknowledge")
    assert not life.change_state(late, Change(Life("resolved", now_ns()), "resolved"), "other")
    assert only().state == "acknowledged"
    assert (ME, "acknowledged") in story(only()) and ("other", "resolved") not in story(only())


def test_what_happens_between_reading_and_writing_is_decided_anew(world, monkeypatch):
    find(make_stream_of(make_run(world)))
    do("resolve")
    first = [True]
    real = life.change_state

    def other_first(row, change, who, *rest):
        if first.pop() if first else False:
            Anomaly.objects.update(state="acknowledged", revision=99)  # a person, meanwhile
        return real(row, change, who, *rest)

    monkeypatch.setattr(life, "change_state", other_first)
    find(make_stream_of(make_run(world)))
    assert only().state == "acknowledged", "what someone works on does not regress"


def test_one_action_on_several_is_undone_at_once_and_keeps_what_changed_since(world):
    for kind in ("never_closed", "write_after_close", "chunk_lost"):
        find(make_stream_of(make_run(world)), kind=kind)
    done = do("mute", mute=Mute(left=7))
    assert (done.changed, done.left) == (3, 0)
    changed = Anomaly.objects.get(kind="chunk_lost")
    life.act([changed.pk], Asked("acknowledge", now_ns()), "other")
    undone = life.undo(done.batch, ME)
    assert (undone.restored, undone.left) == (2, 1)
    assert sorted(Anomaly.objects.values_list("state", "mute_left")) == [
        ("acknowledged", None),
        ("open", None),
        ("open", None),
    ]
    assert life.undo(done.batch, ME).restored == 0, "once"


def test_an_undo_expires_and_needs_a_token_that_there_is(world):
    find(make_stream_of(make_run(world)))
    done = do("resolve")
    AnomalyEvent.objects.filter(batch=done.batch).update(at_ns=now_ns() - life.UNDO_NS - MINUTE)
    for token in (done.batch, "", "no such token"):
        with pytest.raises(LookupError):
            life.undo(token, ME)
    assert only().state == "resolved"


def test_an_action_where_it_does_not_apply_changes_nothing(world):
    find(make_stream_of(make_run(world)))
    assert life.act([only().pk, 999], Asked("reopen", now_ns()), ME) == life.Done("", 0, 2)
    assert only().revision == 0


def test_what_is_no_longer_kept_goes_unless_someone_has_acted_on_it(world):
    find(make_stream_of(make_run(world)), kind="never_closed")
    find(make_stream_of(make_run(world)), kind="chunk_lost")
    muted = Anomaly.objects.get(kind="chunk_lost")
    life.act([muted.pk], Asked("mute", now_ns(), Mute()), ME)
    ids = set(Anomaly.objects.values_list("pk", flat=True))
    Finding.objects.all().delete()
    life.forgotten(ids)
    assert list(Anomaly.objects.values_list("kind", "count", "state")) == [("chunk_lost", 0, "muted")]


def test_a_fingerprint_tells_steps_and_namespaces_apart_but_no_versions():
    prints = {
        Group("k", "w", "s", "n").fingerprint,
        Group("k", "w", "s").fingerprint,
        Group("k", "w").fingerprint,
    }
    assert len(prints) == 3


def test_only_the_latest_hours_are_kept(world):
    find(make_stream_of(make_run(world)))
    hour = AnomalyHour.objects.get().hour
    AnomalyHour.objects.update(hour=hour - life_facts.HOURS_KEPT)
    find(make_stream_of(make_run(world)))
    assert [row.hour for row in AnomalyHour.objects.all()] == [hour]


def test_comments_are_kept_each_by_itself(world):
    find(make_stream_of(make_run(world)))
    for _ in range(2):
        life.comment(only().pk, ME, "looking into it\x00")
    notes = AnomalyEvent.objects.filter(what="comment").values_list("who", "note")
    assert list(notes) == [(ME, "looking into it␀")] * 2
