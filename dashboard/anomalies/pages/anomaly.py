"""One anomaly: what happened, how sure, why, whom it hit, and what people did about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.anomalies import documentation, inbox_queries, known_issues
from dashboard.anomalies.documentation import pieces_of
from dashboard.anomalies.inbox_queries import certainty_word, severity_word
from dashboard.anomalies.models import Anomaly, Finding
from dashboard.anomalies.pages._action_form import form_context
from dashboard.anomalies.pages._evidence import evidence_of
from dashboard.anomalies.pages._find import find_anomaly
from dashboard.anomalies.pages._looks import kind_piece, namespace_words, state_look, told
from dashboard.anomalies.pages._spark import bars_svg, earliest_hour, spark_of
from dashboard.anomalies.pages._toast import toast_of
from dashboard.anomalies.states import ACTIONS, applies
from dashboard.anomalies.thresholds import names_for
from dashboard.lib.pages import page
from runs.queries import Key, parse_key
from streams.pages._glyph import glyph
from streams.pages._names import title_of

RELATED = 6
_PARTS = {"head": "anomalies/_anomaly_head.html", "history": "anomalies/_history.html"}


@page("anomalies/<int:pk>/", "anomaly")
@require_safe
def anomaly(request: HttpRequest, pk: int) -> HttpResponse:
    """`?finding=` chooses whose evidence is shown, `?runs=` a page of what it hit; `?piece=` is for the open page."""
    found = find_anomaly(pk)
    if found.moved_to is not None and not found.count:
        return redirect("anomaly", pk=inbox_queries.end_of_moves(found).pk)
    piece = request.GET.get("piece", "")
    context: dict[str, Any] = _head(found) if piece != "history" else {"anomaly": found}
    context["history"] = [told(event) for event in inbox_queries.history_of(found.pk)]
    if piece in _PARTS:
        return render(request, _PARTS[piece], context)
    finding = inbox_queries.finding_of(found.pk, _number(request.GET.get("finding", "")))
    context |= _hit(found, parse_key(request.GET.get("runs", ""))) | _chosen(found, finding)
    context |= form_context() | {"toast": toast_of(request.GET), "next": reverse("anomaly", args=[found.pk])}
    return render(request, "anomalies/anomaly.html", context)


def _head(anomaly: Anomaly) -> dict[str, Any]:
    hours = inbox_queries.hours_of([anomaly.pk], earliest_hour()).get(anomaly.pk, {})
    spark = spark_of(hours, anomaly.first_seen_ns)
    return {
        "anomaly": anomaly,
        "world": anomaly.world,
        "current_world": anomaly.world,
        "waiting": inbox_queries.waiting_count(anomaly.world_id),
        "title": anomaly.kind.replace("_", " ").capitalize(),
        "namespace": namespace_words(anomaly),
        "badge": kind_piece(anomaly),
        "severity": severity_word(anomaly.severity),
        "certainty": certainty_word(anomaly.certainty),
        "state": state_look(anomaly),
        "can": {action: applies(action, anomaly.state) for action in ACTIONS},
        "spark": spark,
        "bars": bars_svg(spark, 480, 36, "wide"),
    }


def _hit(anomaly: Anomaly, after: Key | None) -> dict[str, Any]:
    rows, older = inbox_queries.findings_of(anomaly.pk, after)
    return {
        "hits": [_hit_row(row) for row in rows],
        "older": older,
        "later": after is not None,
        "versions": inbox_queries.seen_in(anomaly.pk, "sdk"),
        "deployments": inbox_queries.seen_in(anomaly.pk, "deployment"),
        "related": [
            {"anomaly": one, "badge": kind_piece(one)} for one in inbox_queries.related(anomaly, RELATED)
        ],
    }


def _hit_row(finding: Finding) -> dict[str, Any]:
    stream = finding.stream
    return {
        "finding": finding,
        "run": finding.run,
        "stream": stream,
        "glyph": glyph(stream) if stream is not None else "",
        "name": title_of(stream.name) if stream is not None else "",
    }


def _chosen(anomaly: Anomaly, finding: Finding | None) -> dict[str, Any]:
    """What is known of the kind, and of the finding that is looked at; None where all were withdrawn."""
    context: dict[str, Any] = {"finding": finding, "doc": None, "thresholds": _thresholds(anomaly)}
    if anomaly.kind in documentation.kinds():
        context |= _documented(anomaly.kind)
    if finding is None:
        return context
    older, newer = inbox_queries.neighbours(finding)
    sdk = finding.run.sdk_version if finding.run is not None else ""
    known = known_issues.matches(finding.kind, sdk, finding.evidence)
    return context | {
        "evidence": evidence_of(finding),
        "next_finding": older,
        "previous_finding": newer,
        "known": [{"issue": one, "workaround": pieces_of(one.workaround)} for one in known],
        "sdk": sdk,
    }


def _thresholds(anomaly: Anomaly) -> str:
    """Where the thresholds are that decide this kind; "" where none does."""
    if not names_for(anomaly.kind):
        return ""
    query = urlencode({"workflow": anomaly.workflow, "kind": anomaly.kind})
    return f"{reverse('thresholds', args=[anomaly.world.slug])}?{query}"


def _documented(kind: str) -> dict[str, Any]:
    doc = documentation.documentation_of(kind)
    texts = {
        "why": doc.why,
        "what": doc.what,
        "fix": doc.fix,
        "affected": doc.sdk_affected,
        "fixed": doc.sdk_fixed,
    }
    return {
        "doc": doc,
        "texts": {name: pieces_of(text) for name, text in texts.items()},
        "upstream": [{"number": one.number, "url": documentation.url_of(one)} for one in doc.upstream],
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
