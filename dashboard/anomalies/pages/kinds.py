"""What each kind of finding means, why it matters and how to fix it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.documentation import Documentation, documentation_of, kinds, pieces_of, url_of
from dashboard.lib.pages import page

_TONES = {"critical": "err", "error": "err", "warning": "warn", "info": "info"}


@page("anomalies/kinds/", "anomaly-kinds")
@require_safe
def anomaly_kinds(request: HttpRequest) -> HttpResponse:
    docs = sorted(map(documentation_of, kinds()), key=lambda doc: (-SEVERITIES.index(doc.severity), doc.kind))
    groups = [
        {"subject": subject, "docs": [_short(doc) for doc in docs if doc.subject == subject]}
        for subject in ("stream", "run")
    ]
    return render(request, "anomalies/kinds.html", {"groups": groups})


@page("anomalies/kinds/<slug:kind>/", "anomaly-kind")
@require_safe
def anomaly_kind(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in kinds():
        raise Http404("nothing detects a kind of that name")
    doc = documentation_of(kind)
    texts = {
        "what": doc.what, "why": doc.why, "needs": doc.needs, "false_alarms": doc.false_alarms,
        "fix": doc.fix, "filter_note": doc.code.filter_note, "affected": doc.sdk_affected, "fixed": doc.sdk_fixed,
        "recipe": doc.code.recipe,
    }  # fmt: skip
    context = {
        "doc": doc,
        "tone": _TONES[doc.severity],
        "texts": {name: pieces_of(text) for name, text in texts.items()},
        "upstream": [{"number": one.number, "title": one.title, "url": url_of(one)} for one in doc.upstream],
        "known": [{"issue": one, "workaround": pieces_of(one.workaround)} for one in doc.known],
    }
    return render(request, "anomalies/kind.html", context)


def _short(doc: Documentation) -> dict[str, Any]:
    return {
        "kind": doc.kind,
        "title": doc.title,
        "severity": doc.severity,
        "tone": _TONES[doc.severity],
        "summary": doc.summary,
        "affected": doc.sdk_affected,
        "upstream": [one.number.partition("#")[2] for one in doc.upstream],
    }
