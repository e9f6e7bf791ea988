"""The life of an anomaly: the only writer of its row, its state, its history.

The judges tell of findings (`anomaly_for`, `stored`, `withdrawn`), people of what they want (`act`, `undo`,
`comment`). A state changes by one conditional update: whoever finds another `revision` than it has read looks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from dashboard.anomalies import life_facts
from dashboard.anomalies.groups import Group
from dashboard.anomalies.history import AUTOMATIC, Entry, note
from dashboard.anomalies.models import Anomaly, AnomalyEvent, Finding
from dashboard.anomalies.states import Asked, Change, Life, Mute, Passed, Seen, State, decide
from dashboard.lib import doorbell
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import write_transaction
from runs.models import World
from runs.pages._format import duration

QUIET_NS = 3600 * NS_PER_S  # after so long, being seen again is worth a line in the history
UNDO_NS = 600 * NS_PER_S
AT_ONCE = 200  # anomalies of one action
TRIES = 5


def anomaly_for(world: World, group: Group) -> Anomaly:
    """The anomaly of a group, made if it is the first time. Its facts change when a finding is `stored`."""
    now = now_ns()
    made, _ = Anomaly.objects.get_or_create(
        world=world,
        fingerprint=group.fingerprint,
        defaults={
            "kind": group.kind,
            "workflow": group.workflow,
            "step_name": group.step_name,
            "namespace": group.namespace,
            "first_seen_ns": now,
            "last_seen_ns": now,
            "state_ns": now - 1,
        },
    )
    return made


def prepare(world: World, groups: Iterable[Group], others: Iterable[int]) -> dict[Group, Anomaly]:
    """First in a transaction that stores findings: make and lock all anomalies that it will change, in one order.

    Whoever makes one waits for others that make it, by fingerprint, before it holds any lock on a row that was
    there; those are locked by id. So two workers that find the same in another order never wait for each other.
    """
    made = {
        group: anomaly_for(world, group) for group in sorted(set(groups), key=lambda one: one.fingerprint)
    }
    life_facts.lock(*{*(one.pk for one in made.values()), *others})
    return made


def stored(finding: Finding, before: Finding | None) -> None:
    """A finding has been stored with its anomaly; `before` is the row as it was, with its anomaly then."""
    life_facts.lock(finding.anomaly_id, *([before.anomaly_id] if before is not None else ()))
    if before is None:
        _put(finding)
    elif (before.anomaly_id, before.run_id) != (finding.anomaly_id, finding.run_id):
        _move(finding, before)
    else:
        life_facts.change(finding, before, now_ns())
    if before is not None:
        _note_certainty(finding, before)


def withdrawn(finding: Finding, why: str = "") -> None:
    """A finding was wrong, or is no longer so; its row has gone. What people said of the anomaly stays."""
    life_facts.lock(finding.anomaly_id)
    life_facts.take(finding)
    note(
        finding.anomaly_id,
        Entry(AUTOMATIC, "withdrawn", note=" – ".join(filter(None, (finding.message, why)))),
    )


def forgotten(anomaly_ids: Iterable[int]) -> None:
    """Findings have gone that are no longer kept. What is left empty goes too, unless someone has acted on it."""
    ids = set(anomaly_ids)
    life_facts.recount(ids)
    Anomaly.objects.filter(pk__in=ids, count=0, state="open", revision=0, moved_from=None).delete()


def _put(finding: Finding) -> None:
    now = now_ns()
    before = Anomaly.objects.only("total", "last_seen_ns").get(pk=finding.anomaly_id)
    is_newer = life_facts.put(finding, now)
    _note_seen(finding, before, now)
    _on_seen(finding, is_newer)


def _note_seen(finding: Finding, before: Anomaly, now: int) -> None:
    quiet = now - before.last_seen_ns
    if not before.total:
        told = Entry(AUTOMATIC, "opened", note=f"by version {finding.detector_version} of the detector")
    elif quiet > QUIET_NS:
        told = Entry(AUTOMATIC, "seen", note=f"after {duration(quiet)} of quiet")
    else:
        return
    note(finding.anomaly_id, told)


def _move(finding: Finding, before: Finding) -> None:
    """To the anomaly that names the step, or the workflow, that was not known before; its life goes along."""
    old = before.anomaly
    if old.pk == finding.anomaly_id:
        life_facts.take(before)
        life_facts.put(finding, now_ns())
        return
    fresh = Anomaly.objects.filter(pk=finding.anomaly_id, total=0, revision=0)
    if old.revision and fresh.update(**_columns(old), revision=1):
        note(
            finding.anomaly_id,
            Entry(AUTOMATIC, "moved", after=old.state, note=f"its state comes from #{old.pk}"),
        )
    life_facts.take(before)
    _put(finding)
    note(old.pk, Entry(AUTOMATIC, "moved", note=f"a finding is in #{finding.anomaly_id} now"))
    Anomaly.objects.filter(pk=old.pk, count__lte=0).update(moved_to=finding.anomaly_id)


def _note_certainty(finding: Finding, before: Finding) -> None:
    if finding.certainty != before.certainty:
        told = Entry(AUTOMATIC, "certainty", before.certainty, finding.certainty, note=finding.message)
        note(finding.anomaly_id, told)


def _on_seen(finding: Finding, is_newer: bool) -> None:
    row = Anomaly.objects.get(pk=finding.anomaly_id)
    recent = 0
    if row.mute_rate is not None and row.mute_per_ns is not None:
        recent = life_facts.seen_since(row.pk, finding.found_ns - row.mute_per_ns, row.mute_rate)
    _settle(row, Seen(finding.found_ns, recent, is_newer))


def _settle(row: Anomaly, event: Seen | Passed) -> bool:
    for _ in range(TRIES):
        change = decide(life_of(row), event)
        if change is None:
            return False
        if change_state(row, change, AUTOMATIC):
            return True
        row.refresh_from_db()  # a person was quicker
    return False


def life_of(row: Anomaly) -> Life:
    mute = None
    if row.state == "muted":
        mute = Mute(row.mute_until_ns, row.mute_left, row.mute_rate, row.mute_per_ns)
    state: State = row.state  # type: ignore[assignment]
    return Life(state, row.state_ns, mute, row.by_next)


def change_state(row: Anomaly, change: Change, who: str, batch: str = "", said: str = "") -> bool:
    """Whether the row was still as it was read. Must be in a transaction with what it follows from."""
    life, mute = change.life, change.life.mute or Mute()
    values = {
        "state": life.state,
        "state_ns": life.since_ns,
        "by_next": life.by_next,
        "mute_until_ns": mute.until_ns,
        "mute_left": mute.left,
        "mute_rate": mute.rate,
        "mute_per_ns": mute.per_ns,
    }
    read = Anomaly.objects.filter(pk=row.pk, revision=row.revision, mute_left=row.mute_left)
    if not change.what:  # a mute counts down: no change that someone could undo
        return bool(read.update(mute_left=mute.left))
    if not read.update(**values, revision=F("revision") + 1):
        return False
    told = "; ".join(filter(None, (change.note, said)))
    entry = Entry(who, change.what, row.state, life.state, told, batch, _columns(row), row.revision + 1)
    note(row.pk, entry)
    return True


def _columns(row: Anomaly) -> dict[str, Any]:
    names = ("state", "state_ns", "by_next", "mute_until_ns", "mute_left", "mute_rate", "mute_per_ns")
    return {name: getattr(row, name) for name in names}


@dataclass(frozen=True, slots=True)
class Done:
    """What an action has done. `batch` is the token that undoes it; "" where nothing changed."""

    batch: str
    changed: int
    left: int  # where it does not apply, or is no longer there


def act(anomaly_ids: Iterable[int], asked: Asked, who: str, said: str = "") -> Done:
    """One wish for several anomalies, each in a transaction of its own: none waits for another's lock."""
    ids, batch = sorted(set(anomaly_ids))[:AT_ONCE], secrets.token_urlsafe(16)
    changed = [pk for pk in ids if _act_on(pk, asked, who, batch, said)]
    _ring(changed)
    return Done(batch if changed else "", len(changed), len(ids) - len(changed))


def _act_on(pk: int, asked: Asked, who: str, batch: str, said: str) -> bool:
    for _ in range(TRIES):
        row = Anomaly.objects.filter(pk=pk).first()
        change = decide(life_of(row), asked) if row is not None else None
        if row is None or change is None:
            return False
        with write_transaction():
            if change_state(row, change, who, batch, said):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Undone:
    restored: int
    left: int  # changed again since, which stays


def undo(batch: str, who: str) -> Undone:
    """Take one action back where nothing has changed the state since. Raises LookupError for one that cannot be: too
    old, or not known."""
    events = (
        list(AnomalyEvent.objects.filter(batch=batch, was__isnull=False).order_by("anomaly_id"))
        if batch
        else []
    )
    if not events or events[0].at_ns < now_ns() - UNDO_NS:
        raise LookupError(batch)
    restored = [event.anomaly_id for event in events if _restore(event, who)]
    _ring(restored)
    return Undone(len(restored), len(events) - len(restored))


def _restore(event: AnomalyEvent, who: str) -> bool:
    was = event.was or {}
    rows = Anomaly.objects.filter(pk=event.anomaly_id, revision=event.revision or 0)
    with write_transaction():
        if not rows.update(**was, revision=F("revision") + 1):
            return False
        note(event.anomaly_id, Entry(who, "undone", event.after, event.before, note=event.what))
    return True


def comment(anomaly_id: int, who: str, text: str) -> None:
    with write_transaction():
        note(anomaly_id, Entry(who, "comment", note=text, is_kept=True))
    _ring([anomaly_id])


def wake() -> list[int]:
    """Reopen what was muted until a time that has come. Called by every sweep; returns what was."""
    now = now_ns()
    due = Anomaly.objects.filter(mute_until_ns__lte=now, state="muted").order_by("mute_until_ns")[:AT_ONCE]
    woken = []
    for row in list(due):
        with write_transaction():
            if _settle(row, Passed(now)):
                woken.append(row.pk)
    _ring(woken)
    return woken


def _ring(anomaly_ids: Iterable[int]) -> None:
    worlds = Anomaly.objects.filter(pk__in=list(anomaly_ids)).values_list("world", flat=True).distinct()
    for world_id in worlds:
        doorbell.ring(doorbell.world_group(world_id), {"type": "world.changed"})
