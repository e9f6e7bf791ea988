"""One value of a run, step, event or hook: decoded, as JSON, as bytes, part by part, or as a file.

`of` names it: `run.input`, `step:<step id>.output`, `event:<event id>` (all its data), `event:<event id>.<key>`
(what stands there, with the SDK's bytes unwrapped), `hook:<hook id>.metadata`.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.database import clean
from dashboard.lib.pages import page
from runs import queries
from runs.keys import opener_for
from runs.models import Run, World
from runs.pages._file import as_file, as_piece
from runs.pages._find import NAME_CHARS, find_run
from runs.pages._links import Places
from runs.pages._place import Asked, Place, asked_in
from runs.pages._stored import Column, Stored, part_of, take_apart
from runs.pages._values import node_html, view
from runs.secrets import adapter_of
from runs.worlds.base import WorldError

WORDS = ("input", "output", "error")


@page("w/<slug:slug>/runs/<str:run_id>/value/", "value")
def value(request: HttpRequest, slug: str, run_id: str) -> HttpResponse:
    world, run = find_run(slug, run_id)
    asked, of = asked_in(request.GET), clean(request.GET.get("of", ""), 2 * NAME_CHARS)
    parts, trouble = _find(world, run, of, asked, wants_file="raw" in request.GET)
    if "raw" in request.GET:
        if trouble:
            raise Http404(trouble)
        return as_file(parts.body, f"{run.run_id}-{of.replace(':', '-')}.bin")
    place = _place(slug, run, of, asked)
    context: dict[str, Any] = {"world": world, "run": run, "of": of, "title": _title(of), "place": place}
    inside = request.headers.get("HX-Request") == "true"
    if asked.node >= 0 and asked.mode == "decoded" and not parts.is_head:
        with opener_for(request, run).noting(of) as key:
            tree = node_html(parts, place, asked, key)
        if inside:
            return HttpResponse(f"<li>{tree}</li>")
        return render(request, "runs/value.html", context | {"tree": tree})
    with opener_for(request, run).noting(of) as key:
        context |= {"value": view(parts, place, key=key, asked=asked), "trouble": trouble}
    return as_piece(request, context) if inside else render(request, "runs/value.html", context)


def _title(of: str) -> str:
    """`output of a step`, from the name of the value."""
    kind, _, rest = of.partition(":")
    if kind == "event":
        return f"{rest.partition('.')[2] or 'data'} of an event"
    return f"{of.rpartition('.')[2]} of a {kind}" if rest else f"{of.rpartition('.')[2]} of the run"


def _place(slug: str, run: Run, of: str, asked: Asked) -> Place:
    place = Places(slug, run).of(of)
    return place.whole() if asked.whole else place


def _find(world: World, run: Run, of: str, asked: Asked, *, wants_file: bool) -> tuple[Stored, str]:
    """The value, whole if that is asked for; and why the world did not give the whole of it."""
    stored, key = _stored(run, of)
    if stored is None:
        raise Http404("Nothing is stored there: it may not have been read yet, or is no longer kept here.")
    parts, trouble = take_apart(bytes(stored)), ""
    if parts.is_head and (asked.whole or wants_file):
        try:
            adapter = adapter_of(world)
            parts = take_apart(adapter.fetch_payload(parts.pointer))
        except WorldError as error:
            trouble = (
                f"Only the first {len(parts.body):,} of {parts.size:,} bytes are kept here, and the world"
                f" cannot give the rest: {error}"
            )
    found = part_of(parts, key) if key and not parts.is_head else parts
    if found is None:
        raise Http404(f"There is nothing named {key} in the data of this event.")
    return found, trouble


def _stored(run: Run, of: str) -> tuple[Column, str]:
    """The column that `of` names, and the key inside it, if any."""
    kind, _, rest = of.partition(":")
    name, _, word = rest.rpartition(".")
    if kind in tuple(f"run.{word}" for word in WORDS):
        return getattr(run, kind.removeprefix("run.")), ""
    if kind == "step" and word in WORDS:
        step = queries.step_named(run.pk, name)
        return (getattr(step, word) if step else None), ""
    if kind == "event":
        event_id, _, key = rest.partition(".")
        return queries.event_data(run.pk, event_id), key
    if kind == "hook" and word == "metadata":
        return queries.hook_metadata(run.pk, name), ""
    return None, ""
