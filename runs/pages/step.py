"""One step: its times, its values, its events."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.database import clean
from dashboard.lib.pages import page
from runs import queries
from runs.keys import Opener, opener_for
from runs.models import Step
from runs.pages._events import Entities, shown_events
from runs.pages._find import NAME_CHARS, find_run
from runs.pages._links import Places
from runs.pages._values import Shown, shown
from runs.pages.value import WORDS


@page("w/<slug:slug>/runs/<str:run_id>/steps/<str:step_id>/", "step")
def step(request: HttpRequest, slug: str, run_id: str, step_id: str) -> HttpResponse:
    world, run = find_run(slug, run_id)
    found = queries.step_named(run.pk, clean(step_id, NAME_CHARS))
    if found is None:
        raise Http404("This run has no step with that id.")
    after = clean(request.GET.get("after", ""), NAME_CHARS)
    events = queries.events_of(run.pk, after, correlation_id=found.step_id)
    places = Places(slug, run)
    context = {
        "world": world,
        "run": run,
        "step": found,
        "values": _values(opener_for(request, run), found, places),
        "events": shown_events(events.events, run, Entities.of([found], [], []), places),
        "event_total": events.total,
        "later_events": events.later,
    }
    return render(request, "runs/step.html", context)


def _values(opener: Opener, step: Step, places: Places) -> list[tuple[str, Shown | None]]:
    values = []
    for word in WORDS:
        of = f"step:{step.step_id}.{word}"
        with opener.noting(of) as key:
            values.append((word, shown(getattr(step, word), places.of(of), key=key)))
    return values
