"""What no anomaly tells: that nothing has happened. Asked by the sweep, by the world's own data and clock.

A world that is paused, that cannot be read, or that nobody has read for a while says nothing about absence: what was
open stays open, nothing new is claimed, and it is said once that the rule cannot see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from dashboard.alerts.absence_queries import newest_run_ns, silent_streams, workflows_of
from dashboard.alerts.candidates import COPY
from dashboard.alerts.models import Alert, AlertRule
from dashboard.alerts.rules import Conditions, names_of
from dashboard.alerts.teller import Teller
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.models import WorldTime
from dashboard.anomalies.run_facts import WorldClock
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.managed import CURRENT
from runs.models import World
from runs.pages._format import duration, visible
from runs.worlds.base import supplies_of

UNREAD = "it has not been read for a while"
UNREAD_NS = 120 * NS_PER_S  # at the least
SEVERITY = SEVERITIES.index("warning")
_started_ns = now_ns()  # of this process: what it has not had the time to read is no sign of anything


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that should be there. `about` is kept with the alert; `content` makes the message of it."""

    subject: str
    about: dict[str, object]


def look(rules: Sequence[tuple[AlertRule, Conditions]], teller: Teller) -> None:
    """Open what is absent, recover what is there again."""
    worlds = list(World.objects.filter(CURRENT).exclude(kind=COPY).order_by("pk")) if rules else []
    for rule, conditions in rules:
        known = {one.subject: one for one in Alert.objects.filter(rule=rule, anomaly=None, recovered_ns=None)}
        for world in worlds:
            if not conditions.worlds or world.pk in conditions.worlds:
                _look_at(rule, conditions, world, known, teller)


def _look_at(
    rule: AlertRule, conditions: Conditions, world: World, known: dict[str, Alert], teller: Teller
) -> None:
    blind = blind_because(world, teller.now_ns)
    if blind == UNREAD and teller.now_ns - _started_ns < patience_ns():
        return
    found = list(_absent(rule, conditions, world, teller.now_ns)) if not blind else []
    if blind and any(conditions.match_place(world.pk, name) for name in workflows_of(world.pk)):
        found = [_unseen(rule, world, blind)]
    for one in found:
        alert = known.pop(one.subject, None)
        if alert is None:
            _open(rule, world, one, teller)
    ours = [subject for subject, one in known.items() if one.world_id == world.pk]
    for subject in ours if not blind else ():  # who cannot see does not say that it is over
        teller.recover(rule, known.pop(subject))


def _open(rule: AlertRule, world: World, absent: Absent, teller: Teller) -> None:
    before = Alert.objects.filter(rule=rule, subject=absent.subject).first()
    alert = before or teller.open(rule, absent.subject, world=world, severity=SEVERITY)
    if before is not None:
        teller.reopen(alert)
    alert.about = absent.about
    teller.fire(rule, alert, "absent")


def blind_because(world: World, now_ns: int) -> str:
    """Why a world says nothing about absence now; "" where it does."""
    if world.paused_ns is not None:
        return "it is paused"
    if world.trouble:
        return f"it cannot be read: {visible(world.trouble)}"
    if "chunks" not in supplies_of(world.kind):  # an app pushes: there is nothing to read
        return ""
    return UNREAD if world.read_ns is None or world.read_ns < now_ns - patience_ns() else ""


def patience_ns() -> int:
    return max(UNREAD_NS, int(settings.SWEEP_SECONDS * NS_PER_S) * 6)


def world_now(world: World, now_ns: int) -> int | None:
    """The time in a world by its own clock; None where it has never told one. A world that was old when it was first
    seen has stood still, which is just what an absence is: there our own clock goes on."""
    row = WorldTime.objects.filter(world=world).values_list("newest_ns", "observed_ns").first()
    if row is None:
        return None
    clock = WorldClock(*row)
    return now_ns if clock.is_cold else clock.now(now_ns)


def _absent(rule: AlertRule, conditions: Conditions, world: World, now_ns: int) -> Iterator[Absent]:
    now = world_now(world, now_ns)
    if now is not None:
        found = _runs if "absent" in rule.triggers else _streams
        yield from found(rule, conditions, world, now)


def _runs(rule: AlertRule, conditions: Conditions, world: World, now: int) -> Iterator[Absent]:
    """Workflows that ran before; one that never did is not expected anywhere yet."""
    limit_ns = now - rule.period_s * NS_PER_S
    for workflow in workflows_of(world.pk):
        newest_ns = newest_run_ns(world.pk, workflow) if conditions.match_place(world.pk, workflow) else None
        if newest_ns is None or newest_ns >= limit_ns:
            continue
        name, period = visible(names_of(workflow)[1]), duration(rule.period_s * NS_PER_S)
        words = {
            "title": f"No run of {name} for {period}",
            "over": f"{name} runs again",
            "line": f"No run of {name} has begun in {visible(world.name)} for more than {period}.",
            "path": reverse("runs", args=[world.slug]),
        }
        last = ("Last run began", f"{duration(now - newest_ns)} before it was missed")
        yield _missing("absent", world, workflow, newest_ns, words, [last])


def _streams(rule: AlertRule, conditions: Conditions, world: World, now: int) -> Iterator[Absent]:
    """One for a workflow, however many of its streams are silent."""
    found = silent_streams(world.pk, now - rule.period_s * NS_PER_S)
    for workflow in sorted({one.workflow for one in found if conditions.match_place(world.pk, one.workflow)}):
        streams = [one for one in found if one.workflow == workflow]
        name, period, first = visible(names_of(workflow)[1]), duration(rule.period_s * NS_PER_S), streams[0]
        words = {
            "title": f"No chunk in {name} for {period}",
            "over": f"Streams of {name} go on, or have ended",
            "line": f"A run of {name} is running, and its stream has got no chunk for more than {period}.",
            "path": reverse("stream", args=[world.slug, first.stream]),
        }
        facts = [("Run", first.run_id), ("Stream", first.stream), ("Silent streams", f"{len(streams):,}")]
        yield _missing("silent", world, workflow, first.last_ns, words, facts)


def _missing(
    what: str, world: World, workflow: str, last_ns: int, words: dict[str, str], facts: list[tuple[str, str]]
) -> Absent:
    shown = [("World", world.name), ("Workflow", workflow), *facts]
    about = {"what": what, "world": world.slug, "workflow": workflow, "last_ns": last_ns}
    pairs = [[label, visible(value)] for label, value in shown]
    return Absent(_subject(what, world, workflow), {**about, **words, "facts": pairs})


def _unseen(rule: AlertRule, world: World, because: str) -> Absent:
    name = visible(world.name)
    return Absent(
        f"unseen:{world.pk}",
        {
            "what": "unseen",
            "title": f"Nobody can tell what is absent in {name}",
            "over": f"{name} is read again",
            "line": f"The rule {visible(rule.name)} says nothing about {name} for now: {because}.",
            "path": reverse("runs", args=[world.slug]),
            "world": world.slug, "workflow": "", "last_ns": world.read_ns,
            "facts": [["World", name], ["Why", because]],
        },
    )  # fmt: skip


def _subject(what: str, world: World, workflow: str) -> str:
    return f"{what}:{world.pk}:{hashlib.sha256(workflow.encode('utf-8', 'replace')).hexdigest()[:24]}"
