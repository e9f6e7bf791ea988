"""The runs of a world, newest first. Filters and the place in the list are in the URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.database import clean
from dashboard.lib.pages import page
from dashboard.lib.panels import Piece, collect
from runs import queries
from runs.models import Run, World
from runs.pages._find import NAME_CHARS, find_world
from runs.queries import Key, RunFilter, ids_of, parse_key

STATUSES = ("running", "pending", "completed", "failed", "cancelled")
GLYPHS = 4


@page("w/<slug:slug>/runs/", "runs")
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    world = find_world(slug)
    wanted = _filter_in(request)
    inside = request.GET.get("part") == "rows"
    top = parse_key(request.GET.get("top", "")) if inside else None
    context = {"world": world, "filter": wanted, "query": _query(wanted)}
    if top is not None:
        context |= _kept_rows(request, world, wanted, top)
    else:
        context |= _newest_rows(request, world, wanted)
    context["counts"] = _counts(world, wanted)
    if not inside:
        context["workflows"] = queries.workflow_names(world.pk)
    return render(request, "runs/_live.html" if inside else "runs/runs.html", context)


def _filter_in(request: HttpRequest) -> RunFilter:
    names = ("status", "workflow", "text")
    return RunFilter(**{name: clean(request.GET.get(name, "").strip(), NAME_CHARS) for name in names})


def _newest_rows(request: HttpRequest, world: World, wanted: RunFilter) -> dict[str, Any]:
    older, newer = (parse_key(request.GET.get(name, "")) for name in ("older", "newer"))
    found = queries.run_list(world.pk, wanted, older, newer)
    return _rows(found.runs) | {
        "older": found.older,
        "newer": found.newer,
        "later": found.newer is not None,
        "here": _here(wanted, {"older": older, "newer": newer}),
        "fresh": 0,
    }


def _kept_rows(request: HttpRequest, world: World, wanted: RunFilter, top: Key) -> dict[str, Any]:
    """The same rows again, with their new states: what came above them is only counted."""
    rows, fresh = queries.run_list_from(world.pk, wanted, top)
    older, newer = (parse_key(request.GET.get(name, "")) for name in ("older", "newer"))
    last = rows[-1] if len(rows) == queries.RUNS_PAGE else None
    return _rows(rows) | {
        "older": Key(last.created_ns, last.pk) if last else None,
        "newer": top if older or newer else None,
        "later": bool(older or newer),
        "here": _here(wanted, {"older": older, "newer": newer}),
        "fresh": fresh,
    }


def _rows(found: list[Run]) -> dict[str, Any]:
    ids = ids_of(found)
    streams, badges = collect("run_streams", ids), collect("run_badges", ids)
    rows = [_row(run, streams.get(run.pk, []), badges.get(run.pk)) for run in found]
    return {"rows": rows, "top": Key(found[0].created_ns, found[0].pk) if found else None}


def _row(run: Run, streams: list[Piece], badges: list[Piece] | None) -> dict[str, Any]:
    bad = any(piece.severity in ("error", "critical") for piece in [*streams, *(badges or ())])
    return {
        "run": run,
        "streams": streams[:GLYPHS],
        "more_streams": max(0, len(streams) - GLYPHS),
        "badges": badges,
        "bad": bad,
    }


def _counts(world: World, wanted: RunFilter) -> list[dict[str, Any]]:
    """Every known status, also with none, then whatever else a world calls a status."""
    found = queries.status_counts(world.pk)
    words = [*STATUSES, *sorted(found.keys() - set(STATUSES) - {""})]
    return [
        {
            "status": word,
            "count": found.get(word, 0),
            "query": _query(wanted, status=word),
            "on": wanted.status == word,
        }
        for word in words
    ]


def _query(wanted: RunFilter, **other: str) -> str:
    values = {"status": wanted.status, "workflow": wanted.workflow, "text": wanted.text} | other
    return urlencode({name: value for name, value in values.items() if value})


def _here(wanted: RunFilter, place: dict[str, Key | None]) -> str:
    values = {name: str(key) for name, key in place.items() if key is not None}
    return "&".join(part for part in (_query(wanted), urlencode(values)) if part)
