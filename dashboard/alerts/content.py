"""What a message says: what, where, how sure, since when, how often, what shows it, and the way out.

All of it is plain text made visible; a channel escapes it for its format. Payload content is only there if the rule
says so: evidence that quotes an app's data is left out otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse

from dashboard.alerts.channels.base import SEVERITIES, Message
from dashboard.alerts.evidence_lines import evidence_of
from dashboard.alerts.models import Alert
from dashboard.alerts.mute_link import base_url, url_of
from dashboard.alerts.rules import names_of
from dashboard.alerts.teller import Telling
from dashboard.anomalies.inbox_queries import certainty_word, finding_of, severity_word
from dashboard.anomalies.models import Anomaly, Finding
from dashboard.anomalies.pieces import fix_of
from dashboard.lib.clock import NS_PER_S
from runs.pages._format import duration, visible

VERSION = 1  # of `Message.data`
_SURE = {"proved": "proved", "suspected": "suspected", "at_risk": "at risk, nothing seen yet"}
_WHY = {
    "first_time": "Seen for the first time.",
    "regressed": "It has come back.",
    "every": "It was seen again.",
    "more_than": "It was seen more than {threshold:,} times within {period}.",
    "again": "It was seen again since the last message.",
    "flapping": "It comes and goes: {episodes} times so far. The next word comes when it has been calm.",
    "calm": "It came and went; nothing has changed for half an hour.",
}


def message_of(telling: Telling) -> Message | None:
    """None where what it is about has gone in the meantime."""
    if telling.alert.anomaly_id is None:
        return _of_absence(telling)
    anomaly = Anomaly.objects.select_related("world").filter(pk=telling.alert.anomaly_id).first()
    if anomaly is None:
        return None
    return _recovered(telling, anomaly) if telling.event == "recovered" else _anomaly(telling, anomaly)


def why_of(telling: Telling) -> str:
    rule = telling.rule
    period, episodes = duration(rule.period_s * NS_PER_S), telling.alert.episodes
    return _WHY.get(telling.why, "").format(threshold=rule.threshold, period=period, episodes=episodes)


def _anomaly(telling: Telling, anomaly: Anomaly) -> Message:
    finding = finding_of(anomaly.pk, None)
    kind, workflow = anomaly.kind.replace("_", " "), short_name(anomaly.workflow)
    evidence = evidence_of(finding, telling.rule.with_payload) if finding is not None else []
    lines = [visible(finding.message if finding is not None else anomaly.message), why_of(telling)]
    mute = url_of(anomaly.pk)
    lines += [f"Mute it: {mute}"] if mute else []
    facts = [*_what(anomaly, finding), *_when(anomaly, telling), *evidence]
    title = f"{kind.capitalize()} in {workflow or anomaly.world.name}"
    return _message(
        telling,
        f"{title} ({telling.count:,} times)" if telling.count > 1 else title,
        severity_word(anomaly.severity),
        lines,
        facts,
        fix=fix_of(finding) if finding is not None else "",
        url=absolute(reverse("anomaly", args=[anomaly.pk])),
        data={"anomaly": data_of(anomaly, finding), "evidence": dict(evidence), "mute_url": mute},
    )


def _recovered(telling: Telling, anomaly: Anomaly) -> Message:
    alert, is_resolved = telling.alert, anomaly.state == "resolved"
    took_ns = max(0, (alert.recovered_ns or telling.alert.last_ns) - alert.opened_ns)
    how = "It was marked as resolved." if is_resolved else "None of its findings holds any more."
    facts = [
        ("What", anomaly.kind),
        *_where(anomaly, None),
        ("Lasted", duration(took_ns)),
        *_counted(telling),
    ]
    name = f"{anomaly.kind.replace('_', ' ')} in {short_name(anomaly.workflow) or anomaly.world.name}"
    return _message(
        telling,
        f"Over after {duration(took_ns)}: {name}",
        "info",
        [how, why_of(telling)],
        facts,
        url=absolute(reverse("anomaly", args=[anomaly.pk])),
        data={"anomaly": data_of(anomaly, None), "duration_s": round(took_ns / NS_PER_S, 3)},
    )


def _of_absence(telling: Telling) -> Message:
    """`Alert.about` has the words: see `absence`."""
    about, alert = telling.alert.about, telling.alert
    is_over = telling.event == "present"
    took_ns = max(0, (alert.recovered_ns or alert.last_ns) - alert.opened_ns)
    facts = [(str(label), str(value)) for label, value in about.get("facts", [])]
    facts += [("Lasted", duration(took_ns))] if is_over else []
    return _message(
        telling,
        str(about.get("over" if is_over else "title", "")),
        "info" if is_over else severity_word(alert.severity),
        [] if is_over else [str(about.get("line", "")), why_of(telling)],
        facts,
        url=absolute(str(about.get("path", ""))),
        data={"absence": _absence_data(about)},
    )


def _absence_data(about: Mapping[str, object]) -> dict[str, object]:
    last_ns = about.get("last_ns")
    last = iso(last_ns) if isinstance(last_ns, int) else ""
    return {name: about.get(name, "") for name in ("what", "world", "workflow")} | {"last_seen": last}


def _message(
    telling: Telling,
    title: str,
    severity: str,
    lines: list[str],
    facts: list[tuple[str, str]],
    *,
    fix: str = "",
    url: str = "",
    data: Mapping[str, object],
) -> Message:
    rule, alert, at_ns = telling.rule, telling.alert, telling.alert.last_ns
    common = {
        "version": VERSION,
        "event": telling.event,
        "severity": severity,
        "at": iso(at_ns),
        "rule": {"id": rule.pk, "name": rule.name},
        "subject": subject_of(alert),
        "why": telling.why,
        "count": telling.count,
        "episode": alert.episodes,
        "is_flapping": alert.is_flapping,
        "url": url,
    }
    shown = tuple(line for line in lines if line)
    severity = severity if severity in SEVERITIES else "info"
    return Message(
        telling.event, "", visible(title), severity, shown, tuple(facts), fix, url, at_ns, common | dict(data)
    )


def subject_of(alert: Alert) -> str:
    """The same for all messages about one thing, whatever the rule: receivers join them by it."""
    return f"tailrace:{alert.subject}"


def data_of(anomaly: Anomaly, finding: Finding | None) -> dict[str, Any]:
    """For programs: no text that a person could not read as well."""
    run, stream = (finding.run, finding.stream) if finding is not None else (None, None)
    return {
        "id": anomaly.pk,
        "kind": anomaly.kind,
        "world": anomaly.world.slug,
        "workflow": anomaly.workflow,
        "step": anomaly.step_name,
        "namespace": anomaly.namespace,
        "run": run.run_id if run is not None else "",
        "stream": stream.name if stream is not None else "",
        "state": anomaly.state,
        "certainty": certainty_word(anomaly.certainty),
        "missing": list(finding.missing) if finding is not None else [],
        "fingerprint": anomaly.fingerprint,
        "count": anomaly.count,
        "total": anomaly.total,
        "runs": anomaly.runs,
        "streams": anomaly.streams,
        "first_seen": iso(anomaly.first_seen_ns),
        "last_seen": iso(anomaly.last_seen_ns),
    }


def _what(anomaly: Anomaly, finding: Finding | None) -> list[tuple[str, str]]:
    sure = _SURE.get(certainty_word(anomaly.certainty), "")
    missing = "; ".join(visible(str(one)) for one in finding.missing) if finding is not None else ""
    if missing:
        sure += f" (to be surer: {missing})"
    return [("What", anomaly.kind), *_where(anomaly, finding), ("How sure", sure)]


def _where(anomaly: Anomaly, finding: Finding | None) -> list[tuple[str, str]]:
    run, stream = (finding.run, finding.stream) if finding is not None else (None, None)
    pairs = (
        ("World", anomaly.world.name),
        ("Workflow", anomaly.workflow),
        ("Step", anomaly.step_name),
        ("Run", run.run_id if run is not None else ""),
        ("Stream", stream.name if stream is not None else ""),
    )
    return [(label, visible(value)) for label, value in pairs if value]


def _when(anomaly: Anomaly, telling: Telling) -> list[tuple[str, str]]:
    return [("Since", moment(anomaly.first_seen_ns)), *_counted(telling), ("Runs", f"{anomaly.runs:,}")]


def _counted(telling: Telling) -> list[tuple[str, str]]:
    return [("Count", f"{telling.alert.count:,}")]


def short_name(workflow: str) -> str:
    return visible(names_of(workflow)[1])


def absolute(path: str) -> str:
    """Empty where nobody has said where this dashboard is reached."""
    base = base_url()
    return f"{base}{path}" if base and path else ""


def moment(ns: int) -> str:
    """`2026-11-21 22:34:15 UTC`, by our clock."""
    return f"{_at(ns):%Y-%m-%d %H:%M:%S} UTC"


def iso(ns: int) -> str:
    return f"{_at(ns):%Y-%m-%dT%H:%M:%S}.{ns % NS_PER_S // 1_000_000:03}Z"


def _at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC)
