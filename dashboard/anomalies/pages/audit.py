"""The fleet audit: what was found in all stored runs and streams, by workflow, deployment, SDK version and day."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.anomalies import audit_export
from dashboard.anomalies.audit import DIMENSIONS, HEADLINE, Cube, Dimension, Kind
from dashboard.anomalies.audit_queries import Taken, audit_of
from dashboard.anomalies.pages._audit_bars import bars_of, spark_of
from dashboard.anomalies.pages._audit_links import Links, day_in
from dashboard.lib.clock import to_datetime
from dashboard.lib.database import clean
from dashboard.lib.pages import page
from runs.models import World
from runs.pages._find import NAME_CHARS, find_world

SHOWN = 20  # values of one dimension; the export has more
_TITLES: dict[Dimension, str] = {
    "workflow": "Workflow",
    "deployment": "Deployment",
    "sdk": "SDK version",
    "day": "Day",
}
_TONES = {"critical": "err", "error": "err", "warning": "warn", "info": "info"}
_TYPES = {"csv": "text/csv", "json": "application/json", "md": "text/markdown"}


@page("audit/", "audit-all")
@require_safe
def audit_all(request: HttpRequest) -> HttpResponse:
    return _audit(request, None)


@page("w/<slug:slug>/audit/", "audit")
@require_safe
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    return _audit(request, find_world(slug))


def _audit(request: HttpRequest, world: World | None) -> HttpResponse:
    wanted = _wanted_in(request)
    taken = audit_of(world.pk if world else None)
    cube = taken.cube.only(wanted)
    as_of = to_datetime(taken.as_of_ns)
    if request.GET.get("format") in _TYPES:
        return _export(request.GET["format"], cube, f"{as_of:%Y-%m-%d %H:%M:%S} UTC", world)
    links = Links(world.slug if world else None, wanted)
    context = {
        "world": world,
        "as_of": as_of,
        "taken": taken,
        "filters": _filters(wanted, links),
        "query": links.query(),
        "left_out": cube.left_out,
    }
    return render(request, "anomalies/audit.html", context | _shown(cube, taken, links))


def _shown(cube: Cube, taken: Taken, links: Links) -> dict[str, Any]:
    by_day = cube.split("day")
    return {
        "streams": cube.totals["stream"].total(),
        "runs": cube.totals["run"].total(),
        "pending": cube.totals["stream"].total() - cube.judged["stream"].total(),
        "headline": _headline(cube, links),
        "bars": bars_of(by_day, links),
        "kinds": [_kind(cube, by_day, kind, links) for kind in audit_export.kinds_of(cube)],
        "tables": [_table(cube, dimension, links) for dimension in DIMENSIONS[:3]],
        "head": [(name, name.replace("_", " ")) for name in HEADLINE],
    }


def _headline(cube: Cube, links: Links) -> list[dict[str, Any]]:
    words = ("have data behind their end marker", "were closed more than once", "were never closed")
    return [
        {
            "count": cube.count(Kind("stream", name)),
            "words": text,
            "url": links.streams(kind=name),
            "tone": tone,
        }
        for name, text, tone in zip(HEADLINE, words, ("err", "info", "warn"), strict=True)
    ]


def _kind(cube: Cube, by_day: dict[str | int, Cube], kind: Kind, links: Links) -> dict[str, Any]:
    severity = cube.worst.get(kind, "")
    return {
        "name": kind.name,
        "subject": kind.subject,
        "severity": severity,
        "tone": _TONES.get(severity, "idle"),
        "count": cube.count(kind),
        "url": links.streams(kind=kind.name) if kind.subject == "stream" else links.anomalies(kind.name),
        "about": reverse("anomaly-kind", args=[kind.name]),
        "spark": spark_of(by_day, kind),
    }


def _table(cube: Cube, dimension: Dimension, links: Links) -> dict[str, Any]:
    parts = cube.split(dimension)
    rows = [_row(dimension, value, part, links) for value, part in list(parts.items())[:SHOWN]]
    return {"by": dimension, "title": _TITLES[dimension], "rows": rows, "more": max(0, len(parts) - SHOWN)}


def _row(dimension: Dimension, value: str | int, part: Cube, links: Links) -> dict[str, Any]:
    inner = links.narrowed(dimension, value)
    heads = [Kind("stream", name) for name in HEADLINE]
    others = sum(part.count(kind).found for kind in part.kinds() if kind not in heads)
    cells = [{"count": part.count(kind), "url": inner.streams(kind=kind.name)} for kind in heads]
    return {
        "label": audit_export.label_of(dimension, value),
        "url": inner.here() if value else "",
        "streams": part.totals["stream"].total(),
        "streams_url": inner.streams(),
        "cells": cells,
        "others": others,
    }


def _wanted_in(request: HttpRequest) -> dict[Dimension, str | int]:
    wanted: dict[Dimension, str | int] = {}
    for name in DIMENSIONS:
        text = clean(request.GET.get(name, "").strip(), NAME_CHARS)
        value = day_in(text) if name == "day" else text
        if value:
            wanted[name] = value
    return wanted


def _filters(wanted: dict[Dimension, str | int], links: Links) -> list[dict[str, str]]:
    return [
        {
            "title": _TITLES[name],
            "label": audit_export.label_of(name, value),
            "without": links.without(name).here(),
        }
        for name, value in wanted.items()
    ]


def _export(form: str, cube: Cube, as_of: str, world: World | None) -> HttpResponse:
    where = world.name if world else "all worlds"
    makers = {
        "csv": lambda: audit_export.as_csv(cube),
        "json": lambda: audit_export.as_json(cube, as_of),
        "md": lambda: audit_export.as_markdown(cube, as_of, where),
    }
    response = HttpResponse(makers[form](), content_type=f"{_TYPES[form]}; charset=utf-8")
    name = f"audit-{world.slug if world else 'all'}.{form}"
    response["Content-Disposition"] = f'{"inline" if form == "md" else "attachment"}; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
